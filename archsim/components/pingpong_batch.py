"""Batched numpy twins of the laws of a buffer of two banks.

Every function takes int64 arrays (or ints) that broadcast against each other and is equal, element
by element, to its scalar twin in :mod:`archsim.components.pingpong_laws`.
"""

from __future__ import annotations

import numpy as np

from archsim.components.systolic_batch import IntLike, Ints


def _ints(value: IntLike) -> Ints:
    return np.asarray(value, dtype=np.int64)


def cycles_pingpong_interval_batch(depth: IntLike, hold: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.pingpong_laws.cycles_pingpong_interval`."""
    return _ints(np.maximum(_ints(depth), _ints(hold)))


def cycles_pingpong_batch(depth: IntLike, hold: IntLike, banks: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.pingpong_laws.cycles_pingpong`."""
    interval = cycles_pingpong_interval_batch(depth, hold)
    return _ints(depth) + (_ints(banks) - 1) * interval + _ints(hold) - 1
