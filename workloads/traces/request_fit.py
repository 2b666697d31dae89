"""A synthetic trace fitted to a recorded one: arrivals, lengths, and how the lengths go together.

What is kept: the mean rate, the dispersion of counts over windows from a few gaps to a twelfth of
the trace, the variation of the gaps, the distribution of either length at ten quantiles, and the
rank correlation of the two lengths. What is not: trends over the whole trace, periods (dispersion
that falls with the window), sessions, prefixes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from workloads.traces.arrival_fit import ArrivalFit, fit_arrivals
from workloads.traces.arrival_statistics import ArrivalStatistics, arrival_statistics
from workloads.traces.lengths import QuantileLengths
from workloads.traces.request_generators import RequestProfile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from workloads.traces.requests import Request

SHARES: Final = (0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 1.0)
"""Quantiles of a length that a fit keeps."""

_APART: Final = 1.0 + 1e-7


@dataclass(frozen=True, slots=True)
class RequestFit:
    """A profile fitted to a trace.

    Attributes
    ----------
    profile
        Parameters of the synthetic trace.
    measured
        Statistics of the recorded arrivals.
    arrivals
        The same of the fitted process.
    """

    profile: RequestProfile
    measured: ArrivalStatistics
    arrivals: ArrivalFit


def fit_requests(requests: Sequence[Request]) -> RequestFit:
    """Return the profile that is most like a trace.

    Raises
    ------
    ConfigError
        Too few requests, or all at once.
    """
    measured = arrival_statistics([item.arrival_s for item in requests])
    arrivals = fit_arrivals(measured)
    prompts = np.array([item.prompt for item in requests])
    outputs = np.array([item.output for item in requests])
    profile = RequestProfile(
        arrivals.process,
        fit_lengths(prompts),
        fit_lengths(outputs),
        correlation=length_correlation(prompts, outputs),
    )
    return RequestFit(profile, measured, arrivals)


def fit_lengths(lengths: NDArray[np.int64]) -> QuantileLengths:
    """Return a distribution with the quantiles of some lengths, equal ones a hair apart."""
    points: list[tuple[float, float]] = []
    for share in SHARES:
        value = float(np.quantile(lengths, share, method="inverted_cdf"))
        points.append((share, max(value, points[-1][1] * _APART) if points else value))
    return QuantileLengths(tuple(points))


def length_correlation(prompts: NDArray[np.int64], outputs: NDArray[np.int64]) -> float:
    """Return the correlation of two normal variables with the rank correlation of two lengths."""
    one, other = (_ranks(side) for side in (prompts, outputs))
    spread = float(one.std() * other.std())
    if spread == 0:
        return 0.0
    spearman = float(((one - one.mean()) * (other - other.mean())).mean()) / spread
    return min(max(2 * math.sin(math.pi * spearman / 6), -0.99), 0.99)


def _ranks(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ranks, the mean of theirs for equal values."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks: NDArray[np.float64] = np.take(middle, inverse)
    return ranks
