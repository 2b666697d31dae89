"""Predictions: physics that must hold for every shape, and errors for impossible ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import ConfigError
from archsim.gpu.families import FAMILY_OF
from archsim.gpu.predict import predict, predictor

SHAPES = {
    "gemm": {"m": 128, "n": 4096, "k": 4096},
    "batched_gemm": {"batch": 16, "m": 128, "n": 128, "k": 64},
    "attention_decode": {"batch": 8, "heads": 32, "kv_heads": 8, "head_dim": 128, "kv_len": 2048},
    "attention_prefill": {
        **{"batch": 1, "heads": 32, "kv_heads": 8, "head_dim": 128, "q_len": 512, "kv_len": 1024}
    },
    "attention_latent": {
        **{"batch": 8, "heads": 128, "kv_len": 4096, "head_dim": 576, "value_dim": 512}
    },
    "moe": {"m": 64, "n": 768, "k": 2048, "experts": 64, "topk": 8},
    "rmsnorm": {"m": 128, "n": 4096},
    "allreduce": {"tp": 8, "bytes": 1 << 20},
}
GPUS = ("a100-80g-sxm", "a40", "h100-pcie", "h200-sxm", "gh200", "mi300x", "orin-nano", "t4")
extents = st.integers(1, 20000)


@pytest.mark.parametrize("gpu", GPUS)
@pytest.mark.parametrize("op", SHAPES)
def test_every_operator_on_every_part_is_above_its_roofline(gpu, op):
    found = predict(gpu, op, SHAPES[op], dtype="fp16")
    assert found.time_s >= 0.5 * found.roofline_s
    assert found.time_s > 0
    assert found.power_w > 0
    assert found.energy_j == pytest.approx(found.power_w * found.time_s)


@pytest.mark.parametrize("op", sorted(FAMILY_OF))
def test_every_operator_of_a_measurement_can_be_predicted(op):
    shape = SHAPES.get(op, {"m": 64, "n": 64, "tp": 4, "bytes": 4096, "exchanges": 1})
    assert predict("h200-sxm", op, shape).time_s > 0


@settings(max_examples=60, deadline=None)
@given(m=extents, n=extents, k=extents)
def test_gemm_is_never_faster_than_its_peak_and_takes_longer_for_more(m, n, k):
    one = predict("a100-80g-sxm", "gemm", {"m": m, "n": n, "k": k})
    peak = 2 * m * n * k / 312e12
    assert one.time_s >= peak * 0.999
    double = predict("a100-80g-sxm", "gemm", {"m": m, "n": n, "k": 2 * k})
    assert double.time_s >= one.time_s * 0.9


@settings(max_examples=60, deadline=None)
@given(batch=st.integers(1, 256), keys=st.integers(1, 100_000), group=st.sampled_from((1, 4, 8)))
def test_decode_attention_grows_with_its_keys(batch, keys, group):
    shape = {"batch": batch, "heads": 8 * group, "kv_heads": 8, "head_dim": 128, "kv_len": keys}
    less = predict("h200-sxm", "attention_decode", shape, library="vllm", version="0.22.0")
    more = predict("h200-sxm", "attention_decode", {**shape, "kv_len": 4 * keys}, library="vllm")
    assert more.time_s >= 0.9 * less.time_s


def test_one_row_equals_the_batch():
    model = predictor("l40s", "gemm", library="trtllm", version="1.3.0rc20")
    m = np.array([1.0, 17.0, 300.0, 5000.0])
    many = model.estimate({"m": m, "n": np.full(4, 4096.0), "k": np.full(4, 8192.0)})
    for number, size in enumerate(m):
        alone = model({"m": size, "n": 4096, "k": 8192})
        assert alone.time_s == many.time_us[number] * 1e-6


def test_a_power_cap_lowers_the_clock_of_large_products():
    shape = {"m": 8192, "n": 8192, "k": 8192}
    free, capped = predict("h100-sxm", "gemm", shape), predict("h100-pcie", "gemm", shape)
    assert (free.limiter, capped.limiter) == ("power", "power")
    assert capped.time_s > 1.3 * free.time_s
    assert capped.power_w <= 350


def test_fp8_halves_the_time_of_large_products_at_most():
    shape = {"m": 8192, "n": 8192, "k": 8192}
    wide = predict("h200-sxm", "gemm", shape, library="trtllm")
    narrow = predict("h200-sxm", "gemm", shape, dtype="fp8", library="trtllm")
    assert 0.4 * wide.time_s < narrow.time_s < wide.time_s


def test_constants_say_where_they_come_from():
    own = predictor("h200-sxm", "gemm", library="vllm", version="0.22.0").constants
    assert (own.origin, own.said) == ("fitted", "hopper, vllm 0.22.0, 16bit")
    other = predictor("a40", "gemm").constants
    assert other.origin == "nearest"
    assert "ampere-rtx" in other.said
    without = predictor(
        "h200-sxm", "gemm", library="vllm", version="0.22.0", without=frozenset({"h200-sxm"})
    ).constants
    assert without.origin == "nearest"
    assert "measured parts together" in without.said
    without = predictor("a100-80g-sxm", "attention_decode", without=frozenset({"a100-80g-sxm"}))
    assert "warp-level" in without.constants.said


@pytest.mark.parametrize(
    ("gpu", "op", "shape", "dtype", "message"),
    [
        ("h200", "gemm", SHAPES["gemm"], "bf16", "unknown hardware"),
        ("h200-sxm", "gem", SHAPES["gemm"], "bf16", "did you mean 'gemm'"),
        ("h200-sxm", "gemm", {"m": 1, "n": 1}, "bf16", "gemm needs the extent 'k'"),
        ("h200-sxm", "gemm", {"m": 0, "n": 1, "k": 1}, "bf16", "m: must be at least 1; given 0"),
        ("a100-80g-sxm", "gemm", SHAPES["gemm"], "fp8", "a100-80g-sxm does not compute in this"),
        ("h200-sxm", "gemm", SHAPES["gemm"], "bf15", "bf15"),
    ],
)
def test_impossible_requests_are_refused(gpu, op, shape, dtype, message):
    with pytest.raises(ConfigError, match=message):
        predict(gpu, op, shape, dtype=dtype)
