"""What the weight-stationary array computes: each beat, a row of A, times the tile's weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def results(a: NDArray[np.int64], w: NDArray[np.int64], acc_width: int) -> NDArray[np.int64]:
    """Return ``a @ w`` wrapped to two's complement of `acc_width` bits.

    Parameters
    ----------
    a, w
        Beats [M, R] and weights [R, C], int64.
    acc_width
        Bits of a partial sum.
    """
    half = 1 << (acc_width - 1)
    wrapped: NDArray[np.int64] = (a @ w + half) % (2 * half) - half
    return wrapped
