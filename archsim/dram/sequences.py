"""Number sequences behind access patterns: a 64-bit generator in bulk, and a skewed choice."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

MULTIPLIER = 6364136223846793005
"""Multiplier of the generator: Knuth's MMIX, The Art of Computer Programming 2, 3.3.4."""

INCREMENT = 1442695040888963407
"""Increment of the generator, from the same table."""

_MASK = (1 << 64) - 1
_BLOCK = 1 << 16
_HEAD = 1 << 16


def draws(seed: int, count: int) -> npt.NDArray[np.uint64]:
    """Return the first draws of the generator ``x <- MULTIPLIER * x + INCREMENT mod 2**64``.

    Parameters
    ----------
    seed
        Where x begins; the first draw is the state after one step.
    count
        Number of draws.

    Returns
    -------
    ndarray of uint64, shape (count,)

    Notes
    -----
    ``x_k = MULTIPLIER**k * seed + INCREMENT * (1 + MULTIPLIER + … + MULTIPLIER**(k - 1))``: two
    running products and sums give a block of draws at once, and the last one of a block is the
    seed of the next.
    """
    size = min(max(count, 1), _BLOCK)
    powers = np.cumprod(np.full(size, MULTIPLIER, dtype=np.uint64), dtype=np.uint64)
    sums = np.concatenate([np.ones(1, dtype=np.uint64), powers[:-1]]).cumsum(dtype=np.uint64)
    offsets = sums * np.uint64(INCREMENT)
    made = np.empty(count, dtype=np.uint64)
    state = seed & _MASK
    for begin in range(0, count, size):
        part = made[begin : begin + size]
        np.multiply(powers[: len(part)], np.uint64(state), out=part)
        part += offsets[: len(part)]
        state = int(part[-1])
    return made


def zipf_ranks(
    drawn: npt.NDArray[np.uint64], footprint: int, exponent: float
) -> npt.NDArray[np.int64]:
    """Return places in a footprint with Zipf-like frequencies, scattered over it.

    Parameters
    ----------
    drawn
        Draws of the generator; their upper 53 bits are used.
    footprint
        Number of places.
    exponent
        How steeply the frequency falls with the rank.

    Returns
    -------
    ndarray of int64, shape (n,)
        Places below `footprint`.

    Notes
    -----
    Rank k has a frequency proportional to ``k**-exponent``: by its cumulative sum for the first
    65 536 ranks, by that of the continuous density (off by under 1e-9 of a frequency there)
    behind them. Ranks are scattered by multiplying with an odd number near ``footprint`` times the
    golden ratio that shares no factor with it, so neighbours in rank are not neighbours in memory.
    """
    head = min(footprint, _HEAD)
    weights = np.arange(1, head + 1, dtype=np.float64) ** -exponent
    mass = _integral(head + 0.5, footprint + 0.5, exponent)
    edges = np.cumsum(weights)
    target = (drawn >> np.uint64(11)).astype(np.float64) * 2.0**-53 * (edges[-1] + mass)
    places = np.searchsorted(edges, target, side="right").astype(np.int64)
    behind = places >= head
    if footprint > head:
        rest = _inverse(head + 0.5, target[behind] - edges[-1], exponent)
        places[behind] = np.floor(rest + 0.5).astype(np.int64) - 1
    places = np.clip(places, 0, footprint - 1)
    factor = int(footprint * 0.6180339887498949) | 1
    while math.gcd(factor, footprint) > 1:
        factor += 2
    if footprint * factor < 1 << 62:
        return np.asarray(places * factor % footprint, dtype=np.int64)
    exact = [place * factor % footprint for place in places.tolist()]
    return np.array(exact, dtype=np.int64)


def _integral(low: float, high: float, exponent: float) -> float:
    """Return the integral of ``x**-exponent``."""
    if math.isclose(exponent, 1.0):
        return math.log(high / low)
    power = 1.0 - exponent
    return float((high**power - low**power) / power)


def _inverse(
    low: float, areas: npt.NDArray[np.float64], exponent: float
) -> npt.NDArray[np.float64]:
    """Return up to where the integral of ``x**-exponent`` from `low` on gives each area."""
    if math.isclose(exponent, 1.0):
        return low * np.exp(areas)
    power = 1.0 - exponent
    return np.asarray((low**power + power * areas) ** (1.0 / power), dtype=np.float64)
