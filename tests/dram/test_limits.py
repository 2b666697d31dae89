"""Closed forms against the published ones, and against each other."""

from __future__ import annotations

from importlib.resources import files

import pytest

from archsim.dram.limits import PATTERN_LIMITS, limits, pattern_limits
from archsim.dram.patterns import KINDS
from archsim.dram.standard import load_standard

SHIPPED = sorted(
    path.name.removesuffix(".yaml") for path in (files("hw_configs") / "memory").iterdir()
)


def clocks(name, limit, **options):
    """A limit as the period of one burst on a data bus, in clocks."""
    standard = load_standard(name)
    value = {item.name: item.value for item in limits(standard, **options)}[limit]
    return standard.burst_ticks / standard.ticks_per_clock / value


# Closed forms beside recorded runs of Ramulator 2.1.
@pytest.mark.parametrize(
    ("name", "limit", "options", "expected"),
    [
        ("ddr4-3200", "one bank group", {}, 8),
        ("ddr4-3200", "one bank", {}, 74),
        ("ddr4-3200", "one bank", {"write": True}, 88),
        ("ddr4-3200", "random rows", {}, 8.5),
        ("ddr5-4800-ramulator", "one bank", {}, 111),
        ("ddr5-4800-ramulator", "one bank group", {"write": True}, 48),
        ("ddr5-4800-ramulator", "random rows", {}, 12),
        ("lpddr5-6400", "one bank", {}, 49),
        ("lpddr5-6400", "random rows", {}, 4),
        ("gddr6-14000-ramulator", "one bank", {}, 80),
        ("gddr6-14000-ramulator", "random rows", {}, 8),
        ("hbm2-2000-ramulator", "one bank", {}, 48),
        # Two clocks of an activation and one of a precharge, for two pseudo channels.
        ("hbm2-2000-ramulator", "random rows", {}, 6),
        ("hbm3-6400", "one bank", {}, 72),
        ("hbm3-6400", "random rows", {}, 6),
    ],
)
def test_periods(name, limit, options, expected):
    assert clocks(name, limit, **options) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        *(("ddr4-3200", 628), ("ddr5-4800-ramulator", 788), ("gddr6-14000-ramulator", 267)),
        ("hbm2-2000-ramulator", 291),
    ],
)
def test_refresh_costs(name, loss):
    standard = load_standard(name)
    value = {item.name: item.value for item in limits(standard)}["refresh loss"]
    assert value * standard.refresh.interval_ticks == pytest.approx(loss)


@pytest.mark.parametrize(
    ("name", "entries"),
    [("ddr4-3200", 11), ("ddr5-4800-ramulator", 9), ("gddr6-14000-ramulator", 27)],
)
def test_queue_entries_that_hide_a_row_miss(name, entries):
    found = {item.name: item.value for item in limits(load_standard(name))}
    assert found["lookahead"] == entries


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("write", [False, True])
def test_limits_are_ordered(name, write):
    found = {item.name: item for item in limits(load_standard(name), write=write)}
    fractions = [item.value for item in found.values() if item.unit == "fraction"]
    assert all(0 < value <= 1 for value in fractions)
    assert found["one bank"].value <= found["one bank group"].value <= found["stream"].value
    assert found["random rows"].value <= found["stream"].value
    assert found["closed latency"].value < found["conflict latency"].value
    assert all(item.formula for item in found.values())


def test_every_pattern_has_limits():
    standard = load_standard("hbm3-6400")
    assert set(PATTERN_LIMITS) == set(KINDS)
    for kind, names in PATTERN_LIMITS.items():
        assert [item.name for item in pattern_limits(standard, kind)] == [
            item.name for item in limits(standard) if item.name in names
        ]
