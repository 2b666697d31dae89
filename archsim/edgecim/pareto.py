"""Designs that no other beats in every cost."""

from __future__ import annotations

import numpy as np

from archsim.edgecim.build import Floats
from archsim.edgecim.design import Ints

SIEVE = 256
"""Designs of a front against which new ones are held first, all at once."""


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


def merge_fronts(front: Ints, costs: Floats, start: int) -> Ints:
    """Return the front of rows, given that of those before some row.

    Parameters
    ----------
    front
        Front of the rows before `start`.
    costs
        Costs of all rows, shape (designs, costs).
    start
        First new row.

    Notes
    -----
    A few designs of least product of costs, of the front and of the new ones, sieve most new rows
    out before rows are compared one by one.
    """
    new = np.arange(start, len(costs))
    products = costs[start:].prod(axis=1)
    few = min(SIEVE, len(new))
    best = np.concatenate([front[:: max(1, len(front) // SIEVE)], new[np.argsort(products)[:few]]])
    left = costs[start:]
    alive = np.ones(len(new), dtype=np.bool_)
    for index in best:
        row = costs[index]
        beaten = (row <= left).all(axis=1) & (row < left).any(axis=1)
        alive &= ~beaten
        if not alive.all():
            new, left, alive = new[alive], left[alive], alive[alive]
    both = np.concatenate([front, new])
    return both[pareto_front(costs[both])]
