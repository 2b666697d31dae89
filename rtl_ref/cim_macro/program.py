"""The compute-in-memory macro as law and as engine program; a picosecond stands for a cycle."""

from __future__ import annotations

from archsim.components.cim_laws import (
    cycles_cim_latency,
    cycles_cim_sets,
    cycles_cim_steps,
)
from archsim.program import Program, ProgramBuilder
from rtl_ref.harness.blocks import Case


def steps(parameters: dict[str, int]) -> int:
    """Return the cycles for which a vector occupies the macro."""
    return cycles_cim_steps(
        parameters["Rows"],
        parameters["InputBits"],
        parameters["BitsPerCycle"],
        parameters["ActiveRows"],
    )


def latency(parameters: dict[str, int]) -> int:
    """Return the cycles from taking a vector to its result."""
    return cycles_cim_latency(steps(parameters), parameters["TreeStages"])


def cycles(parameters: dict[str, int], case: Case) -> int:
    """Return the law's cycles from the first weight row to the last result."""
    return cycles_cim_sets(
        parameters["Rows"],
        steps(parameters),
        parameters["TreeStages"],
        case["vectors"],
        case["sets"],
        parameters["Planes"],
    )


def program(parameters: dict[str, int], case: Case) -> Program:
    """Return the engine program of a case.

    Rows of a set are written one a cycle once its plane is free, which it is when the last vector
    that used it has taken its last step; a vector waits for the last row of its set.
    """
    n, vectors = steps(parameters), case["vectors"]
    b = ProgramBuilder("cim_macro")
    writer, macro = b.resource("writer"), b.resource("macro")
    row = b.op("row", holds=[(writer, 1)], latency=1, cause="bandwidth")
    vector = b.op("vector", holds=[(macro, n)], latency=latency(parameters))
    b.after(row, vector, anchor="start", delay=n, back=vectors * (parameters["Planes"] - 1) + 1)
    b.after(vector, row)
    with b.loop(case["sets"], "sets"):
        with b.loop(parameters["Rows"], "rows"):
            b.place(row)
        with b.loop(vectors, "vectors"):
            b.place(vector)
    return b.build()
