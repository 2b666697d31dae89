"""The compiled loop of the prefill-attention law."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archsim.gpu.power import clock_share, joined
from archsim.lazy_kernel import compiled

Floats = NDArray[np.float64]

MAX_SPLITS = 128.0

TIME, LIMIT, DRAM_BYTES, L2_BYTES, FLOPS, SPLIT, COLUMNS = range(7)
"""Columns of the result."""


def _steps_of(rows: float, tile: float, queries: float, packed: float, history: float,
              keys: float) -> float:  # fmt: skip
    """Return the key steps of all query tiles of one head: those that causality leaves."""
    total = 0.0
    for index in range(math.ceil(rows / tile)):
        last = min(queries, math.ceil(min(rows, tile * (index + 1)) / packed))
        total += math.ceil((history + last) / keys)
    return total


steps_of = compiled(_steps_of)


def _prefill_all(
    batch: Floats, heads: Floats, groups: Floats, width: Floats, queries: Floats, keys: Floats,
    kv_bytes: float, machine: Floats, law: Floats, policy: Floats, out: Floats,
) -> None:  # fmt: skip
    """Time prefill attention; see :mod:`archsim.gpu.attention` for the equations.

    `machine` holds SMs, matrix FLOP/s, exponentials/s, DRAM bytes/s, L2 bytes, L2 bytes/s, W above
    idle, J per DRAM byte, time of on-chip latencies over that at the reference clock; times in s.
    """
    sms = machine[0]
    dram, slow = machine[3] * law[8], machine[8]
    l2 = max(dram, machine[5] * law[7])
    start, least, combine = slow * law[2], slow * law[3], slow * law[4]
    norm = law[9]
    slower = law[10] if kv_bytes < 2 else 1.0
    for row in range(batch.size):
        share, history = heads[row] / groups[row], keys[row] - queries[row]
        packed = share if queries[row] < policy[2] else 1.0
        rows, lanes = queries[row] * packed, batch[row] * heads[row] / packed
        blocks = lanes * math.ceil(rows / policy[0])
        steps = steps_of(rows, policy[0], queries[row], packed, history, policy[1])
        products = 4 * policy[0] * policy[1] * width[row] * sms / (machine[1] * law[1]) * slower
        step = max(products, law[13] * policy[0] * policy[1] * sms / machine[2])
        longest = math.ceil(keys[row] / policy[1])
        slots = 1.0
        if policy[3] > 0:
            slots = max(1.0, min(MAX_SPLITS, math.floor(2 * sms / blocks)))
        most, parts, work = min(longest, slots), 1.0, 1e30
        tried, each = 1.0, longest
        while tried <= most:
            each = math.ceil(longest / tried)
            chain = start + each * max(step, least)
            spread = (lanes * steps * step + blocks * tried * start * law[12]) / sms
            taken = joined(chain, spread, norm) + (combine if tried > 1 else 0.0)
            if taken < work:
                work, parts, bound_by = taken, tried, chain > spread
            if each <= 1:
                break
            # As many parts as give one step less.
            tried = math.floor((longest - 1) / (each - 1)) + 1
        if parts > 1:
            work -= combine
        stored = 2 * batch[row] * groups[row] * width[row] * keys[row] * kv_bytes
        new = batch[row] * queries[row] * width[row]
        in_out, moved = 4 * new * heads[row], 8 * new * groups[row]
        hot = min(1.0, max(0.0, (law[6] - stored / machine[4]) / 0.3))
        warm = min(1.0, max(0.0, (law[6] - moved / machine[4]) / 0.3))
        near = min(1.0, max(0.0, (law[6] - (stored + in_out) / machine[4]) / 0.3))
        reading = stored * (1 - hot) / dram + stored * hot / l2
        reading += in_out * (1 - near) / dram + in_out * near / l2
        around = law[5] * (moved * (1 - warm) / dram + moved * warm / l2)
        rest = law[0] + around
        if packed > 1 and queries[row] == 1 and groups[row] > 1 and batch[row] > 1:
            rest += slow * law[11]
        if parts > 1:
            rest += combine
        visible = queries[row] * history + queries[row] * (queries[row] + 1) / 2
        flops = 4 * batch[row] * heads[row] * width[row] * visible
        far = stored * (1 - hot) + moved * (1 - warm) + in_out * (1 - near)
        clock = clock_share(
            work, 20.0, reading, rest, flops * law[14] * 1e-12, far * machine[7], machine[6]
        )
        span = max(work / clock, reading)
        out[row, TIME] = rest + span
        limit = 5.0 if bound_by else 1.0
        if products < step and limit == 1.0:
            limit = 2.0
        if clock < 1:
            limit = 7.0
        if reading > work / clock:
            limit = 4.0
        out[row, LIMIT] = 0.0 if rest > span else limit
        out[row, DRAM_BYTES] = far
        out[row, L2_BYTES] = lanes * steps * policy[1] * 2 * width[row] * kv_bytes + moved
        out[row, FLOPS] = flops
        out[row, SPLIT] = parts


prefill_all = compiled(_prefill_all)
