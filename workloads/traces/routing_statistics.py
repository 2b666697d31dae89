"""What a routing trace means for caches of experts: reuse and hit rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workloads.traces.routing import RoutingTrace

POLICIES: Final = ("lru", "lfu", "mrs")
"""Evicted is the least recently used expert, the least often used, or the one with the least
smoothed router score (HybriMoE, arXiv:2504.05897, section IV: only the 2 K best scores of a token
enter)."""


def mean_overlap(trace: RoutingTrace, layer: int) -> float:
    """Return the mean share of a token's experts that the token before has chosen too."""
    return float(_shared(trace, layer).mean()) / int(trace.choices.shape[2])


def any_overlap(trace: RoutingTrace, layer: int) -> float:
    """Return how often a token shares at least one expert with the token before."""
    return float((_shared(trace, layer) > 0).mean())


def coverage(trace: RoutingTrace, layer: int, *, tokens: int, experts: int) -> float:
    """Return the mean share of a layer's experts that batches of neighbouring tokens visit.

    Raises
    ------
    ConfigError
        The trace is shorter than one batch.
    """
    batches = len(trace.choices) // tokens
    if batches < 1:
        raise ConfigError(
            "a batch is longer than the trace", given=tokens, allowed=str(len(trace.choices))
        )
    chosen = trace.choices[: batches * tokens, layer].reshape(batches, -1)
    return float(np.mean([len(np.unique(batch)) for batch in chosen])) / experts


def popularity_spread(trace: RoutingTrace, layer: int, *, experts: int) -> float:
    """Return the standard deviation of the logarithm of how often each expert is chosen."""
    counts = np.bincount(trace.choices[:, layer].reshape(-1), minlength=experts)
    return float(np.log(np.maximum(counts, 1)).std())


def _shared(trace: RoutingTrace, layer: int) -> NDArray[np.int64]:
    chosen = trace.choices[:, layer]
    same = chosen[1:, :, None] == chosen[:-1, None, :]
    return np.asarray(same.any(axis=2).sum(axis=1), dtype=np.int64)


def hit_rate(
    trace: RoutingTrace,
    layer: int,
    *,
    experts: int,
    slots: int,
    policy: str = "lru",
    smoothing: float = 0.3,
) -> float:
    """Return the share of choices found in a cache of some of a layer's experts.

    All experts of a token are looked up before any is evicted. The cache begins with the first
    experts.

    Parameters
    ----------
    trace, layer
        The choices.
    experts, slots
        Experts of the layer, and how many the cache holds (at least K).
    policy
        One of :data:`POLICIES`.
    smoothing
        Weight of the newest scores (mrs).

    Raises
    ------
    ConfigError
        Unknown policy, a cache that does not hold one token's experts, mrs without scores.
    """
    active = trace.choices.shape[2]
    if policy not in POLICIES:
        raise ConfigError(
            "unknown policy", given=policy, allowed=POLICIES, hint=nearest(policy, POLICIES)
        )
    if not active <= slots <= experts:
        raise ConfigError("slots out of range", given=slots, allowed=f"{active} to {experts}")
    if policy == "mrs" and trace.scores is None:
        raise ConfigError("policy mrs needs a trace with router scores", given=policy)
    rank = np.zeros(experts)
    cached = np.zeros(experts, dtype=bool)
    cached[:slots] = True
    hits = 0
    for token, chosen in enumerate(trace.choices[:, layer]):
        hits += int(cached[chosen].sum())
        if policy == "lru":
            rank[chosen] = token + 1
        elif policy == "lfu":
            rank[chosen] += 1
        elif trace.scores is not None:
            now = trace.scores[token, layer]
            best = np.argsort(-now)[: 2 * active]
            rank *= 1.0 - smoothing
            rank[best] += smoothing * now[best]
        cached[chosen] = True
        held = np.flatnonzero(cached)
        # The token's own experts may go at once, if their rank is least.
        cached[held[np.argsort(rank[held], kind="stable")[: len(held) - slots]]] = False
    return hits / int(len(trace.choices) * active)
