"""Unfused attention: parts in order, the full box of scores, any context length."""

from __future__ import annotations

import resource

import pytest

from archsim.engine import run_program
from archsim.errors import MappingError
from archsim.mapping import FragmentMapping, Infeasible, Mapper, MemoryCache
from mappers.unfused import FULL_BOX, UnfusedAttentionMapper, split
from tests.mappers.samples import LAYERS, context, evaluate, machine, small
from workloads import Cascade, attention_cascade, load_workload


def fragment(phase: str, tokens: int, model: str = "llama3-8b") -> Cascade:
    stages = load_workload(model, phase=phase, batch=1, context=tokens).stages
    cascade = next(
        s.cascade for s in stages if any(e.op_class in LAYERS for e in s.cascade.einsums)
    )
    names = [einsum.name for einsum in cascade.einsums if einsum.op_class in LAYERS]
    return cascade.subset(names, "attention")


@pytest.mark.parametrize(("phase", "tokens"), [("prefill", 300), ("decode", 4096)])
def test_scores_go_out_and_come_back(phase, tokens):
    on = machine()
    cascade = fragment(phase, tokens)
    mapping = UnfusedAttentionMapper().map(cascade, on, {}, context(on))
    counts = mapping.program().total_counts()
    macs = sum(amount for (_, action, _), amount in counts.items() if action == "mac")
    assert macs == cascade.dense_macs()
    scores = cascade.tensor("QK").num_bytes(cascade)
    moved = {key: amount for key, amount in counts.items() if key[0] == "dram"}
    assert moved["dram", "write", "bf16"] >= 2 * scores
    assert moved["dram", "read", "bf16"] >= 2 * scores
    assert mapping.footprints["buffer"] <= on.capacity_bytes("buffer")
    assert [part.mapper for part in mapping.parts] == ["gemm", "vector", "gemm"]


def test_parts_follow_one_another():
    on = machine()
    mapping = UnfusedAttentionMapper().map(fragment("decode", 1000), on, {}, context(on))
    parts = sum(evaluate(part.program()) for part in mapping.parts)
    assert 0 <= evaluate(mapping.program()) - parts <= len(mapping.parts)
    shares = run_program(mapping.program()).attribution
    assert {share.tags["layer"] for share in shares if "layer" in share.tags} == {"attention"}


def test_the_full_box_is_an_assumption_only_under_a_mask():
    on = machine()
    masked = UnfusedAttentionMapper().map(fragment("prefill", 64), on, {}, context(on))
    assert masked.assumptions == (FULL_BOX,)
    assert masked.to_json()["assumptions"] == [FULL_BOX]
    plain = attention_cascade("3-pass", queries=32, keys=48, head_dim=16)
    assert UnfusedAttentionMapper().map(plain, on, {}, context(on)).assumptions == ()


def test_a_million_tokens_need_no_more_memory_than_a_thousand():
    on = machine()
    simulated = []
    for tokens in (1 << 12, 1 << 20):
        mapping = UnfusedAttentionMapper().map(fragment("prefill", tokens), on, {}, context(on))
        simulated.append(run_program(mapping.program()).simulated)
    assert max(simulated) < 10_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1_000_000


def test_deferred_division_keeps_its_order():
    cascade = attention_cascade("3-pass-deferred", queries=8, keys=8, head_dim=4)
    assert [[e.name for e in part.einsums] for part in split(cascade)] == [
        ["scores"],
        ["row_max", "numerator", "denominator"],
        ["context"],
        ["normalise"],
    ]


def test_a_part_without_room_is_infeasible():
    on = small()
    cascade = attention_cascade("3-pass", queries=8, keys=8, head_dim=4)
    result = UnfusedAttentionMapper().map(cascade, on, {}, context(on, available=7))
    assert isinstance(result, Infeasible)
    assert result.resource == "buffer"


def test_cached_parts_give_the_same_program():
    on = machine()
    cache = MemoryCache()
    programs = [
        UnfusedAttentionMapper()
        .map(fragment("decode", 777), on, {}, context(on, cache=cache))
        .program()
        for _ in range(2)
    ]
    assert programs[0] == programs[1]
    assert len(cache.entries) == 3


def test_options_and_unsupported_parts_are_refused():
    mapper = UnfusedAttentionMapper()
    assert isinstance(mapper, Mapper)
    cascade = attention_cascade("3-pass", queries=8, keys=8, head_dim=4)
    on = small()
    with pytest.raises(MappingError, match="has the option slack; given tile"):
        mapper.map(cascade, on, {"tile": 1}, context(on))
    without = machine(vector__cycles_per_operation="{add: 1}")
    with pytest.raises(MappingError, match="row_max needs max"):
        mapper.map(cascade, without, {}, context(without))
    assert isinstance(mapper.map(cascade, on, {}, context(on)), FragmentMapping)
