"""The buffer of two banks as law and as engine program; a picosecond stands for a cycle."""

from __future__ import annotations

from archsim.components.pingpong_laws import cycles_pingpong
from archsim.program import Program, ProgramBuilder
from rtl_ref.harness.blocks import Case


def cycles(parameters: dict[str, int], case: Case) -> int:
    """Return the law's last cycle of the last hold, from the first word written, both counted."""
    return cycles_pingpong(parameters["Depth"], case["hold"], case["banks"]) + 1


def program(parameters: dict[str, int], case: Case) -> Program:
    """Return the engine program of a case.

    The first word of a bank waits until the reader has handed back the bank before last.
    """
    b = ProgramBuilder("pingpong_buf")
    writer, reader = b.resource("writer"), b.resource("reader")
    word = b.op("word", holds=[(writer, 1)], latency=1, cause="bandwidth")
    hold = b.op("hold", holds=[(reader, case["hold"])], latency=case["hold"])
    b.after(hold, word)
    b.after(word, hold, back=2)
    with b.loop(case["banks"], "banks"):
        with b.loop(parameters["Depth"], "words"):
            b.place(word)
        b.place(hold)
    return b.build()
