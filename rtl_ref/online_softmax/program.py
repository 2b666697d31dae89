"""The online softmax unit as law and as engine program; a picosecond stands for a cycle."""

from __future__ import annotations

from archsim.components.softmax_laws import EXP_STAGES, cycles_softmax
from archsim.program import Program, ProgramBuilder
from rtl_ref.harness.blocks import Case


def cycles(parameters: dict[str, int], case: Case) -> int:
    """Return the law's cycles from the first scores to the last row's denominator."""
    return cycles_softmax(
        parameters["TileScores"],
        parameters["Lanes"],
        sum(case["rows"]),
        parameters["SlotSpacing"],
    )


def program(parameters: dict[str, int], case: Case) -> Program:
    """Return the engine program of a case.

    Beats load one a cycle into one of two buffers; a slot holds the issue for its spacing, and the
    first slot of a tile waits for the tile's last beat; a buffer is free again when the last slot
    of its tile has issued.
    """
    beats = parameters["TileScores"] // parameters["Lanes"]
    spacing = parameters["SlotSpacing"]
    b = ProgramBuilder("online_softmax")
    load, issue = b.resource("load"), b.resource("issue")
    beat = b.op("beat", holds=[(load, 1)], latency=1, cause="bandwidth")
    latency = EXP_STAGES + 1
    correction = b.op("correction", holds=[(issue, spacing)], latency=latency)
    score = b.op("score", holds=[(issue, spacing)], latency=latency)
    b.after(correction, beat)
    b.after(beat, score, back=beats + 1, anchor="start", delay=1)
    with b.loop(sum(case["rows"]), "tiles"):
        with b.loop(beats, "beats"):
            b.place(beat)
        b.place(correction)
        with b.loop(beats, "scores"):
            b.place(score)
    return b.build()
