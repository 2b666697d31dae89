"""Batched numpy twins of the compute-in-memory laws.

Every function takes int64 arrays (or ints) that broadcast against each other and returns an int64
array equal, element by element, to its scalar twin in :mod:`archsim.components.cim_laws`.
"""

from __future__ import annotations

import numpy as np

from archsim.components.systolic_batch import IntLike, Ints, ceil_div_batch


def _ints(value: IntLike) -> Ints:
    return np.asarray(value, dtype=np.int64)


def cycles_cim_steps_batch(
    rows: IntLike,
    input_bits: IntLike,
    bits_per_cycle: IntLike = 1,
    active_rows: IntLike | None = None,
) -> Ints:
    """Batched twin of :func:`~archsim.components.cim_laws.cycles_cim_steps`."""
    groups = _ints(1) if active_rows is None else ceil_div_batch(rows, active_rows)
    return ceil_div_batch(input_bits, bits_per_cycle) * groups


def cycles_cim_latency_batch(steps: IntLike, tree_stages: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.cim_laws.cycles_cim_latency`."""
    return _ints(steps) + _ints(tree_stages) + 1


def cycles_cim_interval_batch(
    rows: IntLike, steps: IntLike, vectors: IntLike, planes: IntLike
) -> Ints:
    """Batched twin of :func:`~archsim.components.cim_laws.cycles_cim_interval`."""
    use = _ints(vectors) * _ints(steps)
    return _ints(np.where(_ints(planes) == 1, _ints(rows) + use, np.maximum(_ints(rows), use)))


def cycles_cim_sets_batch(
    rows: IntLike,
    steps: IntLike,
    tree_stages: IntLike,
    vectors: IntLike,
    sets: IntLike,
    planes: IntLike,
) -> Ints:
    """Batched twin of :func:`~archsim.components.cim_laws.cycles_cim_sets`."""
    interval = cycles_cim_interval_batch(rows, steps, vectors, planes)
    before = _ints(rows) + (_ints(sets) - 1) * interval
    last_vector = before + (_ints(vectors) - 1) * _ints(steps)
    return _ints(last_vector + cycles_cim_latency_batch(steps, tree_stages))
