"""Mapper auto on changed machines: within 2 % of the binding, more resources never slower."""

from __future__ import annotations

from itertools import pairwise

import pytest

from archsim.mapping import Infeasible
from mappers.auto import AutoMapper
from mappers.fusemax import binding
from tests.mappers.attention import attention, makespan_ps, mapped
from tests.mappers.test_auto import changed, times_ps


@pytest.mark.parametrize(
    "overrides",
    [
        ("vector.lanes=64",),
        ("vector.lanes=16",),
        ("array.rows=64", "array.columns=64", "vector.lanes=64"),
        ("array.rows=512", "array.columns=512", "vector.lanes=512"),
        ("buffer.capacity=1 MiB",),
        ("dram.bandwidth=20 GiB/s",),
    ],
)
@pytest.mark.parametrize(
    "shape",
    [
        {"heads": 12, "batch": 64},
        {"heads": 2, "group": 4, "depth": 192, "width": 128, "causal": True},
    ],
)
def test_changed_machines_are_within_two_percent_of_the_binding(overrides, shape):
    machine, cascade = changed(*overrides), attention(2048, **shape)
    ours, theirs = mapped(AutoMapper(), cascade, machine), mapped(binding(), cascade, machine)
    if isinstance(theirs, Infeasible):
        assert not isinstance(ours, Infeasible)
        return
    for mine, other in zip(times_ps(ours), times_ps(theirs), strict=True):
        assert mine < 1.02 * other


@pytest.mark.parametrize(
    "shape",
    [{"heads": 12, "batch": 4}, {"queries": 1, "heads": 8, "group": 8}],
)
@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("vector.lanes", ["16", "64", "512"]),
        ("dram.bandwidth", ["20 GiB/s", "400 GiB/s"]),
        ("buffer.capacity", ["64 KiB", "256 KiB", "16 MiB"]),
    ],
)
def test_more_of_a_resource_is_never_slower(shape, path, values):
    cascade = attention(1024, **shape)
    found = [
        makespan_ps(mapped(AutoMapper(), cascade, changed(f"{path}={value}")).program())
        for value in values
    ]
    # Candidates within a thousandth of the best are not told apart (mappers.auto_search.CLOSE).
    for less, more in pairwise(found):
        assert more <= less * 1.001
