"""Slices and counters as lines of a trace-event file."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

Track = tuple[str, int]
"""A resource, and which of its servers from 0."""


class Mark(NamedTuple):
    """A slice to be drawn, in time of the run."""

    begin_ps: int
    end_ps: int
    name: str
    layer: str
    einsum: str
    instances: int
    busy_ps: int


class Counter(NamedTuple):
    """A value from a time on."""

    time_ps: int
    part: str
    name: str
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
    out where it would hold one slice only.
    """
    drawn: list[tuple[Mark, str]] = []
    for layer, of_layer in groupby(marks, key=lambda mark: mark.layer):
        parts = [list(part) for _, part in groupby(of_layer, key=lambda mark: mark.einsum)]
        inside: list[tuple[Mark, str]] = []
        for part in parts:
            if part[0].einsum and len(part) > 1:
                inside.append((_around(part), part[0].einsum))
            inside += [(mark, mark.name) for mark in part]
        if layer and len(parts) > 1:
            drawn.append((_around([mark for part in parts for mark in part]), layer))
        drawn += inside
    return drawn


def _around(marks: Sequence[Mark]) -> Mark:
    return marks[0]._replace(
        end_ps=marks[-1].end_ps,
        instances=sum(mark.instances for mark in marks),
        busy_ps=sum(mark.busy_ps for mark in marks),
    )


def track_events(drawn: Mapping[Track, Sequence[tuple[Mark, str]]]) -> Iterator[str]:
    """Yield the lines that name the tracks and those of their slices."""
    parts = sorted({resource.partition(".")[0] for resource, _ in drawn})
    for number, part in enumerate(parts, 1):
        yield _meta("process_name", number, 0, part)
    for thread, (resource, lane) in enumerate(sorted(drawn), 1):
        process = 1 + parts.index(resource.partition(".")[0])
        yield _meta("thread_name", process, thread, f"{resource} {lane}" if lane else resource)
        for mark, name in drawn[resource, lane]:
            span_ps = mark.end_ps - mark.begin_ps
            arguments = {
                "operations": mark.instances,
                "busy": round(mark.busy_ps / span_ps, 6),
                "layer": mark.layer,
                "einsum": mark.einsum,
            }
            shown = f"{name} × {mark.instances}" if mark.instances > 1 else name
            yield (
                f'{{"ph": "X", "pid": {process}, "tid": {thread}, "name": {_text(shown)}, '
                f'"cat": {_text(mark.layer or "none")}, "ts": {micros(mark.begin_ps)}, '
                f'"dur": {micros(span_ps)}, "args": {_text(arguments)}}}'
            )


def counter_events(counters: Sequence[Counter]) -> Iterator[str]:
    """Yield a line that names the counters, and one for every value of each."""
    yield _meta("process_name", 0, 0, "counters")
    for time_ps, part, name, value in counters:
        yield (
            f'{{"ph": "C", "pid": 0, "name": {_text(f"{part} {name}")}, '
            f'"ts": {micros(time_ps)}, "args": {{"value": {value!r}}}}}'
        )


def _meta(what: str, process: int, thread: int, name: str) -> str:
    return (
        f'{{"ph": "M", "pid": {process}, "tid": {thread}, "name": "{what}", '
        f'"args": {_text({"name": name})}}}'
    )


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
