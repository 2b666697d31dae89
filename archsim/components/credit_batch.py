"""Batched numpy twins of the laws of a link with credits.

Every function takes int64 arrays (or ints) that broadcast against each other and is equal, element
by element, to its scalar twin in :mod:`archsim.components.credit_laws`.
"""

from __future__ import annotations

import numpy as np

from archsim.components.systolic_batch import IntLike, Ints


def _ints(value: IntLike) -> Ints:
    return np.asarray(value, dtype=np.int64)


def cycles_credit_latency_batch(data_latency: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.credit_laws.cycles_credit_latency`."""
    return _ints(data_latency) + 1


def cycles_credit_round_trip_batch(data_latency: IntLike, credit_latency: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.credit_laws.cycles_credit_round_trip`."""
    return _ints(data_latency) + _ints(credit_latency) + 2


def cycles_credit_accept_batch(
    depth: IntLike, data_latency: IntLike, credit_latency: IntLike, item: IntLike
) -> Ints:
    """Batched twin of :func:`~archsim.components.credit_laws.cycles_credit_accept`."""
    trip = cycles_credit_round_trip_batch(data_latency, credit_latency)
    turn, place = np.divmod(_ints(item), _ints(depth))
    return _ints(turn * np.maximum(trip, _ints(depth)) + place)


def cycles_credit_stream_batch(
    depth: IntLike, data_latency: IntLike, credit_latency: IntLike, items: IntLike
) -> Ints:
    """Batched twin of :func:`~archsim.components.credit_laws.cycles_credit_stream`."""
    last = cycles_credit_accept_batch(depth, data_latency, credit_latency, _ints(items) - 1)
    return last + cycles_credit_latency_batch(data_latency)
