"""Time of the chip's phases in closed form: weights stream into macros, vectors pass through them.

A phase covers its weights in steps. Each step fetches what the active tiles hold: through DRAM, the
bus between clusters, the bus between tiles, the bus within a tile and the macros' write ports, of
which the slowest counts. With further sets of tiles steps are fetched ahead while others compute;
without, nothing overlaps. All times are whole picoseconds, as the engine's.

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

from archsim.components.cim_batch import cycles_cim_latency_batch
from archsim.edgecim.build import Build, Floats, ceil_div, tree_depths
from archsim.edgecim.design import Ints

LIMITS: Final = ("dram", "chip_bus", "cluster_bus", "tile_bus", "macro_write", "compute")
"""What can set the pace of a phase."""

SUM_OPERATIONS: Final = {"max": 1, "add": 2, "exp": 1}
"""Vector operations of a score: running maximum, difference, exponential, sum."""


@dataclass(frozen=True, slots=True)
class Phase:
    """The time of one phase and what set its pace, one entry a design.

    Attributes
    ----------
    ps
        Time of the phase, ps.
    limit
        Index into `LIMITS` of what sets the pace of its steps.
    """

    ps: Ints
    limit: Ints


@dataclass(frozen=True, slots=True)
class Streams:
    """What one step brings in, bytes: to all clusters, to one cluster, to one tile."""

    chip_bytes: Ints
    cluster_bytes: Ints
    tile_bytes: Ints


def fetch_ps(build: Build, step: Streams) -> tuple[Ints, Ints]:
    """Return the time to fetch one step's weights and the index of what limits it."""
    designs, cycle = build.designs, build.chip.period_ps
    longest: Floats = np.ceil(step.chip_bytes * build.dram_ps_per_byte)
    which = np.zeros(len(designs), dtype=np.int64)
    for index, time in enumerate(
        (
            ceil_div(8 * step.chip_bytes, designs.chip_bus_bits) * cycle,
            ceil_div(8 * step.cluster_bytes, designs.cluster_bus_bits) * cycle,
            ceil_div(8 * step.tile_bytes, designs.tile_bus_bits) * cycle,
            build.write_ps,
        )
    ):
        which = np.where(time > longest, index + 1, which)
        longest = np.maximum(longest, time)
    return longest.astype(np.int64), which


def latency_ps(build: Build, bits: Ints, trees: int) -> Ints:
    """Return the time in which one vector passes one step's weights.

    Parameters
    ----------
    build
        Hardware.
    bits
        Input bits.
    trees
        Levels of adder trees above the macro's own: 1 tile, 2 cluster, 3 chip.
    """
    depth = tree_depths(build.tree_rows) + tree_depths(build.designs.elements)
    if trees >= 2:
        depth = depth + tree_depths(build.designs.tiles_v)
    if trees >= 3:
        depth = depth + tree_depths(build.designs.clusters_v)
    return cycles_cim_latency_batch(build.steps(bits), depth) * build.chip.period_ps


def pipelined_ps(build: Build, steps: Ints, fetch: Ints, compute: Ints) -> Ints:
    """Return the time of `steps` steps, fetched ahead where there are several sets of tiles.

    Notes
    -----
    One set: ``n (w + l + c)``. M sets: the longest path that turns back every M steps,
    ``(j+1) (w + l + c) + (n - 1 - j M) max(w, c)`` for j = 0 or floor((n-1)/M).
    """
    turn = fetch + build.latency_ps + compute
    pace = np.maximum(fetch, compute)
    ahead = turn + (steps - 1) * pace
    if build.latency_ps:
        rounds = (steps - 1) // build.sets
        ahead = np.maximum(ahead, (rounds + 1) * turn + (steps - 1 - rounds * build.sets) * pace)
    return np.where(build.sets > 1, ahead, steps * turn)


def phase(build: Build, steps: Ints, step: Streams, compute: Ints) -> Phase:
    """Return a phase of equal steps."""
    fetch, which = fetch_ps(build, step)
    limit = np.where(compute > fetch, len(LIMITS) - 1, which)
    return Phase(pipelined_ps(build, steps, fetch, compute), np.asarray(limit, dtype=np.int64))


def per_cluster(build: Build, clusters: Ints, rounds: Ints, rows: int, columns: int) -> Phase:
    """Return rounds of a matrix of ``rows x columns`` in each of some clusters, one vector."""
    steps = ceil_div(rows, build.cluster_rows) * ceil_div(columns, build.cluster_columns)
    cluster = ceil_div(ceil_div(rows * columns * build.weight_bits, 8), steps)
    tile = ceil_div(cluster, build.designs.active_tiles)
    compute = latency_ps(build, build.weight_bits, 2)
    return phase(build, steps * rounds, Streams(cluster * clusters, cluster, tile), compute)


def whole_chip(build: Build, rows: int, columns: int) -> Phase:
    """Return a matrix spread over all clusters, one vector."""
    designs = build.designs
    steps = ceil_div(rows, build.cluster_rows * designs.clusters_v)
    steps = steps * ceil_div(columns, build.cluster_columns * designs.clusters_h)
    whole = ceil_div(ceil_div(rows * columns * build.weight_bits, 8), steps)
    cluster = ceil_div(whole, designs.clusters)
    tile = ceil_div(cluster, designs.active_tiles)
    compute = latency_ps(build, build.weight_bits, 3)
    return phase(build, steps, Streams(whole, cluster, tile), compute)


def cache_blocks(build: Build, length: Ints | int, head_width: int) -> Ints:
    """Return the blocks in which a cluster takes keys and values of `length` tokens.

    Half of the active tiles hold keys, half values; a block is what that half holds.
    """
    designs = build.designs
    half = designs.active_tiles * build.rows * build.columns * designs.elements**2 // 2
    return ceil_div(length, np.maximum(1, half // head_width))


def attention(
    build: Build, clusters: Ints, rounds: Ints, length: Ints, head_width: int, queries: int
) -> Phase:
    """Return rounds of attention of one key and value head in each of some clusters.

    All queries of a group use a block, pipelined: scores, the softmax unit, then values.
    """
    bits = build.cache_bits
    blocks = cache_blocks(build, length, head_width)
    cluster = ceil_div(ceil_div(2 * length * head_width * bits, 8), blocks)
    tile = ceil_div(cluster, build.designs.active_tiles)
    softmax = _softmax_ps(build, ceil_div(length, blocks), head_width)
    interval = build.steps(bits) * build.chip.period_ps
    pace = np.maximum(interval, softmax)
    compute = 2 * latency_ps(build, bits, 2) + softmax + (queries - 1) * pace
    return phase(build, blocks * rounds, Streams(cluster * clusters, cluster, tile), compute)


def division_ps(build: Build, head_width: int, queries: int) -> int:
    """Return the time in which the outputs of a round are divided by their sums, ps."""
    rates = build.chip.vector_cycles
    issues = -(-queries * head_width // build.chip.vector.unit.lanes)
    return issues * rates["div"] * build.chip.period_ps


def _softmax_ps(build: Build, tokens: Ints, head_width: int) -> Ints:
    """Return the time of one query's softmax on a block, ps, with the output's correction."""
    rates = build.chip.vector_cycles
    lanes = build.chip.vector.unit.lanes
    cycles = ceil_div(head_width, lanes) * rates["mul"]
    for action, times in SUM_OPERATIONS.items():
        cycles = cycles + ceil_div(times * tokens, lanes) * rates[action]
    return cycles * build.chip.period_ps


def rounds_of(build: Build, heads: int) -> tuple[Ints, Ints]:
    """Return the rounds that use all clusters, and the clusters of a last, partial one."""
    full = heads // build.designs.clusters
    return full, heads - full * build.designs.clusters
