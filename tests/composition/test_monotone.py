"""More of a resource is never slower under the searched mapping."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.composition.samples import evaluate, map_pass, run, small, tiny

LOADS = st.builds(
    tiny,
    st.sampled_from(["prefill", "decode"]),
    batch=st.sampled_from([1, 3]),
    context=st.integers(1, 40),
)
MACHINES = st.tuples(st.integers(32, 300), st.integers(100, 20_000), st.integers(0, 1000))
"""Buffer in KiB, bandwidth in MB/s, memory latency in ns."""
FACTORS = st.sampled_from([1.01, 1.5, 2.0, 10.0])


def latency_s(load, kib, mb_per_s, latency_ns):
    on = small(kib, f"{mb_per_s} MB/s", f"components.dram.latency={latency_ns} ns")
    return run(on, load).latency_s


def check_bandwidth(load, machine, factor):
    kib, mb_per_s, latency_ns = machine
    faster = latency_s(load, kib, int(mb_per_s * factor) + 1, latency_ns)
    assert faster <= latency_s(load, *machine)


def check_buffer(load, machine, factor):
    kib, mb_per_s, latency_ns = machine
    assert latency_s(load, int(kib * factor) + 1, mb_per_s, latency_ns) <= latency_s(load, *machine)


def check_latency(load, machine, factor):
    kib, mb_per_s, latency_ns = machine
    assert latency_s(load, kib, mb_per_s, int(latency_ns / factor)) <= latency_s(load, *machine)


CHECKS = pytest.mark.parametrize("check", [check_bandwidth, check_buffer, check_latency])


@CHECKS
@settings(max_examples=3)
@given(load=LOADS, machine=MACHINES, factor=FACTORS)
def test_more_is_never_slower(check, load, machine, factor):
    check(load, machine, factor)


@pytest.mark.slow
@CHECKS
@settings(max_examples=40)
@given(load=LOADS, machine=MACHINES, factor=FACTORS)
def test_more_is_never_slower_on_many_machines(check, load, machine, factor):
    check(load, machine, factor)


def test_a_longer_context_is_never_faster():
    contexts = (1, 2, 15, 16, 17, 63, 64, 200)
    times = [run(small(), tiny("decode", context=context)).latency_s for context in contexts]
    assert times == sorted(times)


def test_the_chosen_residency_is_the_fastest_of_those_tried():
    on, load = small(256), tiny("prefill", context=40)
    chosen = map_pass(on, load)
    smaller = map_pass(small(64), load)
    assert chosen.residency.reserve_bytes >= 0
    assert evaluate(chosen.program) <= evaluate(smaller.program)
