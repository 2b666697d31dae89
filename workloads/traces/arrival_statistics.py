"""What a trace's arrivals are like: rate, variation of gaps, dispersion of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAST_ARRIVALS: Final = 50
"""Fewest arrivals whose dispersion means something."""

_WINDOWS: Final = 6
_LEAST_WINDOWS: Final = 12


@dataclass(frozen=True, slots=True)
class ArrivalStatistics:
    """Statistics of a trace's arrivals.

    Attributes
    ----------
    number
        Arrivals.
    duration_s
        Time from the first to the last, s.
    rate_per_s
        Mean arrivals per second.
    variation
        Standard deviation of the gaps over their mean.
    stamp_s
        Arrivals are multiples of this time, s; 0 if it is far shorter than the gaps.
    dispersion
        ``(window in s, variance over mean of the counts in whole windows)``, windows growing.
    """

    number: int
    duration_s: float
    rate_per_s: float
    variation: float
    stamp_s: float
    dispersion: tuple[tuple[float, float], ...]


def arrival_statistics(arrivals: Sequence[float]) -> ArrivalStatistics:
    """Return the statistics of arrival times in s, in order.

    Raises
    ------
    ConfigError
        Too few arrivals, or all at once.
    """
    times = np.asarray(arrivals, dtype=np.float64)
    times = times - times[0] if len(times) else times
    if len(times) < LEAST_ARRIVALS or times[-1] <= 0:
        raise ConfigError(
            "too few arrivals to tell how they come",
            path="requests",
            given=len(times),
            allowed=f"at least {LEAST_ARRIVALS}, not all at once",
        )
    gaps, duration = np.diff(times), float(times[-1])
    rate = len(gaps) / duration
    stamp = _stamp_s(gaps, 1 / rate)
    return ArrivalStatistics(
        len(times),
        duration,
        rate,
        float(gaps.std() / gaps.mean()),
        stamp,
        tuple((window, dispersion(times, window)) for window in _windows(duration, rate, stamp)),
    )


def dispersion(arrivals: NDArray[np.float64], window_s: float, *, cut: bool = False) -> float:
    """Return variance over mean of the counts in windows.

    Parameters
    ----------
    arrivals
        Times from 0 on, in order, s.
    window_s
        Duration of a window, s.
    cut
        Whether the last window counts, which the end of the trace cuts short. Published figures
        often count it: a Poisson trace of 17.03 windows then has 13 in place of 1.
    """
    counts = np.bincount((arrivals // window_s).astype(np.int64))
    counts = counts if cut or len(counts) < 2 else counts[:-1]
    return float(counts.var() / counts.mean())


def _windows(duration_s: float, rate_per_s: float, stamp_s: float) -> list[float]:
    """Return windows from a few gaps to a twelfth of the trace, each about as much longer."""
    least, most = max(2 / rate_per_s, stamp_s), duration_s / _LEAST_WINDOWS
    windows = np.geomspace(least, max(most, least), _WINDOWS)
    if stamp_s:
        windows = np.unique(np.maximum(np.round(windows / stamp_s), 1)) * stamp_s
    return [float(window) for window in windows if window <= max(most, least)]


def _stamp_s(gaps: NDArray[np.float64], mean_s: float) -> float:
    """Return the time that all gaps are multiples of, if it is not far below their mean."""
    step = int(np.gcd.reduce(np.round(gaps * 1e6).astype(np.int64)))
    return step / 1e6 if step / 1e6 >= 0.1 * mean_s else 0.0
