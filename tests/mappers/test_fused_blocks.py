"""Fused blocks: what is found, that all work is done, that nothing gets slower."""

from __future__ import annotations

import pytest

from archsim.composition import simulate
from archsim.engine import run_program
from archsim.engine.interpreter import interpret
from archsim.fragments import cut
from archsim.machine import load_hardware
from archsim.mapping import Infeasible, MemoryCache
from mappers.fused import FusedMapper, FusedMapping
from mappers.fused_attention import FusedAttentionMapper
from mappers.fused_block import find_blocks
from mappers.fused_plan import FusedPlan, plan_block
from tests.mappers.attention import context_on, makespan_ps
from workloads import load_workload
from workloads.cascade_file import load_cascade

ARRAY = load_hardware("array128-hbm3")


def layer(model, **sizes):
    workload = load_workload(model, **sizes)
    return max(workload.stages, key=lambda stage: stage.repeat).cascade


def blocks_of(cascade):
    return [(block, cascade.subset(block.names, block.names[0])) for block in find_blocks(cascade)]


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        ("llama3.2-1b", ["feed-forward", "norm and projection"]),
        ("bert-base", ["feed-forward"]),
        ("deepseek-v2-lite", ["feed-forward"]),
    ],
)
def test_blocks_are_found_by_what_reads_what(model, kinds):
    found = [block.kind for block in find_blocks(layer(model, context=64))]
    assert found[: len(kinds)] == kinds


def test_a_gated_block_of_a_file_is_found_too():
    cascade = load_cascade("gated-ffn").cascade
    (block,) = find_blocks(cascade)
    assert block.names == ("GA", "UP", "HI", "Y")


def test_cutting_keeps_every_einsum_once():
    cascade = layer("llama3.2-1b", context=64)
    fragments = cut(cascade, FusedMapper().blocks(cascade))
    names = [einsum.name for item in fragments for einsum in item.cascade.einsums]
    assert names == [einsum.name for einsum in cascade.einsums]
    assert {item.mapper_class for item in fragments if len(item.cascade.einsums) == 4} >= {"gemm"}


@pytest.mark.parametrize("kind", ["feed-forward", "norm and projection"])
@pytest.mark.parametrize(("rows", "tile"), [(64, 256), (200, 128), (512, 2048)])
def test_a_fused_program_does_all_the_work(kind, rows, tile):
    cascade = layer("llama3.2-1b", context=512)
    block, part = next(item for item in blocks_of(cascade) if item[0].kind == kind)
    machine = load_hardware("array128-hbm3")
    plan = FusedPlan(block, part, machine, context_on(machine).placement, rows, tile)
    program = FusedMapping(plan).program()
    timing = run_program(program, path=False)
    assert timing.makespan_ps == interpret(program).makespan_ps
    assert timing.warnings == ()
    counts = program.total_counts()
    macs = sum(n for (name, action, _), n in counts.items() if (name, action) == ("array", "mac"))
    assert part.macs() <= macs < 1.35 * part.macs()
    read = sum(n for (name, action, _), n in counts.items() if (name, action) == ("dram", "read"))
    assert read >= plan.num_blocks * plan.weight_bytes()


def test_fusing_moves_less_and_is_never_slower():
    results = {
        name: simulate(
            "array128-hbm3", "llama3.2-1b", phase="prefill", context=2048, mapper={"gemm": name},
            cache=MemoryCache(),
        )
        for name in ("gemm", "fused")
    }  # fmt: skip
    assert results["fused"].latency_s <= results["gemm"].latency_s
    assert results["fused"].dram_bytes < results["gemm"].dram_bytes
    notes = [note for note in results["fused"].assumptions if "fused (" in note]
    assert any("feed-forward fused" in note and "saves" in note for note in notes)


def test_a_block_that_fits_nowhere_is_infeasible():
    cascade = layer("llama3.2-1b", context=512)
    block, part = blocks_of(cascade)[0]
    machine = load_hardware(
        "array128-hbm3", overrides=("hardware.components.buffer.capacity=4 KiB",)
    )
    found = plan_block(block, part, machine, context_on(machine).placement)
    assert isinstance(found, Infeasible)
    assert found.need > found.have == 4096


@pytest.mark.parametrize(("model", "causal"), [("llama3.2-1b", True), ("bert-base", False)])
def test_attention_goes_through_its_projection_without_leaving_the_chip(model, causal):
    mapper = FusedAttentionMapper()
    cascade = layer(model, context=1024)
    (names,) = mapper.blocks(cascade)
    fragment = cascade.subset(names, "attention")
    assert fragment.einsums[0].name == "scores"
    assert names[-1] == "output_projection"
    mapping = mapper.map(fragment, ARRAY, {}, context_on(ARRAY))
    assert mapping.saved_bytes > 0
    assert mapping.saved_ps >= 0
    assert fragment.einsum("context").name in mapping.fused
    program = mapping.program()
    timing = run_program(program, path=False)
    assert timing.makespan_ps == interpret(program).makespan_ps
    counts = program.total_counts()
    macs = sum(n for (name, action, _), n in counts.items() if (name, action) == ("array", "mac"))
    assert macs >= fragment.macs()
    if not causal:
        assert macs < 1.05 * fragment.macs()


def test_single_products_are_mapped_as_by_gemm():
    cascade = layer("llama3.2-1b", context=64).subset(["output_projection"], "one")
    from mappers.gemm import GemmMapper

    times = [
        makespan_ps(mapper.map(cascade, ARRAY, {}, context_on(ARRAY)).program())
        for mapper in (FusedMapper(), GemmMapper())
    ]
    assert times[0] == times[1]
