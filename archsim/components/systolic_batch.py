"""Batched numpy twins of the systolic-array laws: thousands of tiles in one call.

Every function takes int64 arrays (or ints) that broadcast against each other and returns an int64
array of the broadcast shape, equal to its scalar twin in :mod:`archsim.components.systolic_laws`
element by element. Products are computed in int64: M * N * K * batch must stay below 2**63.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.components.systolic_laws import ArrayLaw, Dataflow

Ints: TypeAlias = NDArray[np.int64]
IntLike: TypeAlias = "Ints | int"


def _ints(value: IntLike) -> Ints:
    return np.asarray(value, dtype=np.int64)


def ceil_div_batch(numerator: IntLike, denominator: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.ceil_div`."""
    return -(-_ints(numerator) // _ints(denominator))


def fold_shape_batch(
    dataflow: Dataflow, m: IntLike, n: IntLike, k: IntLike
) -> tuple[Ints, Ints, Ints]:
    """Batched twin of :func:`~archsim.components.systolic_laws.fold_shape`."""
    if dataflow == "output":
        return _ints(m), _ints(n), _ints(k)
    if dataflow == "weight":
        return _ints(k), _ints(n), _ints(m)
    return _ints(k), _ints(m), _ints(n)


def num_folds_batch(rows: IntLike, columns: IntLike, s1: IntLike, s2: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.num_folds`."""
    return ceil_div_batch(s1, rows) * ceil_div_batch(s2, columns)


def cycles_os_compute_batch(rows: IntLike, columns: IntLike, k: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.cycles_os_compute`."""
    return _ints(k) + _ints(rows) + _ints(columns) - 2


def cycles_os_drain_batch(rows: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.cycles_os_drain`."""
    return _ints(rows)


def cycles_os_interval_batch(
    rows: IntLike, columns: IntLike, k: IntLike, *, overlapped: bool
) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.cycles_os_interval`."""
    if overlapped:
        interval: Ints = np.maximum(_ints(k), _ints(rows))
        return interval
    return cycles_os_compute_batch(rows, columns, k) + cycles_os_drain_batch(rows)


def cycles_ws_load_batch(rows: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.cycles_ws_load`."""
    return _ints(rows)


def cycles_ws_compute_batch(rows: IntLike, columns: IntLike, m: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.cycles_ws_compute`."""
    return _ints(m) + _ints(rows) + _ints(columns) - 2


def cycles_ws_interval_batch(rows: IntLike, columns: IntLike, m: IntLike, *, shadow: bool) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.cycles_ws_interval`."""
    if shadow:
        interval: Ints = np.maximum(_ints(m), 2 * _ints(rows) + _ints(columns) - 1)
        return interval
    return cycles_ws_load_batch(rows) + cycles_ws_compute_batch(rows, columns, m)


def cycles_is_compute_batch(rows: IntLike, columns: IntLike, n: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.cycles_is_compute`."""
    return cycles_ws_compute_batch(rows, columns, n)


def cycles_is_interval_batch(rows: IntLike, columns: IntLike, n: IntLike, *, shadow: bool) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.cycles_is_interval`."""
    return cycles_ws_interval_batch(rows, columns, n, shadow=shadow)


def gemm_rounds_batch(
    law: ArrayLaw,
    m: IntLike,
    n: IntLike,
    k: IntLike,
    *,
    batch: IntLike = 1,
    macs_per_cycle: int = 1,
) -> tuple[Ints, Ints]:
    """Batched twin of :func:`~archsim.components.systolic_laws.gemm_rounds`."""
    s1, s2, t = fold_shape_batch(law.dataflow, m, n, ceil_div_batch(k, macs_per_cycle))
    folds = num_folds_batch(law.rows, law.columns, s1, s2)
    return ceil_div_batch(_ints(batch) * folds, law.count), t


def gemm_interval_batch(law: ArrayLaw, t: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.gemm_interval`."""
    if law.dataflow == "output":
        return cycles_os_interval_batch(
            law.rows, law.columns, t, overlapped=law.drain == "overlapped"
        )
    return cycles_ws_interval_batch(law.rows, law.columns, t, shadow=law.weight_load == "shadow")


def gemm_fold_span_batch(law: ArrayLaw, t: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.gemm_fold_span`."""
    if law.dataflow == "output":
        span = cycles_os_compute_batch(law.rows, law.columns, t) + law.rows
    else:
        span = cycles_ws_compute_batch(law.rows, law.columns, t) + law.rows
    return span + law.output_register


def cycles_gemm_batch(
    law: ArrayLaw,
    m: IntLike,
    n: IntLike,
    k: IntLike,
    *,
    batch: IntLike = 1,
    macs_per_cycle: int = 1,
) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.cycles_gemm`."""
    rounds, t = gemm_rounds_batch(law, m, n, k, batch=batch, macs_per_cycle=macs_per_cycle)
    return (rounds - 1) * gemm_interval_batch(law, t) + gemm_fold_span_batch(law, t)


def cycles_gemm_steady_batch(
    law: ArrayLaw,
    m: IntLike,
    n: IntLike,
    k: IntLike,
    *,
    batch: IntLike = 1,
    macs_per_cycle: int = 1,
) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.cycles_gemm_steady`."""
    rounds, t = gemm_rounds_batch(law, m, n, k, batch=batch, macs_per_cycle=macs_per_cycle)
    return rounds * gemm_interval_batch(law, t)


def bound_gemm_batch(
    law: ArrayLaw,
    m: IntLike,
    n: IntLike,
    k: IntLike,
    *,
    batch: IntLike = 1,
    macs_per_cycle: int = 1,
) -> Ints:
    """Batched twin of :func:`~archsim.components.systolic_laws.bound_gemm`."""
    peak = law.rows * law.columns * law.count * macs_per_cycle
    return ceil_div_batch(_ints(batch) * _ints(m) * _ints(n) * _ints(k), peak)


def buffer_words_batch(
    law: ArrayLaw, m: IntLike, n: IntLike, k: IntLike, *, macs_per_cycle: int = 1
) -> tuple[Ints, Ints, Ints]:
    """Batched twin of :func:`~archsim.components.systolic_laws.buffer_words`."""
    m_, n_, k_ = _ints(m), _ints(n), _ints(k)
    k_folds = ceil_div_batch(ceil_div_batch(k_, macs_per_cycle), law.rows)
    if law.dataflow == "output":
        lhs = m_ * k_ * ceil_div_batch(n_, law.columns)
        return lhs, k_ * n_ * ceil_div_batch(m_, law.rows), m_ * n_
    if law.dataflow == "weight":
        return m_ * k_ * ceil_div_batch(n_, law.columns), k_ * n_, m_ * n_ * k_folds
    return m_ * k_, k_ * n_ * ceil_div_batch(m_, law.columns), m_ * n_ * k_folds
