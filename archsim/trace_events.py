"""Slices and counters as lines of a trace-event file."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

Track = tuple[str, int]
"""A resource, and which of its servers from 0."""


class Mark(NamedTuple):
    """A slice to be drawn, in time of the run.

    ``repeat`` is which repetition of its layer it belongs to, where that is known.
    """

    begin_ps: int
    end_ps: int
    name: str
    layer: str
    einsum: str
    instances: int
    busy_ps: int
    repeat: int = -1


class Counter(NamedTuple):
    """A value of a component from a time on."""

    time_ps: int
    part: str
    name: str
    unit: str
    value: float


def micros(time_ps: int) -> str:
    """Return a time in microseconds as an exact decimal."""
    whole, rest = divmod(time_ps, 10**6)
    return f"{whole}.{rest:06d}"


def in_lanes(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Return slices spread over as few lanes as keep those of one lane from overlapping."""
    lanes: list[list[Mark]] = []
    free: list[int] = []
    ends: list[tuple[int, int]] = []
    for mark in sorted(marks):
        while ends and ends[0][0] <= mark.begin_ps:
            heapq.heappush(free, heapq.heappop(ends)[1])
        if not free:
            heapq.heappush(free, len(lanes))
            lanes.append([])
        lane = heapq.heappop(free)
        lanes[lane].append(mark)
        heapq.heappush(ends, (mark.end_ps, lane))
    return lanes


def merged(marks: Sequence[Mark], shortest_ps: int) -> list[Mark]:
    """Return the slices of a lane with neighbours joined that together are too short to see."""
    result: list[Mark] = []
    for mark in marks:
        last = result[-1] if result else None
        if last is not None and mark.end_ps - last.begin_ps <= shortest_ps:
            named = mark if mark.busy_ps > last.busy_ps else last
            result[-1] = named._replace(
                begin_ps=last.begin_ps,
                end_ps=mark.end_ps,
                instances=last.instances + mark.instances,
                busy_ps=last.busy_ps + mark.busy_ps,
            )
        else:
            result.append(mark)
    return result


def nested(marks: Sequence[Mark]) -> list[tuple[Mark, str]]:
    """Return the slices of a lane with those of their layer and einsum around them.

    Each comes with the name to show; an enclosing slice comes before what it holds, and is left
    out where it would hold a single operation.
    """
    drawn: list[tuple[Mark, str]] = []
    for (layer, repeat), of_layer in groupby(marks, key=lambda mark: (mark.layer, mark.repeat)):
        parts = [list(part) for _, part in groupby(of_layer, key=lambda mark: mark.einsum)]
        inside: list[tuple[Mark, str]] = []
        for part in parts:
            if part[0].einsum and len(part) > 1:
                inside.append((_around(part), part[0].einsum))
            inside += [(mark, mark.name) for mark in part]
        if layer and len(parts) + len(parts[0]) > 2:
            shown = f"{layer} #{repeat}" if repeat >= 0 else layer
            drawn.append((_around([mark for part in parts for mark in part]), shown))
        drawn += inside
    return drawn


def _around(marks: Sequence[Mark]) -> Mark:
    return marks[0]._replace(
        end_ps=marks[-1].end_ps,
        instances=sum(mark.instances for mark in marks),
        busy_ps=sum(mark.busy_ps for mark in marks),
    )


def trace_events(
    drawn: Mapping[Track, Sequence[tuple[Mark, str]]], counters: Iterable[Counter]
) -> Iterator[str]:
    """Yield the lines of a file: names of processes and tracks, slices, values of counters."""
    counters = list(counters)
    names = {resource.partition(".")[0] for resource, _ in drawn} | {c.part for c in counters}
    parts = {part: number for number, part in enumerate(sorted(names), 1)}
    for part, process in parts.items():
        yield _meta("process_name", process, 0, part)
    # Threads are numbered apart from processes: a viewer takes equal numbers for the main thread.
    for thread, (resource, lane) in enumerate(sorted(drawn), len(parts) + 1):
        process = parts[resource.partition(".")[0]]
        yield _meta("thread_name", process, thread, f"{resource} {lane}" if lane else resource)
        yield from _slices(process, thread, drawn[resource, lane])
    for time_ps, part, name, unit, value in counters:
        yield (
            f'{{"ph": "C", "pid": {parts[part]}, "name": {_text(name)}, '
            f'"ts": {micros(time_ps)}, "args": {{{_text(unit)}: {value!r}}}}}'
        )


def _slices(process: int, thread: int, drawn: Sequence[tuple[Mark, str]]) -> Iterator[str]:
    around: list[tuple[int, int, int]] = []
    for mark, name in drawn:
        span_ps = mark.end_ps - mark.begin_ps
        while around and around[-1][1] <= mark.begin_ps:
            around.pop()
        shown_ps = _shown_ps(mark, around[-1] if around else None)
        around.append((mark.begin_ps, mark.end_ps, shown_ps))
        arguments: dict[str, object] = {
            "operations": mark.instances,
            "busy": round(mark.busy_ps / span_ps, 6),
            "layer": mark.layer,
            "einsum": mark.einsum,
            "begin_ps": mark.begin_ps,
            "span_ps": span_ps,
        }
        if mark.repeat >= 0:
            arguments["repetition"] = mark.repeat
        shown = name
        if name == mark.name:
            arguments["definition"] = mark.name
            shown = mark.name.rpartition("/")[2]
            shown = f"{shown} × {mark.instances}" if mark.instances > 1 else shown
        yield (
            f'{{"ph": "X", "pid": {process}, "tid": {thread}, "name": {_text(shown)}, '
            f'"cat": {_text(mark.layer or "none")}, "ts": {micros(mark.begin_ps)}, '
            f'"dur": {micros(shown_ps)}, "args": {_text(arguments)}}}'
        )


NANO_PS = 1000
"""Picoseconds in the nanoseconds that viewers keep."""


def _shown_ps(mark: Mark, around: tuple[int, int, int] | None) -> int:
    """Return how long a slice is drawn: its span, or less by some ns where a viewer needs that.

    Viewers keep whole nanoseconds and round begin and duration one by one, down or to the nearest;
    a slice that then ends behind the one around it, or begins before its neighbour has ended, is
    dropped. Halves may go either way, as times pass through floating point.
    """
    span_ps = room_ps = mark.end_ps - mark.begin_ps
    limits = [_early(mark.end_ps)]
    if around is not None:
        outer_ps, _, shown_ps = around
        room_ps = min(span_ps, outer_ps + shown_ps - mark.begin_ps)
        starts, spans = _early(outer_ps), _early(shown_ps)
        limits.append((starts[0] + spans[0], starts[1] + spans[1]))
    starts, spans = _late(mark.begin_ps), _late(span_ps)
    room = min(limit[way] - starts[way] for limit in limits for way in (0, 1))
    if max(spans) <= room and span_ps == room_ps:
        return span_ps
    return max(min(room_ps // NANO_PS, room), 0) * NANO_PS


def _early(time_ps: int) -> tuple[int, int]:
    """Return whole nanoseconds, rounded down and to the nearest, halves down."""
    return time_ps // NANO_PS, (time_ps + NANO_PS // 2 - 1) // NANO_PS


def _late(time_ps: int) -> tuple[int, int]:
    """Return whole nanoseconds, rounded down and to the nearest, halves up."""
    return time_ps // NANO_PS, (time_ps + NANO_PS // 2) // NANO_PS


def _meta(what: str, process: int, thread: int, name: str) -> str:
    return (
        f'{{"ph": "M", "pid": {process}, "tid": {thread}, "name": "{what}", '
        f'"args": {_text({"name": name})}}}'
    )


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
