"""Batched numpy twins of the online softmax unit's laws.

Every function takes int64 arrays (or ints) that broadcast against each other and is equal, element
by element, to its scalar twin in :mod:`archsim.components.softmax_laws`.
"""

from __future__ import annotations

import numpy as np

from archsim.components.softmax_laws import EXP_STAGES
from archsim.components.systolic_batch import IntLike, Ints, ceil_div_batch


def _ints(value: IntLike) -> Ints:
    return np.asarray(value, dtype=np.int64)


def cycles_softmax_interval_batch(
    tile_scores: IntLike, lanes: IntLike, spacing: IntLike = 1
) -> Ints:
    """Batched twin of :func:`~archsim.components.softmax_laws.cycles_softmax_interval`."""
    return _ints((ceil_div_batch(tile_scores, lanes) + 1) * _ints(spacing))


def cycles_softmax_batch(
    tile_scores: IntLike, lanes: IntLike, tiles: IntLike, spacing: IntLike = 1
) -> Ints:
    """Batched twin of :func:`~archsim.components.softmax_laws.cycles_softmax`."""
    interval = cycles_softmax_interval_batch(tile_scores, lanes, spacing)
    last_slot = _ints(tiles) * interval - _ints(spacing)
    return _ints(ceil_div_batch(tile_scores, lanes) + last_slot + EXP_STAGES + 1)
