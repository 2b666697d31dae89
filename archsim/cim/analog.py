"""Analog macro: converters, bit lines and the digital logic behind them.

Rows take `dac_bits` of each input a cycle; every weight bit has a column whose sum an ADC converts;
the sums of a weight's bits are shifted and added, then accumulated over the input's slices.

References
----------
ZigZag's model of analog in-memory arrays (ICCAD 2023, ``imc_array.py``, read): converter energy,
delay and area at 28 nm, 0.9 V. Sharing of converters is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from archsim.cim.adders import accumulator_delay_ns, place_value_adders, place_value_delay_ns
from archsim.cim.gates import Gates

DAC_FF_PER_BIT = 50.0
"""Capacitance of a DAC for each bit, fF (ZigZag, ``get_dac_cost``)."""

ADC_FF_PER_BIT = 100.0
"""Capacitance of an ADC for each bit, fF (ZigZag, ``get_adc_cost``, k5)."""

ADC_FF_OF_NOISE = 0.001
"""Capacitance of an ADC that grows by four with each bit, fF (ZigZag, k6)."""

ADC_NS_PER_ROW = 0.00653
"""Settling of a bit line for each row and ADC bit, ns (ZigZag, k3)."""

ADC_NS = 0.640
"""Delay of one ADC bit, ns (ZigZag, k4)."""

ADC_AREA_SLOPE = -0.0369
ADC_AREA_OFFSET = 1.206
"""ADC area: ``10**(slope b + offset) 2**b`` µm² (ZigZag, k1 and k2, fitted to 28 nm chips)."""


@dataclass(frozen=True, slots=True)
class AnalogMacro:
    """The structure of one analog macro.

    Attributes
    ----------
    rows, columns
        Inputs summed on a bit line, and output channels.
    weight_bits, input_bits
        Operand widths.
    dac_bits
        Input bits that one conversion step takes.
    adc_bits
        Resolution of the converters.
    columns_per_adc
        Weight-bit columns that share one converter, one after the other.
    """

    rows: int
    columns: int
    weight_bits: int
    input_bits: int
    dac_bits: int
    adc_bits: int
    columns_per_adc: int = 1

    @property
    def steps(self) -> int:
        """Conversion steps of one vector: ``ceil(Ba/dac_bits)``."""
        return -(-self.input_bits // self.dac_bits)

    @property
    def macs_per_cycle(self) -> float:
        """Multiply-accumulates of a step over the steps of a vector."""
        return self.rows * self.columns / self.steps

    @property
    def register_bits(self) -> int:
        """Bits of an accumulator: ``Ba + b + Bw``."""
        return self.input_bits + self.adc_bits + self.weight_bits

    @property
    def accumulates(self) -> bool:
        """Whether there is an accumulator: not where one step takes the whole input."""
        return self.steps > 1


def lossless_adc_bits(rows: int, dac_bits: int, cell_bits: int = 1) -> int:
    """Return the ADC bits below which the sum of a bit line is clipped.

    Notes
    -----
    ``ceil(log2(R (2**dac - 1) (2**cell - 1) + 1))``: the number of different sums.
    """
    highest = rows * ((1 << dac_bits) - 1) * ((1 << cell_bits) - 1)
    return highest.bit_length()


def input_slices(input_bits: int, dac_bits: int) -> int:
    """Return the steps in which an encoded input is applied: ``ceil(bits / DAC bits)``."""
    return -(-input_bits // dac_bits)


def weight_slices(weight_bits: int, cells: int, bits_per_cell: int) -> int:
    """Return the groups of cells that hold an encoded weight: ``ceil(bits / (cells bits))``."""
    return -(-weight_bits // (cells * bits_per_cell))


def adc_conversions(outputs: int, inputs: int, weights: int, summed: int = 1) -> float:
    """Return the conversions of one matrix-vector product.

    Parameters
    ----------
    outputs
        Output channels.
    inputs, weights
        Slices of the input and of the weight.
    summed
        Columns that are added before the converter.
    """
    return outputs * inputs * weights / summed


def adc_energy_fj(bits: int, supply_v: float) -> float:
    """Return the energy of one conversion, fJ: ``(k5 b + k6 4**b) V²``."""
    return (ADC_FF_PER_BIT * bits + ADC_FF_OF_NOISE * 4.0**bits) * supply_v**2


def dac_energy_fj(bits: int, supply_v: float) -> float:
    """Return the energy of driving one row, fJ: ``50 fF b V²``, none for a plain line driver."""
    return 0.0 if bits == 1 else DAC_FF_PER_BIT * bits * supply_v**2


def adc_area_um2(bits: int) -> float:
    """Return the area of one converter, µm²."""
    return math.pow(10.0, ADC_AREA_SLOPE * bits + ADC_AREA_OFFSET) * 2.0**bits


def clock_parts_ns(macro: AnalogMacro, gates: Gates) -> dict[str, float]:
    """Return the delays of one conversion step, ns; shared converters take turns."""
    turn = macro.adc_bits * (ADC_NS_PER_ROW * macro.rows + ADC_NS)
    accumulator = 0.0
    if macro.accumulates:
        width = macro.adc_bits + macro.weight_bits
        accumulator = accumulator_delay_ns(gates, width, macro.register_bits)
    return {
        "adc": turn * macro.columns_per_adc,
        "multiplier": gates.delay_ns,
        "place_value": place_value_delay_ns(gates, macro.weight_bits),
        "accumulator": accumulator,
    }


def clock_ns(macro: AnalogMacro, gates: Gates) -> float:
    """Return the shortest period of a conversion step, ns."""
    return sum(clock_parts_ns(macro, gates).values())


def vector_energy_fj(macro: AnalogMacro, gates: Gates) -> dict[str, float]:
    """Return the energy of one vector by part, fJ, all rows and columns in use."""
    supply = gates.supply_v
    bit_columns = macro.weight_bits * macro.columns
    cells = bit_columns * macro.rows
    adders = place_value_adders(macro.weight_bits, macro.adc_bits)
    accumulator = (gates.adder_fj + gates.flop_fj) * macro.register_bits
    per_step = {
        "dac": dac_energy_fj(macro.dac_bits, supply) * macro.rows,
        "adc": adc_energy_fj(macro.adc_bits, supply) * bit_columns,
        "bit_lines": gates.cell_capacitance_ff * supply**2 * cells,
        "multiplier": gates.multiplier_fj * cells,
        "place_value": gates.adder_fj * adders * macro.columns,
        "accumulator": accumulator * macro.columns if macro.accumulates else 0.0,
    }
    return {name: value * macro.steps for name, value in per_step.items()}


def area_um2(macro: AnalogMacro, gates: Gates, *, cell_um2: float) -> dict[str, float]:
    """Return the area by part, µm²; `cell_um2` is one stored bit with its periphery."""
    bits = macro.weight_bits * macro.columns * macro.rows
    adders = place_value_adders(macro.weight_bits, macro.adc_bits)
    registers = (gates.adder_um2 + gates.flop_um2) * macro.register_bits
    converters = macro.weight_bits * macro.columns / macro.columns_per_adc
    return {
        "cells": cell_um2 * bits,
        "adc": adc_area_um2(macro.adc_bits) * converters,
        "multiplier": bits * gates.area_um2,
        "place_value": gates.adder_um2 * adders * macro.columns,
        "accumulator": registers * macro.columns if macro.accumulates else 0.0,
    }
