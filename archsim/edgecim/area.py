"""Area of the chip: macros with their cells, buses, buffers and units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsim.cim.chip import CELL_UM2_28NM, scaled_gates
from archsim.cim.digital import area_um2
from archsim.cim.gates import GATES_28NM
from archsim.edgecim.chip import EdgeChip
from archsim.edgecim.design import Designs
from archsim.edgecim.energy import edge_macro

if TYPE_CHECKING:
    from archsim.edgecim.phases import Floats


def macro_mm2(chip: EdgeChip, bits: int) -> float:
    """Return the area of one macro with its cells, mm²."""
    gates = scaled_gates(chip.node_m * 1e9)
    cell = CELL_UM2_28NM * gates.area_um2 / GATES_28NM.area_um2
    return sum(area_um2(edge_macro(chip, bits), gates, cell_um2=cell).values()) / 1e6


def area_mm2(chip: EdgeChip, designs: Designs, bits: int) -> Floats:
    """Return the area of each design, mm².

    Notes
    -----
    Buses run over half the side of what they span, one wire a bit; each cluster has its bus between
    tiles, each tile its own. Buffers count their bits.
    """
    macros = designs.macros * macro_mm2(chip, bits)
    tile = designs.elements**2 * macro_mm2(chip, bits)
    pitch = chip.area.bus_pitch_um / 1e3
    tiles = designs.clusters * designs.tiles
    tile_bus = tiles * designs.tile_bus_bits * pitch * np.sqrt(tile) / 2
    cluster_bus = designs.clusters * designs.cluster_bus_bits * pitch
    cluster_bus = cluster_bus * np.sqrt(tile * designs.tiles) / 2
    chip_bus = designs.chip_bus_bits * pitch * np.sqrt(macros) / 2
    buffers = chip.area.global_buffer_bytes + designs.clusters * chip.area.cluster_buffer_bytes
    buffer = buffers * 8 * chip.area.buffer_um2_per_bit / 1e6
    whole = macros + tile_bus + cluster_bus + chip_bus + buffer + chip.area.vector_mm2
    return np.asarray(whole, dtype=np.float64)
