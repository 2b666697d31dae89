"""Designs that no other beats in every cost."""

from __future__ import annotations

import numpy as np

from archsim.edgecim.build import Floats
from archsim.edgecim.design import Ints


def pareto_front(costs: Floats) -> Ints:
    """Return the rows that no other row dominates, in order of the first cost.

    Parameters
    ----------
    costs
        Costs to minimise, shape (designs, costs). Of equal rows the first is kept.

    Notes
    -----
    Rows are taken in lexicographic order, so only rows already kept can dominate the next.
    """
    order = np.lexsort(costs.T[::-1])
    kept: list[int] = []
    front = np.empty_like(costs)
    for index in order:
        row = costs[index]
        if not (front[: len(kept)] <= row).all(axis=1).any():
            front[len(kept)] = row
            kept.append(int(index))
    return np.asarray(kept, dtype=np.int64)
