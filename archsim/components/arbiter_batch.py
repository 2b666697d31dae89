"""Batched numpy twins of the arbiter's laws: many transfers in one call.

Every function is equal, element by element, to its scalar twin in
:mod:`archsim.components.arbiter_laws`. Weights are one set, requesters and transfers are arrays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archsim.components.systolic_batch import IntLike, Ints


def _ints(value: IntLike) -> Ints:
    return np.asarray(value, dtype=np.int64)


def cycles_wrr_grant_batch(weights: Sequence[int], requester: IntLike, transfer: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.arbiter_laws.cycles_wrr_grant`."""
    shares = np.asarray(weights, dtype=np.int64)
    before = np.cumsum(shares) - shares
    own = shares[_ints(requester)]
    turn, place = np.divmod(_ints(transfer), own)
    return _ints(turn * shares.sum() + before[_ints(requester)] + place)


def cycles_wrr_worst_wait_batch(weights: Sequence[int], requester: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.arbiter_laws.cycles_wrr_worst_wait`."""
    shares = np.asarray(weights, dtype=np.int64)
    return _ints(shares.sum() - shares[_ints(requester)])


def cycles_wrr_drain_batch(weights: Sequence[int], backlog: Ints) -> Ints:
    """Batched twin of :func:`~archsim.components.arbiter_laws.cycles_wrr_drain`; last axis sums."""
    if len(weights) != backlog.shape[-1]:
        raise ValueError(f"{len(weights)} weights for {backlog.shape[-1]} requesters")
    return _ints(backlog.sum(axis=-1))
