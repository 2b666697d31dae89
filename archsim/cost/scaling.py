"""Scaling of energy, area and leakage between technology nodes and supply voltages.

This is the only module that scales. Dynamic energy follows the polynomials of Stillmaker and Baas,
``E(node, V) = a V² + b V + c``, fitted by them to circuit simulations of a general-purpose circuit;
the factor between two technologies is the ratio of two values. Between two listed nodes E is
interpolated linearly in the node. Area is relative to 65 nm, that row of their area table, and
interpolated likewise. Below 7 nm, where the table ends, area is proportional to the node and energy
to its square root (IRDS 2016/2017 trend, as the `hwcomponents` package applies it). Leakage power
is scaled like energy (an estimate, the same package's choice).

The rule is for logic. SRAM shrinks less and DRAM does not follow the logic node at all: rows of the
cost tables that must not be scaled have no node, and SRAM has rows at several nodes so that the
factor stays near one.

References
----------
A. Stillmaker and B. Baas, "Scaling equations for the accurate prediction of CMOS device performance
from 180 nm to 7 nm", Integration 58 (2017) 74-81, doi:10.1016/j.vlsi.2017.02.002: energy
coefficients and area factors, read through the `hwcomponents` package, `scaling/techscaling.py`.
"""

from __future__ import annotations

import math
from itertools import pairwise

from archsim.errors import ConfigError

MIN_NODE_NM = 1.0
"""Smallest node; IRDS 2022 sees no further energy scaling below it."""

MAX_NODE_NM = 130.0
"""Largest node of the table."""

MIN_SUPPLY_V = 0.6
"""Lowest supply: below it the 65 nm polynomial rises again and means nothing."""

MAX_SUPPLY_V = 1.3
"""Highest supply."""

_TABLE_END_NM = 7.0

# node (nm): a (1/V²), b (1/V), c of the energy polynomial; area relative to 65 nm.
_NODES: dict[float, tuple[float, float, float, float]] = {
    130.0: (7.171, -6.709, 2.904, 4.3),
    90.0: (4.762, -4.781, 2.092, 1.9),
    65.0: (3.755, -4.398, 1.975, 1.0),
    45.0: (1.103, -0.362, 0.2767, 0.66),
    32.0: (0.9559, -0.7823, 0.471, 0.31),
    20.0: (0.373, -0.1582, 0.04104, 0.14),
    16.0: (0.2958, -0.1241, 0.03024, 0.13),
    14.0: (0.2363, -0.09675, 0.02239, 0.12),
    10.0: (0.2068, -0.09311, 0.02375, 0.068),
    7.0: (0.1776, -0.09097, 0.02447, 0.039),
}


def _check_node(node_nm: float) -> None:
    if not (math.isfinite(node_nm) and MIN_NODE_NM <= node_nm <= MAX_NODE_NM):
        raise ConfigError(
            "technology node is outside the scaling table",
            given=f"{node_nm:g} nm",
            allowed=f"{MIN_NODE_NM:g} nm to {MAX_NODE_NM:g} nm",
        )


def _check_supply(supply_v: float) -> None:
    if not (math.isfinite(supply_v) and MIN_SUPPLY_V <= supply_v <= MAX_SUPPLY_V):
        raise ConfigError(
            "supply voltage is outside the scaling table",
            given=f"{supply_v:g} V",
            allowed=f"{MIN_SUPPLY_V:g} V to {MAX_SUPPLY_V:g} V",
        )


def _interpolate(node_nm: float, values: dict[float, float]) -> float:
    for upper, lower in pairwise(values):
        if lower <= node_nm <= upper:
            weight = (node_nm - lower) / (upper - lower)
            return values[lower] * (1.0 - weight) + values[upper] * weight
    raise AssertionError(f"node {node_nm} nm was checked to be inside the table")


def relative_energy(node_nm: float, supply_v: float) -> float:
    """Return the energy of a switching circuit in arbitrary units that are equal for all nodes.

    Parameters
    ----------
    node_nm
        Technology node, nm, 1 to 130.
    supply_v
        Supply voltage, V, 0.6 to 1.3.

    Raises
    ------
    ConfigError
        Node or supply outside the range of the published fits.
    """
    _check_node(node_nm)
    _check_supply(supply_v)
    energies = {node: a * supply_v**2 + b * supply_v + c for node, (a, b, c, _) in _NODES.items()}
    if node_nm < _TABLE_END_NM:
        return energies[_TABLE_END_NM] * math.sqrt(node_nm / _TABLE_END_NM)
    return _interpolate(node_nm, energies)


def relative_area(node_nm: float) -> float:
    """Return the area of a circuit relative to 65 nm.

    Raises
    ------
    ConfigError
        Node outside 1 to 130 nm.
    """
    _check_node(node_nm)
    areas = {node: area for node, (_, _, _, area) in _NODES.items()}
    if node_nm < _TABLE_END_NM:
        return areas[_TABLE_END_NM] * node_nm / _TABLE_END_NM
    return _interpolate(node_nm, areas)


def energy_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """Return the factor by which dynamic energy changes; exactly 1 within one technology.

    Examples
    --------
    >>> round(energy_factor(65, 0.8, 7, 0.8), 3)
    0.076
    """
    target = relative_energy(to_nm, to_v)
    return target / relative_energy(from_nm, from_v)


def area_factor(from_nm: float, to_nm: float) -> float:
    """Return the factor by which area changes; exactly 1 within one node."""
    target = relative_area(to_nm)
    return target / relative_area(from_nm)


def static_factor(from_nm: float, from_v: float, to_nm: float, to_v: float) -> float:
    """Return the factor by which leakage power changes: that of energy (`estimate`)."""
    return energy_factor(from_nm, from_v, to_nm, to_v)
