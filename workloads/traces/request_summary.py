"""A request trace in numbers, and beside them those of a profile fitted to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from workloads.traces.arrival_statistics import (
    LEAST_ARRIVALS,
    ArrivalStatistics,
    arrival_statistics,
)
from workloads.traces.request_fit import length_correlation
from workloads.traces.request_generators import generate_requests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workloads.traces.request_fit import RequestFit
    from workloads.traces.requests import Request

_SAMPLED = 20000


def summarise_requests(requests: Sequence[Request]) -> dict[str, Any]:
    """Return counts, arrivals and lengths of a trace, JSON-able.

    Arrivals are None where the trace has none, or fewer than tell how they come.
    """
    times = [item.arrival_s for item in requests]
    arrivals = None
    if len(times) >= LEAST_ARRIVALS and times[-1] > times[0]:
        arrivals = _arrivals(arrival_statistics(times))
    return {"requests": len(requests), "arrivals": arrivals, **_lengths(requests)}


def summarise_fit(requests: Sequence[Request], fit: RequestFit) -> dict[str, Any]:
    """Return the summary of a trace and, as ``fitted``, of the profile fitted to it."""
    made = generate_requests(fit.profile, min(len(requests), _SAMPLED))
    process = fit.profile.arrivals
    arrivals = {
        "kind": process.kind,
        "rate_per_s": process.rate_per_s,
        "variation": fit.arrivals.variation,
        "stamp_s": process.stamp_s,
        "dispersion": [
            {"window_s": window, "value": value}
            for (window, _), value in zip(
                fit.measured.dispersion, fit.arrivals.dispersion, strict=True
            )
        ],
    }
    return {
        "requests": len(requests),
        "arrivals": _arrivals(fit.measured),
        **_lengths(requests),
        "fitted": {"arrivals": arrivals, **_lengths(made)},
    }


def _arrivals(measured: ArrivalStatistics) -> dict[str, Any]:
    return {
        "duration_s": measured.duration_s,
        "rate_per_s": measured.rate_per_s,
        "variation": measured.variation,
        "stamp_s": measured.stamp_s,
        "dispersion": [
            {"window_s": window, "value": value} for window, value in measured.dispersion
        ],
    }


def _lengths(requests: Sequence[Request]) -> dict[str, Any]:
    sides = {
        "prompt": np.array([item.prompt for item in requests]),
        "output": np.array([item.output for item in requests]),
    }
    found: dict[str, Any] = {
        name: {
            "mean": float(lengths.mean()),
            **{f"p{share}": float(np.percentile(lengths, share)) for share in (10, 50, 90, 99)},
        }
        for name, lengths in sides.items()
    }
    return found | {"correlation": length_correlation(sides["prompt"], sides["output"])}
