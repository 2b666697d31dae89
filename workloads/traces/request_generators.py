"""Synthetic request traces: arrival processes and length distributions.

Every request draws from a generator of its own, so that request i is the same whatever else is
drawn. Profiles are fitted to the published statistics of public traces (means, coefficient of
variation of gaps, log-normal parameters of lengths).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from archsim.errors import ConfigError, nearest
from workloads.traces.requests import Request

ARRIVALS: Final = ("poisson", "gamma", "bursts")
"""``poisson``; ``gamma``: independent gaps of a given coefficient of variation; ``bursts``: two
states with Poisson arrivals, a quiet and a busy one, that last exponential times."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """A log-normal length in tokens, clipped.

    Attributes
    ----------
    mu, sigma
        Mean and standard deviation of the logarithm.
    least, most
        Bounds.
    """

    mu: float
    sigma: float
    least: int = 1
    most: int = 2**20

    def sample(self, rng: np.random.Generator) -> int:
        """Return one length."""
        value = math.exp(min(rng.normal(self.mu, self.sigma), 60.0))
        return int(min(max(round(value), self.least), self.most))


@dataclass(frozen=True, slots=True)
class RequestProfile:
    """Parameters of a synthetic trace.

    Attributes
    ----------
    rate_per_s
        Mean arrivals per second.
    prompt, output
        Lengths.
    arrivals
        One of :data:`ARRIVALS`.
    variation
        Coefficient of variation of the gaps (gamma).
    busy_share, busy_factor, busy_s
        Of bursts: share of time that is busy, rate there over the mean rate, mean duration in s.
    """

    rate_per_s: float
    prompt: Lengths
    output: Lengths
    arrivals: str = "poisson"
    variation: float = 1.0
    busy_share: float = 0.1
    busy_factor: float = 8.0
    busy_s: float = 10.0

    def __post_init__(self) -> None:
        if self.arrivals not in ARRIVALS:
            raise ConfigError(
                "unknown arrival process",
                path="requests.arrivals",
                given=self.arrivals,
                allowed=ARRIVALS,
                hint=nearest(self.arrivals, ARRIVALS),
            )
        for name in ("rate_per_s", "variation", "busy_s", "busy_factor"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ConfigError("must be positive", path=f"requests.{name}", given=value)
        if not 0 < self.busy_share < 1 or self.busy_share * self.busy_factor > 1:
            raise ConfigError(
                "busy_share lies between 0 and 1, and busy_share · busy_factor is at most 1",
                path="requests.busy_share",
                given=self.busy_share,
            )


PROFILES: Final = {
    # Fits of the Azure LLM inference traces 2023 and of the Mooncake traces: mean rate, coefficient
    # of variation of the gaps, log-normal lengths; longest lengths as in the traces.
    "azure-code": RequestProfile(
        2.567,
        Lengths(7.00, 1.36, most=7437),
        Lengths(2.79, 0.85, most=2000),
        "bursts",
        busy_share=0.05,
        busy_factor=16.0,
        busy_s=3.0,
    ),
    "azure-conv": RequestProfile(
        5.530, Lengths(6.63, 0.99, most=14050), Lengths(5.02, 0.86, most=1000), "gamma", 1.09
    ),
    "mooncake-conversation": RequestProfile(
        3.401, Lengths(8.74, 1.20, most=126195), Lengths(5.34, 1.36, most=2000), "poisson"
    ),
    "arxiv-summarization": RequestProfile(
        1.0, Lengths(7.72, 0.76, most=4096), Lengths(5.19, 0.80, most=4096), "poisson"
    ),
}
"""Fitted profiles."""


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
    clock = _Clock(profile, np.random.default_rng([seed, 0]))
    for number in range(count):
        rng = np.random.default_rng([seed, 1, number])
        if number:
            arrival = clock.after(arrival, rng)
        prompt, output = profile.prompt.sample(rng), profile.output.sample(rng)
        requests.append(Request(arrival, prompt, output))
    return tuple(requests)


class _Clock:
    """Arrival times; of bursts, the sequence of quiet and busy times."""

    def __init__(self, profile: RequestProfile, states: np.random.Generator) -> None:
        self.profile = profile
        self.states = states
        share, factor = profile.busy_share, profile.busy_factor
        rate = profile.rate_per_s
        # Rates of the quiet and the busy state that give the mean rate together.
        self.rates = (rate * (1 - share * factor) / (1 - share), rate * factor)
        self.means = (profile.busy_s * (1 - share) / share, profile.busy_s)
        self.state = 0
        self.until = states.exponential(self.means[0])

    def after(self, arrival: float, rng: np.random.Generator) -> float:
        """Return the next arrival after one."""
        profile = self.profile
        if profile.arrivals == "poisson":
            return arrival + rng.exponential(1 / profile.rate_per_s)
        if profile.arrivals == "gamma":
            square = profile.variation**2
            return arrival + rng.gamma(1 / square, square / profile.rate_per_s)
        # The same unit-rate exponential is used up at the rate of each state passed through.
        work = rng.exponential()
        while True:
            rate = self.rates[self.state]
            end = arrival + work / rate if rate > 0 else math.inf
            if end <= self.until:
                return end
            work -= (self.until - arrival) * rate
            arrival = self.until
            self.state = 1 - self.state
            self.until += self.states.exponential(self.means[self.state])
