"""Arrival processes: Poisson, gamma renewals, and Poisson at a rate that changes.

A switch multiplies the mean rate by a factor while it is busy and by less while it is quiet, so
that the mean stays; the times in either state are exponential. The variance of such a factor is
v = (factor - 1)² · share / (1 - share), its correlation falls off as exp(-r t) with r = 1 / (busy_s
· (1 - share)). A swell multiplies the rate by a gamma or log-normal variable of mean 1 and variance
v, drawn anew after exponential times of mean 1 / r. Several of either multiply. The index of
dispersion of the counts in windows of t seconds is then

    IDC(t) = 1 + Σ 2 λ v / r · (1 - (1 - exp(-r t)) / (r t)),

summed over the products of the variances in every combination, the rates r of a combination being
the sum of theirs.

References
----------
Heffes and Lucantoni, A Markov modulated characterization of packetized voice and data traffic, IEEE
JSAC 4 (1986) (one switch).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from archsim.errors import ConfigError, nearest

ARRIVALS: Final = ("poisson", "gamma", "bursts")
"""``poisson``; ``gamma``: independent gaps of a given coefficient of variation; ``bursts``: Poisson
arrivals at a rate that switches or swells."""

LAWS: Final = ("gamma", "lognormal")
"""Distributions of a swell: gamma values come closer to 0, log-normal ones go further up."""


@dataclass(frozen=True, slots=True)
class Burst:
    """A rate that switches between quiet and busy.

    Attributes
    ----------
    share
        Share of time that is busy, between 0 and 1.
    factor
        Rate there over the mean rate, from 1 to 1 / share.
    busy_s
        Mean duration of a busy time, s.
    """

    share: float
    factor: float
    busy_s: float

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or not 1 <= self.factor <= 1 / self.share * (1 + 1e-12):
            raise ConfigError(
                "share lies between 0 and 1, factor between 1 and 1 / share",
                path="requests.bursts",
                given=f"share {self.share}, factor {self.factor}",
            )
        if not 0 < self.busy_s < math.inf:
            raise ConfigError("must be positive", path="requests.busy_s", given=self.busy_s)

    @property
    def factors(self) -> tuple[float, float]:
        """Rates of the quiet and of the busy state over the mean rate."""
        return max(0.0, 1 - self.share * self.factor) / (1 - self.share), self.factor

    @property
    def means_s(self) -> tuple[float, float]:
        """Mean durations of the quiet and of the busy state, s."""
        return self.busy_s * (1 - self.share) / self.share, self.busy_s

    @property
    def variance(self) -> float:
        """Variance of the factor."""
        return (self.factor - 1) ** 2 * self.share / (1 - self.share)

    @property
    def decay_per_s(self) -> float:
        """Rate at which the correlation of the factor falls off, 1/s."""
        return 1 / (self.busy_s * (1 - self.share))

    def first(self, rng: np.random.Generator) -> float:
        """Return a state: 1 if busy, 0 if quiet."""
        return float(rng.random() < self.share)

    def following(self, state: float, rng: np.random.Generator) -> float:
        """Return the state after a state."""
        del rng
        return 1.0 - state

    def rate_factor(self, state: float) -> float:
        """Return the rate in a state over the mean rate."""
        return self.factors[int(state)]

    def mean_s(self, state: float) -> float:
        """Return the mean duration of a state, s."""
        return self.means_s[int(state)]


@dataclass(frozen=True, slots=True)
class Swell:
    """A rate that takes random values.

    Attributes
    ----------
    variance
        Variance of the rate over the mean rate.
    hold_s
        Mean duration of a value, s.
    law
        Distribution of the values, one of :data:`LAWS`.
    """

    variance: float
    hold_s: float
    law: str = "gamma"

    def __post_init__(self) -> None:
        if self.law not in LAWS:
            raise ConfigError(
                "unknown law",
                path="requests.law",
                given=self.law,
                allowed=LAWS,
                hint=nearest(self.law, LAWS),
            )
        for name in ("variance", "hold_s"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ConfigError("must be positive", path=f"requests.{name}", given=value)

    @property
    def decay_per_s(self) -> float:
        """Rate at which the correlation of the factor falls off, 1/s."""
        return 1 / self.hold_s

    def first(self, rng: np.random.Generator) -> float:
        """Return a state: the factor itself."""
        if self.law == "gamma":
            return float(rng.gamma(1 / self.variance, self.variance))
        square = math.log1p(self.variance)
        return math.exp(rng.normal(-square / 2, math.sqrt(square)))

    def following(self, state: float, rng: np.random.Generator) -> float:
        """Return the state after a state: another draw."""
        del state
        return self.first(rng)

    def rate_factor(self, state: float) -> float:
        """Return the rate in a state over the mean rate."""
        return state

    def mean_s(self, state: float) -> float:
        """Return the mean duration of a state, s."""
        del state
        return self.hold_s


@dataclass(frozen=True, slots=True)
class ArrivalProcess:
    """When requests arrive.

    Attributes
    ----------
    kind
        One of :data:`ARRIVALS`.
    rate_per_s
        Mean arrivals per second.
    variation
        Coefficient of variation of the gaps (gamma).
    bursts
        Switches and swells (bursts).
    stamp_s
        Arrivals are stamped with multiples of this time, rounded down, s; 0: as they are.
    """

    kind: str
    rate_per_s: float
    variation: float = 1.0
    bursts: tuple[Burst | Swell, ...] = ()
    stamp_s: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ARRIVALS:
            raise ConfigError(
                "unknown arrival process",
                path="requests.arrivals",
                given=self.kind,
                allowed=ARRIVALS,
                hint=nearest(self.kind, ARRIVALS),
            )
        for name in ("rate_per_s", "variation"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ConfigError("must be positive", path=f"requests.{name}", given=value)
        if not 0 <= self.stamp_s < math.inf:
            raise ConfigError("must be 0 or more", path="requests.stamp_s", given=self.stamp_s)
        if (self.kind == "bursts") != bool(self.bursts):
            raise ConfigError(
                "bursts are given for arrivals bursts, and only there", path="requests.bursts"
            )

    def dispersion(self, window_s: float) -> float | None:
        """Return variance over mean of the counts in windows, or None for gamma gaps.

        With stamps, windows that hold a whole number of them, or that lie within one, are exact.
        """
        if self.kind == "gamma":
            return None
        if window_s < self.stamp_s:
            whole = self.dispersion(self.stamp_s) or 0.0
            return whole + self.rate_per_s * (self.stamp_s - window_s)
        total = 1.0
        for number in range(1, len(self.bursts) + 1):
            for chosen in combinations(self.bursts, number):
                decay = sum(item.decay_per_s for item in chosen)
                spread = math.prod(item.variance for item in chosen)
                reach = 1 + math.expm1(-decay * window_s) / (decay * window_s)
                total += 2 * self.rate_per_s * spread / decay * reach
        return total

    def sample_dispersion(self, window_s: float, duration_s: float) -> float | None:
        """Return what :meth:`dispersion` is on average in a trace of some duration.

        The variance is taken about the trace's own mean, which follows what is slower than it:
        E = IDC(t) - t / T · IDC(T).
        """
        here, whole = self.dispersion(window_s), self.dispersion(duration_s)
        if here is None or whole is None:
            return None
        return here - window_s / duration_s * whole

    def stamped(self, arrival_s: float) -> float:
        """Return the stamp of an arrival."""
        if not self.stamp_s:
            return arrival_s
        return math.floor(arrival_s / self.stamp_s) * self.stamp_s


class Clock:
    """Arrival times one after the other; at changing rates, with their states.

    Parameters
    ----------
    process
        The process.
    states
        Generator of the states and their durations.
    """

    def __init__(self, process: ArrivalProcess, states: np.random.Generator) -> None:
        self.process = process
        self.states = states
        self.state = [item.first(states) for item in process.bursts]
        self.until = [self._duration(place) for place in range(len(self.state))]

    def _duration(self, place: int) -> float:
        mean_s = self.process.bursts[place].mean_s(self.state[place])
        return float(self.states.exponential(mean_s))

    def _rate(self) -> float:
        rate = self.process.rate_per_s
        for item, state in zip(self.process.bursts, self.state, strict=True):
            rate *= item.rate_factor(state)
        return rate

    def after(self, arrival: float, rng: np.random.Generator) -> float:
        """Return the next arrival after one, s."""
        process = self.process
        if process.kind == "poisson":
            return arrival + rng.exponential(1 / process.rate_per_s)
        if process.kind == "gamma":
            square = process.variation**2
            return arrival + rng.gamma(1 / square, square / process.rate_per_s)
        # The same unit-rate exponential is used up at the rate of each state passed through.
        work = rng.exponential()
        while True:
            rate = self._rate()
            place = min(range(len(self.until)), key=self.until.__getitem__)
            end = arrival + work / rate if rate > 0 else math.inf
            if end <= self.until[place]:
                return end
            work -= (self.until[place] - arrival) * rate
            arrival = self.until[place]
            item = self.process.bursts[place]
            self.state[place] = item.following(self.state[place], self.states)
            self.until[place] = arrival + self._duration(place)
