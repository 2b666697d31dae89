"""The compiled loop of the decode-attention law."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archsim.gpu.power import joined
from archsim.lazy_kernel import compiled

Floats = NDArray[np.float64]

KEYS = 128.0
"""Keys that a block works through in one step."""

MAX_SPLITS = 128
"""Most parts into which the keys of one head are split (FlashAttention 2 and 3, 2024)."""

MOST_WAVES = 4.0
"""Waves of blocks beyond which more splits are not tried."""

TIME, LIMIT, DRAM_BYTES, L2_BYTES, SPLIT, COLUMNS = range(6)
"""Columns of the result."""


def _decode_all(
    batch: Floats, heads: Floats, groups: Floats, width: Floats, keys: Floats, copies: Floats,
    kv_bytes: float, machine: Floats, law: Floats, policy: Floats, out: Floats,
) -> None:  # fmt: skip
    """Time decode attention; see :mod:`archsim.gpu.attention` for the equations.

    `machine` holds SMs, DRAM bytes/s, L2 bytes, L2 bytes/s; `law` and `policy` the constants in the
    order of the family; times in s.
    """
    dram, slow = machine[1] * law[1], machine[4]
    l2 = max(dram, machine[3] * law[5])
    start, combine = slow * law[2], slow * law[4]
    further = slow * law[3] * (law[10] if kv_bytes < 2 else 1.0)
    slots = machine[0] * policy[0]
    norm = law[7]
    for row in range(batch.size):
        size, share = width[row] / 128.0, heads[row] / groups[row]
        units = batch[row] * groups[row] * math.ceil(share / policy[3])
        reads = 1.0
        if share > policy[2]:
            units, reads = batch[row] * heads[row], share
        steps = math.ceil(keys[row] / KEYS)
        wide = (0.5 + 0.5 * size) * (law[13] if reads == share else 1.0)
        begin, step = start * wide, further * wide
        joining = 8 * batch[row] * heads[row] * width[row] / l2
        stored = 2 * batch[row] * groups[row] * width[row] * keys[row] * kv_bytes
        hot = min(1.0, max(0.0, (law[6] - stored / machine[2]) / 0.3))
        if copies[row] <= 0:
            hot = 0.0
        in_out = 4 * batch[row] * heads[row] * width[row]
        memory = stored * (1 - hot) / dram + stored * reads * hot / l2
        memory = max(memory, stored * reads / l2) + in_out / l2
        few = slow * law[8] * batch[row] * groups[row]
        few += slow * law[9] * batch[row] * heads[row] * (0.5 + 0.5 * size)
        few += slow * law[12] * batch[row]
        if share > 1 and groups[row] > 1 and batch[row] > 1:
            few += slow * law[11]
        rest = law[0] + few
        work = math.ceil(units / slots) * (begin + step * max(0.0, keys[row] / KEYS - 1))
        span = joined(work, memory, norm)
        parts = 1.0
        if policy[1] > 0 or share > 1:
            most = min(MAX_SPLITS, steps)
            each = steps
            while each > 1:
                # The next number of keys a part: as many parts as give one step less.
                tried = math.floor((steps - 1) / (each - 1)) + 1
                if tried > most:
                    break
                each = math.ceil(steps / tried)
                blocks = math.ceil(units * tried / slots)
                taken = blocks * (begin + step * max(0.0, min(each, keys[row] / KEYS) - 1))
                cost = law[0] + few + combine + joining * tried
                if taken + cost < span + rest:
                    total = joined(taken, memory, norm)
                    if total + cost < span + rest:
                        span, rest, work, parts = total, cost, taken, tried
                if units * tried > MOST_WAVES * slots:
                    break
        out[row, TIME] = span + rest
        limit = 4.0 if hot < 0.5 else 3.0
        if work > memory:
            limit = 5.0
        out[row, LIMIT] = 0.0 if rest > span else limit
        out[row, DRAM_BYTES] = stored * (1 - hot)
        out[row, L2_BYTES] = stored * reads + in_out
        out[row, SPLIT] = parts


decode_all = compiled(_decode_all)
