"""Arrival processes: Poisson, gamma renewals, and rates that switch between quiet and busy.

A switch multiplies the mean rate by a factor while it is busy and by less while it is quiet, so
that the mean stays; the times in either state are exponential. Several switches multiply. The
variance of such a factor is v = (factor - 1)² · share / (1 - share), its correlation falls off as
exp(-r t) with r = 1 / (busy_s · (1 - share)). The index of dispersion of the counts in windows of t
seconds is then

    IDC(t) = 1 + Σ 2 λ v / r · (1 - (1 - exp(-r t)) / (r t)),

summed over the products of the switches' variances in every combination, the rates r of a
combination being the sum of theirs.

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
arrivals at a rate that switches."""


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
        Switches (bursts).
    stamp_s
        Arrivals are stamped with multiples of this time, rounded down, s; 0: as they are.
    """

    kind: str
    rate_per_s: float
    variation: float = 1.0
    bursts: tuple[Burst, ...] = ()
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

    def stamped(self, arrival_s: float) -> float:
        """Return the stamp of an arrival."""
        if not self.stamp_s:
            return arrival_s
        return math.floor(arrival_s / self.stamp_s) * self.stamp_s


class Clock:
    """Arrival times one after the other; of bursts, with the states that they fall into.

    Parameters
    ----------
    process
        The process.
    states
        Generator of the durations of quiet and busy times.
    """

    def __init__(self, process: ArrivalProcess, states: np.random.Generator) -> None:
        self.process = process
        self.states = states
        self.busy = [bool(states.random() < item.share) for item in process.bursts]
        self.until = [self._duration(place) for place in range(len(self.busy))]

    def _duration(self, place: int) -> float:
        means = self.process.bursts[place].means_s
        return float(self.states.exponential(means[self.busy[place]]))

    def _rate(self) -> float:
        rate = self.process.rate_per_s
        for item, busy in zip(self.process.bursts, self.busy, strict=True):
            rate *= item.factors[busy]
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
            self.busy[place] = not self.busy[place]
            self.until[place] = arrival + self._duration(place)
