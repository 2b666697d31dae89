"""What stays on chip: within its room, and a larger room only adds choices."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.fragments import ATTENTION, GEMM, VECTOR, cut
from archsim.residency import reserves, residencies
from tests.composition.samples import machine, small, tiny
from workloads import load_workload

LOADS = st.builds(
    tiny,
    st.sampled_from(["prefill", "decode"]),
    batch=st.sampled_from([1, 4]),
    context=st.integers(1, 300),
)


def choices(on, load):
    step = load if load.phase == "prefill" else load.step(0)
    return residencies(step, on, {stage.name: cut(stage.cascade) for stage in step.stages})


def homes(on, load):
    return {
        json.dumps({name: item.homes for name, item in choice.stages.items()}, sort_keys=True)
        for choice in choices(on, load)
    }


@settings(max_examples=30)
@given(load=LOADS, kib=st.integers(1, 3000), more=st.integers(0, 3000))
def test_a_larger_innermost_level_keeps_every_choice(load, kib, more):
    assert homes(small(kib), load) <= homes(small(kib + more), load)


@settings(max_examples=40)
@given(load=LOADS, kib=st.integers(1, 3000))
def test_what_stays_fits_into_its_room(load, kib):
    on = small(kib)
    stages = {
        stage.name: stage.cascade
        for stage in (load if load.phase == "prefill" else load.step(0)).stages
    }
    for choice in choices(on, load):
        assert 2 * choice.reserve_bytes <= kib * 1024
        for name, placement in choice.stages.items():
            activations = {
                tensor.name
                for tensor in stages[name].role_tensors("input", "intermediate", "output")
            }
            kept = set(placement.homes)
            assert kept <= activations
            assert stages[name].footprint_bytes(fused=activations - kept) <= choice.reserve_bytes
            room = placement.available_bytes[on.innermost]
            assert room >= kib * 1024 - choice.reserve_bytes


@given(capacity=st.one_of(st.none(), st.integers(0, 2**40)))
def test_reserves_grow_with_the_capacity(capacity):
    sizes = list(reserves(capacity))
    assert sizes[0] == 0
    assert sizes == sorted(set(sizes))
    if capacity is not None:
        assert all(2 * size <= capacity for size in sizes)
        assert set(sizes) <= set(reserves(capacity + 12345)) <= set(reserves(None))


def test_a_level_between_keeps_what_it_can():
    load = load_workload("llama3.2-1b", phase="prefill", context=64)
    found = choices(machine("tpu-v4i"), load)
    assert any("cmem" in choice.stages["layer"].homes.values() for choice in found)


@pytest.mark.parametrize("model", ["llama3.2-1b", "bert-base"])
def test_fragments_are_the_layer_in_order(model):
    load = load_workload(model, phase="prefill", context=8)
    for stage in load.stages:
        fragments = cut(stage.cascade)
        names = [einsum.name for item in fragments for einsum in item.cascade.einsums]
        assert names == [einsum.name for einsum in stage.cascade.einsums]
        kinds = [item.mapper_class for item in fragments]
        assert set(kinds) <= {GEMM, ATTENTION, VECTOR}
        for kind, after in pairwise(kinds):
            assert kind == GEMM or kind != after
        if stage.name == "layer":
            assert kinds.count(ATTENTION) == 1
