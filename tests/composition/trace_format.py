"""Checks a trace-event file against the rules of its format, as viewers apply them.

Rules: every event has a known phase and its fields; times are decimals in microseconds with six
digits; processes and threads are named, once, and their numbers differ; slices of a thread lie side
by side or within one another, in picoseconds as well as in the nanoseconds that viewers round to;
a counter has one finite value at a time and its times never decrease.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from decimal import Decimal

FIELDS = {
    "M": {"ph", "pid", "tid", "name", "args"},
    "X": {"ph", "pid", "tid", "name", "cat", "ts", "dur", "args"},
    "C": {"ph", "pid", "name", "ts", "args"},
}


def read(text: str) -> list[dict]:
    """Parse a file with its times as exact decimals."""
    data = json.loads(text, parse_float=Decimal)
    assert set(data) == {"displayTimeUnit", "traceEvents"}
    assert data["displayTimeUnit"] in ("ms", "ns")
    return data["traceEvents"]


def ps(decimal: Decimal) -> int:
    assert isinstance(decimal, Decimal)
    assert -decimal.as_tuple().exponent == 6
    assert decimal >= 0
    return int(decimal.scaleb(6))


def slices(events) -> list[dict]:
    return [event for event in events if event["ph"] == "X"]


def tracks(events) -> dict[int, list[tuple[int, int, dict]]]:
    """Return (begin, end, event) of the slices by thread, exact, in the order of the file."""
    found = defaultdict(list)
    for event in slices(events):
        begin = event["args"]["begin_ps"]
        found[event["tid"]].append((begin, begin + event["args"]["span_ps"], event))
    return found


def counters(events) -> dict[str, list[tuple[int, float]]]:
    """Return (time, value) of the counters by shown name."""
    found = defaultdict(list)
    for event in events:
        if event["ph"] == "C":
            ((unit, value),) = event["args"].items()
            found[f"{event['name']} {unit}"].append((ps(event["ts"]), float(value)))
    return found


def check_nesting(events) -> None:
    """Slices lie side by side or one within the other, outer ones first, however rounded."""
    roundings = (
        lambda time: time,
        lambda time: time // 1000,
        lambda time: (time + 500) // 1000,
        lambda time: (time + 499) // 1000,
    )
    for track in tracks(events).values():
        for rounded in roundings:
            above: list[tuple[int, int]] = []
            for begin_ps, end_ps, event in track:
                begin, end = rounded(begin_ps), rounded(ps(event["ts"])) + rounded(ps(event["dur"]))
                assert ps(event["ts"]) == begin_ps
                assert end_ps - begin_ps - 3000 < ps(event["dur"]) <= end_ps - begin_ps
                while above and above[-1][1] <= begin:
                    above.pop()
                inside = not above or above[-1][0] <= begin <= end <= above[-1][1]
                assert inside, (event, above[-1])
                above.append((begin, end))


def check_format(events) -> None:
    """Every event is one that the format knows, and names what it belongs to."""
    processes: dict[int, str] = {}
    threads: dict[int, str] = {}
    for event in events:
        assert set(event) == FIELDS[event["ph"]], event
        assert isinstance(event["pid"], int)
        assert event["pid"] > 0
        if event["ph"] == "M":
            known = {"process_name": processes, "thread_name": threads}[event["name"]]
            key = event["pid"] if event["name"] == "process_name" else event["tid"]
            assert key not in known, event
            known[key] = event["args"]["name"]
        if event["ph"] == "X":
            assert event["tid"] in threads, event
            assert event["name"]
        if event["ph"] == "C":
            ((_, value),) = event["args"].items()
            assert math.isfinite(value)
        assert event["pid"] in processes, event
    assert not set(processes) & set(threads)
    assert len(set(processes.values())) == len(processes)
    for values in counters(events).values():
        assert values == sorted(values, key=lambda item: item[0])
    check_nesting(events)
