"""The weight-stationary array as law and engine program; a picosecond stands for a cycle."""

from __future__ import annotations

from archsim.components.systolic_laws import ArrayLaw, cycles_gemm, cycles_ws_interval
from archsim.program import Program, ProgramBuilder
from rtl_ref.harness.blocks import Case


def array_law(parameters: dict[str, int]) -> ArrayLaw:
    """Return the simulator's law of an array with these parameters."""
    return ArrayLaw(
        parameters["Rows"],
        parameters["Cols"],
        dataflow="weight",
        weight_load="shadow",
        output_register=1,
    )


def cycles(parameters: dict[str, int], case: Case) -> int:
    """Return the law's cycles from the first weight row to the last result, both counted.

    A GEMM of M rows with one fold for each tile: K = R * tiles at N = C.
    """
    law = array_law(parameters)
    return cycles_gemm(law, case["m"], law.columns, law.rows * case["tiles"])


def interval(parameters: dict[str, int], case: Case) -> int:
    """Return the law's cycles between the first beats of two tiles."""
    return cycles_ws_interval(parameters["Rows"], parameters["Cols"], case["m"], shadow=True)


def program(parameters: dict[str, int], case: Case) -> Program:
    """Return the engine program of a case.

    Weight rows shift in one a cycle, not before R + C - 1 cycles after the last swap; the swapping
    beat waits for the last weight row; a result follows its beat after R + C - 1 cycles.
    """
    rows, columns = parameters["Rows"], parameters["Cols"]
    latency = rows + columns - 1
    b = ProgramBuilder("ws_array")
    weights, entry = b.resource("weights"), b.resource("entry")
    weight = b.op("weight", holds=[(weights, 1)], latency=1)
    swap = b.op("swap", holds=[(entry, 1)], latency=latency + 1)
    beat = b.op("beat", holds=[(entry, 1)], latency=latency + 1)
    b.after(weight, swap, anchor="start", delay=latency)
    b.after(swap, weight)
    with b.loop(case["tiles"], "tiles"):
        with b.loop(rows, "weights"):
            b.place(weight)
        b.place(swap)
        with b.loop(case["m"] - 1, "beats"):
            b.place(beat)
    return b.build()
