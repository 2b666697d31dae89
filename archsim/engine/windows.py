"""Questions about a stretch of time, answered on instance numbers without expanding a run.

Starts of one operation never decrease, as resources serve in issue order; so do its ends. What lies
in a window is therefore a range of instances, found by two searches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from archsim.engine.timeline import Log
from archsim.engine.timing import Timing
from archsim.errors import SimulationError


class Slice(NamedTuple):
    """A stretch of time for which a resource was held, by one instance or by many in turn.

    ``busy_ps`` is the time held within it and ``instances`` the instances it stands for; ``op`` is
    the operation that held the resource longest.
    """

    resource: int
    begin_ps: int
    end_ps: int
    op: int
    number: int
    instances: int
    busy_ps: int


def _log(timing: Timing) -> Log:
    if timing.log is None:
        raise SimulationError("the run kept no log; run it with path=True")
    return timing.log


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """Return the first number in ``low:high`` for which a monotone question holds, or high."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def started_before(timing: Timing, op: int, time_ps: int, *, low: int = 0) -> int:
    """Return how many instances of an operation start before a time.

    Parameters
    ----------
    timing : Timing
        A run that kept its log.
    op : int
        Number of the operation.
    time_ps : int
        The time, ps.
    low : int
        A number that is known not to be more than the answer.
    """
    log, count = _log(timing), timing.instance_counts[op]
    if low >= count or log.start_ps(op, low) >= time_ps:
        return low
    if timing.last_starts_ps[op] < time_ps:
        return count
    return _first(low, count, lambda number: log.start_ps(op, number) >= time_ps)


def instances_in(timing: Timing, op: str, begin_ps: int, end_ps: int, span_ps: int = 0) -> range:
    """Return the instances of an operation that overlap a window.

    Parameters
    ----------
    timing : Timing
        A run that kept its log.
    op : str
        Name of the operation.
    begin_ps, end_ps : int
        The window, from and until, ps.
    span_ps : int
        How long an instance lasts from its start; 0 asks for starts in the window.

    Raises
    ------
    SimulationError
        There is no such operation, or the run kept no log.
    """
    known = timing.program.op_ids.get(op)
    if known is None:
        raise SimulationError(f"no operation is called {op!r}")
    return _overlapping(timing, known, begin_ps, end_ps, span_ps)


def starts_in(timing: Timing, op: int, begin_ps: int, end_ps: int) -> list[int]:
    """Return the starts of an operation's instances from ``begin_ps`` to before ``end_ps``, ps."""
    log, first = _log(timing), started_before(timing, op, begin_ps)
    last = started_before(timing, op, end_ps, low=first)
    return [log.start_ps(op, number) for number in range(first, last)]


def _overlapping(timing: Timing, op: int, begin_ps: int, end_ps: int, span_ps: int) -> range:
    first = started_before(timing, op, begin_ps - max(span_ps - 1, 0))
    return range(first, max(first, started_before(timing, op, end_ps, low=first)))


def held_until(timing: Timing, op: int, span_ps: int, edges_ps: Sequence[int]) -> list[int]:
    """Return the exact time for which an operation has held something by each of some times.

    Parameters
    ----------
    timing : Timing
        A run that kept its log.
    op : int
        Number of the operation.
    span_ps : int
        How long each instance holds from its start, ps.
    edges_ps : sequence of int
        The times, ascending, ps.

    Returns
    -------
    list of int
        Sum over the instances, in ps, by each time.
    """
    log = _log(timing)
    held: list[int] = []
    started = ended = 0
    for edge in edges_ps if span_ps else ():
        ended = started_before(timing, op, edge - span_ps + 1, low=ended)
        started = started_before(timing, op, edge, low=max(started, ended))
        running = sum(edge - log.start_ps(op, number) for number in range(ended, started))
        held.append(ended * span_ps + running)
    return held or [0] * len(edges_ps)


def busy_in_bins(timing: Timing, resource: str, edges_ps: Sequence[int]) -> list[int]:
    """Return the exact time for which a resource was held in each bin, summed over its servers.

    Parameters
    ----------
    timing : Timing
        A run that kept its log.
    resource : str
        Name of the resource.
    edges_ps : sequence of int
        Edges of the bins, ascending, ps: one more than there are bins.

    Raises
    ------
    SimulationError
        There is no such resource, or the run kept no log.
    """
    program = timing.program
    if resource not in program.resources:
        raise SimulationError(f"no resource is called {resource!r}")
    wanted = program.resources.index(resource)
    until = [0] * len(edges_ps)
    for op in range(len(program.ops)):
        for number, span_ps in program.holds(op):
            if number == wanted:
                for place, held_ps in enumerate(held_until(timing, op, span_ps, edges_ps)):
                    until[place] += held_ps
    return [later - earlier for earlier, later in pairwise(until)]


def count_slices(timing: Timing, begin_ps: int, end_ps: int) -> int:
    """Return how many slices of shared resources overlap a window, without expanding it."""
    return sum(len(range_) for _, _, _, range_ in _held(timing, begin_ps, end_ps))


def expanded(timing: Timing, begin_ps: int, end_ps: int) -> Iterator[Slice]:
    """Yield a slice for every hold of a shared resource that overlaps a window."""
    log = _log(timing)
    for op, resource, span_ps, numbers in _held(timing, begin_ps, end_ps):
        for number in numbers:
            start_ps = log.start_ps(op, number)
            yield Slice(resource, start_ps, start_ps + span_ps, op, number, 1, span_ps)


def _held(timing: Timing, begin_ps: int, end_ps: int) -> Iterator[tuple[int, int, int, range]]:
    """Yield operation, resource, occupancy and instances that overlap a window."""
    program = timing.program
    for op in range(len(program.ops)):
        for resource, span_ps in program.holds(op):
            if span_ps and not program.private[resource]:
                numbers = _overlapping(timing, op, begin_ps, end_ps, span_ps)
                yield op, resource, span_ps, numbers


def overview(timing: Timing) -> Iterator[Slice]:
    """Yield a slice for every simulated hold, and one for each jump on each resource it moves.

    On a resource with one server they do not overlap: what a jump copies follows what it recorded.
    """
    program, log = timing.program, _log(timing)
    holds = [
        [(r, span) for r, span in program.holds(op) if span and not program.private[r]]
        for op in range(len(program.ops))
    ]
    for op, number, start_ps in log.simulated():
        for resource, span_ps in holds[op]:
            yield Slice(resource, start_ps, start_ps + span_ps, op, number, 1, span_ps)
    merged: dict[tuple[int, int], Slice] = {}
    longest: dict[tuple[int, int], int] = {}
    for jump, op, numbers in log.jumped():
        begin_ps, last_ps = log.start_ps(op, numbers[0]), log.start_ps(op, numbers[-1])
        for resource, span_ps in holds[op]:
            key, busy_ps = (jump, resource), len(numbers) * span_ps
            new = Slice(
                resource, begin_ps, last_ps + span_ps, op, numbers[0], len(numbers), busy_ps
            )
            old = merged.get(key)
            merged[key] = new if old is None else join(old, new, busy_ps > longest[key])
            longest[key] = max(longest.get(key, 0), busy_ps)
    yield from merged.values()


def join(left: Slice, right: Slice, prefer_right: bool) -> Slice:
    """Return one slice for two of the same resource, named after one of them."""
    named = right if prefer_right else left
    return Slice(
        left.resource,
        min(left.begin_ps, right.begin_ps),
        max(left.end_ps, right.end_ps),
        named.op,
        named.number,
        left.instances + right.instances,
        left.busy_ps + right.busy_ps,
    )
