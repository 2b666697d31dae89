"""In-order streams and row-structured transfers as programs for the max-plus engine.

A stream visits sets of rows: one row of the same number in each of `groups` bank groups, burst by
burst round the groups, `columns` bursts in each row; the next set lies in other banks, and banks
come round again after `banks` sets. Refreshes stand between sets. Programs fold, so a transfer of a
gigabyte costs no more to time than one of a megabyte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from archsim.dram.streams_schedule import RefreshPlan, spread
from archsim.dram.streams_writer import Labels, StreamWriter
from archsim.engine import run_program
from archsim.program import ProgramBuilder

if TYPE_CHECKING:
    from archsim.dram.standard import Standard
    from archsim.program import Program

Direction = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class RowStream:
    """A stream through rows, on each of some data buses that work alike.

    Attributes
    ----------
    direction
        Whether it reads or writes.
    bursts
        Bursts on each data bus.
    columns
        Bursts of each row that it visits.
    groups
        Bank groups of a set, visited in turn burst by burst.
    banks
        Sets after which the same banks come round again.
    buses
        Data buses that share the command buses of the channel.
    lookahead
        Bursts on each data bus that a controller sees ahead of the one it serves; 0 for no limit.
    stacks
        Ranks or stacks on each data bus; after a round of the banks of one comes the next.
    """

    direction: Direction
    bursts: int
    columns: int
    groups: int
    banks: int
    buses: int = 1
    lookahead: int = 0
    stacks: int = 1

    @property
    def set_bursts(self) -> int:
        """Bursts of a whole set on each data bus."""
        return self.columns * self.groups

    @property
    def num_sets(self) -> int:
        """Sets, the last perhaps not whole."""
        return -(-self.bursts // self.set_bursts)

    @property
    def last_bursts(self) -> int:
        """Bursts of the last set."""
        return self.bursts - (self.num_sets - 1) * self.set_bursts


def whole_rows(standard: Standard, direction: Direction, bursts: int) -> RowStream:
    """Return the stream that reads or writes a channel from end to end.

    Notes
    -----
    Consecutive bursts go to consecutive data buses and bank groups, then along the row, then to the
    next bank: the bank-group interleave of controllers.
    """
    sizes = {level.name: level.size for level in standard.levels}
    buses = min(standard.num_data_buses, bursts)
    each = -(-bursts // buses)
    return RowStream(
        direction=direction,
        bursts=each,
        columns=sizes["column"],
        groups=min(sizes.get("bankgroup", 1), each),
        banks=sizes["bank"],
        buses=buses,
        stacks=sizes.get("rank", 1) * sizes.get("sid", 1),
    )


def stream_program(
    standard: Standard, stream: RowStream, plan: RefreshPlan | None = None
) -> Program:
    """Return the program of a stream; its first command starts at time zero.

    Parameters
    ----------
    standard
        Distances, all of them from its constraint table.
    stream
        What is visited.
    plan
        Where refreshes stand; None for a memory that is not refreshed.

    Notes
    -----
    Row and column commands issue in order on buses of their own; that a column command may have to
    give way to a row command on a shared bus is left out. The bursts of a set follow its
    activations as if the oldest ready burst were served first, see
    :func:`~archsim.dram.streams_schedule.lost_slots`.
    """
    builder = ProgramBuilder(f"{standard.name} {stream.direction} stream")
    writer = StreamWriter(builder, standard, stream, Labels())
    writer.place(plan)
    writer.wire()
    return builder.build()


@dataclass(frozen=True, slots=True)
class StreamTime:
    """How long a stream takes, and what became of its program.

    Attributes
    ----------
    total_ps
        First command to the end of the last data.
    last_command_ps
        First command to the issue of the last column command.
    refreshes
        All-bank refreshes of each scope.
    simulated
        Operations that the engine had to simulate.
    """

    total_ps: int
    last_command_ps: int
    refreshes: int
    simulated: int


def time_stream(
    standard: Standard, stream: RowStream, plan: RefreshPlan | None = None
) -> StreamTime:
    """Return the time of a stream, from its program."""
    program = stream_program(standard, stream, plan)
    timing = run_program(program, path=False)
    ends = [
        (timing.last_starts_ps[op] + program.latencies_ps[op], timing.last_starts_ps[op])
        for op in range(len(program.ops))
        if program.causes[op] == "bandwidth"
    ]
    total_ps, last_ps = max(ends)
    count = 0 if plan is None else plan.count
    return StreamTime(total_ps, last_ps, count, timing.simulated)


def plan_refresh(standard: Standard, stream: RowStream) -> RefreshPlan:
    """Return where all-bank refreshes stand in a stream; the first is due after one interval.

    Notes
    -----
    As many as fall due while the stream runs, itself lengthened by them. They stand between sets,
    so a refresh comes up to half a set before or behind its time, which the standards' postponing
    and pulling in allows.
    """
    interval_ps = standard.time_ps(standard.refresh.interval_ticks)
    plain_ps = time_stream(standard, stream).last_command_ps
    sets = stream.num_sets - 1
    if not sets:
        return spread(sets, 0, 0)
    one = time_stream(standard, stream, spread(sets, 1, 0))
    cost_ps = one.last_command_ps - plain_ps
    if interval_ps <= cost_ps:
        return spread(sets, sets, 0)
    count = max(0, (plain_ps - cost_ps) // (interval_ps - cost_ps))
    while (count + 1) * interval_ps < plain_ps + count * cost_ps:
        count += 1
    left_ps = plain_ps + count * cost_ps - count * interval_ps
    return spread(sets, min(count, sets), max(0, left_ps) * sets // plain_ps)


def finer(standard: Standard, stream: RowStream) -> RowStream:
    """Return the stream with sets short enough to put a refresh between them when one is due."""
    interval_ps = standard.time_ps(standard.refresh.interval_ticks)
    while stream.columns > 1:
        one = replace(stream, bursts=stream.set_bursts)
        if 2 * time_stream(standard, one).total_ps <= interval_ps:
            break
        stream = replace(stream, columns=stream.columns // 2)
    return stream
