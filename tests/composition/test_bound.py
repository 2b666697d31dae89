"""The roofline bound is below every run, and more hardware never raises it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.roofline import bound_pass
from archsim.units import PS_PER_S
from tests.composition.samples import MACHINES, machine, run, small, tiny
from workloads import load_workload


def assert_above_bound(hardware, workload, **options):
    tile = run(hardware, workload, **options)
    bound = run(hardware, workload, fidelity="roofline", **options)
    assert tile.feasible
    assert tile.latency_s >= tile.roofline.bound_s == bound.latency_s
    for phase in tile.phases.values():
        assert phase.latency_s >= phase.bound_s
        assert phase.macs > 0
    assert tile.dram_bytes >= bound.dram_bytes
    assert tile.macs == bound.macs


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize(("phase", "context"), [("prefill", 32), ("decode", 100)])
def test_a_real_model(name, phase, context):
    assert_above_bound(name, "llama3.2-1b", phase=phase, context=context)


@pytest.mark.parametrize("batch", [2, 8])
def test_a_batch(batch):
    assert_above_bound("tpu-v4i", "llama3.2-1b", phase="decode", context=64, batch=batch)


def test_an_encoder():
    assert_above_bound("array128-hbm3", "bert-base", phase="prefill", context=128)


@settings(max_examples=5)
@given(
    phase=st.sampled_from(["prefill", "decode", "generate"]),
    batch=st.sampled_from([1, 2, 5]),
    context=st.integers(1, 64),
    capacity_kib=st.sampled_from([32, 64, 512]),
    bandwidth=st.sampled_from(["500 MB/s", "4 GB/s", "200 GB/s"]),
)
def test_a_tiny_model_on_machines_of_all_balances(phase, batch, context, capacity_kib, bandwidth):
    load = tiny(phase, batch=batch, context=context, new_tokens=3)
    assert_above_bound(small(capacity_kib, bandwidth), load)


@settings(max_examples=40)
@given(
    key=st.sampled_from(["array.rows", "array.columns", "array.count", "vector.lanes"]),
    less=st.integers(1, 300),
    more=st.integers(0, 300),
    phase=st.sampled_from(["prefill", "decode"]),
)
def test_a_larger_machine_never_raises_the_bound(key, less, more, phase):
    load = tiny(phase, context=300)
    step = load if phase == "prefill" else load.step(0)
    bounds = [
        bound_pass(step, machine("array128-hbm2e", f"components.{key}={size}")).bound_ps
        for size in (less, less + more)
    ]
    assert bounds[0] >= bounds[1]


@settings(max_examples=30)
@given(gb_per_s=st.integers(1, 4000), more=st.integers(0, 4000), mhz=st.integers(100, 2000))
def test_more_bandwidth_or_clock_never_raises_the_bound(gb_per_s, more, mhz):
    step = tiny("decode", context=300).step(0)
    slow = machine(
        "array128-hbm2e", f"components.dram.bandwidth={gb_per_s} GB/s", f"clocks.core={mhz} MHz"
    )
    for override in (
        (f"components.dram.bandwidth={gb_per_s + more} GB/s", f"clocks.core={mhz} MHz"),
        (f"components.dram.bandwidth={gb_per_s} GB/s", f"clocks.core={mhz + more} MHz"),
    ):
        fast = machine("array128-hbm2e", *override)
        assert bound_pass(step, fast).bound_ps <= bound_pass(step, slow).bound_ps


def test_the_bound_by_hand():
    on = machine("array128-hbm2e")
    load = load_workload("llama3.2-1b", phase="prefill", context=2048)
    bound = bound_pass(load, on)
    macs_per_ps = 128 * 128 / on.array.clock.period_ps
    assert bound.compute_ps == pytest.approx(load.macs() / macs_per_ps, rel=1e-12)
    num_bytes = sum(load.compulsory_bytes().values())
    assert bound.memory_ps == -(-num_bytes * PS_PER_S // (614 * 10**9))
    assert bound.bound_ps == max(bound.compute_ps, bound.memory_ps)
    assert bound.limited_by == ("array", "compute")
