from fractions import Fraction

import pytest

from archsim.errors import WorkloadError
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
    assert sparse.weight_bytes() == dense.weight_bytes()
    step = sparse.step(0).stages[1].cascade
    part = step.subset(["gate_projection"], "part")
    assert part.tensor("WG").sparsity == Sparsity(2, 4)
    again = Cascade.from_json(step.to_json())
    assert again == step
    assert (
        step.signature()
        != load_workload("llama3-8b", phase="decode", context=8).stages[1].cascade.signature()
    )
