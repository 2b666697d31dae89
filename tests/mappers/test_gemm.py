"""The mapper of matrix products: exact counts, true bounds, the best of its grid."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.engine import run_program
from archsim.errors import MappingError
from archsim.mapping import FragmentMapping, Infeasible, Mapper, MemoryCache
from mappers.gemm import GemmMapper, GemmMapping, search
from mappers.gemm_bound import GemmBounds
from mappers.gemm_nest import footprint_bytes, gemm_nest
from mappers.gemm_problem import GemmChoice
from tests.mappers.occupancy import replay
from tests.mappers.samples import context, evaluate, machine, norm, problem, product, small

EXTENTS = st.tuples(
    st.sampled_from((1, 1, 2, 3)), *(st.integers(min_value=1, max_value=21) for _ in range(3))
)
HOMES = st.tuples(*(st.sampled_from(("dram", "dram", "buffer")) for _ in range(3)))
MACHINES = st.fixed_dictionaries(
    {
        "side": st.sampled_from((2, 4)),
        "columns": st.sampled_from((2, 4)),
        "dataflow": st.sampled_from(("weight", "output", "input")),
        "weight_load": st.sampled_from(("serial", "shadow")),
        "lanes": st.sampled_from((1, 8, 64)),
        "capacity": st.sampled_from((256, 1024, 16384)),
        "width": st.sampled_from((2, 64)),
        "bandwidth": st.sampled_from(("1 GB/s", "50 GB/s")),
        "latency": st.sampled_from(("0 ns", "100 ns", "1 us")),
    }
)


def random_choice(data: st.DataObject, bounds: GemmBounds) -> tuple[GemmChoice, float] | None:
    candidates = bounds.candidates()
    if not len(candidates.bounds_ps):
        return None
    index = data.draw(st.integers(min_value=0, max_value=len(candidates.bounds_ps) - 1))
    return candidates.choice(index), float(candidates.bounds_ps[index])


@settings(max_examples=150, deadline=None)
@given(extents=EXTENTS, homes=HOMES, changes=MACHINES, data=st.data())
def test_any_tiling_conserves_macs_and_bytes_and_respects_its_bound(extents, homes, changes, data):
    on = small(**changes)
    one = problem(on, extents, homes=homes)
    drawn = random_choice(data, GemmBounds(one, on))
    if drawn is None:
        return
    choice, bound_ps = drawn
    program = gemm_nest(one, on, choice).program()
    counts = program.total_counts()
    batch, m, n, k = extents
    macs = sum(amount for (_, action, _), amount in counts.items() if action == "mac")
    assert macs == batch * m * n * k
    loaded = counts.get(("dram", "read", "bf16"), 0)
    kept = 2 * batch * m * n if homes[2] == "buffer" else 0
    assert loaded >= 2 * batch * sum(
        elements for elements, home in ((m * k, homes[0]), (k * n, homes[1])) if home == "dram"
    )
    assert counts.get(("buffer", "write", "bf16"), 0) == loaded + kept
    stored = counts.get(("dram", "write", "bf16"), 0)
    assert stored == (2 * batch * m * n if homes[2] == "dram" else 0)
    partial_writes = counts[("buffer", "write", "fp32")]
    assert partial_writes - counts.get(("buffer", "read", "fp32"), 0) == 4 * batch * m * n
    assert evaluate(program) >= bound_ps * (1 - 1e-12)
    assert footprint_bytes(one, on, choice) <= one.capacity_bytes


@settings(max_examples=60, deadline=None)
@given(extents=EXTENTS, changes=MACHINES, data=st.data())
def test_tiles_never_overrun_their_buffers(extents, changes, data):
    on = small(**changes)
    one = problem(on, extents)
    drawn = random_choice(data, GemmBounds(one, on))
    if drawn is None or one.batch * one.m * one.n * one.k > 3000:
        return
    nest = gemm_nest(one, on, drawn[0])
    found = replay(nest, 4)
    assert all(tile.end_ps >= tile.start_ps for tile in found.tiles)
    assert found.peak_bytes() <= footprint_bytes(one, on, drawn[0])


@settings(max_examples=10, deadline=None)
@given(
    extents=st.tuples(
        st.sampled_from((1, 2)), *(st.integers(min_value=1, max_value=7) for _ in range(3))
    ),
    changes=MACHINES,
)
def test_search_equals_brute_force(extents, changes):
    on = small(**changes)
    one = problem(on, extents)
    candidates = GemmBounds(one, on).candidates()
    if not len(candidates.bounds_ps):
        return
    every = [
        evaluate(gemm_nest(one, on, candidates.choice(i)).program())
        for i in range(len(candidates.bounds_ps))
    ]
    found = search(one, on, context(on))["search"]
    assert found["makespan_ps"] == min(every)
    assert found["complete"]


@settings(max_examples=15, deadline=None)
@given(extents=EXTENTS, changes=MACHINES, more=st.sampled_from(("bandwidth", "capacity")))
def test_more_bandwidth_or_buffer_is_never_slower(extents, changes, more):
    larger = {"bandwidth": "70 GB/s", "capacity": 20000}[more]
    before, after = small(**changes), small(**{**changes, more: larger})
    slow = search(problem(before, extents), before, context(before))
    fast = search(problem(after, extents), after, context(after))
    assert "infeasible" not in fast or "infeasible" in slow
    if "infeasible" not in slow:
        assert fast["search"]["makespan_ps"] <= slow["search"]["makespan_ps"]


def test_4096_cubed_is_within_one_percent_of_the_fold_bound():
    on = machine(dram__efficiency="1.0")
    mapping = GemmMapper().map(product(1, 4096, 4096, 4096), on, {}, context(on))
    assert isinstance(mapping, GemmMapping)
    bound_ps = on.array.gemm_cycles(4096, 4096, 4096) * on.array.clock.period_ps
    program = mapping.program()
    assert bound_ps <= evaluate(program) <= 1.01 * bound_ps
    assert mapping.search["makespan_ps"] == evaluate(program)
    assert mapping.search["evaluated"] <= 40
    assert mapping.footprints["buffer"] <= on.capacity_bytes("buffer")


@pytest.mark.parametrize("extents", [(1, 1, 14336, 4096), (1, 1, 4096, 14336), (8, 1, 128, 4096)])
def test_matrix_times_vector_runs_at_memory_speed(extents):
    on = machine()
    found = search(problem(on, extents), on, context(on))["search"]
    batch, _, n, k = extents
    least_ps = 2 * batch * n * k / (614e9 * 0.925) * 1e12
    # Beyond the stream itself: the first tile's way in, the last result's way out.
    assert least_ps <= found["makespan_ps"] <= 1.003 * least_ps + 600_000


def test_swapped_operands_win_for_a_vector_without_a_vector_unit_rival():
    on = machine(vector__cycles_per_operation="{add: 1}")
    found = search(problem(on, (1, 1, 16384, 512)), on, context(on))
    assert found["choice"]["unit"] == "array-swapped"


def test_simulated_operations_do_not_grow_with_the_trip_counts():
    on = machine()
    sizes = []
    for scale in (1, 16, 256):
        choice = GemmChoice("array", "mnk", 512, 512, 256, panel=False)
        one = problem(on, (1, 4096 * scale, 4096, 4096 * scale))
        sizes.append(run_program(gemm_nest(one, on, choice).program()).simulated)
    assert sizes[2] <= sizes[1] <= 2000


def test_ragged_tiles_fold_too():
    on = machine()
    choice = GemmChoice("array", "nmk", 512, 256, 128, panel=False)
    programs = [
        gemm_nest(problem(on, (batch, 5000, 3001, 1003)), on, choice).program()
        for batch in (3, 100, 100_000)
    ]
    few, many, most = (run_program(program) for program in programs)
    assert most.simulated <= many.simulated < 30_000
    assert few.makespan_ps == run_program(programs[0], fold=False, path=False).makespan_ps


def test_no_room_is_infeasible_with_need_and_have():
    on = small()
    result = GemmMapper().map(product(1, 40, 40, 40), on, {}, context(on, available=15))
    assert isinstance(result, Infeasible)
    assert result.to_json() == {
        "resource": "buffer",
        "need": 16,
        "have": 15,
        "unit": "B",
        "detail": (
            "the smallest tiles of A (bf16), W (bf16) and partial sums of C (fp32) "
            "need 16 B of buffer"
        ),
    }
    enough = GemmMapper().map(product(1, 40, 40, 40), on, {}, context(on, available=16))
    assert isinstance(enough, GemmMapping)


def test_a_cached_mapping_is_the_same_mapping():
    on = small()
    cache = MemoryCache()
    first = GemmMapper().map(product(2, 9, 7, 5), on, {}, context(on, cache=cache))
    assert len(cache.entries) == 1
    second = GemmMapper().map(
        product(2, 9, 7, 5, name="other", left="Z"), on, {}, context(on, cache=cache)
    )
    assert len(cache.entries) == 1
    assert first.program().structure_hash() == second.program().structure_hash()
    assert first.program().occupancies_ps == second.program().occupancies_ps
    assert second.problem.lhs.name == "Z"
    GemmMapper().map(product(2, 9, 7, 6), on, {}, context(on, cache=cache))
    other = small(bandwidth="11 GB/s")
    GemmMapper().map(product(2, 9, 7, 5), other, {}, context(other, cache=cache))
    assert len(cache.entries) == 3


def test_a_budget_cuts_the_search_off_and_says_so():
    on = small()
    mapping = GemmMapper().map(product(1, 21, 19, 17), on, {}, context(on, budget=1))
    assert mapping.to_json()["search"]["evaluated"] == 1
    assert mapping.to_json()["search"]["complete"] is False


def test_slack_buys_less_traffic():
    on = machine()
    cascade = product(1, 4096, 4096, 4096)
    fast = GemmMapper().map(cascade, on, {}, context(on)).search
    mapping = GemmMapper().map(cascade, on, {"slack": 0.01}, context(on))
    thrifty = mapping.search
    assert thrifty["traffic_bytes"] < fast["traffic_bytes"] / 2
    assert thrifty["makespan_ps"] <= 1.01 * fast["makespan_ps"]
    assert thrifty["least_makespan_ps"] == fast["makespan_ps"]
    counts = mapping.program().total_counts()
    moved = sum(amount for key, amount in counts.items() if key[0] == "dram")
    assert moved == thrifty["traffic_bytes"]
    for wrong in (2, -0.1, "1 %", True):
        with pytest.raises(MappingError, match=r"options.slack must be a number from 0 to 1"):
            GemmMapper().map(cascade, on, {"slack": wrong}, context(on))


def test_an_operand_that_stands_in_the_buffer_is_not_loaded():
    on = small()
    mapping = GemmMapper().map(product(1, 8, 8, 8), on, {}, context(on, homes={"W": "buffer"}))
    counts = mapping.program().total_counts()
    assert counts["dram", "read", "bf16"] == 2 * 8 * 8


def test_three_levels_load_from_where_a_tensor_lives():
    on = machine("tpu-v4i")
    homes = {"A": on.levels[1], "C": on.levels[1]}
    mapping = GemmMapper().map(product(1, 256, 1024, 512), on, {}, context(on, homes=homes))
    counts = mapping.program().total_counts()
    assert counts[on.levels[0], "read", "bf16"] == 2 * 1024 * 512
    assert counts[on.levels[1], "read", "bf16"] >= 2 * 256 * 512
    assert counts[on.levels[1], "write", "bf16"] == 2 * 256 * 1024


def test_operations_carry_tags_and_causes():
    on = small()
    program = GemmMapper().map(product(1, 9, 9, 9), on, {}, context(on)).program()
    named = [{k: v for k, v in t.items() if k not in ("fills", "frees")} for t in program.tags]
    assert all(tags == {"einsum": "product", "layer": "ffn"} for tags in named)
    assert set(program.causes) <= {"compute", "bandwidth", "buffer", "marker"}
    shares = run_program(program).attribution
    assert sum(share.ps for share in shares) == evaluate(program)


def test_what_is_not_one_product_is_refused():
    on = small()
    mapper = GemmMapper()
    assert isinstance(mapper, Mapper)
    assert mapper.supports(product(1, 2, 3, 4), on) is None
    assert "3" in mapper.supports(norm(4, 4), on)
    single = norm(4, 4).subset(["scale"], "scale")
    assert mapper.supports(single, on) == "einsum scale is not a matrix product"
    with pytest.raises(MappingError, match="not a matrix product"):
        mapper.map(single, on, {}, context(on))
    with pytest.raises(MappingError, match="has the option slack; given tile"):
        mapper.map(product(1, 2, 3, 4), on, {"tile": 3}, context(on))
    mapping = mapper.map(product(1, 2, 3, 4), on, {}, context(on))
    assert isinstance(mapping, FragmentMapping)
