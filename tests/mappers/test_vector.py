"""The mapper of vector work: exact operation counts, fusion inside a run, passes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.engine import run_program
from archsim.errors import MappingError
from archsim.mapping import FragmentMapping, Infeasible, Mapper, MemoryCache
from mappers.vector import VectorMapper, VectorMapping
from mappers.vector_bound import candidates
from mappers.vector_plan import passes_of, plans
from mappers.vector_stage import build_stage, stage_nest
from tests.mappers.samples import context, evaluate, machine, norm, product, small, softmax
from workloads import load_workload

SHAPES = st.tuples(st.integers(min_value=1, max_value=40), st.integers(min_value=1, max_value=60))


def vector_counts(mapping: VectorMapping) -> dict[str, int]:
    totals: dict[str, int] = {}
    for (component, action, _), amount in mapping.program().total_counts().items():
        if component == "vector":
            totals[action] = totals.get(action, 0) + amount
    return totals


def dram_bytes(mapping: VectorMapping) -> dict[str, int]:
    totals = {"read": 0, "write": 0}
    for (component, action, _), amount in mapping.program().total_counts().items():
        if component == "dram":
            totals[action] += amount
    return totals


@settings(max_examples=40, deadline=None)
@given(
    shape=SHAPES,
    kind=st.sampled_from((norm, softmax)),
    capacity=st.sampled_from((96, 200, 1000, 16384)),
    width=st.sampled_from((2, 64)),
)
def test_operations_are_exact_and_bytes_at_least_compulsory(shape, kind, capacity, width):
    on = small(capacity=capacity, width=width)
    cascade = kind(*shape)
    mapping = VectorMapper().map(cascade, on, {}, context(on))
    if isinstance(mapping, Infeasible):
        assert mapping.need > capacity
        return
    assert vector_counts(mapping) == cascade.op_counts()
    assert sum(dram_bytes(mapping).values()) >= sum(cascade.compulsory_bytes().values())
    assert mapping.footprints["buffer"] <= capacity
    assert mapping.search["makespan_ps"] == evaluate(mapping.program())


@settings(max_examples=60, deadline=None)
@given(
    shape=SHAPES,
    kind=st.sampled_from((norm, softmax)),
    latency=st.sampled_from(("0 ns", "1 us")),
    lanes=st.sampled_from((1, 16)),
    walk=st.booleans(),
    data=st.data(),
)
def test_no_tiling_is_faster_than_its_bound(shape, kind, latency, lanes, walk, data):
    on = small(latency=latency, lanes=lanes)
    cascade = kind(*shape)
    groups = passes_of(cascade.einsums) if walk else (tuple(e.name for e in cascade.einsums),)
    group = data.draw(st.sampled_from(groups))
    einsums = [cascade.einsum(name) for name in group]
    stage = build_stage(cascade, einsums, on, context(on).placement, walk=walk)
    found = candidates(stage, on, None)
    index = data.draw(st.integers(min_value=0, max_value=len(found.choices) - 1))
    program = stage_nest(stage, on, found.choices[index]).program()
    assert evaluate(program) >= found.bounds_ps[index] * (1 - 1e-12)


@settings(max_examples=20, deadline=None)
@given(shape=SHAPES, kind=st.sampled_from((norm, softmax)))
def test_more_bandwidth_or_buffer_is_never_slower(shape, kind):
    spans = []
    for changes in (
        {"capacity": 300},
        {"capacity": 2000},
        {"capacity": 20000},
        {"capacity": 20000, "bandwidth": "50 GB/s"},
    ):
        on = small(**changes)
        mapping = VectorMapper().map(kind(*shape), on, {}, context(on))
        if isinstance(mapping, VectorMapping):
            spans.append(mapping.search["makespan_ps"])
        else:
            assert not spans
    assert spans == sorted(spans, reverse=True)


def test_a_row_that_fits_stays_in_the_buffer():
    on = machine()
    mapping = VectorMapper().map(softmax(512, 4096), on, {}, context(on))
    assert mapping.plan.name == "whole"
    assert mapping.fused == ("row_max", "numerator", "denominator")
    assert dram_bytes(mapping) == {"read": 512 * 4096 * 2, "write": 512 * 4096 * 2}


def test_a_row_that_does_not_fit_is_read_again_in_every_pass():
    on = machine(buffer__capacity="64 KiB")
    keys = 1 << 20
    mapping = VectorMapper().map(softmax(4, keys), on, {}, context(on))
    assert mapping.plan.groups == (("row_max",), ("numerator", "denominator"), ("normalise",))
    assert mapping.fused == ()
    moved = dram_bytes(mapping)
    # Scores twice and numerators once in, numerators and probabilities out; the rest is per row.
    assert 0 <= moved["read"] - 3 * 2 * 4 * keys < 1000
    assert 0 <= moved["write"] - 2 * 2 * 4 * keys < 1000
    assert run_program(mapping.program()).simulated < 20_000


def test_passes_end_where_a_reduction_must_be_complete():
    assert passes_of(norm(4, 8).einsums) == (("square_sum",), ("root",), ("scale",))
    assert [plan.name for plan in plans(softmax(4, 8).einsums)] == ["whole", "passes", "single"]
    assert [plan.name for plan in plans(norm(4, 8).einsums)] == ["whole", "passes"]


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_runs_of_a_decoder_layer_move_no_more_than_they_must(phase):
    on = machine()
    workload = load_workload("llama3-8b", phase=phase, batch=2, context=512)
    for stage in workload.stages:
        runs: list[list[str]] = [[]]
        for einsum in stage.cascade.einsums:
            if einsum.matmul() is None:
                runs[-1].append(einsum.name)
            else:
                runs.append([])
        for run in filter(None, runs):
            fragment = stage.cascade.subset(run, "run")
            mapping = VectorMapper().map(fragment, on, {}, context(on))
            least = fragment.compulsory_bytes()
            # Rotary tables are read once for each sequence; masked scores are moved, too.
            assert sum(dram_bytes(mapping).values()) <= 1.35 * sum(least.values())
            timing = run_program(mapping.program())
            assert timing.simulated < 5000
            layers = {tags["layer"] for tags in mapping.program().tags if "layer" in tags}
            assert layers == {einsum.layer for einsum in fragment.einsums}


def test_no_room_is_infeasible_with_need_and_have():
    on = small()
    result = VectorMapper().map(softmax(8, 8), on, {}, context(on, available=3))
    assert isinstance(result, Infeasible)
    assert (result.resource, result.have, result.unit) == ("buffer", 3, "B")
    enough = VectorMapper().map(softmax(8, 8), on, {}, context(on, available=result.need))
    assert isinstance(enough, VectorMapping)


def test_a_cached_mapping_is_the_same_mapping():
    on = small()
    cache = MemoryCache()
    first = VectorMapper().map(softmax(9, 30), on, {}, context(on, cache=cache))
    second = VectorMapper().map(softmax(9, 30), on, {}, context(on, cache=cache))
    assert len(cache.entries) == 1
    assert first.program().structure_hash() == second.program().structure_hash()
    assert first.to_json() == second.to_json()


def test_what_is_not_vector_work_is_refused():
    on = small()
    mapper = VectorMapper()
    assert isinstance(mapper, Mapper)
    assert "matrix product" in mapper.supports(product(1, 2, 3, 4), on)
    without = machine(vector__cycles_per_operation="{add: 1, max: 1}")
    assert "numerator needs exp" in mapper.supports(softmax(2, 2), without)
    with pytest.raises(MappingError, match="no options; given rows"):
        mapper.map(norm(2, 2), on, {"rows": 3}, context(on))
    assert isinstance(mapper.map(norm(2, 2), on, {}, context(on)), FragmentMapping)
