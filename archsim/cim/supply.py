"""How delay and energy of a macro follow its supply voltage.

Without measurements: energy is ``C V²`` and delay follows the alpha-power law
``d ∝ V/(V - Vt)**alpha``. With two measured points the curve goes through both: linear in the
supply between them and on to lower ones, and the square law above the highest. Near threshold,
measured energy falls much faster than the square (Colonnade: by four from 0.8 V to 0.6 V), and no
square law can follow it.

References
----------
T. Sakurai and A. R. Newton, "Alpha-power law MOSFET model", JSSC 1990 (delay).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from archsim.errors import ConfigError

THRESHOLD_V = 0.35
"""Threshold of standard cells, V (estimate; 0.3 to 0.45 V from 28 to 65 nm)."""

ALPHA = 1.3
"""Velocity-saturation exponent (Sakurai and Newton give 1.2 to 1.4 for short channels)."""


def delay_factor(supply_v: float, reference_v: float) -> float:
    """Return the delay at a supply relative to that at another, by the alpha-power law.

    Raises
    ------
    ConfigError
        A supply at or below the threshold, where the law has no meaning.
    """
    for supply in (supply_v, reference_v):
        if supply <= THRESHOLD_V:
            raise ConfigError(
                "the delay law ends at the threshold voltage",
                given=f"{supply:g} V",
                allowed=f"above {THRESHOLD_V:g} V",
            )
    drive = (reference_v - THRESHOLD_V) / (supply_v - THRESHOLD_V)
    return supply_v / reference_v * math.pow(drive, ALPHA)


def energy_factor(supply_v: float, reference_v: float) -> float:
    """Return the switching energy relative to that at another supply: ``(V/V0)²``."""
    return (supply_v / reference_v) ** 2


def measured_energy_factor(supply_v: float, points: Mapping[float, float]) -> float:
    """Return the energy factor at a supply from measured ones.

    Parameters
    ----------
    supply_v
        Supply, V.
    points
        Energy relative to the reference supply, by supply in V; at least two.

    Raises
    ------
    ConfigError
        Fewer than two points, or a supply so low that the line has reached zero.
    """
    if len(points) < 2:
        raise ConfigError("a measured supply curve needs two points", given=len(points))
    supplies = sorted(points)
    if supply_v >= supplies[-1]:
        return points[supplies[-1]] * energy_factor(supply_v, supplies[-1])
    above = next(index for index in range(1, len(supplies)) if supply_v <= supplies[index])
    low, high = supplies[above - 1], supplies[above]
    factor = points[low] + (points[high] - points[low]) * (supply_v - low) / (high - low)
    if factor <= 0.0:
        raise ConfigError(
            "the measured supply curve has reached zero energy",
            given=f"{supply_v:g} V",
            allowed=f"near or above {supplies[0]:g} V, the lowest measured supply",
        )
    return factor


def measured_delay_exponent(points: Mapping[float, float]) -> float:
    """Return the exponent n of ``delay ∝ V**-n`` through two measured delays, by supply in V."""
    if len(points) != 2:
        raise ConfigError("a delay exponent needs two points", given=len(points))
    (low, slow), (high, fast) = sorted(points.items())
    return math.log(slow / fast) / math.log(high / low)
