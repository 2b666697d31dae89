"""Cycle laws of a weighted round-robin arbiter, as pure integer functions.

The pointer moves only when a transfer happens. A requester keeps the grant for up to its weight of
transfers in a row while it keeps requesting; then, or when another one is served because it stopped
requesting, the turn passes on in index order. No cycle is lost while anyone requests.

Each law is measured on the register-transfer block `wrr_arb`. Batched twins stand in
:mod:`archsim.components.arbiter_batch`.
"""

from __future__ import annotations

from collections.abc import Sequence


def cycles_wrr_grant(weights: Sequence[int], requester: int, transfer: int) -> int:
    """Cycle of a transfer when all requesters always request, counted from the first cycle.

    Parameters
    ----------
    weights
        Transfers in a row for each requester, at least 1.
    requester
        Index of the requester.
    transfer
        Which of its transfers, from 0.

    Notes
    -----
    ``floor(q/w_i) * sum(w) + sum(w_0 … w_{i-1}) + q mod w_i``: index i is repeated w_i times.
    """
    turn, place = divmod(transfer, weights[requester])
    return turn * sum(weights) + sum(weights[:requester]) + place


def cycles_wrr_worst_wait(weights: Sequence[int], requester: int) -> int:
    """Most transfers of others that a requester can wait for: ``sum(w) - w_i``."""
    return sum(weights) - weights[requester]


def cycles_wrr_drain(weights: Sequence[int], backlog: Sequence[int]) -> int:
    """Cycles until every requester has moved its backlog: ``sum(backlog)``, work conserving.

    Parameters
    ----------
    weights
        Transfers in a row for each requester; they order the work but do not lengthen it.
    backlog
        Transfers that each requester wants, all from the first cycle.
    """
    if len(weights) != len(backlog):
        raise ValueError(f"{len(weights)} weights for {len(backlog)} requesters")
    return sum(backlog)


def wrr_grants(weights: Sequence[int], backlog: Sequence[int]) -> list[int]:
    """Return the order of grants that serves a backlog, all of it requested from the start."""
    left = list(backlog)
    order: list[int] = []
    while any(left):
        for requester, weight in enumerate(weights):
            served = min(weight, left[requester])
            order.extend([requester] * served)
            left[requester] -= served
    return order
