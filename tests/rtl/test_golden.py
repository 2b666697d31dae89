"""Golden models on their own: against floating point, against each other, in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.components.arbiter_laws import wrr_grants
from archsim.components.pim_laws import PimTiming
from archsim.engine import run_program
from rtl_ref.attn_tile import program as attn
from rtl_ref.cim_macro.golden import digit_serial, results
from rtl_ref.harness.blocks import load_block
from rtl_ref.harness.packing import pack, unpack
from rtl_ref.online_softmax.golden import exp_negative, softmax_row
from rtl_ref.pim_bank.golden import ACT, MAC, PRE, REF, TimingModel
from rtl_ref.topk_router.golden import CapacityModel, top_k
from rtl_ref.wrr_arb.golden import Arbiter

seeds = st.integers(0, 2**32 - 1)


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=9))
def test_packing_round_trip(values):
    assert unpack(pack(values, 8), 8, len(values)) == values


@given(seeds, st.integers(1, 8), st.integers(1, 9))
def test_digits_give_the_same_sums(seed, bits_per_cycle, input_bits):
    rng = np.random.default_rng(seed)
    half = 1 << (input_bits - 1)
    x = rng.integers(-half, half, size=(3, 5))
    w = rng.integers(-8, 8, size=(5, 2))
    assert (digit_serial(x, w, input_bits, bits_per_cycle) == results(x, w)).all()


def test_exponent_is_within_two_units():
    distance = np.arange(0, 1 << 17)
    exact = np.exp(-distance / 1024)
    assert np.abs(exp_negative(distance) / 2**15 - exact).max() <= 2**-14


@pytest.mark.parametrize("size", [16, 32])
def test_softmax_is_close_to_floating_point(size):
    rng = np.random.default_rng(5)
    for tiles in (1, 3, 8):
        for _ in range(20):
            scores = np.round(rng.normal(0.0, 2.5, size=(tiles, size)) * 1024).astype(np.int64)
            row = softmax_row(scores)
            exact = np.exp((scores - scores.max()) / 1024)
            assert row.maximum == scores.max()
            assert row.denominator / 2**15 == pytest.approx(exact.sum(), rel=1e-3)
            running = np.maximum.accumulate(scores.max(axis=1))[:, None]
            weights = np.exp((scores - running) / 1024)
            assert np.abs(row.weights / 2**15 - weights).max() <= 2**-14


@given(seeds, st.integers(1, 6))
def test_router_keeps_the_lower_expert_of_equals(seed, k):
    logits = np.random.default_rng(seed).integers(-2, 3, size=8)
    chosen = top_k(logits, k)
    keys = [(-int(logits[expert]), expert) for expert in range(8)]
    assert [(-int(logits[expert]), expert) for expert in chosen] == sorted(keys)[:k]


def test_capacity_drops_in_token_order():
    model = CapacityModel(2)
    dropped = [model.admit([0, expert]) for expert in (1, 2, 3)]
    assert dropped == [[False, False], [False, False], [True, False]]
    assert CapacityModel(0).admit([0, 0, 0]) == [False] * 3


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 12)), min_size=1, max_size=4))
def test_arbiter_model_follows_the_law(pairs):
    weights, left = [list(column) for column in zip(*pairs, strict=True)]
    order, arbiter = [], Arbiter(weights)
    expected = wrr_grants(weights, left)
    while any(left):
        winner = arbiter.choose([count > 0 for count in left])
        arbiter.finish(winner, ready=True)
        left[winner] -= 1
        order.append(winner)
    assert order == expected


def test_bank_model_refuses_what_is_too_early_or_out_of_place():
    model = TimingModel(PimTiming(14, 14, 33, 4, 5, 20, 14, 6, 50))
    model.issue(ACT, 0, 3)
    assert model.earliest(MAC) == (14, {"tRCD"})
    with pytest.raises(AssertionError, match="legal from 14"):
        model.issue(MAC, 13, 0)
    model.issue(MAC, 14, 0)
    assert model.earliest(PRE) == (33, {"tRAS"})
    with pytest.raises(AssertionError, match="wrong state"):
        model.issue(REF, 100, 0)


@given(st.data())
def test_engine_is_exact_for_any_order_and_stalls_of_the_port(data):
    """An order found with the arbiter's rules, replayed with its stalls, moves everything."""
    block = load_block("attn_tile")
    config = data.draw(st.sampled_from(list(block.configs.values())))
    case = {"beats": data.draw(st.integers(1, 4)), "blocks": data.draw(st.integers(1, 2))}
    pattern = data.draw(st.text("01", min_size=1, max_size=6).filter(lambda text: "1" in text))
    order = attn.port_order(config.parameters, case, lambda n: pattern[n % len(pattern)] == "1")
    timing = run_program(attn.timed_program(config.parameters, case, order), path=False)
    shape = attn.shape(config.parameters, case)
    moved = sum(ready for _, ready in order)
    assert moved == shape.blocks * (shape.block_beats + shape.words)
    assert timing.makespan_ps >= len(order)
