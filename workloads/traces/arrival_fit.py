"""Arrival processes fitted to a trace: Poisson, gamma gaps, or a rate that switches or swells.

The dispersion of a changing rate is a closed form in the variances v and time constants of its
factors, bilinear in two variances. Time constants are tried on a grid; the variances follow by
alternating least squares of the relative errors, each window weighted by how well a trace of that
length knows it. Of the candidates the one wins whose dispersion and variation of gaps (of switches
and swells: simulated) lie closest to the trace's; every further parameter must earn its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from workloads.traces.arrival_statistics import ArrivalStatistics, dispersion
from workloads.traces.arrivals import LAWS, ArrivalProcess, Burst, Clock, Swell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_TIMES: Final = 12
_SIMULATED: Final = 20000
_PENALTY: Final = 0.02
_ROUNDS: Final = 25
_MANY: Final = 50


@dataclass(frozen=True, slots=True)
class ArrivalFit:
    """A process fitted to a trace's arrivals.

    Attributes
    ----------
    process
        The process.
    variation
        Variation of its gaps, simulated.
    dispersion
        Its dispersion in the windows of the trace's statistics, as of a trace of that duration.
    error
        Root mean square of the logarithms of fitted over measured statistics.
    """

    process: ArrivalProcess
    variation: float
    dispersion: tuple[float, ...]
    error: float


def fit_arrivals(measured: ArrivalStatistics) -> ArrivalFit:
    """Return the process that is most like a trace."""
    fits = [_judged(process, measured) for process in _candidates(measured)]
    return min(fits, key=lambda fit: fit.error + _PENALTY * _parameters(fit.process))


def simulated(process: ArrivalProcess, number: int, seed: int = 0) -> NDArray[np.float64]:
    """Return arrival times of a process, the first at 0, s."""
    clock, rng = Clock(process, np.random.default_rng([seed, 0])), np.random.default_rng([seed, 1])
    times = [0.0]
    for _ in range(number - 1):
        times.append(clock.after(times[-1], rng))
    return np.array([process.stamped(time) for time in times])


def _parameters(process: ArrivalProcess) -> int:
    return 2 * len(process.bursts) + (process.kind == "gamma")


def _candidates(measured: ArrivalStatistics) -> Iterator[ArrivalProcess]:
    rate, stamp = measured.rate_per_s, measured.stamp_s
    yield ArrivalProcess("poisson", rate, stamp_s=stamp)
    yield ArrivalProcess("gamma", rate, variation=max(measured.variation, 1e-3), stamp_s=stamp)
    for number in (1, 2):
        found = _variances(measured, number)
        if found:
            switches = tuple(_switch(variance, hold) for variance, hold in found)
            yield ArrivalProcess("bursts", rate, bursts=switches, stamp_s=stamp)
            for law in LAWS:
                swells = tuple(Swell(variance, hold, law) for variance, hold in found)
                yield ArrivalProcess("bursts", rate, bursts=swells, stamp_s=stamp)
                if number == 2:
                    both = (switches[0], swells[1])
                    yield ArrivalProcess("bursts", rate, bursts=both, stamp_s=stamp)


def _switch(variance: float, hold_s: float) -> Burst:
    """Return the switch of that variance and time constant that is silent while quiet."""
    share = 1 / (1 + variance)
    return Burst(share, 1 / share, hold_s / (1 - share))


def _variances(measured: ArrivalStatistics, number: int) -> list[tuple[float, float]]:
    """Return ``(variance, time constant)`` of the factors that fit the dispersion best."""
    windows = np.array([window for window, _ in measured.dispersion])
    wanted = np.array([max(value, 1e-3) for _, value in measured.dispersion]) - 1
    weights = 1 / (1 + wanted) / np.sqrt(0.05**2 + 2 * windows / measured.duration_s)
    times = np.geomspace(windows[0] / 4, measured.duration_s / 4, _TIMES)

    def response(decay: float) -> NDArray[np.float64]:
        def grown(window: NDArray[np.float64] | float) -> NDArray[np.float64]:
            span = decay * np.asarray(window)
            return 2 * measured.rate_per_s / decay * (1 + np.expm1(-span) / span)

        whole = grown(measured.duration_s)
        return grown(windows) - windows / measured.duration_s * whole

    # A trace's own mean takes away t / T of a Poisson process too.
    wanted = wanted + windows / measured.duration_s
    best: list[tuple[float, float]] = []
    least = math.inf
    for chosen in combinations(times, number):
        alone = [response(1 / hold) for hold in chosen]
        both = response(sum(1 / hold for hold in chosen)) if number == 2 else 0 * windows
        values = np.full(number, 0.1)
        for turn in range(_ROUNDS * number):
            place = turn % number
            other = values[1 - place] if number == 2 else 0.0
            slope = alone[place] + other * both
            rest = wanted - (other * alone[1 - place] if number == 2 else 0)
            top, below = float(weights**2 @ (slope * rest)), float(weights**2 @ slope**2)
            values[place] = max(top / below, 0.0)
        found = sum(v * part for v, part in zip(values, alone, strict=True))
        error = float((weights**2 * (found + values.prod() * both - wanted) ** 2).sum())
        if number == 1:
            error = float((weights**2 * (found - wanted) ** 2).sum())
        if error < least and (values > 1e-4).all():
            best, least = list(zip(map(float, values), map(float, chosen), strict=True)), error
    return best


def _judged(process: ArrivalProcess, measured: ArrivalStatistics) -> ArrivalFit:
    times = simulated(process, min(_SIMULATED, max(measured.number, 2000)))
    gaps = np.diff(times)
    variation = float(gaps.std() / gaps.mean())
    found = []
    for window, _ in measured.dispersion:
        value = process.sample_dispersion(window, measured.duration_s)
        if value is None and window * process.rate_per_s > _MANY:
            # Independent gaps: the limit is their squared variation.
            value = process.variation**2 * (1 - window / measured.duration_s)
        elif value is None:
            value = dispersion(times, window)
        found.append(value)
    logs = [
        math.log(max(value, 1e-3) / max(wanted, 1e-3))
        / math.sqrt(1 + 40 * window / measured.duration_s)
        for value, (window, wanted) in zip(found, measured.dispersion, strict=True)
    ]
    logs.append(math.log(max(variation, 1e-3) / max(measured.variation, 1e-3)))
    error = math.sqrt(sum(value**2 for value in logs) / len(logs))
    return ArrivalFit(process, variation, tuple(found), error)
