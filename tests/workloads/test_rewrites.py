"""Rewrites of cascades: same numbers, fewer passes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import WorkloadError
from workloads import attention_cascade
from workloads.cascade_file import load_cascade
from workloads.passes import analyze_passes
from workloads.rewrites import defer_division, local_max, one_pass, running_max, tile_rank, two_pass


def inputs_of(cascade, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return {
        tensor.name: rng.normal(size=tensor.shape(cascade)) * scale
        for tensor in cascade.tensors
        if tensor.name not in cascade.made() or tensor.role == "kv"
    }


def same(first, second, inputs):
    """Check that two cascades give the same outputs."""
    results = [cascade.execute(inputs) for cascade in (first, second)]
    for tensor in first.role_tensors("output"):
        np.testing.assert_allclose(*(r[tensor.name] for r in results), rtol=1e-9, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(0, 20),
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from([1.0, 40.0]),
)
def test_every_form_of_attention_gives_the_same(queries, history, tile, causal, scale):
    plain = attention_cascade(
        "3-pass", queries=queries, keys=queries + history, head_dim=3, group=2, causal=causal
    )
    # Scores of this size overflow an exponential without its maximum.
    inputs = inputs_of(plain, scale=scale)
    passes = {
        3: plain,
        2: defer_division(plain),
        1: one_pass(plain, "M", tile),
    }
    for expected, form in passes.items():
        same(plain, form, inputs)
        assert analyze_passes(form).rank("M").passes == expected
    tiled = two_pass(plain, "M", tile)
    same(plain, tiled, inputs)
    assert analyze_passes(tiled).rank("M").passes == 2
    split = two_pass(defer_division(plain), "M", tile)
    same(plain, split, inputs)
    assert analyze_passes(split).rank("M").passes == 1


def test_the_rewritten_form_is_cascade_5():
    plain = load_cascade("attention-3-pass").cascade
    made = one_pass(plain, "M", 256)
    written = load_cascade("attention-1-pass").cascade
    kinds = [sorted(e.map.__class__.__name__ for e in c.einsums) for c in (made, written)]
    assert kinds[0] == kinds[1]
    assert made.op_counts() == written.op_counts()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("rms-norm-matmul", "rms-norm-matmul-deferred"),
        ("attention-3-pass", "attention-3-pass-deferred"),
        ("attention-unstable", "attention-unstable-deferred"),
    ],
)
def test_deferral_gives_the_passes_of_the_form_written_by_hand(before, after):
    plain, known = (load_cascade(name).cascade for name in (before, after))
    made = defer_division(plain)
    assert analyze_passes(made).passes == analyze_passes(known).passes
    assert made.op_counts() == known.op_counts()


def test_log_sum_exp_becomes_online_by_the_same_rewrite():
    text = (
        "name: lse\nranks: {P: 3, M: 37}\ntensors: {X: P M}\neinsums:\n"
        "  - G[p] = X[p,m] (max over m)\n  - N[p,m] = sub_exp(X[p,m], G[p])\n"
        "  - D[p] = N[p,m]\n  - L[p] = log(D[p]) + G[p]\n"
    )
    plain = load_cascade(text).cascade
    made = one_pass(plain, "M", 5)
    same(plain, made, inputs_of(plain, scale=300.0))
    assert (analyze_passes(plain).passes["M"], analyze_passes(made).passes["M"]) == (2, 1)


def test_the_difference_may_be_written_out():
    text = (
        "name: s\nranks: {P: 3, M: 20, F: 4}\ntensors: {X: P M, V: M F}\neinsums:\n"
        "  - G[p] = X[p,m] (max over m)\n  - N[p,m] = exp(X[p,m] - G[p])\n"
        "  - D[p] = N[p,m]\n  - A[p,m] = N[p,m] / D[p]\n  - Y[p,f] = A[p,m] * V[m,f]\n"
    )
    plain = load_cascade(text).cascade
    made = one_pass(plain, "M", 6)
    same(plain, made, inputs_of(plain, scale=200.0))
    assert (analyze_passes(plain).passes["M"], analyze_passes(made).passes["M"]) == (3, 1)


@given(st.integers(1, 30), st.integers(1, 31))
def test_tiling_changes_no_value(extent, tile):
    text = (
        f"name: t\nranks: {{P: 2, M: {extent}}}\ntensors: {{X: P M, W: M}}\neinsums:\n"
        "  - Y[p,m] = X[p,m] * W[m]\n  - S[p] = Y[p,m]\n"
    )
    plain = load_cascade(text).cascade
    same(plain, tile_rank(plain, "M", tile), inputs_of(plain))


def test_what_does_not_apply_is_refused():
    plain = attention_cascade("3-pass", queries=4, keys=8, head_dim=2)
    with pytest.raises(WorkloadError, match="normalise reads single numerators: defer"):
        running_max(tile_rank(plain, "M", 4), "M")
    with pytest.raises(WorkloadError, match="not split into tiles"):
        local_max(plain, "M")
    with pytest.raises(WorkloadError, match="no division or scale to defer"):
        defer_division(load_cascade("moments-sum-of-squares").cascade)
    with pytest.raises(WorkloadError, match="split or iterative already"):
        tile_rank(attention_cascade("1-pass", queries=4, keys=8, head_dim=2, tile=4), "M", 2)
    with pytest.raises(WorkloadError, match="no exponential of a difference"):
        one_pass(load_cascade("moments-sum-of-squares").cascade, "N", 8)
