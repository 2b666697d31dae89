"""The gates that a digital macro is built from: delay, energy and area, at one node and supply.

Everything is counted in NAND gates: an exclusive-or is 2.4 of them in delay and area and 1.5 in
capacitance, a flip-flop 6 in area and 3 in capacitance. A full adder is three NAND and two XOR; its
three paths are those of a ripple-carry chain.

References
----------
J. Sun et al., "Analog or digital in-memory computing? Benchmarking through quantitative modeling",
ICCAD 2023, with its ZigZag model, ``imc_unit.py``: 28 nm, 0.9 V constants (read). The ratios of
gates are part of the same table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

XOR_DELAY = 2.4
XOR_AREA = 2.4
XOR_CAPACITANCE = 1.5
FLOP_AREA = 6.0
FLOP_CAPACITANCE = 3.0


@dataclass(frozen=True, slots=True)
class Gates:
    """A logic library in one number each.

    Attributes
    ----------
    node_nm, supply_v
        Process and supply that the numbers hold for.
    delay_ns
        Delay of a NAND gate, ns.
    area_um2
        Area of a NAND gate, µm².
    capacitance_ff
        Switched capacitance of a NAND gate, fF.
    cell_capacitance_ff
        Word-line and bit-line capacitance of one storage cell, each, fF.
    """

    node_nm: float
    supply_v: float
    delay_ns: float
    area_um2: float
    capacitance_ff: float
    cell_capacitance_ff: float

    @property
    def switch_fj(self) -> float:
        """Energy of switching a NAND gate's capacitance, ``C V²``, fJ."""
        return self.capacitance_ff * self.supply_v**2

    @property
    def adder_fj(self) -> float:
        """Energy of a one-bit full adder whose gates all switch: 3 NAND + 2 XOR, fJ."""
        return (3 + 2 * XOR_CAPACITANCE) * self.switch_fj

    @property
    def half_adder_fj(self) -> float:
        """Energy of a full adder of which one operand is zero: its two XOR gates, fJ."""
        return 2 * XOR_CAPACITANCE * self.switch_fj

    @property
    def multiplier_fj(self) -> float:
        """Energy of a one-bit multiplier, a NOR gate whose weight input stands still, fJ."""
        return 0.5 * self.switch_fj

    @property
    def flop_fj(self) -> float:
        """Energy of writing one flip-flop, fJ."""
        return FLOP_CAPACITANCE * self.switch_fj

    @property
    def adder_um2(self) -> float:
        """Area of a one-bit full adder, µm²."""
        return (3 + 2 * XOR_AREA) * self.area_um2

    @property
    def flop_um2(self) -> float:
        """Area of a flip-flop, µm²."""
        return FLOP_AREA * self.area_um2

    @property
    def input_to_sum_ns(self) -> float:
        """Delay of a full adder from an operand to its sum, ns."""
        return 2 * XOR_DELAY * self.delay_ns

    @property
    def input_to_carry_ns(self) -> float:
        """Delay of a full adder from an operand to its carry, ns."""
        return (XOR_DELAY + 2) * self.delay_ns

    @property
    def carry_to_carry_ns(self) -> float:
        """Delay of a full adder from carry to carry, ns."""
        return 2 * self.delay_ns

    def scaled(self, *, energy: float = 1.0, delay: float = 1.0, area: float = 1.0) -> Gates:
        """Return the library with all energies, delays and areas multiplied by factors.

        Node and supply stay those that the closed forms use; the factors carry the change.
        """
        return replace(
            self,
            delay_ns=self.delay_ns * delay,
            area_um2=self.area_um2 * area,
            capacitance_ff=self.capacitance_ff * energy,
            cell_capacitance_ff=self.cell_capacitance_ff * energy,
        )


GATES_28NM: Final = Gates(
    node_nm=28.0,
    supply_v=0.9,
    delay_ns=0.0478,
    area_um2=0.614,
    capacitance_ff=0.7,
    cell_capacitance_ff=0.35,
)
"""28 nm at 0.9 V (ZigZag, ``TECH_PARAM_28NM``, read)."""
