import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import simulate
from archsim.errors import WorkloadError
from archsim.mapping import MemoryCache
from archsim.numberformat import parse_format
from mappers.gemm_bound import format_bytes
from workloads import Cascade, load_workload
from workloads.sparsity import Sparsity, parse_sparsity


@pytest.mark.parametrize("text", ["2:4", "1:2@16x16", "1:1"])
def test_texts_round_trip(text):
    assert str(parse_sparsity(text)) == text


def test_storage():
    assert parse_sparsity("2:4").density == Fraction(1, 2)
    assert parse_sparsity("2:4").bits_per_dense_element(16) == 9
    assert parse_sparsity("2:8").bits_per_dense_element(16) == Fraction(19, 4)
    assert parse_sparsity("1:2@16x16").bits_per_dense_element(8) == 4 + Fraction(1, 512)
    assert Sparsity(1, 1).bits_per_dense_element(8) == 8


@pytest.mark.parametrize("text", ["4:2", "0:4", "2", "2:4@0x1", "a:b", "2:4@16"])
def test_bad_texts(text):
    with pytest.raises(WorkloadError, match=r"options\.sparsity: is no sparsity"):
        parse_sparsity(text)


def test_annotation_reaches_the_matrices_of_the_layers_and_nothing_else():
    dense = load_workload("llama3-8b", context=8)
    sparse = load_workload("llama3-8b", context=8, sparsity="2:4", phase="generate", new_tokens=2)
    marked = {
        tensor.name
        for stage in sparse.stages
        for tensor in stage.cascade.tensors
        if tensor.sparsity is not None
    }
    assert marked == {"WQ", "WK", "WV", "WO", "WG", "WU", "WD"}
    assert sparse.macs() == dense.macs()
    kept = dense.num_parameters() - 2 * 128256 * 4096 - 65 * 4096
    assert sparse.weight_bytes() == dense.weight_bytes() - kept * (16 - 9) // 8
    step = sparse.step(0).stages[1].cascade
    part = step.subset(["gate_projection"], "part")
    assert part.tensor("WG").sparsity == Sparsity(2, 4)
    again = Cascade.from_json(step.to_json())
    assert again == step
    assert (
        step.signature()
        != load_workload("llama3-8b", phase="decode", context=8).stages[1].cascade.signature()
    )


@given(
    st.sampled_from(["bf16", "int8", "int4:g128:fp16", "mxfp4"]),
    st.sampled_from(["2:4", "1:4", "1:2@16x16", "4:4"]),
    st.integers(0, 10**12),
)
def test_what_is_kept_is_stored_with_its_positions(name, text, number):
    dense, sparsity = parse_format(name), parse_sparsity(text)
    stored = sparsity.stored(dense)
    assert sparsity.stored(stored) == stored
    assert stored.name == dense.name
    bits = sparsity.bits_per_dense_element(dense.bits_per_element)
    assert stored.bits_per_element == bits
    assert stored.bytes(number) == math.ceil(bits * number / 8)
    batch = np.array([number, 7])
    assert format_bytes(stored, batch)[0] == stored.bytes(number)


@pytest.mark.parametrize("machine", ["array128-hbm2e", "fusemax-cloud", "a100-80g-sxm"])
def test_sparse_weights_take_less_time_memory_and_energy(machine):
    options = {"phase": "decode", "context": 64}
    runs = [
        simulate(machine, load_workload("llama3.2-1b", sparsity=text, **options))
        for text in ("", "2:4", "1:4")
    ]
    for more, less in pairwise(runs):
        assert less.latency_s < more.latency_s
        assert less.dram_bytes < 0.8 * more.dram_bytes
        assert less.energy_j < more.energy_j
        assert less.roofline.bound_s < more.roofline.bound_s
        assert less.macs == more.macs
        assert less.latency_s >= less.roofline.bound_s
    assert any("keep 2:4" in line for line in runs[1].assumptions)
    assert not any("keep " in line for line in runs[0].assumptions)


def test_a_search_for_dense_weights_is_not_taken_for_sparse_ones():
    options = {"phase": "decode", "context": 64}
    sparse = load_workload("llama3.2-1b", sparsity="2:4", **options)
    alone = simulate("array128-lpddr5", sparse, cache=MemoryCache())
    cache = MemoryCache()
    simulate("array128-lpddr5", load_workload("llama3.2-1b", **options), cache=cache)
    assert simulate("array128-lpddr5", sparse, cache=cache).to_json() == alone.to_json()
