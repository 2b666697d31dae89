"""Synthetic request traces: arrival processes and length distributions, fitted to public traces.

Every request draws from a generator of its own, so that request i is the same whatever else is
drawn. What the profiles are fitted to, and how far they are off, is printed by
``pytest tests/workloads/test_request_profiles.py -s``:

``azure-code``, ``azure-conv``
    Azure LLM inference traces 2023: mean rate, index of dispersion of the counts in 1, 10 and 60 s,
    coefficient of variation of the gaps; mean, median, 90th and 99th percentile of the lengths.
``mooncake-conversation``, ``mooncake-synthetic``
    Mooncake traces, FAST 2025; the same statistics. Stamps of the first are multiples of 3 s. The
    second is Poisson: its dispersion of 13 in 60 s is that of a Poisson trace of 17.03 windows
    whose last one counts although it is cut short (13.0 in simulation).
``arxiv-summarization``, ``sharegpt``
    Lengths alone (they have no arrivals): four statistics, and a published log-normal fit.
``burstgpt``
    BurstGPT, arXiv:2401.17644: mean rate of the answered requests of 121 days (5,188.5 thousand);
    shape 0.5 of the gamma gaps and Zipf exponent 1.1 below 1024 tokens are the parameters of the
    authors' own generator (repository HPMLL/BurstGPT, example/src/burstgpt/config.py). No
    dispersion is published; in the trace shape and rate change over the day, here they do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from archsim.errors import ConfigError, nearest
from workloads.traces.arrivals import ArrivalProcess, Burst, Clock
from workloads.traces.lengths import LengthDistribution, Lengths, QuantileLengths, ZipfLengths
from workloads.traces.requests import Request


@dataclass(frozen=True, slots=True)
class RequestProfile:
    """Parameters of a synthetic trace.

    Attributes
    ----------
    arrivals
        When requests arrive.
    prompt, output
        Lengths.
    correlation
        Of the normal variables behind the two lengths, from -1 to 1. In the Azure traces they are
        uncorrelated.
    """

    arrivals: ArrivalProcess
    prompt: LengthDistribution
    output: LengthDistribution
    correlation: float = 0.0

    def __post_init__(self) -> None:
        if not -1 <= self.correlation <= 1:
            raise ConfigError(
                "must be from -1 to 1", path="requests.correlation", given=self.correlation
            )

    def lengths(self, rng: np.random.Generator) -> tuple[int, int]:
        """Return the lengths of one request."""
        if not self.correlation:
            return self.prompt.sample(rng), self.output.sample(rng)
        one, other = (float(value) for value in rng.standard_normal(2))
        other = self.correlation * one + math.sqrt(1 - self.correlation**2) * other
        shares = [NormalDist().cdf(value) for value in (one, other)]
        sides = (self.prompt, self.output)
        prompt, output = (
            max(1, round(side.quantile(share))) for side, share in zip(sides, shares, strict=True)
        )
        return prompt, output


def _quantiles(least: float, p50: float, p90: float, p99: float, most: float) -> QuantileLengths:
    """Return lengths from published percentiles.

    `least` is chosen such that the mean is the published one, `most` is the longest of the trace
    or an estimate.
    """
    return QuantileLengths(((0.0, least), (0.5, p50), (0.9, p90), (0.99, p99), (1.0, most)))


PROFILES: Final = {
    "azure-code": RequestProfile(
        ArrivalProcess(
            "bursts", 2.567, bursts=(Burst(0.42, 1 / 0.42, 5.3), Burst(0.38, 2.627, 29.5))
        ),
        _quantiles(72.9, 1469, 5188, 7436, 7437),
        _quantiles(1.0, 13, 55, 251, 500),
    ),
    "azure-conv": RequestProfile(
        ArrivalProcess("bursts", 5.530, bursts=(Burst(0.5, 1.2586, 600.0),)),
        _quantiles(1.0, 1020, 2735, 4142, 14050),
        _quantiles(105.5, 129, 424, 601, 1000),
    ),
    "mooncake-conversation": RequestProfile(
        ArrivalProcess("bursts", 3.401, bursts=(Burst(0.5, 1.108, 1200.0),), stamp_s=3.0),
        _quantiles(3.55, 6909, 27367, 85400, 126195),
        _quantiles(33.85, 350, 597, 1118, 2000),
    ),
    "mooncake-synthetic": RequestProfile(
        ArrivalProcess("poisson", 3.907),
        _quantiles(8.16, 11587, 38611, 66456, 126195),
        _quantiles(4.84, 69, 389, 768, 2000),
    ),
    "arxiv-summarization": RequestProfile(
        ArrivalProcess("poisson", 1.0),
        _quantiles(1191.55, 2730, 3702, 3933, 4096),
        _quantiles(15.58, 167, 372, 3271, 4096),
    ),
    "sharegpt": RequestProfile(
        ArrivalProcess("poisson", 1.0),
        Lengths(7.46, 0.93, most=32768),
        Lengths(6.03, 0.55, most=32768),
    ),
    "burstgpt": RequestProfile(
        ArrivalProcess("gamma", 0.4963, variation=2.0**0.5),
        ZipfLengths(1.1, 1023),
        ZipfLengths(1.1, 1023),
    ),
}
"""Fitted profiles; see the module's text."""


def generate_requests(
    profile: RequestProfile | str, count: int, *, seed: int = 0
) -> tuple[Request, ...]:
    """Return a synthetic trace; the first request arrives at time 0.

    Parameters
    ----------
    profile
        Parameters, or the name of a fitted profile.
    count
        Requests, at least 1.
    seed
        Equal seeds give equal traces; a longer trace begins with the shorter one.

    Raises
    ------
    ConfigError
        Unknown profile, no requests.
    """
    if isinstance(profile, str):
        if profile not in PROFILES:
            raise ConfigError(
                "unknown request profile",
                path="requests",
                given=profile,
                allowed=PROFILES,
                hint=nearest(profile, PROFILES),
            )
        profile = PROFILES[profile]
    if count < 1:
        raise ConfigError("a trace has at least one request", path="requests.count", given=count)
    requests = []
    arrival = 0.0
    clock = Clock(profile.arrivals, np.random.default_rng([seed, 0]))
    for number in range(count):
        rng = np.random.default_rng([seed, 1, number])
        if number:
            arrival = clock.after(arrival, rng)
        prompt, output = profile.lengths(rng)
        requests.append(Request(profile.arrivals.stamped(arrival), prompt, output))
    return tuple(requests)
