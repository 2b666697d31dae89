"""Scaling between technologies: the published factors, monotone in node and supply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.cost.scaling import area_factor, energy_factor, relative_energy, static_factor
from archsim.errors import ConfigError

nodes = st.floats(1, 130)
supplies = st.floats(0.6, 1.3)


# Multipliers recorded with the published tables: (to nm, at 0.8 V, at 0.9 V, area), from 65 nm.
@pytest.mark.parametrize(
    ("node", "at_800_mv", "at_900_mv", "area"),
    [
        (45, 0.806, 0.798, 0.660),
        (28, 0.414, 0.404, 0.253),
        (22, 0.237, 0.243, 0.168),
        (16, 0.140, 0.149, 0.130),
        (7, 0.076, 0.082, 0.039),
    ],
)
def test_published_factors(node, at_800_mv, at_900_mv, area):
    assert energy_factor(65, 0.8, node, 0.8) == pytest.approx(at_800_mv, abs=6e-4)
    assert energy_factor(65, 0.9, node, 0.9) == pytest.approx(at_900_mv, abs=6e-4)
    assert area_factor(65, node) == pytest.approx(area, abs=6e-4)


@given(nodes, nodes, supplies)
def test_a_smaller_node_never_costs_more(first, second, supply):
    small, large = sorted((first, second))
    assert relative_energy(small, supply) <= relative_energy(large, supply)
    assert area_factor(large, small) <= 1.0


@given(nodes, supplies, supplies)
def test_a_lower_supply_never_costs_more(node, first, second):
    low, high = sorted((first, second))
    assert relative_energy(node, low) <= relative_energy(node, high) * (1 + 1e-12)


@given(nodes, supplies, nodes, supplies, nodes, supplies)
def test_factors_chain_and_vanish(n1, v1, n2, v2, n3, v3):
    assert energy_factor(n1, v1, n1, v1) == 1.0
    assert area_factor(n1, n1) == 1.0
    chained = energy_factor(n1, v1, n2, v2) * energy_factor(n2, v2, n3, v3)
    assert chained == pytest.approx(energy_factor(n1, v1, n3, v3))
    assert static_factor(n1, v1, n2, v2) == energy_factor(n1, v1, n2, v2)


def test_below_the_table_trends_continue():
    assert energy_factor(7, 0.75, 3.5, 0.75) == pytest.approx(0.5**0.5)
    assert area_factor(7, 3.5) == pytest.approx(0.5)


def test_outside_the_published_range_is_refused():
    with pytest.raises(ConfigError, match="technology node is outside the scaling table"):
        area_factor(180, 7)
    with pytest.raises(ConfigError, match="supply voltage is outside the scaling table"):
        energy_factor(7, 0.5, 7, 0.8)
