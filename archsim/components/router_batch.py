"""Batched numpy twins of the router's laws.

Every function takes int64 arrays (or ints) that broadcast against each other and is equal, element
by element, to its scalar twin in :mod:`archsim.components.router_laws`.
"""

from __future__ import annotations

import numpy as np

from archsim.components.systolic_batch import IntLike, Ints


def _ints(value: IntLike) -> Ints:
    return np.asarray(value, dtype=np.int64)


def cycles_router_token_batch(experts: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.router_laws.cycles_router_token`."""
    return _ints(experts)


def cycles_router_batch(experts: IntLike, tokens: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.router_laws.cycles_router`."""
    interval = cycles_router_token_batch(experts)
    return _ints((_ints(tokens) - 1) * interval + interval)
