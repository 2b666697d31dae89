"""The compiled loop of the mixture-of-experts law."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from archsim.gpu.gemm_kernel import FEWEST_STAGES, K_STEP, MOST_STAGES
from archsim.gpu.power import clock_share
from archsim.lazy_kernel import compiled

Floats = NDArray[np.float64]

LARGEST = 0.8
"""Largest share of the tokens that the power law sends to one expert (aiconfigurator, 2025)."""

SHARP = 1e6
"""p of the norm by which the power cap joins clock-bound time and memory time: a maximum, as in the
time itself."""

TIME, LIMIT, DRAM_BYTES, L2_BYTES, FLOPS, TOUCHED, COLUMNS = range(7)
"""Columns of the result."""


def _spread_tokens(tokens: float, experts: float, topk: float, skew: float, loads: Floats) -> float:
    """Fill `loads` with the tokens of each expert, largest first; return how many have any.

    Balanced routing spreads evenly. With an exponent a, loads are the quantiles of a power law
    ``p(x) ~ x^-a`` from 1 to 0.8 of the tokens, scaled to ``tokens · topk`` in sum.
    """
    count = int(experts)
    wanted = tokens * topk
    total = 0.0
    for index in range(count):
        if skew <= 0:
            loads[index] = 1.0
        else:
            least, most, power = 1.0, max(1.0, LARGEST * tokens), 1.0 - skew
            u = 1.0 - (index + 0.5) / count
            if most <= least:
                loads[index] = 1.0
            else:
                low, high = least**power, most**power
                loads[index] = (low + u * (high - low)) ** (1.0 / power)
        total += loads[index]
    touched, placed = 0.0, 0.0
    for index in range(count):
        exact = loads[index] * wanted / total
        # Whole tokens: what is placed so far follows the running sum of the exact shares.
        share = math.floor(placed + exact + 0.5) - math.floor(placed + 0.5)
        placed += exact
        loads[index] = min(tokens, share)
        if loads[index] > 0:
            touched += 1.0
    return touched


spread_tokens = compiled(_spread_tokens)


def _grouped_gemm(
    loads: Floats, experts: float, columns: float, reduction: float, wide: float, machine: Floats,
    law: Floats, touched: float, hit: float, beside: float, found: Floats,
) -> None:  # fmt: skip
    """Time one grouped GEMM with the best tile.

    `beside` is the time of the kernels around it, over which the power is averaged too; `found`:
    time, clock-bound time at the clock that the power cap leaves, memory time, bytes, DRAM bytes,
    clock.
    """
    sms, slow = machine[0], machine[10]
    dram = machine[2] * law[2]
    l2 = max(dram, machine[4] * law[3])
    found[0], found[5] = 1e30, 1.0
    for t_rows in (16.0, 32.0, 64.0, 128.0):
        down, pairs = 0.0, 0.0
        for index in range(int(experts)):
            down += math.ceil(loads[index] / t_rows)
            pairs += loads[index]
        for t_columns in (64.0, 128.0, 256.0):
            outputs = t_rows * t_columns
            held = 1.0 if outputs >= 24576 else 2.0 if outputs >= 12288 else 3.0
            blocks = down * math.ceil(columns / t_columns)
            serial, waves = math.ceil(blocks / sms), math.ceil(blocks / (sms * held))
            matrix = serial * 2 * outputs * reduction / (machine[1] * law[1])
            matrix += serial * t_columns * reduction * machine[8]
            fed = (t_rows * wide + t_columns * machine[7]) * reduction
            feed = max(blocks * fed / machine[9], serial * fed / (machine[13] * law[3]))
            weights = touched * columns * reduction * machine[7]
            moved = weights + pairs * (reduction * wide + columns * 2.0)
            stage = (t_rows * wide + t_columns * machine[7]) * K_STEP
            stages = min(MOST_STAGES, max(FEWEST_STAGES, machine[12] / (held * stage)))
            flight = min(blocks, sms * held) * stages * stage / law[4]
            memory = moved * (1 - hit) / min(dram, flight) + moved * hit / min(l2, flight)
            clocked = max(matrix, feed)
            fill = waves * law[5] * slow
            # At the clock of the best so far: what takes no less there takes no less at its own.
            if max(clocked / found[5], memory) + fill >= found[0]:
                continue
            far = moved * (1 - hit)
            busy = 2 * pairs * columns * reduction * law[9] * machine[11] * 1e-12
            clock = clock_share(
                clocked, SHARP, memory, fill + beside, busy, far * machine[6], machine[5]
            )
            time = max(clocked / clock, memory) + fill
            if time < found[0]:
                found[0], found[1], found[2] = time, clocked / clock, memory
                found[3], found[4], found[5] = moved, far, clock


grouped_gemm = compiled(_grouped_gemm)


def _moe_all(
    tokens: Floats, inner: Floats, hidden: Floats, experts: Floats, topk: Floats, skew: Floats,
    copies: Floats, wide: float, machine: Floats, law: Floats, out: Floats,
) -> None:  # fmt: skip
    """Time fused expert layers; see :mod:`archsim.gpu.moe` for the equations."""
    loads = np.empty(4096)
    first, second = np.empty(6), np.empty(6)
    l2 = machine[4]
    for row in range(tokens.size):
        touched = spread_tokens(tokens[row], experts[row], topk[row], skew[row], loads)
        pairs = tokens[row] * topk[row]
        kept = 3 * touched * inner[row] * hidden[row] * machine[7] / machine[3]
        hit = min(1.0, max(0.0, (law[8] + 0.05 - kept) / 0.1))
        if copies[row] <= 0:
            hit = 0.0
        around = pairs * (3 * inner[row] + hidden[row]) * 2.0 + 2 * tokens[row] * hidden[row] * 2.0
        rest = law[0] + machine[10] * law[6] * experts[row] + law[7] * around / l2
        grouped_gemm(
            loads, experts[row], 2 * inner[row], hidden[row], wide, machine, law, touched, hit,
            rest / 2, first,
        )  # fmt: skip
        grouped_gemm(
            loads, experts[row], hidden[row], inner[row], wide, machine, law, touched, hit,
            rest / 2, second,
        )  # fmt: skip
        span = first[0] + second[0]
        out[row, TIME] = rest + span
        limit = 1.0 if first[1] + second[1] > first[2] + second[2] else 4.0
        if min(first[5], second[5]) < 1:
            limit = 7.0
        out[row, LIMIT] = 0.0 if rest > span else limit
        out[row, DRAM_BYTES] = first[4] + second[4]
        out[row, L2_BYTES] = first[3] + second[3] + around
        out[row, FLOPS] = 6 * pairs * inner[row] * hidden[row]
        out[row, TOUCHED] = touched


moe_all = compiled(_moe_all)
