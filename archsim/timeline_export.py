"""Writes what a run did and when as a trace-event file, which timeline viewers open.

A track per server of each resource, in a group per component; on it a slice for each operation,
within slices for its einsum and its layer; and counters of bytes per second and of the busy part of
each resource. A window is written hold by hold if that fits the budget. The whole run is written
from what was simulated, with one slice for what each jump copied; slices too short to see are then
merged until the budget is kept. Nothing is expanded that is not written.

Format: trace-event JSON (complete events ``X``, metadata ``M``, counters ``C``; times in
microseconds, here decimals with six digits made from whole picoseconds).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from archsim.engine.windows import (
    Slice,
    busy_in_bins,
    count_slices,
    expanded,
    overview,
    started_before,
)
from archsim.errors import ConfigError
from archsim.trace_events import (
    Counter,
    Mark,
    Track,
    counter_events,
    in_lanes,
    merged,
    micros,
    nested,
    track_events,
)
from archsim.units import PS_PER_S, parse_quantity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from archsim.engine import Timing
    from archsim.run_record import TimedPass

MAX_SLICES: Final = 20_000
"""Slices that a file holds at most unless told otherwise (a viewer stays quick; a choice)."""

NUM_BINS: Final = 100
"""Points of each counter within a pass."""

SPARE: Final = 8
"""Times the budget that is kept while passes come in (a choice)."""

MOVES: Final = ("read", "write")
"""Actions that are counted in bytes."""


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
    _counters: list[Counter] = field(default_factory=list)
    _held: int = 0
    _end_ps: int = 0

    def observe(self, seen: TimedPass) -> None:
        """Take in a pass that was timed."""
        timing, shift_ps = seen.timing, seen.begin_ps
        self._end_ps = shift_ps + timing.makespan_ps
        if self.window is None:
            self._add(timing, overview(timing), shift_ps)
            self._count(timing, 0, timing.makespan_ps, shift_ps)
            if sum(map(len, self._tracks.values())) > SPARE * self.max_slices:
                self._fit(SPARE // 2 * self.max_slices)
            return
        begin_ps = max(self.window.begin_ps - shift_ps, 0)
        end_ps = min(self.window.end_ps - shift_ps, timing.makespan_ps)
        if begin_ps < end_ps:
            self._held += count_slices(timing, begin_ps, end_ps)
            if self._held <= self.max_slices:
                self._add(timing, expanded(timing, begin_ps, end_ps), shift_ps)
                self._count(timing, begin_ps, end_ps, shift_ps)

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
            raise ConfigError(
                f"the window holds {self._held} slices",
                path="--window",
                allowed=f"at most {self.max_slices}",
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
        events = [*track_events(drawn), *counter_events(self._counters)]
        return '{"displayTimeUnit": "ns", "traceEvents": [\n' + ",\n".join(events) + "\n]}\n"

    def _add(self, timing: Timing, slices: Iterable[Slice], shift_ps: int) -> None:
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
            )
            found.setdefault(item.resource, []).append(mark)
        for resource, marks in found.items():
            for lane, row in enumerate(in_lanes(marks)):
                self._tracks.setdefault((program.resources[resource], lane), []).extend(row)

    def _count(self, timing: Timing, begin_ps: int, end_ps: int, shift_ps: int) -> None:
        """Sample bytes per second by component and the busy part of each resource."""
        program = timing.program
        edges = [begin_ps + (end_ps - begin_ps) * n // NUM_BINS for n in range(NUM_BINS + 1)]
        edges = sorted(set(edges))
        moved: dict[tuple[str, str], list[int]] = {}
        for op, counts in enumerate(program.counts):
            bytes_each = {key[:2]: n for key, n in counts.items() if key[1] in MOVES and n}
            if not bytes_each:
                continue
            before = [0] * len(edges)
            for place, edge in enumerate(edges):
                before[place] = started_before(timing, op, edge, low=before[max(place - 1, 0)])
            for key, each in bytes_each.items():
                total = moved.setdefault(key, [0] * (len(edges) - 1))
                for place in range(len(edges) - 1):
                    total[place] += each * (before[place + 1] - before[place])
        for (component, action), amounts in moved.items():
            name = f"{action} GB/s"
            for place, amount in enumerate(amounts):
                seconds = (edges[place + 1] - edges[place]) / PS_PER_S
                self._counters.append(
                    Counter(edges[place] + shift_ps, component, name, amount / seconds / 1e9)
                )
            self._counters.append(Counter(edges[-1] + shift_ps, component, name, 0.0))
        for resource in timing.busy_ps:
            servers = program.capacities[program.resources.index(resource)]
            for place, busy_ps in enumerate(busy_in_bins(timing, resource, edges)):
                share = busy_ps / (servers * (edges[place + 1] - edges[place]))
                self._counters.append(
                    Counter(edges[place] + shift_ps, resource, "busy %", 100.0 * share)
                )
            self._counters.append(Counter(edges[-1] + shift_ps, resource, "busy %", 0.0))

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
