"""Counters of a timeline: busy shares, bytes per second, how full each memory level is.

Shares and rates are sampled in bins, each exact: the time for which a resource was held in a bin
and the bytes that were moved in it (a transfer moves its bytes evenly while it holds its
component) are whole numbers by arithmetic on instance numbers. When a run has more bins than are
kept, neighbours are joined and their numbers added, so that the sum stays that of the run. Bytes of
tiles and of what is allocated are the value at a bin's begin; a window holds their every change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from archsim.allocated_room import AllocatedRoom
from archsim.engine.windows import busy_in_bins, held_until, started_before
from archsim.resident_tiles import ResidentTiles
from archsim.trace_events import Counter
from archsim.units import PS_PER_S

if TYPE_CHECKING:
    from archsim.engine import Timing
    from archsim.run_record import TimedPass

NUM_BINS: Final = 128
"""Bins of a pass (a choice); a run of several passes keeps twice as many for all together."""

MOVES: Final = ("read", "write")
"""Actions that are counted in bytes."""

PER_GIGA: Final = PS_PER_S // 10**9
"""Picoseconds in which 1 GB/s moves a byte."""

_Key = tuple[str, str, str]
"""Component or resource, name and unit of a counter."""


@dataclass(slots=True)
class TimelineCounters:
    """Collects counters pass by pass, in bounded memory.

    Attributes
    ----------
    num_bins
        Bins of a pass; at most twice as many are kept in all.
    """

    num_bins: int = NUM_BINS
    _edges: list[int] = field(default_factory=list)
    _sums: dict[_Key, list[int]] = field(default_factory=dict)
    _samples: dict[_Key, list[int]] = field(default_factory=dict)
    _changes: list[Counter] = field(default_factory=list)
    _servers: dict[_Key, int] = field(default_factory=dict)
    _joined: int = 1

    def add(self, seen: TimedPass, begin_ps: int, end_ps: int, every: bool) -> None:
        """Take in a stretch of a pass.

        Parameters
        ----------
        seen
            The pass.
        begin_ps, end_ps
            The stretch, in time of the pass.
        every
            Whether every change of what a level holds is kept, not only samples.
        """
        timing, shift_ps = seen.timing, seen.begin_ps
        bins = max(self.num_bins // self._joined, 1)
        edges = [begin_ps + (end_ps - begin_ps) * n // bins for n in range(bins + 1)]
        edges = sorted(set(edges))
        before = max(len(self._edges) - 1, 0)
        self._edges = [*self._edges[:before], *(edge + shift_ps for edge in edges)]
        size = len(edges) - 1
        for key, amounts in (*_moved(timing, edges).items(), *self._busy(timing, edges).items()):
            _extend(self._sums, key, before, amounts)
        for name, holder in _holders(seen):
            for level in holder.levels:
                key = (level, f"{level} {name}", "bytes")
                if every:
                    for time_ps, value in holder.changes(level, begin_ps, end_ps):
                        self._changes.append(Counter(time_ps + shift_ps, *key, value))
                else:
                    values = [holder.bytes_at(level, edge) for edge in edges[:-1]]
                    _extend(self._samples, key, before, values)
        for kept in (self._sums, self._samples):
            for values in kept.values():
                values += [0] * (before + size - len(values))
        if len(self._edges) - 1 > 2 * self.num_bins:
            self._join()

    def counters(self) -> Iterator[Counter]:
        """Yield the values of every counter; each ends at zero."""
        for key, amounts in self._sums.items():
            for (begin_ps, end_ps), amount in zip(pairwise(self._edges), amounts, strict=True):
                span_ps = end_ps - begin_ps
                if key in self._servers:
                    value = 100 * amount / (self._servers[key] * span_ps)
                else:
                    value = PER_GIGA * amount / span_ps
                yield Counter(begin_ps, *key, value)
            yield Counter(self._edges[-1], *key, 0)
        for key, values in self._samples.items():
            for begin_ps, value in zip(self._edges, values, strict=False):
                yield Counter(begin_ps, *key, value)
            yield Counter(self._edges[-1], *key, 0)
        yield from self._changes

    def _busy(self, timing: Timing, edges: list[int]) -> dict[_Key, list[int]]:
        found: dict[_Key, list[int]] = {}
        for resource in timing.busy_ps:
            key = (resource.partition(".")[0], resource, "busy %")
            self._servers[key] = timing.program.capacities[timing.program.resources.index(resource)]
            found[key] = busy_in_bins(timing, resource, edges)
        return found

    def _join(self) -> None:
        """Join neighbouring bins."""
        last = self._edges[-1]
        self._edges = [*self._edges[:-1:2], last]
        self._joined *= 2
        for key, amounts in self._sums.items():
            odd = [*amounts[1::2], 0]
            self._sums[key] = [a + b for a, b in zip(amounts[::2], odd, strict=False)]
        for key, values in self._samples.items():
            self._samples[key] = values[::2]


def _holders(seen: TimedPass) -> Iterator[tuple[str, ResidentTiles | AllocatedRoom]]:
    """Yield what says how full levels are, each with the name of its counters."""
    yield "tiles", ResidentTiles(seen.timing)
    if seen.mapped is not None:
        yield "allocated", AllocatedRoom(seen.machine, seen.mapped, seen.timing)


def _extend(kept: dict[_Key, list[int]], key: _Key, before: int, values: list[int]) -> None:
    known = kept.setdefault(key, [])
    known += [0] * (before - len(known))
    known += values


def _moved(timing: Timing, edges: list[int]) -> dict[_Key, list[int]]:
    """Return the bytes read from and written to each component in each bin."""
    program = timing.program
    found: dict[_Key, list[int]] = {}
    for op, counts in enumerate(program.counts):
        each: dict[tuple[str, str], int] = {}
        for (component, action, _), amount in counts.items():
            if action in MOVES and amount:
                each[component, action] = each.get((component, action), 0) + amount
        spans = {resource: span_ps for resource, span_ps in program.holds(op) if span_ps}
        held: dict[int, list[int]] = {}
        for (component, action), amount in each.items():
            span_ps = _span_ps(timing, spans, component)
            if span_ps not in held:
                held[span_ps] = _instances_until(timing, op, span_ps, edges)
            until = [amount * done // max(span_ps, 1) for done in held[span_ps]]
            key = (component, f"{component} {action}", "GB/s")
            total = found.setdefault(key, [0] * (len(edges) - 1))
            for place, (first, last) in enumerate(pairwise(until)):
                total[place] += last - first
    return found


def _span_ps(timing: Timing, spans: dict[int, int], component: str) -> int:
    """Return how long an instance moves bytes of a component: while it holds it, else longest."""
    own = [
        span_ps
        for resource, span_ps in spans.items()
        if timing.program.resources[resource].partition(".")[0] == component
    ]
    return max(own or spans.values(), default=0)


def _instances_until(timing: Timing, op: int, span_ps: int, edges: list[int]) -> list[int]:
    """Return instances times span by each time; those without a span count from their start."""
    if span_ps:
        return held_until(timing, op, span_ps, edges)
    end_ps = timing.makespan_ps
    return [started_before(timing, op, edge + (edge == end_ps)) for edge in edges]
