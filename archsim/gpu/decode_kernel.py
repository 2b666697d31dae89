"""The compiled loop of the decode-attention law."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archsim.gpu.compiling import compiled

Floats = NDArray[np.float64]

KEYS = 128.0
"""Keys that a block works through in one step."""

MAX_SPLITS = 128
"""Most parts into which the keys of one head are split (FlashAttention 2 and 3, 2024)."""

FILLED = 0.8
"""Share of the slots from which on keys are not split (FlashAttention 2 and 3, 2024)."""

GOOD_ENOUGH = 0.85
"""The smallest split within this factor of the best wave efficiency is taken (same source)."""

TIME, LIMIT, DRAM_BYTES, L2_BYTES, SPLIT, COLUMNS = range(6)
"""Columns of the result."""


def _splits_of(units: float, slots: float, steps: float) -> float:
    """Return into how many parts a library splits the keys of `units` blocks on `slots` slots."""
    if units >= FILLED * slots or steps <= 1:
        return 1.0
    most = int(min(MAX_SPLITS, min(steps, slots)))
    best = 0.0
    for parts in range(1, most + 1):
        waves = units * parts / slots
        best = max(best, waves / math.ceil(waves))
    for parts in range(1, most + 1):
        if parts > 1 and math.ceil(steps / parts) == math.ceil(steps / (parts - 1)):
            continue
        waves = units * parts / slots
        if waves / math.ceil(waves) >= GOOD_ENOUGH * best:
            return float(parts)
    return float(most)


splits_of = compiled(_splits_of)


def _decode_all(
    batch: Floats, heads: Floats, groups: Floats, width: Floats, keys: Floats, copies: Floats,
    kv_bytes: float, machine: Floats, law: Floats, policy: Floats, out: Floats,
) -> None:  # fmt: skip
    """Time decode attention; see :mod:`archsim.gpu.attention` for the equations.

    `machine` holds SMs, DRAM bytes/s, L2 bytes, L2 bytes/s; `law` and `policy` the constants in the
    order of the family; times in s.
    """
    dram, l2 = machine[1] * law[1], machine[3] * law[5]
    further = law[3] * (law[10] if kv_bytes < 2 else 1.0)
    slots = machine[0] * policy[0]
    norm = law[7]
    for row in range(batch.size):
        size, share = width[row] / 128.0, heads[row] / groups[row]
        units = batch[row] * groups[row] * math.ceil(share / policy[3])
        reads = 1.0
        if share > policy[2]:
            units, reads = batch[row] * heads[row], share
        steps = math.ceil(keys[row] / KEYS)
        parts = 1.0
        if policy[1] > 0 or share > 1:
            parts = splits_of(units, slots, steps)
        mine = min(math.ceil(steps / parts) * KEYS, keys[row])
        block = law[2] + further * max(0.0, mine / KEYS - 1) * (0.5 + 0.5 * size)
        work = math.ceil(units * parts / slots) * block
        stored = 2 * batch[row] * groups[row] * width[row] * keys[row] * kv_bytes
        hot = min(1.0, max(0.0, (law[6] - stored / machine[2]) / 0.3))
        if copies[row] <= 0:
            hot = 0.0
        in_out = 4 * batch[row] * heads[row] * width[row]
        memory = stored * (1 - hot) / dram + stored * reads * hot / l2
        memory = max(memory, stored * reads / l2) + in_out / l2
        most = max(work, memory)
        span = most * ((work / most) ** norm + (memory / most) ** norm) ** (1 / norm)
        rest = law[0] + law[8] * batch[row] * groups[row]
        rest += law[9] * batch[row] * heads[row] * (0.5 + 0.5 * size)
        if parts > 1:
            rest += law[4] + 8 * batch[row] * heads[row] * parts * width[row] / l2
        out[row, TIME] = span + rest
        limit = 4.0 if hot < 0.5 else 3.0
        if work > memory:
            limit = 5.0
        out[row, LIMIT] = 0.0 if rest > span else limit
        out[row, DRAM_BYTES] = stored * (1 - hot)
        out[row, L2_BYTES] = stored * reads + in_out
        out[row, SPLIT] = parts


decode_all = compiled(_decode_all)
