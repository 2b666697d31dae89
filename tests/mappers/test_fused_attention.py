"""Fused attention mappers: closed form, engine, masks, shapes, room."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.engine import run_program
from archsim.engine.interpreter import interpret
from archsim.errors import ConfigError, MappingError
from archsim.machine import load_hardware
from archsim.mapping import Infeasible
from mappers.attention_blocks import blocks_together, row_blocks, super_blocks
from mappers.attention_problem import find_attention
from mappers.flash import FlashMapper
from mappers.flat import FlatMapper
from mappers.fusemax import FusemaxMapper, architecture, binding, cascade
from tests.mappers.attention import attention, context_on, makespan_ps, mapped, small
from workloads import load_workload

FUSEMAX = load_hardware("fusemax-cloud")
FLAT = load_hardware("flat-cloud")


def ratio(mapping):
    """Return the closed form's time over the engine's."""
    return makespan_ps(mapping.analytic()) / makespan_ps(mapping.program())


@pytest.mark.parametrize("keys", [4096, 65536, 1 << 20])
def test_interleaved_tiles_reach_the_closed_form(keys):
    mapping = mapped(binding(), attention(keys, heads=12, batch=64), FUSEMAX)
    assert 0.99 < ratio(mapping) <= 1.0


def test_without_interleaving_throughput_collapses():
    cascades = attention(4096, heads=12, batch=64)
    assert ratio(mapped(binding(), cascades, FUSEMAX, interleave=False)) < 0.25
    assert ratio(mapped(architecture(), cascades, FUSEMAX)) < 0.7


def test_a_million_tokens_simulate_in_as_few_steps_as_a_thousand():
    simulated = {
        keys: run_program(
            mapped(binding(), attention(keys, heads=12, batch=64), FUSEMAX).program(), path=False
        ).simulated
        for keys in (1024, 65536, 1 << 20)
    }
    assert simulated[1 << 20] < 2 * simulated[65536]
    assert simulated[1 << 20] < 20_000


def test_room_on_chip_does_not_grow_with_the_length():
    used = {
        keys: mapped(binding(), attention(keys), FUSEMAX).footprints["buffer"]
        for keys in (65536, 1 << 18, 1 << 20)
    }
    assert len(set(used.values())) == 1


def test_the_cascade_on_a_plain_array_reaches_its_closed_form():
    assert 0.99 < ratio(mapped(cascade(), attention(4096, heads=12, batch=64), FLAT)) <= 1.0


def shapes():
    return st.fixed_dictionaries(
        {
            "queries": st.integers(1, 24),
            "extra": st.integers(0, 24),
            "heads": st.integers(1, 3),
            "group": st.integers(1, 3),
            "depth": st.integers(1, 9),
            "width": st.integers(1, 9),
            "causal": st.booleans(),
        }
    )


@settings(max_examples=40, deadline=None)
@given(shapes(), st.sampled_from(["binding", "architecture", "cascade"]), st.booleans())
def test_the_engine_is_never_faster_than_its_closed_form_says_the_units_are(shape, style, overlap):
    machine = small(base="fusemax-cloud" if style != "cascade" else "flat-cloud")
    chosen = dict(shape)
    keys = chosen["queries"] + chosen.pop("extra")
    mapping = mapped(FusemaxMapper(style), attention(keys, **chosen), machine, interleave=overlap)
    closed, program = mapping.analytic(), mapping.program()
    timing = run_program(program, path=False)
    reference = interpret(program)
    assert timing.makespan_ps == reference.makespan_ps
    # No unit is busy for longer than the run, and both forms do the same work.
    assert max(timing.busy_ps.values()) <= timing.makespan_ps
    ours, theirs = program.total_counts(), closed.total_counts()
    for key in ours.keys() | theirs.keys():
        if key[0] in ("array", "vector"):
            assert ours.get(key, 0) == theirs.get(key, 0)
    problem = find_attention(attention(keys, **chosen))
    macs = sum(n for (name, action, _), n in ours.items() if (name, action) == ("array", "mac"))
    assert macs >= problem.pairs() * (problem.depth + problem.width)
    assert dataclasses.replace(timing).warnings == ()


@given(
    st.integers(1, 60), st.integers(0, 60), st.integers(1, 9), st.integers(1, 9),
    st.integers(1, 4), st.integers(0, 30),
)  # fmt: skip
def test_row_blocks_visit_exactly_the_tiles_a_mask_leaves(queries, history, tall, wide, heads, win):
    keys = queries + history
    problem = find_attention(attention(keys, queries=queries, group=heads, causal=True))
    if win:
        problem = dataclasses.replace(problem, mask=dataclasses.replace(problem.mask, window=win))
    blocks = row_blocks(problem, tall, wide)
    assert sum(block.columns for block in blocks) == queries * heads
    expected = set()
    for first in range(0, queries, wide):
        for key in range(keys):
            for query in range(first, min(first + wide, queries)):
                seen = key <= query + history and (not win or key > query + history - win)
                if seen:
                    expected.add((first // wide, key // tall))
    if queries >= wide or heads == 1:
        visited = sum(block.num_tiles for block in blocks)
        assert visited == len(expected) * heads


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=8))
def test_super_blocks_cover_every_tile_once(ranges):
    from mappers.attention_blocks import RowBlock

    starts = sorted(first for first, _ in ranges)
    blocks = [RowBlock(1, first, first + 25) for first in starts]
    (group,) = super_blocks(blocks, len(blocks))
    assert group.num_tiles == sum(block.num_tiles for block in blocks)
    assert group.num_rows == len({t for b in blocks for t in range(b.first, b.stop)})


@given(st.integers(1, 5000), st.integers(1, 300))
def test_blocks_together_fit_and_stream_keys_at_most_twice_as_often_as_needed(number, room):
    together = blocks_together(number, room)
    assert 1 <= together <= max(room, 1)
    assert -(-number // together) <= 2 * -(-number // min(room, number))


def test_published_row_blocks():
    # 16 MiB, E = F = 64: cap 251; P1 = 4, 16, 64, 128, 128, 128 (FuseMax artifact).
    lengths = [1024, 4096, 16384, 65536, 1 << 18, 1 << 20]
    chosen = [
        mapped(binding(), attention(n), FUSEMAX, buffering="single").plan.together for n in lengths
    ]
    assert chosen == [4, 16, 64, 128, 128, 128]


@pytest.mark.parametrize("name", ["array128-hbm2e", "tpu-v4i", "flat-cloud", "fusemax-cloud"])
@pytest.mark.parametrize(
    "shape",
    [
        {"keys": 1024, "heads": 2, "group": 4, "causal": True},
        {"keys": 3000, "queries": 1, "heads": 8, "group": 4, "depth": 128, "causal": True},
        {"keys": 700, "queries": 700, "depth": 192, "width": 128},
    ],
)
def test_flash_runs_anywhere_close_to_its_closed_form(name, shape):
    machine = load_hardware(name)
    mapping = mapped(FlashMapper(), attention(**shape), machine)
    capacity = machine.capacity_bytes(machine.innermost)
    assert mapping.footprints[machine.innermost] <= capacity
    assert 0.4 < ratio(mapping) <= 1.0


def test_masked_tiles_are_not_visited():
    full = mapped(FlashMapper(), attention(8192, depth=128), FLAT).program().total_counts()
    half = (
        mapped(FlashMapper(), attention(8192, depth=128, causal=True), FLAT)
        .program()
        .total_counts()
    )
    key = ("array", "mac", "bf16")
    assert 0.5 < half[key] / full[key] < 0.6


def test_latent_attention_streams_one_tensor_for_keys_and_values():
    workload = load_workload("deepseek-v3", phase="decode", context=4096)
    from archsim.fragments import cut

    fragment = next(
        item for item in cut(workload.stages[1].cascade) if item.mapper_class == "attention"
    )
    problem = find_attention(fragment.cascade)
    assert problem.shares_key
    mapping = mapped(binding(), fragment.cascade, FUSEMAX)
    read = mapping.program().total_counts()["dram", "read", "bf16"]
    assert read < 1.05 * 2 * (4097 * 576 + 128 * 576)


def test_flat_overlaps_its_three_phases():
    mapping = mapped(FlatMapper(), attention(16384, heads=12, batch=64), FLAT)
    assert 0.99 < ratio(mapping) <= 1.0
    assert mapping.to_json()["spilled"] == 0.0


def test_flat_takes_published_decisions():
    text = "on_chip=QK+A,score=output,context=output,rows=1024,spilled=0.0077519379845"
    mapping = mapped(FlatMapper(), attention(16384), FLAT, decisions=text)
    moved = sum(
        n for (name, _, _), n in mapping.analytic().total_counts().items() if name == "dram"
    )
    # BERT, 16K in the artifact: 333,246,885,888 B for 768 heads, printed as 3.332e11.
    assert moved * 768 == pytest.approx(3.332e11, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("on_chip=QQ", "is no tensor of attention"),
        ("rows=many", "is no number"),
        ("score=outpt", "did you mean 'output'"),
        ("row=1", "did you mean 'rows'"),
        ("spilled=2", "out of range"),
    ],
)
def test_wrong_decisions_are_bad_input(text, message):
    with pytest.raises(ConfigError, match=message):
        mapped(FlatMapper(), attention(64), FLAT, decisions=text)


def test_what_cannot_be_mapped_says_why():
    wanted = "softmax in the array needs add, exp, max in its elements"
    assert wanted in binding().supports(attention(64), FLAT)
    with pytest.raises(MappingError, match="softmax in the array"):
        binding().map(attention(64), FLAT, {}, context_on(FLAT))
    product = attention(64).subset(["scores"], "scores")
    assert "two matrix products" in binding().supports(product, FUSEMAX)
    with pytest.raises(ConfigError, match="true or false"):
        mapped(binding(), attention(64), FUSEMAX, interleave="yes")


def test_a_buffer_too_small_for_a_row_block_is_infeasible():
    found = mapped(binding(), attention(64), small(capacity="2 KiB"))
    assert isinstance(found, Infeasible)
    assert (found.resource, found.unit) == ("buffer", "B")
    assert found.need > found.have == 2048


def test_wider_arrays_are_never_slower_in_closed_form():
    times = [
        makespan_ps(mapped(binding(), attention(512), small(n, n, n, "1 MiB")).analytic())
        for n in (4, 8, 16, 32)
    ]
    assert times == sorted(times, reverse=True)
