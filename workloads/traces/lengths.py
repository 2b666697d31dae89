"""Distributions of request lengths in tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LengthDistribution(Protocol):
    """Something that lengths can be drawn from."""

    def sample(self, rng: np.random.Generator) -> int:
        """Return one length, in tokens."""

    def quantile(self, share: float) -> float:
        """Return the length that this share of all lengths does not exceed, in tokens."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """A log-normal length, clipped.

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

    def quantile(self, share: float) -> float:
        """Return the length that this share of all lengths does not exceed."""
        from statistics import NormalDist

        value = math.exp(NormalDist(self.mu, self.sigma).inv_cdf(share))
        return min(max(value, float(self.least)), float(self.most))


@dataclass(frozen=True, slots=True)
class QuantileLengths:
    """A length given by quantiles, its logarithm uniform between neighbours.

    Attributes
    ----------
    points
        ``(share, tokens)``, both growing, from share 0 to share 1.

    Raises
    ------
    ConfigError
        Points that do not grow, or do not reach from 0 to 1.
    """

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        shares, values = zip(*self.points, strict=True)
        grows = all(a < b for side in (shares, values) for a, b in pairwise(side))
        if shares[0] != 0 or shares[-1] != 1 or values[0] < 1 or not grows:
            raise ConfigError(
                "quantiles grow, from share 0 to share 1, from at least one token",
                path="requests.quantiles",
                given=str(self.points),
            )

    def sample(self, rng: np.random.Generator) -> int:
        """Return one length."""
        return max(1, round(self.quantile(rng.random())))

    def quantile(self, share: float) -> float:
        """Return the length that this share of all lengths does not exceed."""
        shares, values = zip(*self.points, strict=True)
        return float(np.exp(np.interp(share, shares, np.log(values))))

    def mean(self) -> float:
        """Return the mean: of a log-uniform piece from a to b, (b - a) / ln(b / a)."""
        total = 0.0
        for (low, a), (high, b) in pairwise(self.points):
            total += (high - low) * (b - a) / math.log(b / a)
        return total


@dataclass(frozen=True, slots=True)
class ZipfLengths:
    """A length n with a probability proportional to n^-exponent, up to a greatest length.

    Attributes
    ----------
    exponent
        Greater than 0.
    most
        Greatest length.
    """

    exponent: float
    most: int

    def sample(self, rng: np.random.Generator) -> int:
        """Return one length."""
        return int(self.quantile(rng.random()))

    def quantile(self, share: float) -> float:
        """Return the length that this share of all lengths does not exceed."""
        table = _zipf_table(self.exponent, self.most)
        return float(min(int(np.searchsorted(table, share)) + 1, self.most))


@lru_cache(maxsize=16)
def _zipf_table(exponent: float, most: int) -> NDArray[np.float64]:
    weights = np.arange(1, most + 1, dtype=np.float64) ** -exponent
    table: NDArray[np.float64] = np.cumsum(weights) / weights.sum()
    return table
