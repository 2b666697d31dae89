"""What each rule promises: nobody idles, order, quotas, bounded waits, and who can starve."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.engine import simulate_events
from archsim.errors import SimulationError
from archsim.program import Program, ProgramBuilder
from archsim.program.arbitration import Opening, fcfs, priority, weighted
from tests.engine.event_programs import EventCase, draw_case, draw_stream

SEEDS = range(60)


def cases(*, openings: bool):
    """Yield cases with the timing and the grants of every resource that chooses."""
    for seed in SEEDS:
        rng = random.Random(f"rules {seed}")
        case = draw_stream(rng) if seed % 2 else draw_case(rng, openings=openings)
        if any(rule.opening for rule in case.arbitration.values()) and not openings:
            continue
        timing = case.run()
        for name, rule in case.arbitration.items():
            yield case, rule, name, timing, timing.grants(name)


def occupancy_ps(program: Program, resource: str, op: str) -> int:
    number = program.resources.index(resource)
    return dict(program.holds(program.op_ids[op]))[number]


def test_no_server_idles_while_an_instance_waits():
    """Work conserving: from ready to granted, every server is held by somebody."""
    checked = 0
    for case, _, name, _, grants in cases(openings=True):
        program = case.program
        servers = program.capacities[program.resources.index(name)]
        held = [
            (g.served.granted_ps, g.served.start_ps + occupancy_ps(program, name, g.op))
            for g in grants
        ]
        for grant in grants:
            moments = {grant.served.ready_ps} | {end for _, end in held}
            for moment in moments:
                if grant.served.ready_ps <= moment < grant.served.granted_ps:
                    assert sum(begin <= moment < end for begin, end in held) == servers
                    checked += 1
    assert checked > 1000


def test_no_resource_is_over_subscribed():
    for case, _, name, _, grants in cases(openings=True):
        program = case.program
        servers = program.capacities[program.resources.index(name)]
        held = [
            (g.served.granted_ps, g.served.start_ps + occupancy_ps(program, name, g.op))
            for g in grants
        ]
        for begin, end in held:
            if begin < end:
                assert sum(first <= begin < last for first, last in held) <= servers


def test_every_instance_is_served_once_and_time_is_conserved():
    for case, _, name, timing, grants in cases(openings=True):
        program = case.program
        assert len({(g.op, g.number) for g in grants}) == len(grants)
        busy = sum(occupancy_ps(program, name, g.op) for g in grants)
        servers = program.capacities[program.resources.index(name)]
        assert busy == timing.busy_ps[name] <= servers * timing.makespan_ps
        for grant in grants:
            ready_ps, granted_ps, start_ps = grant.served
            assert ready_ps <= granted_ps <= start_ps <= timing.makespan_ps


def test_work_starts_only_while_the_resource_is_open():
    closed = 0
    for _, rule, _, _, grants in cases(openings=True):
        if rule.opening is None:
            continue
        for grant in grants:
            _, granted_ps, start_ps = grant.served
            assert rule.opening.next_open_ps(start_ps) == start_ps
            assert rule.opening.next_open_ps(granted_ps) == start_ps
            closed += start_ps > granted_ps
    assert closed > 100


def test_first_come_first_served():
    for _, rule, _, _, grants in cases(openings=True):
        if rule.rule == "fcfs":
            ready = [grant.served.ready_ps for grant in grants]
            assert ready == sorted(ready)


def test_nobody_is_passed_by_a_lower_priority():
    for _, rule, _, _, grants in cases(openings=True):
        if rule.rule == "priority":
            for one in grants:
                for other in grants:
                    if rule.rank(one.op) < rule.rank(other.op):
                        waits = one.served.ready_ps < other.served.granted_ps
                        assert not (waits and other.served.granted_ps < one.served.granted_ps)


def test_no_requester_exceeds_its_quota_while_another_waits():
    for _, rule, _, _, grants in cases(openings=True):
        if rule.rule != "weighted":
            continue
        run, holder = 0, -1
        for last, grant in pairwise([None, *grants]):
            requester = rule.rank(grant.op)
            others = any(
                rule.rank(other.op) != requester
                and other.served.ready_ps < grant.served.granted_ps
                and other.served.granted_ps > grant.served.granted_ps
                for other in grants
            )
            waited = last is not None and others
            run = run + 1 if requester == holder and waited else 1
            holder = requester
            assert run <= rule.weights[requester]


def saturated(weights: list[int], turns: int, occupancy: int = 5) -> EventCase:
    """Requesters that always want the bus."""
    b = ProgramBuilder("saturated")
    bus = b.resource("bus")
    with b.loop(turns, "turn"):
        for i, weight in enumerate(weights):
            op = b.op(f"x{i}", holds=[(bus, occupancy)], latency=occupancy)
            with b.loop(weight, "quota"):
                b.place(op)
    rule = weighted(weights, {f"x{i}": i for i in range(len(weights))})
    return EventCase(b.build(), {"bus": rule}, window=3)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 12))
def test_saturated_shares_are_the_weights_in_every_window(weights, turns):
    timing = saturated(weights, turns).run()
    winners = [grant.op for grant in timing.grants("bus")]
    assert winners == [f"x{i}" for i, weight in enumerate(weights) for _ in range(weight)] * turns
    assert timing.makespan_ps == 5 * sum(weights) * turns


def against_a_flood(rule, turns: int) -> int:
    """Return the longest wait of a small request against a flood that fills the bus."""
    b = ProgramBuilder("flood")
    bus = b.resource("bus")
    flood = b.op("flood", holds=[(bus, 10)], latency=10)
    small = b.op("small", holds=[(bus, 1)], latency=1)
    with b.loop(turns, "floods"):
        b.place(flood)
    b.place(small)
    arrivals = {"flood": [10 * n for n in range(turns)], "small": [15]}
    timing = simulate_events(b.build(), {"bus": rule}, arrivals_ps=arrivals)
    return timing.longest_wait_ps["small"]


@pytest.mark.parametrize("turns", [10, 100, 1000])
def test_priority_starves_and_the_others_do_not(turns):
    assert against_a_flood(priority({"small": 1}), turns) == 10 * turns - 15
    assert against_a_flood(fcfs(), turns) == 5
    for weight in (1, 3, 7):
        rule = weighted((weight, 1), {"flood": 0, "small": 1})
        assert against_a_flood(rule, turns) <= 10 * weight


@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_head_of_a_requester_waits_for_the_quotas_of_the_others(weights, rng):
    """At most Σw − w_i grants go to others between two services of a requester that waits."""
    b = ProgramBuilder("bounded")
    bus = b.resource("bus")
    arrivals = {}
    for i in range(len(weights)):
        op = b.op(f"x{i}", holds=[(bus, 3)], latency=3)
        count = rng.randint(1, 12)
        with b.loop(count, "requests"):
            b.place(op)
        arrivals[f"x{i}"] = sorted(rng.randint(0, 60) for _ in range(count))
    requesters = {f"x{i}": i for i in range(len(weights))}
    rule = weighted(weights, requesters)
    timing = simulate_events(b.build(), {"bus": rule}, arrivals_ps=arrivals)
    grants = timing.grants("bus")
    for i, weight in enumerate(weights):
        since = 0
        last_end = -1
        for grant in grants:
            if grant.op == f"x{i}":
                worst = sum(weights) - weight + (1 if grant.served.ready_ps > last_end else 0)
                assert since <= worst
                since, last_end = 0, grant.served.granted_ps
            else:
                mine = [g for g in grants if g.op == f"x{i}"]
                waiting = any(
                    g.served.ready_ps <= grant.served.granted_ps < g.served.granted_ps for g in mine
                )
                since = since + 1 if waiting else 0


def test_a_faster_unit_can_make_the_schedule_longer():
    """Graham's anomaly: why there are no sensitivities of runs with choices."""

    def makespan(fast: int) -> int:
        b = ProgramBuilder("anomaly")
        unit = b.resource("unit", 3)
        lengths = [3, 2, 2, 2, 4, 4, 4, 4, 9]
        ops = []
        for n, length in enumerate(lengths):
            ps = length - fast
            ops.append(b.op(f"t{n + 1}", holds=[(unit, ps)], latency=ps))
            b.place(ops[-1])
        b.after(ops[8], ops[0])
        for n in range(4, 8):
            b.after(ops[n], ops[3])
        ranks = {f"t{n + 1}": n for n in range(9)}
        return simulate_events(b.build(), {"unit": priority(ranks)}).makespan_ps

    assert (makespan(0), makespan(1)) == (12, 13)


def test_a_window_holds_turns_back_until_older_ones_have_ended():
    for seed in range(30):
        case = draw_case(random.Random(f"window {seed}"))
        timing = case.run()
        if not case.program.ops or timing.log is None or case.window is None:
            continue
        flat = timing.log.flat
        ends = [0] * flat.turns
        begins = [timing.makespan_ps] * flat.turns
        for op, name in enumerate(case.program.ops):
            for number in range(timing.num_instances[name]):
                turn = number // flat.per_turn[op]
                ends[turn] = max(ends[turn], timing.end_ps(name, number))
                begins[turn] = min(begins[turn], timing.served(name, number).ready_ps)
        for turn in range(case.window, flat.turns):
            assert begins[turn] >= max(ends[: turn - case.window + 1])


def test_rules_refuse_what_does_not_fit():
    b = ProgramBuilder("p")
    b.place(b.op("x", holds=[(b.resource("bus"), 1)]))
    program = b.build()
    for rule, message in (
        (fcfs({"y": 1}), "does not hold it"),
        (weighted((1, 1), {"x": 2}), "belongs to requester 2; allowed: 0 to 1"),
    ):
        with pytest.raises(SimulationError, match=message):
            simulate_events(program, {"bus": rule})
    with pytest.raises(SimulationError, match="'bos'; did you mean 'bus'"):
        simulate_events(program, {"bos": fcfs()})
    with pytest.raises(SimulationError, match="weights must be at least 1"):
        weighted((1, 0), {})
    assert simulate_events(program, fcfs()).makespan_ps == 1


@given(st.text("01", min_size=1, max_size=9), st.integers(1, 5), st.integers(0, 200))
def test_openings_open_where_the_pattern_says(text, cycle_ps, time_ps):
    if "1" not in text:
        with pytest.raises(SimulationError, match="with a 1"):
            Opening.pattern(text)
        return
    found = Opening.pattern(text, cycle_ps).next_open_ps(time_ps)
    cycle = time_ps // cycle_ps
    while text[cycle % len(text)] == "0":
        cycle += 1
    assert found == max(time_ps, cycle * cycle_ps)


@pytest.mark.parametrize("intervals", [(), ((3, 3),), ((4, 2),), ((0, 2), (2, 3)), ((0, 11),)])
def test_openings_refuse_intervals_that_are_none(intervals):
    with pytest.raises(SimulationError, match=r"interval|open"):
        Opening(10, intervals)
