"""Cycle laws of a systolic array, as pure integer functions.

An array of R rows and C columns of processing elements (PEs) computes a GEMM of shape (M, N, K):
lhs ``[M, K]`` times rhs ``[K, N]`` gives ``[M, N]``. Two of the three ranks are laid over the rows
and columns, the third streams through:

=========  ==========  =============  ========
dataflow   rows (S1)   columns (S2)   time (T)
=========  ==========  =============  ========
output     M           N              K
weight     K           N              M
input      K           M              N
=========  ==========  =============  ========

A GEMM wider than the array runs in ``F = ceil(S1/R) * ceil(S2/C)`` folds. Every fold pays the full
skew of the array, also when it fills only a part of it.

Each law is checked twice: against SCALE-Sim v3 (every recorded row without stalls) and against the
cycle laws measured on the register-transfer arrays `os_array` and `ws_array`. Batched numpy twins
stand in :mod:`archsim.components.systolic_batch`.

References
----------
A. Samajdar et al., "A systematic methodology for characterizing scalability of DNN accelerators
using SCALE-Sim", ISPASS 2020; SCALE-Sim v3.0.0 (recorded runs); H. Genc et al., "Gemmini", DAC 2021
(double-buffered weights and accumulators inside the PE).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dataflow = Literal["output", "weight", "input"]
WeightLoad = Literal["serial", "shadow"]
Drain = Literal["serial", "overlapped"]


def ceil_div(numerator: int, denominator: int) -> int:
    """Return ``ceil(numerator / denominator)`` in exact integer arithmetic."""
    return -(-numerator // denominator)


def fold_shape(dataflow: Dataflow, m: int, n: int, k: int) -> tuple[int, int, int]:
    """Return (S1, S2, T): what lies on the rows, on the columns, and what streams through.

    Parameters
    ----------
    dataflow
        The operand that stays in the array.
    m, n, k
        GEMM extents, elements.
    """
    if dataflow == "output":
        return m, n, k
    if dataflow == "weight":
        return k, n, m
    return k, m, n


def num_folds(rows: int, columns: int, s1: int, s2: int) -> int:
    """Return ``ceil(s1/rows) * ceil(s2/columns)``, the array fills that cover s1 x s2."""
    return ceil_div(s1, rows) * ceil_div(s2, columns)


def cycles_os_compute(rows: int, columns: int, k: int) -> int:
    """Cycles from the first operand to the last MAC of an output-stationary fold.

    Notes
    -----
    ``K + R + C - 2``: the last PE starts R + C - 2 cycles after the first. This is what SCALE-Sim
    v3 charges for a fold, and the compute part of the span measured on `os_array`.
    """
    return k + rows + columns - 2


def cycles_os_drain(rows: int) -> int:
    """Cycles to shift the accumulators of an output-stationary fold out, one row a cycle: ``R``."""
    return rows


def cycles_os_interval(rows: int, columns: int, k: int, *, overlapped: bool) -> int:
    """Cycles between the starts of two output-stationary folds.

    Notes
    -----
    Serial drain: ``2R + C + K - 2``, compute and drain in turn (measured on `os_array`: the array
    accepts again in the cycle after its drain). Overlapped drain, with a second accumulator in each
    PE as in Gemmini: ``max(K, R)`` (derived: the drain bus is busy R cycles for each fold).
    """
    if overlapped:
        return max(k, rows)
    return cycles_os_compute(rows, columns, k) + cycles_os_drain(rows)


def cycles_ws_load(rows: int) -> int:
    """Cycles to shift the stationary operand of a fold in, one row a cycle: ``R``."""
    return rows


def cycles_ws_compute(rows: int, columns: int, m: int) -> int:
    """Cycles from the first streamed beat to the last result of a weight-stationary fold.

    Notes
    -----
    ``M + R + C - 2`` without an output register; the register of the measured `ws_array` adds one.
    """
    return m + rows + columns - 2


def cycles_ws_interval(rows: int, columns: int, m: int, *, shadow: bool) -> int:
    """Cycles between the starts of two weight-stationary folds.

    Notes
    -----
    Serial load: ``M + 2R + C - 2``, load and compute in turn (SCALE-Sim v3, every row). Shadow
    weights: ``max(M, 2R + C - 1)``, measured on `ws_array`: the shadow registers are locked for
    R + C - 2 cycles after a swap beat entered, and R further cycles refill them.
    """
    if shadow:
        return max(m, 2 * rows + columns - 1)
    return cycles_ws_load(rows) + cycles_ws_compute(rows, columns, m)


def cycles_is_compute(rows: int, columns: int, n: int) -> int:
    """Input-stationary twin of :func:`cycles_ws_compute`: N streams past a resident input."""
    return cycles_ws_compute(rows, columns, n)


def cycles_is_interval(rows: int, columns: int, n: int, *, shadow: bool) -> int:
    """Input-stationary twin of :func:`cycles_ws_interval`: N streams past a resident input."""
    return cycles_ws_interval(rows, columns, n, shadow=shadow)


@dataclass(frozen=True, slots=True)
class ArrayLaw:
    """The integers and switches that fix the timing of an array.

    Attributes
    ----------
    rows, columns
        Processing elements along the two axes.
    count
        Identical arrays that work in lock-step on independent folds.
    dataflow
        The operand that stays in the array.
    weight_load
        Whether the stationary operand loads before its fold or behind the previous one (weight and
        input dataflow; no effect on output).
    drain
        Whether results leave after their fold or behind the next one (output dataflow; the other
        two drain while they stream).
    output_register
        Registers between the array's edge and the consumer, cycles added once at the end.
    """

    rows: int
    columns: int
    count: int = 1
    dataflow: Dataflow = "weight"
    weight_load: WeightLoad = "serial"
    drain: Drain = "serial"
    output_register: int = 0


def gemm_rounds(
    law: ArrayLaw, m: int, n: int, k: int, *, batch: int = 1, macs_per_cycle: int = 1
) -> tuple[int, int]:
    """Return (rounds, T) of a GEMM: lock-step rounds of folds, and the streamed extent of each.

    Parameters
    ----------
    law
        Geometry and switches of the array.
    m, n, k
        GEMM extents, elements.
    batch
        Independent GEMMs of this shape, run one fold after the other.
    macs_per_cycle
        MACs of one PE in one cycle, taken along K (a PE of 2 int8 MACs holds or consumes two
        neighbours of K at a time).
    """
    s1, s2, t = fold_shape(law.dataflow, m, n, ceil_div(k, macs_per_cycle))
    return ceil_div(batch * num_folds(law.rows, law.columns, s1, s2), law.count), t


def gemm_interval(law: ArrayLaw, t: int) -> int:
    """Return the cycles between two rounds that each stream `t` beats."""
    if law.dataflow == "output":
        return cycles_os_interval(law.rows, law.columns, t, overlapped=law.drain == "overlapped")
    return cycles_ws_interval(law.rows, law.columns, t, shadow=law.weight_load == "shadow")


def gemm_fold_span(law: ArrayLaw, t: int) -> int:
    """Return the cycles of one fold alone, first load or operand to last result."""
    if law.dataflow == "output":
        span = cycles_os_compute(law.rows, law.columns, t) + cycles_os_drain(law.rows)
    else:
        span = cycles_ws_load(law.rows) + cycles_ws_compute(law.rows, law.columns, t)
    return span + law.output_register


def cycles_gemm(
    law: ArrayLaw, m: int, n: int, k: int, *, batch: int = 1, macs_per_cycle: int = 1
) -> int:
    """Cycles of a whole GEMM on an idle array, fill and drain included.

    Notes
    -----
    ``(rounds - 1) * interval + fold span``. With weight dataflow, shadow load and one output
    register this is ``R + (F-1) * max(M, 2R+C-1) + M + R + C - 1``, the law of `ws_array`; with
    output dataflow and serial drain it is ``F * (2R + C + K - 2)``, the law of `os_array`.
    """
    rounds, t = gemm_rounds(law, m, n, k, batch=batch, macs_per_cycle=macs_per_cycle)
    return (rounds - 1) * gemm_interval(law, t) + gemm_fold_span(law, t)


def cycles_gemm_steady(
    law: ArrayLaw, m: int, n: int, k: int, *, batch: int = 1, macs_per_cycle: int = 1
) -> int:
    """Cycles for which a GEMM keeps the next one out of the array: ``rounds * interval``.

    Back-to-back GEMMs of one shape are spaced by exactly this, and :func:`cycles_gemm` is the
    latency of each; the difference is the fill and drain that neighbours hide.
    """
    rounds, t = gemm_rounds(law, m, n, k, batch=batch, macs_per_cycle=macs_per_cycle)
    return rounds * gemm_interval(law, t)


def bound_gemm(
    law: ArrayLaw, m: int, n: int, k: int, *, batch: int = 1, macs_per_cycle: int = 1
) -> int:
    """Lower bound on the cycles of a GEMM under every dataflow: MACs over the peak rate.

    Notes
    -----
    ``ceil(batch * M * N * K / (R * C * count * macs_per_cycle))``. It never exceeds
    :func:`cycles_gemm` or :func:`cycles_gemm_steady`, and more rows, columns, arrays or MACs a PE
    never raise it. It is also symmetric in M, N and K, so it holds when a mapper swaps operands.
    """
    peak = law.rows * law.columns * law.count * macs_per_cycle
    return ceil_div(batch * m * n * k, peak)


def cycles_scalesim(dataflow: Dataflow, rows: int, columns: int, m: int, n: int, k: int) -> int:
    """Cycles that SCALE-Sim v3 counts for a GEMM without stalls.

    Notes
    -----
    ``F * (K + R + C - 2)`` for output, ``F * (T + 2R + C - 2)`` for weight and input: the tool
    leaves the drain of an output-stationary fold out, and overlaps nothing. Its "Total Cycles"
    column is the index of the last cycle, one less than this count.
    """
    s1, s2, t = fold_shape(dataflow, m, n, k)
    folds = num_folds(rows, columns, s1, s2)
    if dataflow == "output":
        return folds * cycles_os_compute(rows, columns, t)
    return folds * cycles_ws_interval(rows, columns, t, shadow=False)


def buffer_words(
    law: ArrayLaw, m: int, n: int, k: int, *, macs_per_cycle: int = 1
) -> tuple[int, int, int]:
    """Words between the array and its buffer for one GEMM: (lhs reads, rhs reads, writes).

    Notes
    -----
    output: lhs ``M*K*ceil(N/C)``, rhs ``K*N*ceil(M/R)``, writes ``M*N``. weight: lhs
    ``M*K*ceil(N/C)``, rhs ``K*N``, writes ``M*N*ceil(K/R)``. input: lhs ``M*K``, rhs
    ``K*N*ceil(M/C)``, writes ``M*N*ceil(K/R)``. Writes of weight and input dataflow are partial
    sums of the accumulator's width, one set for each fold of K. The reads equal SCALE-Sim v3's SRAM
    counts (recorded rows), and so do the writes of weight and input; its output-stationary write
    count exceeds M*N by (R+C) a fold, which is an over-count of the tool.
    """
    k_folds = ceil_div(ceil_div(k, macs_per_cycle), law.rows)
    if law.dataflow == "output":
        return (
            m * k * ceil_div(n, law.columns),
            k * n * ceil_div(m, law.rows),
            m * n,
        )
    if law.dataflow == "weight":
        return m * k * ceil_div(n, law.columns), k * n, m * n * k_folds
    return m * k, k * n * ceil_div(m, law.columns), m * n * k_folds
