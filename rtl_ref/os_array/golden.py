"""What the output-stationary array computes: C = A B, rows bottom first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def product_rows(a: NDArray[np.int64], b: NDArray[np.int64], acc_width: int) -> NDArray[np.int64]:
    """Return the rows of ``a @ b`` in the order in which they leave the array.

    Parameters
    ----------
    a, b
        Operands, [R, K] and [K, C], int64.
    acc_width
        Bits of an accumulator; sums wrap in two's complement.
    """
    half = 1 << (acc_width - 1)
    wrapped: NDArray[np.int64] = (a @ b + half) % (2 * half) - half
    return wrapped[::-1]
