"""Bit-pipelined ripple array: full adders in the cells, sums ripple down rows of registers.

A weight of Bw bits takes ``Bw + log2 R`` bit columns: its own and those its sum grows into. Every
`rows_per_register` rows a register cuts the ripple path, so the clock follows the distance between
registers while their number sets the depth of the pipeline.

References
----------
H. Kim et al., "Colonnade: a reconfigurable SRAM-based digital bit-serial compute-in-memory macro",
JSSC 2021, as modelled in the CiMLoop repository (``colonnade``, read): period and column count.
"""

from __future__ import annotations

from dataclasses import dataclass

from archsim.cim.digital import Activity, line_fj
from archsim.cim.gates import Gates


@dataclass(frozen=True, slots=True)
class RippleArray:
    """The structure of one ripple array.

    Attributes
    ----------
    rows, bit_columns
        Cells down a column and columns of cells.
    rows_per_register
        Rows between two register rows; `rows` means one register row.
    weight_bits, input_bits
        Operand widths; inputs are serial, one bit a pass.
    stage_ns
        Delay of one step of the ripple path at the reference supply, ns.
    """

    rows: int
    bit_columns: int
    rows_per_register: int
    weight_bits: int
    input_bits: int
    stage_ns: float

    @property
    def sum_bits(self) -> int:
        """Bit columns of one weight: ``Bw + ceil(log2 R)``."""
        return self.weight_bits + (self.rows - 1).bit_length()

    @property
    def columns(self) -> int:
        """Weights in a row: ``floor(bit columns / (Bw + log2 R))``."""
        return self.bit_columns // self.sum_bits

    @property
    def used_bit_columns(self) -> int:
        """Bit columns that belong to a weight."""
        return self.columns * self.sum_bits

    @property
    def register_rows(self) -> int:
        """Rows of registers: ``ceil(R / r)``."""
        return -(-self.rows // self.rows_per_register)


def clock_ns(array: RippleArray) -> float:
    """Return the period, ns: ``stage (Bw + log2 R + r + 2)``.

    The ripple goes down r rows and along the carry of one sum; two stages are the register and the
    multiplier.
    """
    return array.stage_ns * (array.sum_bits + array.rows_per_register + 2)


def throughput_gops(array: RippleArray, period_ns: float) -> float:
    """Return operations (two a MAC) per ns with registers that take a new bit each period."""
    return 2.0 * array.rows * array.columns / (array.input_bits * period_ns)


def latency_ns(array: RippleArray, period_ns: float) -> float:
    """Return the time of one vector when bits do not overlap: ``Ba (R/r + 1)`` periods, ns."""
    return array.input_bits * (array.register_rows + 1) * period_ns


def pass_energy_fj(array: RippleArray, gates: Gates, activity: Activity) -> dict[str, float]:
    """Return the energy of one input bit through the whole array by part, fJ.

    All columns work, those that no weight uses too: nothing gates them.
    """
    cells = array.rows * array.bit_columns
    return {
        "multiplier": gates.multiplier_fj * activity.products * cells,
        "adders": gates.adder_fj * activity.products * cells,
        "registers": gates.flop_fj * array.register_rows * array.bit_columns,
        "drivers": line_fj(gates) * activity.input_toggle * cells,
    }
