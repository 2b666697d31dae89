"""Noise of an analog macro, and how many output bits it leaves.

A bit line adds `rows` products of a cell and an input slice. Thermal noise of its capacitance,
mismatch of its cells and the converter's own noise and steps disturb the sum. All are expressed in
units of the smallest product, so that they can be added.

References
----------
Thermal noise of a sampled capacitor, ``kT/C``, and the step noise of a uniform quantiser,
``LSB²/12``, are textbook results. ASiM (arXiv:2411.11022, abstract read) finds that one LSB of
analog noise already costs accuracy; the limit of half a LSB is a proposal of this project.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from archsim.cim.analog import AnalogMacro, lossless_adc_bits
from archsim.errors import ConfigError

BOLTZMANN_J_PER_K: Final = 1.380649e-23
"""Boltzmann constant (SI, exact)."""

LIMIT_LSB: Final = 0.5
"""Noise at the required output bits above which a mapping is refused (proposal; see above)."""


@dataclass(frozen=True, slots=True)
class NoiseSources:
    """What disturbs a sum.

    Attributes
    ----------
    line_ff
        Capacitance on which a sum is sampled, fF.
    supply_v
        Swing of a full sum, V.
    cell_mismatch
        Standard deviation of a cell's current or charge, relative.
    converter_lsb
        Noise of the converter itself, LSB of its own bits.
    temperature_k
        Temperature, K.
    """

    line_ff: float
    supply_v: float
    cell_mismatch: float = 0.0
    converter_lsb: float = 0.0
    temperature_k: float = 300.0

    def __post_init__(self) -> None:
        for name in ("line_ff", "supply_v", "temperature_k"):
            if getattr(self, name) <= 0:
                raise ConfigError("must be positive", path=name, given=getattr(self, name))
        for name in ("cell_mismatch", "converter_lsb"):
            if getattr(self, name) < 0:
                raise ConfigError("must not be negative", path=name, given=getattr(self, name))


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of one conversion, in units of the smallest product of a cell and an input step.

    Attributes
    ----------
    thermal, mismatch, converter, quantisation
        Standard deviation by source.
    range_units
        Largest sum.
    """

    thermal: float
    mismatch: float
    converter: float
    quantisation: float
    range_units: int

    @property
    def total(self) -> float:
        """Standard deviation of all sources: they are independent."""
        return math.hypot(self.thermal, self.mismatch, self.converter, self.quantisation)

    def lsb(self, output_bits: int) -> float:
        """Return the noise in LSB of some output bits over the full range."""
        return self.total / (self.range_units / (1 << output_bits))

    @property
    def effective_bits(self) -> float:
        """Bits of an ideal quantiser with the same noise: ``log2(range / (sigma sqrt 12))``.

        Never more than tell all sums apart: exact sums have that many.
        """
        exact = math.log2(self.range_units + 1)
        if self.total == 0.0:
            return exact
        return min(exact, math.log2(self.range_units / (self.total * math.sqrt(12.0))))


def conversion_noise(
    macro: AnalogMacro,
    sources: NoiseSources,
    *,
    active_rows: int | None = None,
    density: float = 0.5,
) -> Noise:
    """Return the noise of one conversion.

    Parameters
    ----------
    macro
        The macro; a cell holds one bit.
    sources
        What disturbs a sum.
    active_rows
        Rows that add at once; all of them if None.
    density
        Mean product over the largest one: how many cells conduct, which is what mismatches.

    Raises
    ------
    ConfigError
        More rows than the macro has, or a density that is no fraction.

    Notes
    -----
    Thermal: ``sqrt(kT/C) / V`` of the range. Mismatch: cells vary on their own, so n conducting
    ones of u units each give ``sigma u sqrt(n)``. Quantisation: none where the converter tells all
    sums apart, else ``LSB/sqrt 12`` with ``LSB = range / (2**b - 1)``.
    """
    rows = macro.rows if active_rows is None else active_rows
    if not 1 <= rows <= macro.rows:
        raise ConfigError(
            "the macro does not add that many rows", given=rows, allowed=f"1 to {macro.rows}"
        )
    if not 0.0 <= density <= 1.0:
        raise ConfigError("must be a fraction", path="density", given=density)
    units = (1 << macro.dac_bits) - 1
    whole = rows * units
    volts = math.sqrt(BOLTZMANN_J_PER_K * sources.temperature_k / (sources.line_ff * 1e-15))
    exact = macro.adc_bits >= lossless_adc_bits(rows, macro.dac_bits)
    step = 1.0 if exact else whole / ((1 << macro.adc_bits) - 1)
    return Noise(
        thermal=volts / sources.supply_v * whole,
        mismatch=sources.cell_mismatch * units * math.sqrt(rows * density),
        converter=sources.converter_lsb * step,
        quantisation=0.0 if exact else step / math.sqrt(12.0),
        range_units=whole,
    )
