"""Area of the chip: macros with their cells, buses, buffers and units."""

from __future__ import annotations

import numpy as np

from archsim.components.cim_macro import span_mm, wire_mm2
from archsim.edgecim.build import Build, Floats
from archsim.edgecim.chip import BUSES
from archsim.edgecim.design import Ints


def macros_mm2(build: Build) -> Floats:
    """Return the area of one macro of each design with its cells, mm²."""
    kinds, which = build.each_macro()
    return np.asarray([build.chip.tiles.silicon.macro_mm2(each) for each in kinds])[which]


def lengths_mm(build: Build, macro_mm2: Floats) -> dict[str, Floats]:
    """Return the length of one bus of each level, mm."""
    designs = build.designs
    tile = designs.elements**2 * macro_mm2
    cluster = tile * designs.tiles
    spans = {"chip": cluster * designs.clusters, "cluster": cluster, "tile": tile}
    return {span: span_mm(spans[span]) for span in BUSES}


def areas_mm2(build: Build, macro_mm2: Floats) -> dict[str, Floats]:
    """Return the area of each design by component, mm².

    Notes
    -----
    Buses run over half the side of what they span, one wire a bit; each cluster has its bus between
    tiles, each tile its own. Buffers count their bits.
    """
    chip, designs = build.chip, build.designs
    copies: dict[str, Ints | int] = {
        "chip": 1,
        "cluster": designs.clusters,
        "tile": designs.clusters * designs.tiles,
    }
    areas: dict[str, Floats] = {chip.tiles.name: designs.macros * macro_mm2}
    for span, length in lengths_mm(build, macro_mm2).items():
        bus = chip.buses[span]
        width = designs.column(f"{span}_bus_bits").astype(np.float64)
        areas[bus.name] = copies[span] * wire_mm2(width, length, bus.bus.pitch_m * 1e6)
    for buffer in chip.buffers:
        bits = 8 * (buffer.capacity_bytes() or 0) * buffer.buffer.area_per_bit_mm2
        many = designs.clusters if buffer.buffer.span == "cluster" else np.ones(len(designs))
        areas[buffer.name] = np.asarray(many * bits, dtype=np.float64)
    areas[chip.vector.name] = np.full(len(designs), chip.vector.area_mm2())
    areas[chip.dram.name] = np.full(len(designs), chip.dram.area_mm2())
    return areas
