"""Energy of a token by component: the chip's, and apart from it the DRAM's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from archsim.cim.chip import scaled_gates
from archsim.cim.digital import Activity, DigitalMacro, vector_energy_fj
from archsim.cim.gates import GATES_28NM
from archsim.cim.supply import energy_factor
from archsim.edgecim.chip import EdgeChip
from archsim.edgecim.design import Designs

if TYPE_CHECKING:
    from archsim.edgecim.evaluate import Job
    from archsim.edgecim.phases import Floats

HALF = Activity(input_toggle=0.5, weight_density=0.5)
"""Half of all bits are ones (estimate, as ZigZag's validation assumes)."""


def macro_fj_per_mac(chip: EdgeChip, bits: int) -> float:
    """Return the energy of a MAC inside the macro at the chip's node and supply, fJ."""
    macro = edge_macro(chip, bits)
    parts = vector_energy_fj(macro, scaled_gates(chip.node_m * 1e9), HALF)
    factor = energy_factor(chip.supply_v, GATES_28NM.supply_v)
    return sum(parts.values()) * factor / (macro.rows * macro.columns)


def edge_macro(chip: EdgeChip, bits: int) -> DigitalMacro:
    """Return the macro of a processing element for operands of some bits."""
    return DigitalMacro(chip.macro.rows, chip.macro.columns, bits, bits, chip.macro.bits_per_cycle)


def token_energy_j(
    chip: EdgeChip, designs: Designs, job: Job, area: Floats, seconds: Floats
) -> tuple[dict[str, Floats], Floats]:
    """Return the chip's energy by component and the DRAM's, J, for all tokens.

    Notes
    -----
    Every weight and cache bit passes the global buffer, the three buses, a cluster buffer and is
    written into a macro. A bus is as long as half the side of what it spans. Partial sums leave
    macros once for each column and step; trees add them up.
    """
    streamed = float(sum(job.dram_bits(length) for length in job.lengths))
    macs = float(sum(job.macs(length) for length in job.lengths))
    one = np.ones(len(designs))
    sides = (area, area / designs.clusters, area / (designs.clusters * designs.tiles))
    wire = chip.energy.wire_pj_per_bit_mm * 1e-12
    # A reduction: one partial sum of 2 b + log2 R bits for each column of a macro.
    width = 2 * job.weight_bits + math.ceil(math.log2(chip.macro.rows))
    adder = scaled_gates(chip.node_m * 1e9).adder_fj * 1e-15
    adder *= energy_factor(chip.supply_v, GATES_28NM.supply_v)
    sums = macs / chip.macro.rows
    components = {
        "macro": one * macs * macro_fj_per_mac(chip, job.weight_bits) * 1e-15,
        "weight_write": one * streamed * chip.energy.write_pj_per_bit * 1e-12,
        "reduction": one * sums * width * adder,
        "bus": streamed * wire * sum((np.sqrt(each) / 2 for each in sides), np.zeros(len(designs))),
        "buffer": one * streamed * 3 * chip.energy.buffer_pj_per_bit * 1e-12,
        "static": chip.energy.static_w_per_mm2 * area * seconds,
    }
    dram = one * streamed * chip.energy.dram_pj_per_bit * 1e-12
    return components, dram
