"""Mapper auto: faster than FuseMax's binding, never below the bound, and what it says."""

from __future__ import annotations

import pytest

from archsim.errors import ConfigError
from archsim.machine import load_hardware
from archsim.mapping import Infeasible
from mappers.auto import AutoMapper
from mappers.fusemax import binding
from tests.mappers.attention import attention, makespan_ps, mapped

FUSEMAX = load_hardware("fusemax-cloud")
CYCLE_PS = FUSEMAX.array.clock.period_ps


def changed(*overrides, base="fusemax-cloud"):
    return load_hardware(base, overrides=tuple(f"hardware.components.{o}" for o in overrides))


def times_ps(mapping):
    return makespan_ps(mapping.analytic()), makespan_ps(mapping.program())


@pytest.mark.parametrize(("heads", "depth"), [(12, 64), (16, 128)])
@pytest.mark.parametrize("keys", [1024, 1 << 20])
def test_faster_than_the_binding_never_below_the_bound_of_the_array(keys, heads, depth):
    cascade = attention(keys, heads=heads, batch=64, depth=depth)
    ours, theirs = mapped(AutoMapper(), cascade, FUSEMAX), mapped(binding(), cascade, FUSEMAX)
    bound_ps = 64 * heads * (keys // 256) ** 2 * (2 * depth + 9) * CYCLE_PS
    for mine, other in zip(times_ps(ours), times_ps(theirs), strict=True):
        assert bound_ps <= mine < other
    assert ours.found.is_complete
    assert ours.plan.schedules[0].is_optimal


@pytest.mark.slow
@pytest.mark.parametrize("heads", [8, 12, 16, -16])
@pytest.mark.parametrize("keys", [1 << n for n in (10, 12, 14, 16, 18, 20)])
def test_every_point_of_the_published_table(keys, heads):
    depth = 128 if heads < 0 else 64
    cascade = attention(keys, heads=abs(heads), batch=64, depth=depth)
    ours, theirs = mapped(AutoMapper(), cascade, FUSEMAX), mapped(binding(), cascade, FUSEMAX)
    bound_ps = 64 * abs(heads) * (keys // 256) ** 2 * (2 * depth + 9) * CYCLE_PS
    for mine, other in zip(times_ps(ours), times_ps(theirs), strict=True):
        assert bound_ps <= mine < 1.02 * other


@pytest.mark.parametrize(
    "shape",
    [
        {"queries": 1, "heads": 12, "batch": 8},
        {"queries": 1, "heads": 8, "group": 8, "depth": 128, "causal": True},
        {"queries": 1, "heads": 1, "group": 128, "depth": 576, "width": 512},
        {"queries": 200, "heads": 12, "causal": True},
    ],
)
def test_decode_and_few_queries_are_no_slower_than_the_binding(shape):
    cascade = attention(4096, **shape)
    ours, theirs = mapped(AutoMapper(), cascade, FUSEMAX), mapped(binding(), cascade, FUSEMAX)
    assert times_ps(ours)[1] <= 1.02 * times_ps(theirs)[1]


def test_a_small_vector_unit_makes_recomputed_scores_the_best_form():
    ours = mapped(AutoMapper(), attention(4096, heads=12, batch=64), changed("vector.lanes=16"))
    assert ours.plan.form == "2-pass again"
    assert any("form 1-pass takes 1.05 times as long" in note for note in ours.notes)


def test_scores_are_held_only_where_the_row_block_fits():
    cascade = attention(8192)
    for capacity, fits in (("16 MiB", True), ("128 KiB", False)):
        found = mapped(AutoMapper(), cascade, changed(f"buffer.capacity={capacity}")).found
        assert ("2-pass held" in found.of_form) == fits
        assert ("2-pass held" in found.refused) != fits
        for candidate in found.of_form.values():
            assert candidate.plan.footprint_bytes <= changed(
                f"buffer.capacity={capacity}"
            ).capacity_bytes("buffer")


def test_a_buffer_too_small_for_any_tile_is_a_typed_result():
    found = mapped(AutoMapper(), attention(4096, depth=4096), changed("buffer.capacity=4 KiB"))
    assert isinstance(found, Infeasible)
    assert found.need > found.have == 4096


def test_the_same_inputs_give_the_same_mapping():
    cascade = attention(3000, queries=700, group=3, causal=True)
    first, second = (mapped(AutoMapper(), cascade, FUSEMAX) for _ in range(2))
    assert first.to_json() == second.to_json()
    assert first.program().to_json() == second.program().to_json()


def test_skipped_corrections_are_an_option_and_said():
    machine = changed("vector.lanes=32")
    slow = attention(4096, heads=12, batch=64)
    plain = mapped(AutoMapper(), slow, machine)
    given = mapped(AutoMapper(), slow, machine, rescaled=0.05)
    assert not any("depends on the data" in note for note in plain.notes)
    assert any("depends on the data" in note for note in given.notes)
    assert times_ps(given)[1] < times_ps(plain)[1]
    with pytest.raises(ConfigError, match="no share"):
        mapped(AutoMapper(), slow, machine, rescaled=2)


def test_with_the_operations_that_fusemax_counts_it_is_the_binding():
    for keys in (1024, 65536):
        cascade = attention(keys, heads=12, batch=64)
        ours = mapped(AutoMapper(), cascade, FUSEMAX, multiply_add=False)
        theirs = mapped(binding(), cascade, FUSEMAX)
        (mine, run), (other, their_run) = times_ps(ours), times_ps(theirs)
        assert mine == other
        assert run <= 1.005 * their_run
        assert {t for t, unit in ours.plan.tile.units.items() if unit == "held"} == {
            "scores",
            "row_max_local",
            "numerator",
            "denominator_local",
            "context_local",
        }
