"""What the compute-in-memory macro computes: each vector times the weights of its set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def results(x: NDArray[np.int64], w: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``x @ w`` exactly: the accumulator is wide enough for any operands.

    Parameters
    ----------
    x, w
        Vectors [V, R] and weights [R, C], int64.
    """
    exact: NDArray[np.int64] = x @ w
    return exact


def digit_serial(
    x: NDArray[np.int64], w: NDArray[np.int64], input_bits: int, bits_per_cycle: int
) -> NDArray[np.int64]:
    """Return the same, step by step as the macro does it: top digit signed, then shift and add."""
    digits = -(-input_bits // bits_per_cycle)
    total = np.zeros((x.shape[0], w.shape[1]), dtype=np.int64)
    for step in reversed(range(digits)):
        digit = x >> (step * bits_per_cycle)
        if step < digits - 1:
            digit &= (1 << bits_per_cycle) - 1
        total = (total << bits_per_cycle) + digit @ w
    return total
