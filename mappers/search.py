"""Exact search over candidates: best lower bound first, until no bound can win."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Found:
    """Result of a search.

    Attributes
    ----------
    index
        Index of the best candidate.
    cost_ps
        Its exact cost.
    num_candidates, num_evaluated
        Candidates with a bound, and those that were evaluated.
    is_complete
        Whether every other candidate is proved to cost at least as much.
    """

    index: int
    cost_ps: int
    num_candidates: int
    num_evaluated: int
    is_complete: bool


def best_first(
    bounds_ps: Sequence[float],
    order: Sequence[int],
    evaluate: Callable[[int], int],
    budget: int | None = None,
) -> Found:
    """Return the candidate of least exact cost.

    Parameters
    ----------
    bounds_ps
        True lower bound of each candidate's cost, ps.
    order
        Candidates by ascending bound; ties in the order of preference.
    evaluate
        Exact cost of a candidate, ps.
    budget
        Most evaluations, at least 1; None for no limit.

    Notes
    -----
    Stops at the first bound that is not below the best cost so far: no later candidate can be
    strictly better. Among equal costs the first evaluated wins, so the result is deterministic.
    """
    best_index, best_cost, evaluated, complete = -1, 0, 0, True
    for index in order:
        if best_index >= 0 and bounds_ps[index] >= best_cost:
            break
        if budget is not None and evaluated >= max(budget, 1):
            complete = False
            break
        cost = evaluate(index)
        evaluated += 1
        if best_index < 0 or cost < best_cost:
            best_index, best_cost = index, cost
    return Found(best_index, best_cost, len(order), evaluated, complete)


def thriftiest(
    bounds_ps: Sequence[float],
    order: Sequence[int],
    evaluate: Callable[[int], int],
    limit_ps: int,
    budget: int | None = None,
) -> tuple[int, int, int] | None:
    """Return (index, exact cost, evaluations) of the first candidate within a limit.

    Parameters
    ----------
    bounds_ps
        True lower bound of each candidate's cost, ps.
    order
        Candidates in the order of preference, such as by bytes moved.
    evaluate
        Exact cost of a candidate, ps.
    limit_ps
        Largest cost accepted.
    budget
        Most evaluations; None for no limit.

    Returns
    -------
    tuple or None
        None if no candidate is within the limit, or the budget ran out before one was found.
    """
    evaluated = 0
    for index in order:
        if bounds_ps[index] > limit_ps:
            continue
        if budget is not None and evaluated >= budget:
            return None
        cost = evaluate(index)
        evaluated += 1
        if cost <= limit_ps:
            return index, cost, evaluated
    return None
