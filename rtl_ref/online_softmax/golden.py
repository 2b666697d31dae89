"""What the online softmax unit computes, bit by bit, in int64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LOG2E = 47274
"""log2(e) in Q1.15."""

HORNER = (-57, 585, -3606, 15735, -45425, 65536)
"""2^-f for f in [0, 1), Q2.16, high order first."""


def exp_negative(distance: Ints) -> Ints:
    """Return exp(-d) in UQ1.15 for d >= 0 in Q6.10."""
    t = distance * LOG2E
    shift, fraction = t >> 25, (t >> 9) & 0xFFFF
    power = np.full_like(t, HORNER[0])
    for coefficient in HORNER[1:]:
        power = coefficient + ((fraction * power) >> 16)
    weights: Ints = np.where(shift >= 17, 0, ((power >> np.minimum(shift, 17)) + 1) >> 1)
    return weights


@dataclass(frozen=True, slots=True)
class RowResult:
    """What leaves for one row.

    Attributes
    ----------
    weights
        exp(score - maximum so far) of every score, UQ1.15, [tiles, M0].
    corrections
        exp(old maximum - new maximum) of every tile, UQ1.15, 0 for the first.
    denominator
        Sum of the weights, UQ17.15.
    maximum
        Greatest score, Q6.10.
    """

    weights: Ints
    corrections: list[int]
    denominator: int
    maximum: int


def softmax_row(tiles: Ints) -> RowResult:
    """Run the one-pass recurrence over a row of scores [tiles, M0], Q6.10."""
    running_max, running_sum = 0, 0
    weights, corrections = np.zeros_like(tiles), []
    for number, tile in enumerate(tiles):
        new_max = int(tile.max()) if number == 0 else max(running_max, int(tile.max()))
        correction = 0
        if number:
            correction = int(exp_negative(np.array([new_max - running_max]))[0])
        running_sum = (running_sum * correction + (1 << 14)) >> 15
        weights[number] = exp_negative(new_max - tile)
        running_sum += int(weights[number].sum())
        running_max = new_max
        corrections.append(correction)
    return RowResult(weights, corrections, running_sum, running_max)
