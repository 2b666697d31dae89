"""Digital macro: clock, energy and area from its structure, gate by gate.

R rows of weights feed C adder trees; every cycle takes `bits_per_cycle` bits of each input. What a
cycle does is counted in full adders, one-bit multipliers and flip-flops; :mod:`archsim.cim.gates`
says what each costs. Cycles are the law of :mod:`archsim.components.cim_laws`.

References
----------
ZigZag's model of digital in-memory arrays (ICCAD 2023, ``imc_array.py``, read): the multiplier,
tree, place-value and accumulator terms. Ours beside them, each zero or neutral in its defaults:
partly filled trees by live words, the wires of the input lines, sequencing overhead, Booth digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archsim.cim.adders import (
    accumulator_delay_ns,
    place_value_adders,
    place_value_delay_ns,
    tree_activity,
    tree_adders,
    tree_delay_ns,
    tree_depth,
)
from archsim.cim.gates import GATES_28NM, XOR_CAPACITANCE, XOR_DELAY, Gates

Recoding = Literal["none", "booth"]

BOOTH_LEVELS = 2
"""NAND levels of a Booth selector: AND-OR over ±W and ±2W. A storage cell offers a weight bit in
both polarities, so a negative digit needs no exclusive-or (estimate)."""

BOOTH_AREA = 4
"""NAND areas of a Booth selector, two AND-OR-invert gates (estimate)."""

BOOTH_SIGNALS = 3
"""Signals that encode a digit: one, two, negative; each an exclusive-or and a NAND of its bits.

estimate; that the encoder lies on the clock's path, and that the selector needs no exclusive-or,
was settled after a first comparison with ReDCIM, the one chip that tests it."""

WIRE_FF_PER_CELL = 0.15
"""Wire of an input line over one storage cell, fF: 0.2 fF/µm over a pitch of 0.75 µm (estimate)."""


@dataclass(frozen=True, slots=True)
class Activity:
    """How much of a macro switches.

    Attributes
    ----------
    input_toggle
        Probability that an input bit is one while it is used.
    weight_density
        Share of weight bits that are one.
    """

    input_toggle: float = 1.0
    weight_density: float = 1.0

    @property
    def products(self) -> float:
        """Share of one-bit products that are one: what drives the trees."""
        return self.input_toggle * self.weight_density


@dataclass(frozen=True, slots=True)
class DigitalMacro:
    """The structure of one digital macro.

    Attributes
    ----------
    rows, columns
        Inputs added in a column, and output channels (weights in a row).
    weight_bits, input_bits
        Operand widths.
    bits_per_cycle
        Input bits that one cycle takes.
    recoding
        ``booth``: the bits of a cycle select one multiple of the weight (a digit), so one tree
        serves them all; ``none``: each bit has a tree of its own.
    weight_sets
        Sets of weights stored behind each multiplier.
    pipelined
        Whether a register stands between the tree and the accumulator.
    tree_bits, accumulator_bits
        Widths where the macro departs from the widths that nothing can overflow.
    """

    rows: int
    columns: int
    weight_bits: int
    input_bits: int
    bits_per_cycle: int = 1
    recoding: Recoding = "none"
    weight_sets: int = 1
    pipelined: bool = False
    tree_bits: int | None = None
    accumulator_bits: int | None = None

    @property
    def steps(self) -> int:
        """Cycles that take in one vector: ``ceil(Ba/bs)``."""
        return -(-self.input_bits // self.bits_per_cycle)

    @property
    def trees(self) -> int:
        """Adder trees of a column."""
        return 1 if self.recoding == "booth" else self.bits_per_cycle

    @property
    def leaf_bits(self) -> int:
        """Bits of a word that enters a tree."""
        if self.tree_bits is not None:
            return self.tree_bits
        return self.weight_bits + (1 if self.recoding == "booth" else 0)

    @property
    def sum_bits(self) -> int:
        """Bits of what a column hands to its accumulator."""
        above = self.trees if self.trees > 1 else 0
        return self.leaf_bits + tree_depth(self.rows) + above

    @property
    def register_bits(self) -> int:
        """Bits of an accumulator: ``Ba + Bw + log2 R`` unless given."""
        if self.accumulator_bits is not None:
            return self.accumulator_bits
        return self.input_bits + self.weight_bits + tree_depth(self.rows)

    @property
    def accumulates(self) -> bool:
        """Whether there is an accumulator: not where one cycle takes the whole input."""
        return self.steps > 1

    @property
    def storage_bits(self) -> int:
        """Weight bits stored: ``R C Bw G``."""
        return self.rows * self.columns * self.weight_bits * self.weight_sets

    @property
    def macs_per_cycle(self) -> float:
        """Peak multiply-accumulates of a cycle: ``R C bs / Ba``."""
        return self.rows * self.columns / self.steps


def clock_parts_ns(
    macro: DigitalMacro, gates: Gates, *, sequencing: float = 0.0
) -> dict[str, float]:
    """Return the delays along the longest path, ns.

    Parameters
    ----------
    macro
        Structure.
    gates
        Library.
    sequencing
        Clock-to-output delay and set-up time of a register, in NAND delays.
    """
    select: float = 1
    if macro.recoding == "booth":
        select = XOR_DELAY + 1 + BOOTH_LEVELS
    accumulator = 0.0
    if macro.accumulates:
        accumulator = accumulator_delay_ns(gates, macro.sum_bits, macro.register_bits)
    return {
        "multiplier": select * gates.delay_ns,
        "tree": tree_delay_ns(gates, macro.rows, macro.leaf_bits),
        "place_value": place_value_delay_ns(gates, macro.trees),
        "accumulator": accumulator,
        "sequencing": sequencing * gates.delay_ns,
    }


def clock_ns(macro: DigitalMacro, gates: Gates, *, sequencing: float = 0.0) -> float:
    """Return the shortest clock period, ns: one path, or its longer half if pipelined."""
    parts = clock_parts_ns(macro, gates, sequencing=sequencing)
    ahead = parts["multiplier"] + parts["tree"] + parts["place_value"]
    if macro.pipelined:
        return max(ahead, parts["accumulator"]) + parts["sequencing"]
    return ahead + parts["accumulator"] + parts["sequencing"]


def vector_energy_fj(
    macro: DigitalMacro,
    gates: Gates,
    activity: Activity,
    *,
    used_rows: int | None = None,
    used_columns: int | None = None,
) -> dict[str, float]:
    """Return the energy of one vector by part, fJ.

    Parameters
    ----------
    macro, gates, activity
        Structure, library and what switches.
    used_rows, used_columns
        Rows and columns that hold work; all of them if None. Multipliers and input lines of all
        columns see the inputs; trees and accumulators of unused columns stand still.
    """
    rows = macro.rows if used_rows is None else used_rows
    columns = macro.columns if used_columns is None else used_columns
    bits = macro.weight_bits * rows * macro.columns
    per_step = {
        "multiplier": _select_fj(macro, gates) * bits * activity.products,
        "tree": _tree_fj(macro, gates, rows) * columns * activity.products,
        "place_value": gates.adder_fj * _place_value(macro) * columns,
        "accumulator": _accumulator_fj(macro, gates) * columns,
        "drivers": _drivers_fj(macro, gates, rows) * activity.input_toggle,
    }
    return {name: value * macro.steps for name, value in per_step.items()}


def _select_fj(macro: DigitalMacro, gates: Gates) -> float:
    """Energy of the products of one weight bit in a cycle, fJ."""
    if macro.recoding == "booth":
        return BOOTH_LEVELS * gates.multiplier_fj
    return macro.bits_per_cycle * gates.multiplier_fj


def _tree_fj(macro: DigitalMacro, gates: Gates, rows: int) -> float:
    """Energy of one column's trees in a cycle with `rows` live words, fJ."""
    full, half = tree_activity(macro.rows, macro.leaf_bits, rows)
    return (full * gates.adder_fj + half * gates.half_adder_fj) * macro.trees


def _place_value(macro: DigitalMacro) -> float:
    """Full adders that join the trees of one column."""
    return place_value_adders(macro.trees, macro.leaf_bits + tree_depth(macro.rows))


def _accumulator_fj(macro: DigitalMacro, gates: Gates) -> float:
    """Energy of one accumulator in a cycle, fJ."""
    return (gates.adder_fj + gates.flop_fj) * macro.register_bits if macro.accumulates else 0.0


def line_fj(gates: Gates) -> float:
    """Return the energy of the wire of an input line over one cell, fJ; it scales like a gate."""
    return WIRE_FF_PER_CELL / GATES_28NM.capacitance_ff * gates.switch_fj


def _drivers_fj(macro: DigitalMacro, gates: Gates, rows: int) -> float:
    """Energy of all input lines, and of encoding digits, in a cycle of ones, fJ."""
    lines = line_fj(gates) * macro.weight_bits * rows * macro.columns * macro.bits_per_cycle
    if macro.recoding == "booth":
        lines += BOOTH_SIGNALS * (XOR_CAPACITANCE + 1) * gates.switch_fj * rows
    return lines


def precharge_fj(macro: DigitalMacro, gates: Gates) -> float:
    """Return the energy of changing to another stored set of weights, fJ.

    Notes
    -----
    ``(C_wl + C_bl G) V² Bw R C``; nothing where there is one set.
    """
    if macro.weight_sets == 1:
        return 0.0
    lines = gates.cell_capacitance_ff * (1 + macro.weight_sets) * gates.supply_v**2
    return lines * macro.weight_bits * macro.rows * macro.columns


def area_um2(macro: DigitalMacro, gates: Gates, *, cell_um2: float) -> dict[str, float]:
    """Return the area by part, µm².

    Parameters
    ----------
    macro, gates
        Structure and library.
    cell_um2
        Area of one stored bit with its share of the periphery; 0 leaves the cells out.
    """
    bits = macro.weight_bits * macro.rows * macro.columns
    select = BOOTH_AREA if macro.recoding == "booth" else macro.bits_per_cycle
    adders = tree_adders(macro.rows, macro.leaf_bits) * macro.trees
    registers = (gates.adder_um2 + gates.flop_um2) * macro.register_bits
    return {
        "cells": cell_um2 * macro.storage_bits,
        "multiplier": select * bits * gates.area_um2,
        "tree": gates.adder_um2 * adders * macro.columns,
        "place_value": gates.adder_um2 * _place_value(macro) * macro.columns,
        "accumulator": registers * macro.columns if macro.accumulates else 0.0,
    }
