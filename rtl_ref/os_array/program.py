"""The output-stationary array as law and as engine program; a picosecond stands for a cycle."""

from __future__ import annotations

from archsim.components.systolic_laws import cycles_os_interval
from archsim.program import Program, ProgramBuilder
from rtl_ref.harness.blocks import Case


def cycles(parameters: dict[str, int], case: Case) -> int:
    """Return the law's cycles from the first beat to the last row, both counted, no bubbles."""
    rows, columns = parameters["Rows"], parameters["Cols"]
    return sum(cycles_os_interval(rows, columns, k, overlapped=False) for k in case["tiles"])


def program(parameters: dict[str, int], case: Case) -> Program:
    """Return the engine program of a case.

    The array takes a beat a cycle; a row of results leaves R + C - 1 cycles after the last beat at
    the earliest, one row a cycle; the first beat of the next tile waits for the last row.
    """
    rows, columns = parameters["Rows"], parameters["Cols"]
    b = ProgramBuilder("os_array")
    entry, leave = b.resource("entry"), b.resource("leave")
    beat = b.op("beat", holds=[(entry, 1)], latency=1)
    row = b.op("row", holds=[(leave, 1)], latency=1)
    b.after(row, beat, anchor="start", delay=rows + columns - 1)
    b.after(beat, row)
    for k in case["tiles"]:
        with b.loop(k, "beats"):
            b.place(beat)
        with b.loop(rows, "drain"):
            b.place(row)
    return b.build()
