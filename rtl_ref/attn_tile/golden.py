"""What the attention tile computes: scores, cut to Q6.10, and their one-pass softmax."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rtl_ref.online_softmax.golden import RowResult, softmax_row

Ints = NDArray[np.int64]

LOW, HIGH = -(1 << 15), (1 << 15) - 1


def block_scores(queries: Ints, keys: Ints, shift: int) -> Ints:
    """Return the scores [R, T, C] of a block of queries [R, K] over keys [T, C, K]."""
    products = np.einsum("rk,tck->rtc", queries, keys)
    scores: Ints = np.clip(products >> shift, LOW, HIGH)
    return scores


def block_results(queries: Ints, keys: Ints, shift: int) -> list[RowResult]:
    """Return what the softmax gives for every query, in order."""
    return [softmax_row(row) for row in block_scores(queries, keys, shift)]
