"""Experts: how many tokens each gets, and which of them run in memory."""

from __future__ import annotations

from functools import lru_cache
from math import lgamma
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


DRAWS: Final = 8
"""Draws whose mean time is taken."""


@lru_cache(maxsize=4096)
def _tokens(requests: int, experts: int, active: int) -> tuple[int, ...]:
    if experts == active:
        return (requests,) * experts
    share = active / experts
    count = np.arange(requests + 1)
    chosen = np.array([lgamma(k + 1) + lgamma(requests - k + 1) for k in count])
    log = lgamma(requests + 1) - chosen
    log = log + count * np.log(share) + (requests - count) * np.log1p(-share)
    below = np.cumsum(np.exp(log))
    middle = (np.arange(experts) + 0.5) / experts
    found = np.searchsorted(below, middle)
    return tuple(int(n) for n in np.minimum(found, requests))


def expert_tokens(requests: int, experts: int, active: int) -> Ints:
    """Return the tokens of each expert of a layer, ascending, under uniform choice.

    The middles of equal shares of the binomial distribution: the same batch gives the same counts.

    Parameters
    ----------
    requests
        Tokens of the batch.
    experts, active
        Experts, and those that a token visits.

    Returns
    -------
    int64[experts]
    """
    return np.array(_tokens(requests, experts, active), np.int64)


@lru_cache(maxsize=256)
def drawn_tokens(requests: int, experts: int, active: int) -> tuple[Ints, ...]:
    """Return the tokens of each expert under uniform choice, drawn a few times.

    Where experts lie whole on devices, the fullest device counts, which no mean shows. The seed is
    fixed: the same batch gives the same counts.

    Parameters
    ----------
    requests
        Tokens of the batch.
    experts, active
        Experts, and those that a token visits.

    Returns
    -------
    int64[experts], one for each of :data:`DRAWS` draws
    """
    random = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        keys = random.random((requests, experts), dtype=np.float32)
        chosen = np.argpartition(keys, active - 1, axis=1)[:, :active]
        found.append(np.bincount(chosen.ravel(), minlength=experts).astype(np.int64))
    return tuple(found)


def split(in_memory_s: Floats, on_xpu_s: Floats) -> tuple[float, int]:
    """Return the time of experts on both sides at once, and how many of them run in memory.

    Parameters
    ----------
    in_memory_s, on_xpu_s
        float64[experts]: time of each expert, in ascending order of its tokens: the first go to
        memory, the others to the processor.
    """
    memory = np.concatenate([[0.0], np.cumsum(in_memory_s)])
    processor = np.concatenate([np.cumsum(on_xpu_s[::-1])[::-1], [0.0]])
    times = np.maximum(memory, processor)
    best = int(np.argmin(times))
    return float(times[best]), best
