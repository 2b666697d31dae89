"""Batched numpy twins of the PIM bank's laws: many row shapes in one call.

Every function takes int64 arrays (or ints) that broadcast against each other and returns an int64
array equal, element by element, to its scalar twin in :mod:`archsim.components.pim_laws`.
"""

from __future__ import annotations

import numpy as np

from archsim.components.pim_laws import PimTiming
from archsim.components.systolic_batch import IntLike, Ints


def _ints(value: IntLike) -> Ints:
    return np.asarray(value, dtype=np.int64)


def cycles_pim_row_batch(timing: PimTiming, macs: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.pim_laws.cycles_pim_row`."""
    columns = timing.t_rcd + (_ints(macs) - 1) * timing.t_ccd + timing.t_rtp
    return _ints(np.maximum(timing.t_ras, columns) + timing.t_rp)


def cycles_pim_write_row_batch(timing: PimTiming, writes: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.pim_laws.cycles_pim_write_row`."""
    columns = timing.t_rcd + (_ints(writes) - 1) * timing.t_ccd + timing.t_wtp
    return _ints(np.maximum(timing.t_ras, columns) + timing.t_rp)


def cycles_pim_gemv_batch(
    timing: PimTiming, rows: IntLike, macs: IntLike, rows_per_refresh: IntLike = 0
) -> Ints:
    """Batched twin of :func:`~archsim.components.pim_laws.cycles_pim_gemv`."""
    before, interval = _ints(rows) - 1, _ints(rows_per_refresh)
    refreshes = np.where(interval > 0, before // np.maximum(interval, 1), 0)
    tail = timing.t_rcd + (_ints(macs) - 1) * timing.t_ccd + timing.t_mac
    last_row = before * cycles_pim_row_batch(timing, macs) + refreshes * timing.t_rfc
    return _ints(last_row + tail)


def rows_per_refresh_batch(timing: PimTiming, macs: IntLike, t_refi: IntLike) -> Ints:
    """Batched twin of :func:`~archsim.components.pim_laws.rows_per_refresh`."""
    period = cycles_pim_row_batch(timing, macs)
    return _ints(np.maximum(1, (_ints(t_refi) - timing.t_rfc) // period))
