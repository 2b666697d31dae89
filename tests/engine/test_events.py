"""The event kernel, folded and unfolded, against its reference, on random programs."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.engine import simulate_events
from archsim.program import ProgramBuilder
from archsim.program.arbitration import Opening, fcfs, priority, weighted
from tests.engine.event_programs import (
    EventCase,
    case_of,
    check_case,
    draw_case,
    draw_stream,
    short_of,
    stream_of,
    take_turns,
)

CHUNK = 100
DRAWS = st.randoms(use_true_random=False)


@pytest.mark.parametrize("chunk", range(6))
@pytest.mark.parametrize("draw", [case_of, stream_of, short_of])
def test_folded_unfolded_and_interpreted_agree_on_every_time(draw, chunk):
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        try:
            check_case(draw(seed))
        except AssertionError as error:
            raise AssertionError(f"{draw.__name__}({seed})") from error


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(40))
@pytest.mark.parametrize("draw", [case_of, stream_of, short_of])
def test_sixty_thousand_programs_agree_on_every_time(draw, chunk):
    for seed in range(10_000 + chunk * 500, 10_000 + (chunk + 1) * 500):
        try:
            check_case(draw(seed))
        except AssertionError as error:
            raise AssertionError(f"{draw.__name__}({seed})") from error


@given(rng=DRAWS, stream=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_drawn_programs_agree_on_every_time(rng, stream):
    check_case(draw_stream(rng) if stream else draw_case(rng))


@pytest.mark.parametrize("seed", range(40))
def test_long_loops_fold_to_what_the_unfolded_run_gives(seed):
    case = draw_case(random.Random(f"long {seed}"), turns=3000)
    folded, unfolded = case.run(backend="jit"), case.run(backend="jit", fold=False)
    assert folded.makespan_ps == unfolded.makespan_ps
    assert folded.longest_waits_ps == unfolded.longest_waits_ps
    for op in case.program.ops:
        assert folded.starts_ps(op) == unfolded.starts_ps(op)


def two_streams(turns: int):
    """Two streams of requests with answers, on one port and one unit."""
    b = ProgramBuilder("two-streams")
    port, unit = b.resource("port"), b.resource("unit", 2)
    names = ("a", "b")
    asks = [b.op(f"ask_{n}", holds=[(port, 7 + i)], latency=20) for i, n in enumerate(names)]
    works = [b.op(f"work_{n}", holds=[(unit, 31 + 6 * i)], latency=40) for i, n in enumerate(names)]
    with b.loop(turns, "turn"):
        for op in (*asks, *works):
            b.place(op)
    for ask, work in zip(asks, works, strict=True):
        b.after(work, ask)
        b.after(ask, work, back=2)
    return b.build()


RULES = {
    "fcfs": fcfs(),
    "priority": priority({"ask_b": -1}),
    "weighted": weighted((2, 1), {"ask_a": 0, "ask_b": 1}),
    "closed at times": fcfs(opening=Opening.pattern("1101", 5)),
}


@pytest.mark.parametrize("rule", RULES)
def test_what_is_simulated_does_not_grow_with_the_trip(rule):
    arbitration = {"port": RULES[rule], "unit": fcfs()}
    small, large = (
        simulate_events(two_streams(turns), arbitration, window=4) for turns in (10**3, 10**9)
    )
    assert small.jumps == large.jumps == 1
    assert large.simulated < 500
    assert abs(large.simulated - small.simulated) < 100
    assert large.instance_counts == (10**9,) * 4
    unfolded = simulate_events(two_streams(10**3), arbitration, window=4, fold=False)
    assert small.makespan_ps == unfolded.makespan_ps


def test_an_instance_deep_in_a_jump_is_found_at_once():
    program, turns = two_streams(10**12), 10**12
    timing = simulate_events(program, {"port": fcfs()}, window=4)
    assert timing.log is not None
    jump = timing.log.jump
    assert jump is not None
    number = turns // 2
    early, late = (timing.served("work_b", n) for n in (number, number + jump.turns))
    assert late.start_ps - early.start_ps == jump.advance_ps
    assert timing.end_ps("work_b", turns - 1) == timing.makespan_ps


def test_random_loops_do_fold():
    cases = [draw_case(random.Random(f"fold {seed}"), turns=2000) for seed in range(60)]
    timings = [case.run(backend="jit", log=False) for case in cases if case.program.ops]
    assert sum(timing.jumps for timing in timings) > 0.9 * len(timings)
    shares = sorted(t.simulated / max(1, sum(t.instance_counts)) for t in timings)
    assert shares[len(shares) // 2] < 0.05


@pytest.mark.parametrize("window", [1, 2, 5])
def test_pointer_and_quota_belong_to_the_state(window):
    """The same is requested in every turn; only pointer and quota tell them apart."""
    for weights in ((1, 1), (2, 2), (3, 1), (3, 2), (7, 2), (5, 4)):
        for lefts in (1, 2, 3):
            assert check_case(take_turns(weights, window, lefts)).jumps == 1


def test_the_phase_of_an_opening_belongs_to_the_state():
    b = ProgramBuilder("phase")
    op = b.op("op", holds=[(b.resource("port"), 3)], latency=3)
    with b.loop(400, "turn"):
        b.place(op)
    for pattern in ("10", "110", "1000001", "1" * 11 + "0" * 9):
        case = EventCase(b.build(), {"port": fcfs(opening=Opening.pattern(pattern))}, window=3)
        assert check_case(case).jumps == 1


def test_same_inputs_give_the_same_log():
    for seed in range(20):
        case = case_of(seed)
        turned = EventCase(
            case.program, dict(reversed(case.arbitration.items())), case.window, case.arrivals_ps
        )
        logs = []
        for each in (case, case, turned):
            log = each.run(backend="jit").log
            assert log is not None
            logs.append(list(log.rows[: 4 * log.num_rows]))
        assert logs[0] == logs[1] == logs[2]


@pytest.mark.parametrize("time_ps", [0, 7])
def test_a_burst_is_queued_in_one_pass(time_ps):
    """A hundred thousand requests at the same time: minutes if each went through the queue."""
    b = ProgramBuilder("burst")
    port = b.resource("port")
    with b.loop(50_000, "turn"):
        for name in "xy":
            b.place(b.op(name, holds=[(port, 5)], latency=5))
    arrivals = {name: [time_ps] * 50_000 for name in "xy"}
    timing = simulate_events(b.build(), {"port": fcfs({"y": -1})}, arrivals_ps=arrivals)
    assert timing.makespan_ps == time_ps + 500_000
    assert timing.start_ps("x", 0) == time_ps + 250_000
