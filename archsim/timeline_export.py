"""Writes what a run did and when as a trace-event file, which timeline viewers open.

A track per server of each resource, in a group per component; on it a slice for each operation,
within slices for its einsum and its layer; and counters (`archsim.timeline_counters`). A window is
written hold by hold if that fits the budget. The whole run is written from what was simulated, with
one slice for what each jump copied; slices too short to see are then merged until the budget is
kept. Nothing is expanded that is not written.

Format: trace-event JSON (complete events ``X``, metadata ``M``, counters ``C``; times in
microseconds, here decimals with six digits made from whole picoseconds).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from archsim.engine.windows import (
    Slice,
    count_slices,
    expanded,
    join,
    overview,
    started_before,
    starts_in,
)
from archsim.errors import ConfigError
from archsim.timeline_counters import TimelineCounters
from archsim.trace_events import Mark, Track, in_lanes, merged, micros, nested, trace_events
from archsim.units import PS_PER_S, parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from archsim.engine import Timing
    from archsim.run_record import TimedPass

MAX_SLICES: Final = 20_000
"""Slices that a file holds at most unless told otherwise (a viewer stays quick; a choice)."""

SPARE: Final = 8
"""Times the budget that is kept while passes come in (a choice)."""

PASSES: Final[Track] = ("passes", 0)
"""The track that shows the passes through the model."""


class Window(NamedTuple):
    """A stretch of a run, from and until, ps."""

    begin_ps: int
    end_ps: int

    @classmethod
    def parse(cls, text: str) -> Window:
        """Read ``0ms:2ms``.

        Raises
        ------
        ConfigError
            It is not two times, the first before the second.
        """
        begin, colon, end = text.partition(":")
        try:
            if not colon:
                raise ConfigError("one end is missing")
            times = [
                round(parse_quantity(part.strip(), "time") * PS_PER_S) for part in (begin, end)
            ]
        except ConfigError as error:
            raise ConfigError(
                f"is not a window: {error}", path="--window", given=text, allowed="0ms:2ms"
            ) from None
        if not 0 <= times[0] < times[1]:
            raise ConfigError(
                "does not begin before it ends", path="--window", given=text, allowed="0ms:2ms"
            )
        return cls(*times)


@dataclass(slots=True)
class TimelineExport:
    """Collects passes as they are timed, and writes them.

    Attributes
    ----------
    window
        What to write in full; None writes the whole run.
    max_slices
        Slices that the file may hold.
    """

    window: Window | None = None
    max_slices: int = MAX_SLICES
    _tracks: dict[Track, list[Mark]] = field(default_factory=dict)
    _counters: TimelineCounters = field(default_factory=TimelineCounters)
    _held: int = 0
    _fitting_ps: int = 0
    _end_ps: int = 0

    def observe(self, seen: TimedPass) -> None:
        """Take in a pass that was timed."""
        timing, shift_ps = seen.timing, seen.begin_ps
        length_ps = timing.makespan_ps
        self._end_ps = shift_ps + length_ps
        if self.window is None:
            slices: Iterable[Slice] = overview(timing)
            if timing.simulated > SPARE * self.max_slices:
                slices = _thinned(slices, -(-length_ps // self.max_slices))
            self._add(timing, slices, shift_ps)
            self._counters.add(seen, 0, length_ps, every=False)
            self._show_pass(seen)
            if sum(map(len, self._tracks.values())) > SPARE * self.max_slices:
                self._fit(SPARE // 2 * self.max_slices)
            return
        begin_ps = max(self.window.begin_ps - shift_ps, 0)
        end_ps = min(self.window.end_ps - shift_ps, length_ps)
        if begin_ps < end_ps:
            before = self._held
            self._held += count_slices(timing, begin_ps, end_ps)
            if before <= self.max_slices < self._held:
                # Some room is left for the slices of layers and einsums around them.
                room = (self.max_slices - before) * 15 // 16
                self._fitting_ps = shift_ps + _longest(timing, begin_ps, end_ps, room)
            if self._held <= self.max_slices:
                repeats = _Repeats(timing, begin_ps, end_ps)
                self._add(timing, expanded(timing, begin_ps, end_ps), shift_ps, repeats)
                self._counters.add(seen, begin_ps, end_ps, every=True)
                self._show_pass(seen)

    def text(self) -> str:
        """Return the trace-event JSON.

        Raises
        ------
        ConfigError
            The window holds more slices than the budget allows, or the run ends before it, or
            there was no run.
        """
        if not self._end_ps:
            raise ConfigError("a bound has no timeline", path="--perfetto", allowed="the tile rung")
        if self._held > self.max_slices:
            begin_ps = self.window.begin_ps if self.window is not None else 0
            raise ConfigError(
                f"the window holds {self._held} slices",
                path="--window",
                allowed=f"at most {self.max_slices}",
                hint=f"{micros(begin_ps)}us:{micros(self._fitting_ps)}us",
            )
        if self.window is not None and self.window.begin_ps >= self._end_ps:
            raise ConfigError(
                "the run ends before the window",
                path="--window",
                allowed=f"0 to {micros(self._end_ps)} us",
            )
        if self.window is None:
            self._fit(self.max_slices)
        drawn = {track: nested(marks) for track, marks in self._tracks.items()}
        if sum(map(len, drawn.values())) > self.max_slices:
            drawn = {track: [(m, m.name) for m in marks] for track, marks in self._tracks.items()}
        events = trace_events(drawn, self._counters.counters())
        return '{"displayTimeUnit": "ns", "traceEvents": [\n' + ",\n".join(events) + "\n]}\n"

    def _show_pass(self, seen: TimedPass) -> None:
        begin_ps, length_ps = seen.begin_ps, seen.timing.makespan_ps
        name = f"{seen.phase} {seen.number}"
        mark = Mark(begin_ps, begin_ps + length_ps, name, "", "", 1, length_ps)
        self._tracks.setdefault(PASSES, []).append(mark)

    def _add(
        self,
        timing: Timing,
        slices: Iterable[Slice],
        shift_ps: int,
        repeats: _Repeats | None = None,
    ) -> None:
        program = timing.program
        found: dict[int, list[Mark]] = {}
        for item in slices:
            tags = program.tags[item.op]
            mark = Mark(
                item.begin_ps + shift_ps,
                item.end_ps + shift_ps,
                program.ops[item.op],
                tags.get("layer", ""),
                tags.get("einsum", ""),
                item.instances,
                item.busy_ps,
                -1 if repeats is None else repeats.at(item.op, item.begin_ps),
            )
            found.setdefault(item.resource, []).append(mark)
        for resource, marks in found.items():
            for lane, row in enumerate(in_lanes(marks)):
                self._tracks.setdefault((program.resources[resource], lane), []).extend(row)

    def _fit(self, most: int) -> None:
        """Merge the shortest slices until no more than ``most`` are drawn."""
        shortest_ps = max(self._end_ps // most, 1)
        while sum(len(nested(marks)) for marks in self._tracks.values()) > most:
            if shortest_ps > 2 * self._end_ps:
                return
            self._tracks = {
                track: merged(marks, shortest_ps) for track, marks in self._tracks.items()
            }
            shortest_ps += shortest_ps // 2 + 1


def _longest(timing: Timing, begin_ps: int, end_ps: int, room: int) -> int:
    """Return the latest end of a window from ``begin_ps`` that holds at most ``room`` slices."""
    low, high = begin_ps, end_ps
    while high - low > 1:
        middle = (low + high) // 2
        if count_slices(timing, begin_ps, middle) <= room:
            low = middle
        else:
            high = middle
    return low


def _thinned(slices: Iterable[Slice], width_ps: int) -> Iterable[Slice]:
    """Return slices with those of a resource joined that begin in the same stretch of time.

    On a resource with one server slices do not overlap, and so joined ones do not either.
    """
    kept: dict[tuple[int, int], Slice] = {}
    longest: dict[tuple[int, int], int] = {}
    for item in slices:
        key = (item.resource, item.begin_ps // width_ps)
        old = kept.get(key)
        kept[key] = item if old is None else join(old, item, item.busy_ps > longest[key])
        longest[key] = max(longest.get(key, 0), item.busy_ps)
    return kept.values()


class _Repeats:
    """Which repetition of its stage an operation of a window belongs to."""

    def __init__(self, timing: Timing, begin_ps: int, end_ps: int) -> None:
        program = timing.program
        self._stage = [name.partition("/")[0] for name in program.ops]
        self._begins: dict[str, tuple[int, list[int]]] = {}
        for stage in set(self._stage):
            marker = program.op_ids.get(f"{stage}/begin")
            if marker is not None and program.instance_counts[marker] > 1:
                before = started_before(timing, marker, begin_ps)
                self._begins[stage] = before, starts_in(timing, marker, begin_ps, end_ps)

    def at(self, op: int, time_ps: int) -> int:
        """Return the repetition from 0; -1 for what is not repeated."""
        known = self._begins.get(self._stage[op])
        return -1 if known is None else known[0] + bisect_right(known[1], time_ps) - 1
