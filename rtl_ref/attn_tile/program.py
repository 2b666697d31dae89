"""The attention tile for the simulator; a picosecond stands for a cycle.

The memory port is arbitrated at run time. Three ways to the cycles:

* `rtl_ref.attn_tile.events` gives the tile to the event kernel, which finds them by itself;
* `port_order` steps through the tile with the arbiter's rules, cycle by cycle, as a check of it;
* `timed_program` takes an order, found or recorded from the block, with every cycle in which the
  port was offered and not ready as an operation of its own; the max-plus engine is exact for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from archsim.components.softmax_laws import EXP_STAGES
from archsim.components.systolic_laws import cycles_os_compute
from archsim.program import Program, ProgramBuilder
from archsim.program.builder import OpRef
from rtl_ref.attn_tile.events import BEAT, PortCycle, ready_text, simulate_tile
from rtl_ref.attn_tile.shape import Shape, shape
from rtl_ref.harness.blocks import Case
from rtl_ref.wrr_arb.golden import Arbiter

Event = tuple[str, int]
Wait = tuple[Event, int]


def waits(shape: Shape, event: Event) -> list[Wait]:
    """Return what holds an event back: earlier events, and the cycles behind each.

    Events are ``beat`` and ``write`` transfers, the array's ``row``, ``feed`` into the softmax, its
    ``slot`` for the correction and its ``score`` slot, each with a running number.
    """
    kind, n = event
    found: list[Wait] = []

    def wait(source: str, number: int, cycles: int) -> None:
        if number >= 0:
            found.append(((source, number), cycles))

    if kind == "beat":
        tile, place = divmod(n, shape.beats)
        block = n // shape.block_beats
        if place == 0:
            wait("row", tile * shape.rows - 1, 1)
        if n % shape.block_beats == 0:
            wait("feed", (block - 1) * shape.words - 1, 1)
    elif kind == "row":
        tile, place = divmod(n, shape.rows)
        if place == 0:
            wait(
                "beat",
                (tile + 1) * shape.beats - 1,
                cycles_os_compute(shape.rows, shape.columns, 1),
            )
        wait("row", n - 1, 1)
    elif kind == "feed":
        block, place = divmod(n, shape.words)
        if place == 0:
            wait("row", (block + 1) * shape.words - 1, 2)
            wait("feed", n - 1, 2)
        wait("feed", n - 1, 1)
        wait("score", n - 2, 1)
        wait("write", n - shape.queue, 1)
    elif kind == "slot":
        wait("feed", n, 1)
        wait("score", n - 1, shape.spacing)
    elif kind == "score":
        wait("slot", n, shape.spacing)
    elif kind == "write":
        wait("score", n, EXP_STAGES + 2)
    return found


def port_order(
    parameters: dict[str, int], case: Case, ready: Callable[[int], bool]
) -> list[PortCycle]:
    """Find who gets the port, cycle by cycle, with the arbiter's own rules.

    Parameters
    ----------
    parameters, case
        The build and the case.
    ready
        Whether the memory is ready in a cycle, counted from the first request.
    """
    counts = shape(parameters, case)
    arbiter = Arbiter((parameters["WeightIn"], parameters["WeightOut"]))
    totals = (counts.blocks * counts.block_beats, counts.blocks * counts.words)
    done = [0, 0]
    times: dict[Event, int] = {}

    def time_of(event: Event) -> int | None:
        if event not in times:
            if event[0] in ("beat", "write"):
                return None
            earliest = request_time(event)
            if earliest is None:
                return None
            times[event] = earliest
        return times[event]

    def request_time(event: Event) -> int | None:
        at = 0
        for source, cycles in waits(counts, event):
            before = time_of(source)
            if before is None:
                return None
            at = max(at, before + cycles)
        return at

    order: list[PortCycle] = []
    cycle = 0
    while done != list(totals):
        requests = []
        for side, name in enumerate(("beat", "write")):
            at = request_time((name, done[side])) if done[side] < totals[side] else None
            requests.append(at is not None and at <= cycle)
        winner = arbiter.choose(requests)
        arbiter.finish(winner, ready=ready(cycle))
        if winner is not None:
            order.append((winner, ready(cycle)))
            if ready(cycle):
                times["beat" if winner == BEAT else "write", done[winner]] = cycle
                done[winner] += 1
        cycle += 1
    return order


def timed_program(parameters: dict[str, int], case: Case, order: Sequence[PortCycle]) -> Program:
    """Return the engine program for an order of the port, stalls included as operations."""
    counts = shape(parameters, case)
    b = ProgramBuilder("attn_tile")
    port = b.resource("port")
    placed: dict[Event, OpRef] = {}

    def hold_back(op: OpRef, event: Event) -> None:
        for source, cycles in waits(counts, event):
            b.after(op, place(source), anchor="start", delay=cycles)

    def place(event: Event) -> OpRef:
        if event not in placed:
            op = b.op(f"{event[0]}{event[1]}", latency=1)
            hold_back(op, event)
            b.place(op)
            placed[event] = op
        return placed[event]

    done = [0, 0]
    for number, (winner, ready) in enumerate(order):
        event = ("beat" if winner == BEAT else "write", done[winner])
        name = f"{event[0]}{event[1]}" if ready else f"stall{number}"
        cause = "bandwidth" if ready else "stall"
        op = b.op(name, holds=[(port, 1)], latency=1, cause=cause)
        hold_back(op, event)
        b.place(op)
        if ready:
            placed[event] = op
            done[winner] += 1
    return b.build()


def ready_pattern(case: Case) -> Callable[[int], bool]:
    """Return the memory's readiness by cycle: the case's pattern, over and over."""
    pattern = ready_text(case)
    return lambda cycle: pattern[cycle % len(pattern)] == "1"


def program(parameters: dict[str, int], case: Case) -> Program:
    """Return the engine program of a case in the order that the arbiter's rules give."""
    return timed_program(parameters, case, port_order(parameters, case, ready_pattern(case)))


def cycles(parameters: dict[str, int], case: Case) -> int:
    """Return the cycles from the first beat to the last weights, both counted.

    There is no closed form for a tile with a shared port: this is what the event kernel predicts,
    from the waits of the tile, the weights of the arbiter and the memory's pattern alone.
    """
    return simulate_tile(parameters, case, ready_text(case)).makespan_ps
