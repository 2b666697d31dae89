"""Parts of the matrix-product mapper: tile sizes, number formats, loop nests, the search itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import MappingError
from archsim.numberformat import parse_format
from mappers.gemm import GemmMapper
from mappers.gemm_bound import footprint, format_bytes, grid, movements
from mappers.gemm_nest import gemm_nest
from mappers.gemm_problem import GemmChoice, multiply_format
from mappers.pipeline import Axis, Stream, depth, num_tiles
from mappers.search import best_first, thriftiest
from mappers.tiles import tile_sizes
from mappers.work import Work, in_turn
from tests.mappers.samples import context, machine, problem, product, small


@given(extent=st.integers(1, 5000), granule=st.sampled_from((2, 8, 128)))
def test_tile_sizes_cover_one_and_the_whole(extent, granule):
    sizes = tile_sizes(extent, (granule,))
    assert sizes[0] == 1
    assert sizes[-1] == extent
    assert list(sizes) == sorted(set(sizes))


def test_tile_sizes_include_powers_equal_parts_and_nearly_equal_parts():
    assert {128, 256, 896, 1792, 3584, 7168} <= set(tile_sizes(14336, (128,)))
    assert 2560 in tile_sizes(5000, (128,))


@pytest.mark.parametrize(
    ("lhs", "rhs", "formats", "expected"),
    [
        ("bf16", "bf16", ("bf16", "int8"), "bf16"),
        ("bf16", "int4:g128:fp16", ("bf16", "int8"), "bf16"),
        ("int8", "int8", ("bf16", "int8"), "int8"),
        ("int4", "int4", ("bf16", "int8"), "int8"),
        ("int8", "int8", ("bf16",), "bf16"),
        ("fp8", "fp8", ("bf16", "int8"), "bf16"),
        ("int8", "fp8", ("int8", "fp8"), "fp8"),
        ("fp32", "bf16", ("bf16", "int8"), None),
    ],
)
def test_operands_are_widened_to_a_format_that_holds_both(lhs, rhs, formats, expected):
    one = problem(small(), (1, 2, 2, 2))
    one = replace(
        one,
        lhs=replace(one.lhs, format=parse_format(lhs)),
        rhs=replace(one.rhs, format=parse_format(rhs)),
    )
    assert multiply_format(one, formats) == expected


@given(elements=st.integers(0, 10**6), name=st.sampled_from(("bf16", "int4:g128:fp16", "mxfp4")))
def test_batched_bytes_equal_the_format(elements, name):
    number = parse_format(name)
    assert format_bytes(number, np.asarray([elements]))[0] == number.bytes(elements)


def test_a_stream_is_loaded_outside_the_loops_that_do_not_change_it():
    axes = (Axis("b", 3, 1), Axis("m", 8, 4), Axis("n", 9, 4), Axis("k", 5, 5, reduced=True))

    def moved(*names: str) -> tuple[int, int]:
        stream = Stream("X", frozenset(names), lambda _: Work((), 0))
        return depth(axes, stream), num_tiles(axes, stream)

    assert moved("b", "m", "k") == (2, 6)
    assert moved("b", "n", "k") == (3, 18)
    assert moved("b", "m", "n") == (3, 18)
    assert moved("k") == (0, 1)


@pytest.mark.parametrize("order", ["mnk", "nmk"])
@pytest.mark.parametrize("panel", [False, True])
def test_counted_tiles_are_those_of_the_program(order, panel):
    on = small()
    one = problem(on, (2, 7, 9, 5))
    tiles = grid(one, on)
    lhs, rhs, out = movements(one, tiles, order, panel)
    for i in range(0, len(tiles.m), 7):
        sizes = [int(axis[i]) for axis in (tiles.m, tiles.n, tiles.k)]
        choice = GemmChoice("vector", order, *sizes, panel=panel)
        counts = gemm_nest(one, on, choice).program().num_instances()
        for name, moved in (("load_A", lhs), ("load_B", rhs), ("store_C", out)):
            found = sum(n for op, n in counts.items() if op.partition("[")[0] == name)
            assert found == moved.num_tiles[i]


def test_a_panel_takes_its_whole_depth():
    on = small()
    one = problem(on, (1, 8, 8, 16))
    tiles = grid(one, on)
    flat = footprint(one, tiles, "mnk", False, "buffer")
    deep = footprint(one, tiles, "mnk", True, "buffer")
    assert (deep >= flat).all()
    assert (deep > flat).any()


def test_search_stops_at_the_first_bound_that_cannot_win():
    costs = [9, 5, 7, 8]
    seen: list[int] = []

    def evaluate(index: int) -> int:
        seen.append(index)
        return costs[index]

    found = best_first([1.0, 2.0, 5.0, 6.0], [0, 1, 2, 3], evaluate)
    assert (found.index, found.cost_ps, found.num_evaluated, found.is_complete) == (1, 5, 2, True)
    assert seen == [0, 1]
    cut = best_first([1.0, 2.0, 3.0, 4.0], [0, 1, 2, 3], evaluate, budget=1)
    assert (cut.index, cut.num_evaluated, cut.is_complete) == (0, 1, False)


def test_the_thriftiest_is_the_first_within_the_limit():
    costs = [9, 5, 7, 8]
    order = [3, 0, 2, 1]
    bounds = [1.0, 2.0, 5.0, 9.5]
    assert thriftiest(bounds, order, costs.__getitem__, 7) == (2, 7, 2)
    assert thriftiest(bounds, order, costs.__getitem__, 4) is None
    assert thriftiest(bounds, order, costs.__getitem__, 7, budget=1) is None


def test_work_in_turn_adds_occupancy_and_keeps_the_last_latency():
    first = Work((("u", 10, "a"),), 15, "a + b", {("u", "add", "bf16"): 3})
    second = Work((("u", 4, "c"),), 9, "c + d", {("u", "add", "bf16"): 2})
    both = in_turn([first, second], "compute")
    assert both.holds == (("u", 14, "(a) + (c)"),)
    assert (both.latency_ps, both.latency_expr) == (19, "(a) + (c + d)")
    assert both.counts == {("u", "add", "bf16"): 5}
    unknown = in_turn([first, Work((("u", 4, None),), 4)], "compute")
    assert (unknown.holds[0][2], unknown.latency_expr) == (None, None)


def test_a_machine_without_a_fitting_unit_is_an_error():
    on = machine(array__macs_per_cycle="{int8: 1}", vector__cycles_per_operation="{add: 1}")
    with pytest.raises(MappingError, match="has no unit that multiplies bf16 by bf16"):
        GemmMapper().map(product(1, 2, 3, 4), on, {}, context(on))
