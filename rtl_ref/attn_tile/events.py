"""The attention tile for the event kernel: who gets the port is found, not told.

A picosecond stands for a cycle. The tile is one loop over blocks; its waits are those of the
sources, each read off one line of ``attn_tile.sv`` or a law of a block inside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from archsim.components.softmax_laws import EXP_STAGES
from archsim.components.systolic_laws import cycles_os_compute
from archsim.engine import EventTiming, simulate_events
from archsim.program import Program, ProgramBuilder
from archsim.program.arbitration import Arbitration, Opening, weighted
from rtl_ref.attn_tile.shape import shape
from rtl_ref.harness.blocks import Case

BEAT, WRITE = 0, 1
REQUESTERS = {"beat": BEAT, "write": WRITE}

PortCycle = tuple[int, bool]
"""Who was granted the port in a cycle, and whether the memory was ready."""


def tile_program(parameters: dict[str, int], case: Case) -> Program:
    """Return the tile as a loop over blocks, without any order on the port.

    A beat is a transfer of operands, a row one row of scores that leaves the array; the feed takes
    a row of a query into the softmax, which has a slot for its correction and one for its scores,
    and a write is a transfer of weights.
    """
    counts = shape(parameters, case)
    b = ProgramBuilder("attn_tile")
    port = b.resource("port")
    beat = b.op("beat", holds=[(port, 1)], latency=1, cause="bandwidth")
    write = b.op("write", holds=[(port, 1)], latency=1, cause="bandwidth")
    row, feed, slot, score = (b.op(name, latency=1) for name in ("row", "feed", "slot", "score"))
    block = b.marker("block")
    with b.loop(counts.blocks, "blocks"):
        with b.loop(counts.tiles, "tiles"):
            with b.loop(counts.beats, "beats"):
                b.place(beat)
            with b.loop(counts.rows, "rows"):
                b.place(row)
        b.place(block)
        with b.loop(counts.words, "words"):
            for op in (feed, slot, score, write):
                b.place(op)
    flush = cycles_os_compute(counts.rows, counts.columns, 1)
    waits = (
        # Operands are offered one by one, into an empty array, and only if a bank is free.
        *((beat, beat, 1, 1), (beat, row, 1, 1), (beat, feed, counts.words + 1, 1)),
        # Rows leave one by one once the last beat has flushed.
        *((row, beat, 1, flush), (row, row, 1, 1)),
        # A full bank is read two cycles later, and not before two behind the last of the other.
        *((block, row, 1, 2), (block, feed, 1, 2), (feed, block, 1, 0), (feed, feed, 1, 1)),
        # Two tile buffers in the softmax; a place in the queue is free behind a write.
        *((feed, score, 2, 1), (feed, write, counts.queue, 1)),
        *((slot, feed, 1, 1), (slot, score, 1, counts.spacing), (score, slot, 1, counts.spacing)),
        (write, score, 1, EXP_STAGES + 2),
    )
    for target, source, back, cycles in waits:
        b.after(target, source, back=back, anchor="start", delay=cycles)
    return b.build()


def port_rules(parameters: dict[str, int], ready: str) -> dict[str, Arbitration]:
    """Return the arbiter's rules over a memory that is ready in the cycles of a pattern."""
    weights = (parameters["WeightIn"], parameters["WeightOut"])
    return {"port": weighted(weights, REQUESTERS, opening=Opening.pattern(ready))}


def ready_text(case: Case) -> str:
    """Return the memory's pattern of a case: ``1`` for a cycle in which it is ready."""
    return str(case.get("ready", "1"))


def simulate_tile(
    parameters: dict[str, int], case: Case, ready: str, offered: Sequence[int] | None = None
) -> EventTiming:
    """Run the tile in the event kernel.

    Parameters
    ----------
    parameters, case
        The build and the case.
    ready
        In which cycles the memory is ready, over and over; cycle 0 is time zero.
    offered
        In which cycle each beat is there at the earliest; by default from cycle 0 on.
    """
    arrivals = {} if offered is None else {"beat": offered}
    rules = port_rules(parameters, ready)
    return simulate_events(tile_program(parameters, case), rules, arrivals_ps=arrivals)


def port_cycles(timing: EventTiming) -> list[PortCycle]:
    """Return who had the port in every cycle in which somebody asked for it."""
    found: list[PortCycle] = []
    for grant in timing.grants("port"):
        waited = grant.served.start_ps - grant.served.granted_ps
        winner = REQUESTERS[grant.op]
        found += [(winner, False)] * waited + [(winner, True)]
    return found
