"""Run-time arbitration against the rules of the blocks: event kernel == law == model, no simulator.

The benches demand the same of the blocks themselves, on the same cases and on random traffic.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.components.arbiter_laws import wrr_grants
from archsim.engine import interpret_events, run_program, simulate_events
from rtl_ref.attn_tile import events, program
from rtl_ref.harness.blocks import load_block
from rtl_ref.wrr_arb import program as arbiter
from rtl_ref.wrr_arb.golden import Arbiter

TILE, ARBITER = load_block("attn_tile"), load_block("wrr_arb")
TILE_CASES = [(config, case) for config in TILE.configs.values() for case in config.cases]
ARBITER_CASES = [(config, case) for config in ARBITER.configs.values() for case in config.cases]
PATTERNS = st.text("01", min_size=1, max_size=7).filter(lambda text: "1" in text)


def check_tile(parameters, case) -> None:
    """Assert that three ways to the order and the cycles of a tile agree."""
    stepped = program.port_order(parameters, case, program.ready_pattern(case))
    replayed = run_program(program.timed_program(parameters, case, stepped), path=False)
    found = events.simulate_tile(parameters, case, events.ready_text(case))
    assert events.port_cycles(found) == stepped
    assert found.makespan_ps == replayed.makespan_ps == program.cycles(parameters, case)


@pytest.mark.parametrize(("config", "case"), TILE_CASES, ids=str)
def test_the_event_kernel_finds_the_order_of_the_tile(config, case):
    check_tile(config.parameters, case)


@given(
    st.sampled_from(list(TILE.configs.values())),
    st.fixed_dictionaries(
        {"beats": st.integers(1, 6), "blocks": st.integers(1, 5), "ready": PATTERNS}
    ),
    st.fixed_dictionaries({"WeightIn": st.integers(1, 5), "WeightOut": st.integers(1, 5)}),
)
@settings(deadline=None)
def test_it_finds_the_order_for_any_memory_and_any_weights(config, case, weights):
    check_tile({**config.parameters, **weights}, case)


@pytest.mark.parametrize(("config", "case"), TILE_CASES, ids=str)
def test_the_reference_finds_the_same(config, case):
    tile = events.tile_program(config.parameters, case)
    rules = events.port_rules(config.parameters, events.ready_text(case))
    reference = interpret_events(tile, rules)
    assert reference.makespan_ps == program.cycles(config.parameters, case)


@pytest.mark.parametrize("config", TILE.configs.values(), ids=str)
@pytest.mark.parametrize("ready", ["1", "110", "01101"])
def test_a_tile_of_many_blocks_folds(config, ready):
    """A window that the tile's own buffers never reach changes nothing, and lets it fold."""
    rules = events.port_rules(config.parameters, ready)
    few, many = (
        events.tile_program(config.parameters, {"beats": 3, "blocks": blocks})
        for blocks in (60, 10**9)
    )
    whole = simulate_events(few, rules)
    windowed = simulate_events(few, rules, window=8)
    assert windowed.makespan_ps == whole.makespan_ps
    assert [windowed.starts_ps(op) for op in few.ops] == [whole.starts_ps(op) for op in few.ops]
    folded = simulate_events(many, rules, window=8)
    assert folded.jumps == 1
    assert folded.simulated < 5000
    assert folded.makespan_ps > 10**9 * 3


@pytest.mark.parametrize(("config", "case"), ARBITER_CASES, ids=str)
def test_the_event_kernel_equals_the_law_of_the_arbiter(config, case):
    wanted = arbiter.backlog(config.parameters, case)
    timing = arbiter.simulate_requests(case["weights"], [[0] * size for size in wanted])
    assert timing.makespan_ps == arbiter.cycles(config.parameters, case)
    assert arbiter.grants(timing) == [
        (winner, cycle) for cycle, winner in enumerate(wrr_grants(case["weights"], wanted))
    ]


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.lists(st.integers(0, 40), max_size=12)),
        min_size=1,
        max_size=5,
    ),
    PATTERNS,
)
def test_random_requests_are_granted_as_by_the_model(requesters, pattern):
    weights = [weight for weight, _ in requesters]
    arrivals = [sorted(times) for _, times in requesters]
    model, left, expected = Arbiter(weights), [list(times) for times in arrivals], []
    cycle = 0
    while any(left):
        ready = pattern[cycle % len(pattern)] == "1"
        winner = model.choose([bool(times) and times[0] <= cycle for times in left])
        model.finish(winner, ready=ready)
        if winner is not None and ready:
            expected.append((winner, cycle))
            left[winner].pop(0)
        cycle += 1
    timing = arbiter.simulate_requests(weights, arrivals, pattern)
    assert arbiter.grants(timing) == expected
