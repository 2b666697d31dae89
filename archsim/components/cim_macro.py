"""One digital compute-in-memory macro of a tile: its configuration, energies, area and wires.

The numbers are those of :mod:`archsim.cim.digital`, counted gate by gate, at the node and supply of
the tiles. Formulas that a design space needs for many designs at once take arrays as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import model_validator

from archsim.cim.adders import tree_depth
from archsim.cim.chip import CELL_UM2_28NM, scaled_gates
from archsim.cim.digital import Activity, DigitalMacro, area_um2, vector_energy_fj
from archsim.cim.gates import GATES_28NM
from archsim.cim.supply import energy_factor
from archsim.components.cim_laws import cycles_cim_steps
from archsim.components.systolic_laws import ceil_div
from archsim.config.schema import ConfigModel, PositiveInt

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

REGISTER_PJ = 0.021
"""Energy of writing 8 bits of an input register, or 16 of an output register, at 28 nm and 0.9 V
(ZigZag's example of a digital macro, read)."""

Real = TypeVar("Real", float, "Floats")
"""A number, or an array with one for each design."""


class CimMacro(ConfigModel):
    """The macro of a processing element."""

    rows: PositiveInt = 16
    """Inputs added in a column."""
    columns: PositiveInt = 16
    """Output channels."""
    weight_bits: PositiveInt = 8
    """Widest weight that a cell group stores and a tree adds."""
    bits_per_cycle: PositiveInt = 1
    """Input bits that a cycle takes."""
    rows_written_per_cycle: PositiveInt = 1
    """Rows of weights written in a cycle: the update width is that many rows."""
    weight_sets: PositiveInt = 1
    """Weight sets stored; with two, one is written while the other computes."""
    tree_rows: PositiveInt | None = None
    """Rows that the adder tree takes at once, the others wait their turn; absent: all."""

    @model_validator(mode="after")
    def _fits(self) -> CimMacro:
        if self.tree_rows is not None and self.tree_rows > self.rows:
            raise ValueError("'tree_rows' cannot exceed 'rows': there is nothing to add")
        if self.rows_written_per_cycle > self.rows:
            raise ValueError("'rows_written_per_cycle' cannot exceed 'rows'")
        return self

    @property
    def tree_stages(self) -> int:
        """Levels of the adder tree, a register each."""
        return tree_depth(self.tree_rows or self.rows)

    @property
    def cycles_write(self) -> int:
        """Cycles that one set of weights takes to write: ``ceil(R / rows per cycle)``."""
        return ceil_div(self.rows, self.rows_written_per_cycle)

    def cycles_steps(self, input_bits: int) -> int:
        """Cycles for which a vector occupies the macro (:func:`cycles_cim_steps`)."""
        return cycles_cim_steps(self.rows, input_bits, self.bits_per_cycle, self.tree_rows)

    def structure(self, weight_bits: int, input_bits: int) -> DigitalMacro:
        """Return the macro as :mod:`archsim.cim.digital` describes it, for some operands."""
        return DigitalMacro(
            self.rows,
            self.columns,
            weight_bits,
            input_bits,
            self.bits_per_cycle,
            weight_sets=self.weight_sets,
        )


@dataclass(frozen=True, slots=True)
class Silicon:
    """Process of the macros: node in nm, supply in V, and what of them switches."""

    node_nm: float
    supply_v: float
    activity: Activity

    def mac_parts_pj(self, macro: CimMacro, weight_bits: int, input_bits: int) -> dict[str, float]:
        """Return the energy of one MAC by part of the macro, pJ.

        The parts of :func:`archsim.cim.digital.vector_energy_fj`, and the registers of inputs and
        outputs, which a macro's published efficiency leaves out.
        """
        gates = scaled_gates(self.node_nm)
        parts = vector_energy_fj(macro.structure(weight_bits, input_bits), gates, self.activity)
        outputs = macro.columns * partial_sum_bits(macro.rows, weight_bits, input_bits)
        accesses = macro.rows * input_bits / 8 + outputs / 16
        node = gates.capacitance_ff / GATES_28NM.capacitance_ff
        parts = {**parts, "registers": accesses * REGISTER_PJ * 1e3 * node}
        scale = energy_factor(self.supply_v, GATES_28NM.supply_v) / (macro.rows * macro.columns)
        return {name: value * scale / 1e3 for name, value in parts.items()}

    def adder_bit_pj(self) -> float:
        """Return the energy of a one-bit full adder with its register, pJ."""
        gates = scaled_gates(self.node_nm)
        scale = energy_factor(self.supply_v, GATES_28NM.supply_v)
        return (gates.adder_fj + gates.flop_fj) * scale / 1e3

    def macro_mm2(self, macro: CimMacro) -> float:
        """Return the area of one macro with its cells, mm²."""
        gates = scaled_gates(self.node_nm)
        cell = CELL_UM2_28NM * gates.area_um2 / GATES_28NM.area_um2
        built = macro.structure(macro.weight_bits, macro.weight_bits)
        return sum(area_um2(built, gates, cell_um2=cell).values()) / 1e6


def partial_sum_bits(rows: int, weight_bits: int, input_bits: int) -> int:
    """Return the bits of what a column hands on: ``Ba + Bw + log2 R``."""
    return weight_bits + input_bits + tree_depth(rows)


def span_mm(macros_mm2: Real) -> Real:
    """Return the length of a bus over some area of macros, mm: half of its side.

    Notes
    -----
    ``sqrt(A)/2``: the mean way from the middle of one edge to anywhere along the bus.
    """
    side: Real = macros_mm2**0.5
    return side / 2


def wire_mm2(width_bits: Real, length_mm: Real, pitch_um: float) -> Real:
    """Return the area of a bus, mm²: one wire for each bit."""
    return width_bits * length_mm * (pitch_um / 1e3)
