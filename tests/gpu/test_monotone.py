"""More of anything never slows an operator: multiprocessors, bandwidths, L2, clock, power."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.gpu.device import load_device
from archsim.gpu.predict import predictor

PARTS = ("a100-80g-sxm", "h200-sxm", "l40s", "rtx-pro-6000")
ROUNDING = 1 + 2e-6
"""The clock that a power cap leaves is found to within 1e-6."""


def bigger(name, part, factor):
    """Return a device with more of something."""
    device = load_device(name)
    if part == "count":
        return replace(device, sm=device.sm.model_copy(update={"count": factor}))
    if part == "clock":
        return replace(device, clock_hz=device.clock_hz * factor)
    owner, field = {
        "bandwidth": ("memory", "bandwidth_bytes_per_s"),
        "capacity": ("l2", "capacity_bytes"),
        "l2 bandwidth": ("l2", "bytes_per_cycle"),
        "link": ("link", "bandwidth_bytes_per_s"),
        "power": ("sm", "power_cap_w"),
    }[part]
    held = getattr(device, owner)
    value = type(getattr(held, field))(getattr(held, field) * factor)
    return replace(device, **{owner: held.model_copy(update={field: value})})


sizes = st.integers(0, 14).map(lambda power: 2**power) | st.integers(1, 20000)
OPERATORS = {
    "gemm": {"m": sizes, "n": sizes, "k": sizes, "copies": st.sampled_from((0, 1))},
    "attention_decode": {
        **{
            "batch": st.integers(1, 300),
            "heads": st.sampled_from((8, 32, 64)),
            "copies": st.just(1),
        },
        **{"kv_heads": st.sampled_from((1, 8)), "head_dim": st.sampled_from((64, 128))},
        **{"kv_len": st.integers(1, 100_000)},
    },
    "attention_prefill": {
        **{"batch": st.integers(1, 8), "heads": st.sampled_from((8, 32, 64))},
        **{"kv_heads": st.sampled_from((1, 8)), "head_dim": st.sampled_from((64, 128))},
        **{"q_len": st.integers(1, 4000), "history": st.integers(0, 20000)},
    },
    "moe": {
        **{"m": sizes, "n": st.sampled_from((352, 768, 2048)), "k": st.sampled_from((2048, 4096))},
        **{"experts": st.sampled_from((8, 64, 256)), "topk": st.sampled_from((1, 2, 8))},
        **{"skew": st.sampled_from((0, 1.2))},
    },
    "softmax": {"m": sizes, "n": sizes},
    "rmsnorm": {"m": sizes, "n": sizes},
    "allreduce": {"tp": st.sampled_from((2, 4, 8)), "bytes": st.integers(1, 1 << 30)},
}


def check(op, gpu, shape, part, less, more):
    if "history" in shape:
        shape["kv_len"] = shape.pop("history") + shape["q_len"]
    library = "nccl" if op == "allreduce" else ""
    slow, fast = (
        predictor(bigger(gpu, part, size), op, library=library)(shape) for size in (less, more)
    )
    assert fast.time_s <= slow.time_s * ROUNDING, (part, slow, fast)


@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_more_multiprocessors_never_slow_an_operator(op, data):
    shape = {name: data.draw(values, name) for name, values in OPERATORS[op].items()}
    less, extra = data.draw(st.integers(8, 200)), data.draw(st.integers(1, 120))
    check(op, data.draw(st.sampled_from(PARTS)), shape, "count", less, less + extra)


@pytest.mark.parametrize("op", OPERATORS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_more_of_anything_else_never_slows_an_operator(op, data):
    shape = {name: data.draw(values, name) for name, values in OPERATORS[op].items()}
    part = data.draw(
        st.sampled_from(("bandwidth", "capacity", "l2 bandwidth", "link", "clock", "power"))
    )
    less, more = data.draw(st.sampled_from(((0.5, 1.0), (1.0, 1.1), (1.0, 2.0), (1.3, 4.0))))
    check(op, data.draw(st.sampled_from(PARTS)), shape, part, less, more)


@pytest.mark.parametrize("m", [512, 2048, 8192])
def test_faster_memory_never_slows_experts_at_the_power_cap(m):
    shape = {"m": m, "n": 2048, "k": 2048, "experts": 8, "topk": 2, "skew": 0}
    check("moe", "l40s", shape, "bandwidth", 1.0, 1.1)
