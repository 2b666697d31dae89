"""Counters of a timeline against the exact bytes and the replayed buffers of a run."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.allocated_room import AllocatedRoom
from archsim.engine import run_program
from archsim.errors import SimulationError
from archsim.machine import load_hardware
from archsim.program import ProgramBuilder
from archsim.program.residents import Fill, Free, read_fills, read_frees, resident_tags
from archsim.request import RunRequest
from archsim.resident_tiles import ResidentTiles
from archsim.timeline_export import TimelineExport, Window
from mappers.gemm_bound import GemmBounds
from mappers.gemm_nest import footprint_bytes, gemm_nest
from tests.composition.trace_format import check_format, counters, read
from tests.mappers.occupancy import replay
from tests.mappers.samples import problem, small

MACHINE = "array128-hbm2e"
CASES = {
    "whole": (None, {"phase": "decode", "context": 64, "new_tokens": 3}),
    "prefill": (None, {"phase": "prefill", "context": 96}),
    "window": (Window.parse("13us:61us"), {"phase": "decode", "context": 64}),
}


@pytest.fixture(scope="module", params=CASES)
def exported(request):
    """Return a result, its passes, the window and the events of its timeline."""
    window, sizes = CASES[request.param]
    made, passes = TimelineExport(window), []

    def observe(seen):
        made.observe(seen)
        passes.append(seen)

    result = RunRequest(MACHINE, "llama3.2-1b", **sizes).simulate(None, observe)
    events = read(made.text())
    check_format(events)
    return result, passes, window, counters(events)


def moved_bytes(points) -> int:
    """Return the bytes that a counter in GB/s stands for: every bin holds a whole number."""
    total = 0
    for (begin, rate), (end, _) in pairwise(points):
        in_bin = rate * (end - begin) / 1000
        assert in_bin == pytest.approx(round(in_bin), abs=1e-3)
        total += round(in_bin)
    return total


def test_bandwidth_counters_hold_the_exact_bytes(exported):
    _, passes, window, shown = exported
    expected: dict[str, int] = {}
    for seen in passes:
        program = seen.timing.program
        for op, counts in enumerate(program.counts):
            spans = dict(program.holds(op))
            for (component, action, _), each in counts.items():
                if action not in ("read", "write"):
                    continue
                name = f"{component} {action} GB/s"
                if window is None:
                    amount = each * seen.timing.instance_counts[op]
                else:
                    own = [
                        s for r, s in spans.items() if program.resources[r].startswith(component)
                    ]
                    span = max(own or spans.values())
                    held = sum(
                        max(0, min(start + span, window.end_ps) - max(start, window.begin_ps))
                        for start in seen.timing.starts_ps(program.ops[op])
                    )
                    amount = each * held / span
                expected[name] = expected.get(name, 0) + amount
    assert expected
    for name, amount in expected.items():
        slack = 0 if window is None else len(program.ops)
        assert moved_bytes(shown[name]) == pytest.approx(amount, abs=slack), name


def test_no_counter_is_above_what_the_hardware_can_do(exported):
    *_, shown = exported
    dram = load_hardware(MACHINE).component("dram")
    for name, points in shown.items():
        assert all(value >= 0 for _, value in points)
        if name.endswith("busy %"):
            assert max(value for _, value in points) <= 100 * (1 + 1e-12)
    for action in ("read", "write"):
        limit = dram.bandwidth_bytes_per_s(action) / 1e9
        values = [value for _, value in shown.get(f"dram {action} GB/s", [])]
        assert max(values, default=0) <= limit * (1 + 1e-9)


def test_tiles_in_the_buffer_fit_and_are_gone_in_the_end(exported):
    result, passes, window, shown = exported
    capacity = load_hardware(MACHINE).capacity_bytes("buffer")
    points = shown["buffer tiles bytes"]
    assert 0 < max(value for _, value in points) <= capacity
    assert all(value == int(value) for _, value in points)
    for seen in passes:
        tiles = ResidentTiles(seen.timing)
        assert tiles.levels == ("buffer",)
        assert tiles.bytes_at("buffer", seen.timing.makespan_ps) == 0
        if window is not None:
            for time_ps, value in points:
                assert tiles.bytes_at("buffer", time_ps) == value
    assert result.feasible


def test_what_is_allocated_is_what_mappers_asked_for_and_residency_keeps(exported):
    _, passes, window, shown = exported
    machine = load_hardware(MACHINE)
    capacity = machine.capacity_bytes("buffer")
    tiles, allocated = shown["buffer tiles bytes"], shown["buffer allocated bytes"]
    assert 0 < max(value for _, value in allocated) <= capacity
    for seen in passes:
        room, timing = AllocatedRoom(machine, seen.mapped, seen.timing), seen.timing
        for stage in seen.mapped.stages:
            kept = capacity - seen.mapped.residency.stages[stage.name].available_bytes["buffer"]
            for turn in {0, stage.repeat - 1}:
                begin = timing.start_ps(f"{stage.name}/begin", turn)
                for fragment, piece in zip(stage.fragments, stage.pieces, strict=True):
                    end = timing.start_ps(f"{stage.name}/{fragment.cascade.name}/end", turn)
                    wanted = kept + piece.mapping.footprints.get("buffer", 0)
                    for time_ps in (begin, (begin + end) // 2, end - 1):
                        assert room.bytes_at("buffer", time_ps) == wanted
                        assert ResidentTiles(timing).bytes_at("buffer", time_ps) <= wanted
                    begin = end
        assert room.bytes_at("buffer", timing.makespan_ps) == 0
        if window is not None:
            assert all(room.bytes_at("buffer", time) == value for time, value in allocated)
    if window is None:
        pairs = zip(tiles, allocated, strict=True)
        assert all(held <= asked for (_, held), (_, asked) in pairs)


@settings(max_examples=30, deadline=None)
@given(
    extents=st.tuples(st.sampled_from((1, 2)), *(st.integers(1, 12) for _ in range(3))),
    capacity=st.sampled_from((256, 1024, 4096)),
    data=st.data(),
)
def test_tiles_are_those_of_a_replay(extents, capacity, data):
    on = small(capacity=capacity)
    one = problem(on, extents)
    candidates = GemmBounds(one, on).candidates()
    if not len(candidates.bounds_ps):
        return
    choice = candidates.choice(data.draw(st.integers(0, len(candidates.bounds_ps) - 1)))
    nest = gemm_nest(one, on, choice)
    replayed = replay(nest, 4).tiles
    timing = run_program(nest.program())
    tiles = ResidentTiles(timing)

    def live(time_ps: int) -> int:
        return sum(t.num_bytes for t in replayed if t.start_ps <= time_ps < t.end_ps)

    edges = {time for tile in replayed for time in (tile.start_ps, tile.end_ps)}
    for time_ps in sorted(edges | {time - 1 for time in edges if time}):
        assert tiles.bytes_at("buffer", time_ps) == live(time_ps), time_ps
    begin, end = sorted(data.draw(st.integers(0, timing.makespan_ps + 1)) for _ in range(2))
    changes = tiles.changes("buffer", begin, end)
    assert changes[0] == (begin, live(begin))
    assert [time for time, _ in changes[1:]] == [
        time for time in sorted(edges) if begin < time < end and live(time) != live(time - 1)
    ]
    assert all(value == live(time) for time, value in changes)
    assert max(map(live, edges)) <= footprint_bytes(one, on, choice)


def test_tags_read_back():
    fills = (Fill("buffer", "X in", 4096, 3), Fill("l2.cache", "Y'", 1))
    frees = (Free("buffer", "X in", 12),)
    tags = resident_tags(fills, frees)
    assert read_fills(tags) == fills
    assert read_frees(tags) == frees
    assert resident_tags() == {}
    assert read_fills({}) == read_frees({}) == ()


@pytest.mark.parametrize("text", ["buffer", "buffer X", "buffer X 1", "buffer X -1 1", "a b c d"])
def test_a_tag_that_says_nothing_is_refused(text):
    b = ProgramBuilder("odd")
    op = b.op("op", holds=[(b.resource("unit"), 1)], tags={"fills": text})
    b.place(op)
    with pytest.raises(SimulationError, match="the tag fills cannot be read"):
        ResidentTiles(run_program(b.build()))
