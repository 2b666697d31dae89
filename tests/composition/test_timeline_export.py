"""Timelines as trace-event files: valid, exact, bounded, and without overlap."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise

import pytest

from archsim.engine import run_program
from archsim.errors import ConfigError
from archsim.request import RunRequest
from archsim.run_record import TimedPass
from archsim.timeline_export import TimelineExport, Window
from archsim.trace_events import micros
from tests.engine.directed import directed_programs, gpu_waves, triangular
from tests.engine.generators import generate


def read(text: str) -> list[dict]:
    """Parse a file with its times as exact decimals."""
    data = json.loads(text, parse_float=Decimal)
    assert set(data) == {"displayTimeUnit", "traceEvents"}
    return data["traceEvents"]


def ps(decimal: Decimal) -> int:
    assert isinstance(decimal, Decimal)
    assert -decimal.as_tuple().exponent == 6
    return int(decimal.scaleb(6))


def tracks(events) -> dict[int, list[tuple[int, int, dict]]]:
    found = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            begin = ps(event["ts"])
            found[event["tid"]].append((begin, begin + ps(event["dur"]), event))
    return found


def check_nesting(events) -> None:
    """Slices of a track lie side by side or one within the other, outer ones first."""
    for track in tracks(events).values():
        above: list[tuple[int, int]] = []
        for begin, end, event in track:
            assert begin < end, event
            while above and above[-1][1] <= begin:
                above.pop()
            assert not above or above[-1][0] <= begin < end <= above[-1][1], event
            above.append((begin, end))


def export(program, window=None, budget=20_000, passes=1):
    made = TimelineExport(window, budget)
    timing = run_program(program, backend="jit")
    for number in range(passes):
        made.observe(TimedPass("decode", number, number * timing.makespan_ps, None, timing))
    return timing, made


@pytest.mark.parametrize(
    "program",
    [
        *(generate(kind, seed) for kind in "AB" for seed in range(9500, 9510)),
        *directed_programs()[::30],
        triangular(),
        gpu_waves(300, 7),
    ],
    ids=lambda program: program.name,
)
@pytest.mark.parametrize("budget", [40, 20_000])
def test_slices_never_overlap_and_the_budget_holds(program, budget):
    timing, made = export(program, None, budget, passes=2)
    if not timing.makespan_ps:
        return
    events = read(made.text())
    check_nesting(events)
    slices = [event for event in events if event["ph"] == "X"]
    lanes = len({event["tid"] for event in slices})
    assert len(slices) <= max(budget, 3 * lanes)


def test_a_window_is_written_hold_by_hold_with_exact_times():
    timing, made = export(triangular(), Window(1_000, 3_000))
    held = {
        (start, start + span)
        for op, name in enumerate(timing.program.ops)
        for start in timing.starts_ps(name)
        for _, span in timing.program.holds(op)
        if span and start < 3_000 and start + span > 1_000
    }
    events = read(made.text())
    leaves = {
        (begin, end)
        for track in tracks(events).values()
        for begin, end, event in track
        if event["args"]["operations"] == 1
    }
    assert leaves == held


def test_a_window_beyond_the_budget_says_how_many_it_holds():
    _, made = export(triangular(), Window(0, 10**6), budget=10)
    with pytest.raises(ConfigError, match=r"the window holds \d+ slices"):
        made.text()


def test_a_window_after_the_end_is_refused():
    _, made = export(triangular(), Window(10**15, 10**16))
    with pytest.raises(ConfigError, match="ends before the window"):
        made.text()


def test_times_are_exact_decimals():
    assert micros(0) == "0.000000"
    assert micros(2**61 + 1) == "2305843009213.693953"
    assert Window.parse("0ms:2.5ms") == (0, 2_500_000_000)
    assert Window.parse("1 us : 1 s") == (10**6, 10**12)


@pytest.mark.parametrize(
    "text", ["", "1ms", "2ms:1ms", "0:1", "1ms:1ms", "a:b", "1 B:2 B", "-1ms:1ms"]
)
def test_what_is_no_window_is_refused(text):
    with pytest.raises(ConfigError, match="--window"):
        Window.parse(text)


@pytest.fixture(scope="module")
def decode():
    """Return a decode of a small model, its overview and its first microseconds."""
    whole, first = TimelineExport(), TimelineExport(Window.parse("0us:20us"))

    def observe(seen):
        whole.observe(seen)
        first.observe(seen)

    request = RunRequest("array128-hbm2e", "llama3.2-1b", phase="decode", context=64, new_tokens=2)
    return request.simulate(None, observe), read(whole.text()), read(first.text())


def test_a_run_is_shown_by_component_layer_and_operation(decode):
    result, whole, first = decode
    for events in (whole, first):
        check_nesting(events)
        names = {e["args"]["name"] for e in events if e["name"] == "process_name"}
        assert {"dram", "buffer", "counters"} <= names
    assert {e["args"]["layer"] for e in whole if e["ph"] == "X"} >= {"attention", "ffn"}
    end = max(end for track in tracks(whole).values() for _, end, _ in track)
    assert 0.9 * result.latency_s < end * 1e-12 <= result.latency_s * (1 + 1e-9)


def test_counters_add_up_to_the_bytes_of_the_run(decode):
    result, whole, _ = decode
    values = defaultdict(list)
    for event in whole:
        if event["ph"] == "C":
            values[event["name"]].append((ps(event["ts"]), float(event["args"]["value"])))
    moved = 0.0
    for name in ("dram read GB/s", "dram write GB/s"):
        for (begin, rate), (end, _) in pairwise(values.get(name, [])):
            moved += rate * 1e9 * (end - begin) * 1e-12
    assert moved == pytest.approx(result.bytes["dram"], rel=1e-9)
    busy = values["dram busy %"]
    held = sum(share * (end - begin) for (begin, share), (end, _) in pairwise(busy)) / 100
    assert held * 1e-12 == pytest.approx(result.busy["dram"] * result.latency_s, rel=1e-9)
    assert all(0 <= share <= 100 + 1e-9 for _, share in busy)
