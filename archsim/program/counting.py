"""Exact instance counts of a loop tree by arithmetic on its trips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsim.errors import OperationBudgetError

if TYPE_CHECKING:
    from archsim.program.ir import Trip


MAX_TERMS = 1_000_000
"""Terms that may be added one by one, about a second (measured), before counting is refused."""


def sum_clamped(base: int, slope: int, count: int) -> int:
    """Sum of ``max(0, base + slope * i)`` for i in ``range(count)``.

    Parameters
    ----------
    base, slope : int
        Iterations and iterations per step.
    count : int
        Number of terms.

    Returns
    -------
    int
        The arithmetic series over the terms that are positive.
    """
    first, last = 0, count
    if slope > 0:
        first = min(count, max(0, -((base - 1) // slope))) if base < 1 else 0
    elif slope < 0:
        last = min(count, max(0, (base - 1) // -slope + 1)) if base > 0 else 0
    elif base <= 0:
        return 0
    terms = last - first
    if terms <= 0:
        return 0
    return terms * base + slope * (first + last - 1) * terms // 2


def _sum_trip(trip: Trip, count: int) -> int:
    if trip.values:
        return sum(max(value, 0) for value in trip.values[:count])
    return sum_clamped(trip.base, trip.slope, count)


def _count_chain(
    chain: Sequence[int], trips: Sequence[Trip], index: dict[int, int], spent: list[int]
) -> int:
    """Index tuples of a chain of nested loops, outermost first, given the indices outside it."""
    if not chain:
        return 1
    loop, rest = chain[0], chain[1:]
    trip = trips[loop]
    times = trip.at(index[trip.loop] if trip.loop >= 0 else 0)
    if times == 0:
        return 0
    users = [inner for inner in rest if trips[inner].loop == loop]
    if not users:
        return times * _count_chain(rest, trips, index, spent)
    user = users[0]
    if len(users) == 1 and not any(trips[inner].loop == user for inner in rest):
        others = [inner for inner in rest if inner != user]
        return _sum_trip(trips[user], times) * _count_chain(others, trips, index, spent)
    total = 0
    spent[0] += times
    if spent[0] > MAX_TERMS:
        raise OperationBudgetError(
            f"the operations of nested dependent loops take more than {MAX_TERMS} terms to count"
        )
    for i in range(times):
        index[loop] = i
        total += _count_chain(rest, trips, index, spent)
    del index[loop]
    return total


def count_sites(
    num_ops: int, trips: Sequence[Trip], kinds: Sequence[int], args: Sequence[int]
) -> tuple[int, ...]:
    """Count the instances of every operation.

    Parameters
    ----------
    num_ops : int
        Number of operations.
    trips : sequence of Trip
        Trip of every loop.
    kinds, args : sequence of int
        The tape (see `archsim.program.ir`).

    Returns
    -------
    tuple of int
        Instances by operation number.

    Raises
    ------
    OperationBudgetError
        More than `MAX_TERMS` terms would have to be added.

    Notes
    -----
    A site runs once per tuple of the indices of its loops. Constant trips multiply; one trip that
    is affine in an outer index is an arithmetic series; deeper dependence is summed term by term.
    """
    counts = [0] * num_ops
    chain: list[int] = []
    here = 1
    known: list[int] = []
    spent = [0]
    for kind, arg in zip(kinds, args, strict=True):
        if kind == 0:
            counts[arg] += here
        elif kind == 1:
            known.append(here)
            chain.append(arg)
            trip = trips[arg]
            here = here * trip.at(0) if trip.loop < 0 else _count_chain(chain, trips, {}, spent)
        else:
            chain.pop()
            here = known.pop()
    return tuple(counts)
