"""What a reader of the buffer of two banks sees: every bank's words, in the order written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def banks(words: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
    """Return the words as [banks, depth]; a last bank that is not full is not seen."""
    count = len(words) // depth
    seen: NDArray[np.int64] = words[: count * depth].reshape(count, depth)
    return seen
