"""Time of the chip's phases: weights stream into the macros, vectors pass through them.

A phase covers its weights in steps. Each step fetches what the active tiles hold: through DRAM, the
bus between clusters, the bus between tiles, the bus within a tile and the macros' write ports, of
which the slowest counts. With a second set of tiles the next step is fetched while this one
computes; without, nothing overlaps.

References
----------
EdgeCIM, arXiv:2604.11512v1, Sections III-B and III-C (read): hierarchy, active tiles, placement of
the phases. Write and compute times of a macro are the laws of :mod:`archsim.components.cim_laws`,
which the register-transfer block pins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from archsim.components.cim_batch import cycles_cim_latency_batch, cycles_cim_steps_batch
from archsim.edgecim.chip import EdgeChip
from archsim.edgecim.design import Designs, Ints

Floats = npt.NDArray[np.float64]

LIMITS: Final = ("dram", "chip_bus", "cluster_bus", "tile_bus", "macro_write", "compute")
"""What can set the pace of a phase."""


@dataclass(frozen=True, slots=True)
class Phase:
    """The time of one phase and what set its pace, one entry a design.

    Attributes
    ----------
    seconds
        Time of the phase.
    limit
        Index into `LIMITS` of what sets the pace of its steps.
    """

    seconds: Floats
    limit: Ints


@dataclass(frozen=True, slots=True)
class Streams:
    """What one step brings in, bytes: to all clusters, to one cluster, to one tile."""

    chip_bytes: Floats
    cluster_bytes: Floats
    tile_bytes: Floats


def ceil_div(value: Ints | int, by: Ints | int) -> Ints:
    """Return ``ceil(value / by)`` of positive integers."""
    return np.asarray(-(-np.asarray(value, dtype=np.int64) // by), dtype=np.int64)


def write_seconds(chip: EdgeChip, designs: Designs, step: Streams) -> tuple[Floats, Ints]:
    """Return the time to fetch one step's weights and the index of what limits it."""
    cycle = chip.cycle_s
    macro = -(-chip.macro.rows // chip.macro.rows_written_per_cycle) * cycle
    times = np.stack(
        [
            step.chip_bytes / chip.dram_bytes_per_s,
            step.chip_bytes * 8 / designs.chip_bus_bits * cycle,
            step.cluster_bytes * 8 / designs.cluster_bus_bits * cycle,
            step.tile_bytes * 8 / designs.tile_bus_bits * cycle,
            np.full(len(designs), macro),
        ]
    )
    return times.max(axis=0), times.argmax(axis=0)


def compute_seconds(
    chip: EdgeChip, designs: Designs, bits: int, vectors: int, trees: int
) -> Floats:
    """Return the time in which some vectors pass through one step's weights.

    Parameters
    ----------
    chip, designs
        Hardware.
    bits
        Input bits.
    vectors
        Vectors that use the weights, one after the other.
    trees
        Levels of adder trees above the macro's own: 1 tile, 2 cluster, 3 chip.

    Notes
    -----
    The macro's law with the registers of the trees above: ``V n + D``, D one a tree level.
    """
    depth = _bits(chip.macro.rows) + _bits(designs.elements)
    if trees >= 2:
        depth = depth + _bits(designs.tiles_v)
    if trees >= 3:
        depth = depth + _bits(designs.clusters_v)
    steps = cycles_cim_steps_batch(chip.macro.rows, bits, chip.macro.bits_per_cycle)
    cycles = (vectors - 1) * steps + cycles_cim_latency_batch(steps, depth)
    return np.asarray(cycles * chip.cycle_s, dtype=np.float64)


def pipelined(designs: Designs, steps: Ints, write: Floats, compute: Floats) -> Floats:
    """Return the time of `steps` steps, fetched ahead where there are spare tiles.

    Notes
    -----
    With spare tiles ``w + (n-1) max(w, c) + c``, else ``n (w + c)``.
    """
    ahead = write + (steps - 1) * np.maximum(write, compute) + compute
    return np.where(designs.tile_sets > 1, ahead, steps * (write + compute))


def phase(chip: EdgeChip, designs: Designs, steps: Ints, step: Streams, compute: Floats) -> Phase:
    """Return a phase of equal steps."""
    write, which = write_seconds(chip, designs, step)
    limit = np.where(compute > write, len(LIMITS) - 1, which)
    return Phase(pipelined(designs, steps, write, compute), np.asarray(limit, dtype=np.int64))


def per_cluster(
    chip: EdgeChip, designs: Designs, clusters: Ints, rows: int, columns: int, bits: int
) -> Phase:
    """Return a matrix of ``rows x columns`` weights in each of some clusters, one vector."""
    tile_rows = chip.macro.rows * designs.elements
    tile_columns = chip.macro.columns * designs.elements
    steps = ceil_div(rows, tile_rows * designs.tiles_v) * ceil_div(
        columns, tile_columns * designs.tiles_h
    )
    cluster = rows * columns * bits / 8 / steps
    streams = Streams(cluster * clusters, cluster, cluster / designs.active_tiles)
    return phase(chip, designs, steps, streams, compute_seconds(chip, designs, bits, 1, 2))


def whole_chip(chip: EdgeChip, designs: Designs, rows: int, columns: int, bits: int) -> Phase:
    """Return a matrix spread over all clusters, one vector."""
    tile_rows = chip.macro.rows * designs.elements * designs.tiles_v * designs.clusters_v
    tile_columns = chip.macro.columns * designs.elements * designs.tiles_h * designs.clusters_h
    steps = ceil_div(rows, tile_rows) * ceil_div(columns, tile_columns)
    whole = rows * columns * bits / 8 / steps
    cluster = whole / designs.clusters
    streams = Streams(whole, cluster, cluster / designs.active_tiles)
    return phase(chip, designs, steps, streams, compute_seconds(chip, designs, bits, 1, 3))


def cache_blocks(chip: EdgeChip, designs: Designs, length: int, head_width: int) -> Ints:
    """Return the blocks in which a cluster takes keys and values of `length` tokens.

    Half of the active tiles hold keys, half values; a block is what that half holds.
    """
    half = designs.active_tiles * chip.macro.rows * chip.macro.columns * designs.elements**2 // 2
    return ceil_div(length, np.maximum(1, half // head_width))


def attention(
    chip: EdgeChip,
    designs: Designs,
    clusters: Ints,
    length: int,
    head_width: int,
    queries: int,
    bits: int,
) -> Phase:
    """Return attention of one key and value head in each of some clusters.

    All queries of a group use a block, pipelined: scores, the softmax unit, then values.
    """
    blocks = cache_blocks(chip, designs, length, head_width)
    cluster = 2 * length * head_width * bits / 8 / blocks
    streams = Streams(cluster * clusters, cluster, cluster / designs.active_tiles)
    tokens = ceil_div(length, blocks)
    softmax = ceil_div(tokens * chip.vector_passes, chip.vector_lanes) * chip.cycle_s
    once = compute_seconds(chip, designs, bits, 1, 2)
    pace = np.maximum(once, softmax)
    compute = 2 * once + softmax + (queries - 1) * pace
    return phase(chip, designs, blocks, streams, compute)


def rounds(designs: Designs, heads: int) -> tuple[Ints, Ints]:
    """Return the rounds that use all clusters, and the clusters of a last, partial one."""
    full = heads // designs.clusters
    return full, heads - full * designs.clusters


def _bits(value: Ints | int) -> Ints:
    """Levels of a tree over that many operands: ``ceil(log2 value)``."""
    return np.asarray(np.ceil(np.log2(np.asarray(value, dtype=np.float64))), dtype=np.int64)
