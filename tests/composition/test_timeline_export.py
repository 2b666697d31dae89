"""Timelines as trace-event files: valid, exact, bounded, and without overlap."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from archsim.bench.programs import tile_nest
from archsim.engine import run_program
from archsim.errors import ConfigError
from archsim.request import RunRequest
from archsim.run_record import TimedPass
from archsim.timeline_counters import NUM_BINS
from archsim.timeline_export import TimelineExport, Window
from archsim.trace_events import micros
from tests.composition.trace_format import check_format, counters, read, slices, tracks
from tests.engine.directed import directed_programs, gpu_waves, triangular
from tests.engine.generators import generate


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
    check_format(events)
    drawn = slices(events)
    lanes = len({event["tid"] for event in drawn})
    assert len(drawn) <= max(budget, 3 * lanes)


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
        if event["args"]["operations"] == 1 and event["name"] != "decode 0"
    }
    assert leaves == held


def test_a_window_beyond_the_budget_says_how_many_it_holds():
    _, made = export(triangular(), Window(0, 10**6), budget=10)
    with pytest.raises(
        ConfigError, match=r"the window holds \d+ slices.* did you mean '(.*)'"
    ) as no:
        made.text()
    fitting = re.search(r"'([\d.]+us:[\d.]+us)'", str(no.value))[1]
    _, made = export(triangular(), Window.parse(fitting), budget=10)
    assert 5 < sum(e["args"]["operations"] == 1 for e in slices(read(made.text()))) <= 11


def test_a_run_that_does_not_fold_is_thinned_as_it_comes():
    """Slices are joined before they are collected, and still hold every picosecond."""
    timing = run_program(tile_nest(60, 60), fold=False)
    made = TimelineExport(None, 100)
    made.observe(TimedPass("decode", 0, 0, None, timing))
    assert sum(map(len, made._tracks.values())) <= 4 * 101
    assert timing.simulated > 10_000
    events = read(made.text())
    check_format(events)
    assert len(slices(events)) <= 100
    held = {}
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    for event in slices(events):
        found = held.setdefault(names[event["tid"]], [])
        found.append(event["args"]["operations"])
    holds = [
        sum(
            n
            for op, n in enumerate(timing.instance_counts)
            if resource in dict(timing.program.holds(op))
        )
        for resource in range(3)
    ]
    assert [sum(held[name]) for name in ("dma", "array", "vector")] == holds


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
        check_format(events)
        names = {e["args"]["name"] for e in events if e["name"] == "process_name"}
        assert {"dram", "buffer", "passes"} <= names
    assert {e["args"]["layer"] for e in slices(whole)} >= {"attention", "ffn"}
    assert {e["args"].get("repetition") for e in slices(first)} >= {0}
    end = max(end for track in tracks(whole).values() for _, end, _ in track)
    assert end * 1e-12 == pytest.approx(result.latency_s, rel=1e-12)


def test_a_million_tokens_fit_in_the_same_file():
    """Every window of a run of 10¹⁰ operations, and the whole of it, stay within the budget."""
    whole, part = TimelineExport(), TimelineExport(Window.parse("99s:99.0001s"))
    passes = []

    def observe(seen):
        passes.append(seen.timing)
        whole.observe(seen)
        part.observe(seen)

    request = RunRequest(
        "array128-hbm3", "llama3.2-1b", phase="prefill", context=2**20, ignore_capacity=True
    )
    result = request.simulate(None, observe)
    assert sum(passes[0].instance_counts) > 10**10
    assert result.latency_s > 100
    for made in (whole, part):
        text = made.text()
        events = read(text)
        check_format(events)
        assert 100 < len(slices(events)) <= 20_000
        assert len(events) < 25_000
        assert len(text) < 10 * 2**20


def test_passes_are_named_and_counters_stay_few():
    timing, made = export(triangular(), passes=40)
    events = read(made.text())
    check_format(events)
    names = [e["name"] for e in slices(events) if e["cat"] == "none" and e["name"].startswith("de")]
    assert names == [f"decode {number}" for number in range(40)]
    kinds = {e["name"] for e in events if e["ph"] == "C"}
    assert sum(e["ph"] == "C" for e in events) <= len(kinds) * (2 * NUM_BINS + 1)
    busy = counters(events)
    for resource, busy_ps in timing.busy_ps.items():
        points = busy[f"{resource} busy %"]
        held = sum(round(v * (b - a) / 100) for (a, v), (b, _) in pairwise(points))
        assert held == 40 * busy_ps
