"""The compiled loop of the GEMM law: every tile and split of every shape, the best one kept."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archsim.gpu.power import clock_share, joined
from archsim.lazy_kernel import compiled

Floats = NDArray[np.float64]

K_STEP = 64
"""Elements of the reduction that one pipeline stage holds."""

MOST_STAGES = 6.0
FEWEST_STAGES = 2.0
"""Pipeline stages of a thread block, loads in flight: as many as its share of the shared memory
holds, within these (CUTLASS chooses so; the most is an estimate)."""

FILL = 256.0
"""Elements of the reduction from which a wave pays its whole fill."""

TIME, LIMIT, DRAM_BYTES, L2_BYTES, CLOCK, TILE, SPLIT, COLUMNS = range(8)
"""Columns of the result."""


def _gemm_block(
    rows: float, columns: float, reduction: float, batch: float, tile: Floats, split: float,
    sizes: Floats, machine: Floats, law: Floats, hit: float, kept: float, found: Floats,
) -> None:  # fmt: skip
    """Time one GEMM with one tile and split; see :mod:`archsim.gpu.gemm` for the equations.

    Parameters
    ----------
    rows, columns, reduction
        m, n, k.
    batch
        Products of that shape, all with operands of their own.
    tile
        Tile rows, tile columns, blocks an SM holds.
    split
        Parts of the reduction.
    sizes
        Bytes of an activation, of a result and of a weight.
    machine
        SMs, matrix FLOP/s of an SM, DRAM bytes/s of long streams, L2 bytes, L2 bytes/s, W above
        idle that the power cap leaves, J per DRAM byte, s that turning one packed weight into an
        operand adds to the matrix time of an SM, L2 bytes/s as blocks count their operands, time of
        on-chip latencies over that at the reference clock, energy of an operation over that of
        warp-level instructions, bytes of shared memory of an SM, operand bytes/s of an SM.
    law
        The constants, in the order of :data:`archsim.gpu.gemm.PARAMETERS`.
    hit
        Share of the operands that is found in L2.
    found
        Result, columns as above; times in s.
    """
    sms = machine[0]
    per_sm, dram = machine[1] * law[1], machine[2] * law[2]
    l2, slow = max(dram, machine[4] * law[3]), machine[9]
    t_rows, t_columns, held = tile[0], tile[1], tile[2]
    down, across = math.ceil(rows / t_rows), math.ceil(columns / t_columns)
    blocks = down * across * split * batch
    part = K_STEP * math.ceil(reduction / (K_STEP * split))
    slots = sms * held
    serial, waves = math.ceil(blocks / sms), math.ceil(blocks / slots)
    matrix = serial * part * t_columns * (2 * t_rows / per_sm + machine[7])
    fed = (t_rows * sizes[0] + t_columns * sizes[2]) * part
    feed = max(blocks * fed / machine[8], serial * fed / (machine[12] * law[3]))
    rest_time = law[0] + slow * law[6] * waves * min(1.0, 0.25 + part / FILL)
    if split > 1:
        rest_time += slow * law[5] + 8 * batch * rows * columns * split / l2
    if max(matrix, feed) + rest_time >= found[TIME]:
        return
    active = max(1.0, min(blocks / split, slots) / batch)
    high = min(max(math.sqrt(active * t_columns / t_rows), 1.0), down)
    wide = min(max(active / high, 1.0), across)
    high = min(active / wide, down)
    compulsory = (rows * sizes[0] + columns * sizes[2]) * reduction
    walks = down * across / (high * wide)
    moved = walks * (high * t_rows * sizes[0] + wide * t_columns * sizes[2]) * reduction
    again = (down * columns * sizes[2] + across * rows * sizes[0]) * reduction
    moved = max(compulsory, min(moved, again))
    if compulsory < 0.6 * machine[3]:
        moved = compulsory
    moved *= batch
    written = batch * rows * columns * sizes[1]
    stage = (t_rows * sizes[0] + t_columns * sizes[2]) * K_STEP
    stages = min(MOST_STAGES, max(FEWEST_STAGES, machine[11] / (held * stage)))
    flight = min(blocks, slots) * stages * stage / law[4]
    store = written * (1 - kept) / dram + written * kept / l2
    memory = moved * (1 - hit) / min(dram, flight) + moved * hit / min(l2, flight)
    memory += (1 - law[9]) * store
    rest_time += law[9] * store
    norm = law[7]
    slower = max(matrix, feed)
    far = moved * (1 - hit) + written
    # At the clock of the best so far: what takes no less there and moves no less cannot gain by
    # another clock.
    bound = far >= found[DRAM_BYTES] or found[CLOCK] >= 1
    if bound and max(slower / found[CLOCK], memory) + rest_time >= found[TIME]:
        return
    clocked = slower * (1 + (min(matrix, feed) / slower) ** norm) ** (1 / norm)
    if bound and joined(clocked / found[CLOCK], memory, norm) + rest_time >= found[TIME]:
        return
    busy = 2 * batch * rows * columns * reduction * law[11] * machine[10] * 1e-12
    share = clock_share(clocked, norm, memory, rest_time, busy, far * machine[6], machine[5])
    time = joined(clocked / share, memory, norm) + rest_time
    if time >= found[TIME]:
        return
    found[TIME], found[CLOCK] = time, share
    most = max(slower, memory)
    found[LIMIT] = 1.0 if most == matrix else 3.0 if most == feed else 4.0
    if most == memory and moved * (1 - hit) / dram < moved * hit / l2:
        found[LIMIT] = 3.0
    if most == memory and flight < dram:
        found[LIMIT] = 5.0
    if time > 2 * most and share >= 1:
        found[LIMIT] = 0.0
    if share < 1:
        found[LIMIT] = 7.0
    found[DRAM_BYTES] = far
    found[L2_BYTES] = blocks * fed + written
    found[TILE] = t_rows * 1024 + t_columns
    found[SPLIT] = split


gemm_block = compiled(_gemm_block)


def _gemm_best(
    m: Floats, n: Floats, k: Floats, batch: Floats, resident: Floats, sizes: Floats,
    machine: Floats, law: Floats, tiles: Floats, splits: Floats, out: Floats,
) -> None:  # fmt: skip
    """Choose the best tile and split for each GEMM.

    `resident` holds the bytes that the caller keeps using between two calls (operands of all
    copies): while they fit into L2 the operands are hits. `out` has the columns above, times in s.
    """
    for row in range(m.size):
        found = out[row]
        found[TIME], found[CLOCK], found[DRAM_BYTES] = 1e30, 1.0, 0.0
        hit = min(1.0, max(0.0, (law[8] + 0.05 - resident[row] / machine[3]) / 0.1))
        written = batch[row] * m[row] * n[row] * sizes[1]
        used = (resident[row] + written) / machine[3]
        kept = min(1.0, max(0.0, (law[12] + 0.05 - used) / 0.1))
        for index in range(tiles.shape[0]):
            tile = tiles[index]
            if tile[0] >= 2 * m[row] and tile[0] > 16:
                continue
            if tile[1] >= 2 * n[row] and tile[1] > 64:
                continue
            base = batch[row] * math.ceil(m[row] / tile[0]) * math.ceil(n[row] / tile[1])
            for split in splits:
                if split > 1 and k[row] < split * 256:
                    break
                if split > 1 and base * split > 3 * machine[0] * tile[2]:
                    break
                gemm_block(
                    m[row],
                    n[row],
                    k[row],
                    batch[row],
                    tile,
                    split,
                    sizes,
                    machine,
                    law,
                    hit,
                    kept,
                    found,
                )


gemm_best = compiled(_gemm_best)
