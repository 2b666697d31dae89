"""Weights packed below what is multiplied, and latent attention: where the laws must agree."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.errors import ConfigError
from archsim.gpu.device import load_device
from archsim.gpu.formats import format_bytes, weight_bytes
from archsim.gpu.gemm import unpacking_s
from archsim.gpu.predict import predict

LATENT = {"batch": 128, "heads": 128, "q_len": 2, "kv_len": 8192, "head_dim": 576, "value_dim": 512}


def test_a_packed_format_is_multiplied_in_its_own():
    assert format_bytes("bf16+w4.125") == 2.0
    assert weight_bytes("bf16+w4.125") == 4.125 / 8
    assert weight_bytes("fp8") == format_bytes("fp8")
    with pytest.raises(ConfigError, match=r"4\.125"):
        weight_bytes("bf16+wide")


def test_nothing_is_unpacked_of_plain_weights():
    device = load_device("h200-sxm")
    assert unpacking_s(device, "bf16") == 0
    assert unpacking_s(device, "bf16+w4") > 0


@settings(max_examples=40, deadline=None)
@given(
    gpu=st.sampled_from(["h200-sxm", "a100-80g-sxm", "rtx-4090"]),
    m=st.integers(1, 4096),
    n=st.integers(256, 16384),
    k=st.integers(256, 16384),
)
def test_fewer_bits_of_weights_are_never_slower_while_memory_limits(gpu, m, n, k):
    shape = {"m": m, "n": n, "k": k}
    wide, eight, four = (
        predict(gpu, "gemm", shape, dtype=f"fp16{bits}").time_s for bits in ("", "+w8", "+w4")
    )
    assert four <= eight * 1.0001
    # Unpacking costs some where products limit.
    assert four <= wide * 1.25


def test_small_batches_gain_what_marlin_publishes():
    """Close to 3.87 for batches to 16 on an A10 (IST-DASLab/marlin, README.md)."""
    for m in (1, 16):
        shape = {"m": m, "n": 18432, "k": 4608}
        plain, packed = (
            predict("a10", "gemm", shape, dtype=dtype).time_s for dtype in ("fp16", "fp16+w4.125")
        )
        assert 3.3 < plain / packed < 3.88


def test_experts_of_four_bits_read_a_quarter():
    shape = {"m": 64, "n": 2880, "k": 2880, "experts": 128, "topk": 4}
    plain, packed = (
        predict("h200-sxm", "moe", shape, dtype=dtype) for dtype in ("bf16", "bf16+w4.25")
    )
    assert packed.dram_bytes == pytest.approx(plain.dram_bytes * 4.25 / 16, rel=0.02)
    assert packed.flops == plain.flops
    assert 2.5 < plain.time_s / packed.time_s < 3.8


def test_latent_attention_reaches_what_flashmla_publishes():
    """660 TFLOP/s and 3000 GB/s on an H800, which is an H100 but for its links."""
    heavy = predict("h100-sxm", "attention_latent", LATENT)
    assert heavy.limiter == "matrix"
    assert heavy.flops / heavy.time_s == pytest.approx(660e12, rel=0.05)
    light = predict("h100-sxm", "attention_latent", {**LATENT, "heads": 16, "q_len": 1})
    assert light.limiter == "dram"
    assert light.dram_bytes / light.time_s == pytest.approx(3000e9, rel=0.06)


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 256), heads=st.sampled_from([8, 16, 64, 128]), keys=st.integers(1, 65536)
)
def test_latent_attention_is_above_its_roofline_and_grows_with_keys(batch, heads, keys):
    shape = {**LATENT, "batch": batch, "heads": heads, "kv_len": keys, "q_len": 1}
    one = predict("h200-sxm", "attention_latent", shape)
    assert one.time_s > one.roofline_s
    more = predict("h200-sxm", "attention_latent", {**shape, "kv_len": 2 * keys})
    assert more.time_s >= one.time_s


def test_ranks_that_share_heads_still_fill_a_tile():
    whole, shared = (
        predict("h200-sxm", "attention_latent", {**LATENT, "heads": heads, "q_len": 1})
        for heads in (64, 16)
    )
    assert shared.time_s > 0.9 * whole.time_s


DEEP_EP = ((16, 118, 195), (32, 155, 273), (64, 173, 314), (128, 192, 369), (256, 194, 360))
"""Ranks, dispatch and combine time in µs of 128 tokens of 7168, 8 experts each (DeepEP, legacy)."""


@pytest.mark.parametrize(("ranks", "dispatch_us", "combine_us"), DEEP_EP)
def test_exchanges_take_what_deepep_publishes(ranks, dispatch_us, combine_us):
    rows = 128 * 8 * (ranks - 8) / ranks
    for wide, measured_us in ((7168 + 7168 / 128 * 4, dispatch_us), (2 * 7168, combine_us)):
        shape = {"exchanges": 1, "bytes": rows * wide}
        found = predict("h100-sxm", "network", shape).time_s * 1e6
        assert found == pytest.approx(measured_us, rel=0.1)


def test_a_part_without_an_adapter_has_no_network():
    with pytest.raises(ConfigError, match="no network adapter"):
        predict("rtx-4090", "network", {"exchanges": 1, "bytes": 1e6})
