"""What a routing trace means for caches of experts: reuse and hit rates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workloads.traces.routing import RoutingTrace

POLICIES: Final = ("lru", "lfu", "mrs", "belady")
"""Evicted is the least recently used expert (of one token's experts the best counts as used first),
the least often used so far, cached or not, the one with the least smoothed router score (HybriMoE,
arXiv:2504.05897, section IV: only the 2 K best scores of a token enter), or the one that is used
again last (Belady: no policy is better)."""


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

    The same as :func:`hit_rates` of that layer alone.
    """
    scores = None if trace.scores is None else trace.scores[:, layer : layer + 1]
    one = replace(trace, choices=trace.choices[:, layer : layer + 1], scores=scores)
    rates = hit_rates(one, experts=experts, slots=slots, policy=policy, smoothing=smoothing)
    return float(rates[0])


def hit_rates(
    trace: RoutingTrace,
    *,
    experts: int,
    slots: int,
    policy: str = "lru",
    smoothing: float = 0.3,
) -> NDArray[np.float64]:
    """Return, for every layer, the share of choices found in a cache of some of its experts.

    All experts of a token are looked up before any is evicted; the token's own may go at once. The
    cache begins with the first experts.

    Parameters
    ----------
    trace
        The choices.
    experts, slots
        Experts of a layer, and how many its cache holds (at least K).
    policy
        One of :data:`POLICIES`.
    smoothing
        Weight of the newest scores (mrs).

    Raises
    ------
    ConfigError
        Unknown policy, a cache that does not hold one token's experts, mrs without scores.
    """
    tokens, layers, active = trace.choices.shape
    if policy not in POLICIES:
        raise ConfigError(
            "unknown policy", given=policy, allowed=POLICIES, hint=nearest(policy, POLICIES)
        )
    if not active <= slots <= experts:
        raise ConfigError("slots out of range", given=slots, allowed=f"{active} to {experts}")
    if policy == "mrs" and trace.scores is None:
        raise ConfigError("policy mrs needs a trace with router scores", given=policy)
    each = np.arange(layers)[:, None]
    uses = _next_uses(trace.choices, experts) if policy == "belady" else None
    rank = np.zeros((layers, experts))
    cached = np.zeros((layers, experts), dtype=bool)
    cached[:, :slots] = True
    hits = np.zeros(layers, dtype=np.int64)
    for token, chosen in enumerate(trace.choices):
        hits += cached[each, chosen].sum(axis=1)
        if uses is not None:
            rank = -uses[token]
        elif policy == "lru":
            rank[each, chosen] = token * active + np.arange(1, active + 1)
        elif policy == "lfu":
            rank[each, chosen] += 1
        elif trace.scores is not None:
            now = trace.scores[token]
            best = np.argpartition(-now, 2 * active - 1, axis=1)[:, : 2 * active]
            rank *= 1.0 - smoothing
            rank[each, best] += smoothing * now[each, best]
        cached[each, chosen] = True
        order = np.argsort(np.where(cached, rank, -np.inf), axis=1, kind="stable")
        cached[each, order[:, : experts - slots]] = False
    rates: NDArray[np.float64] = hits / (tokens * active)
    return rates


def _next_uses(choices: NDArray[np.int64], experts: int) -> NDArray[np.float64]:
    """Return when each expert is used next after each token (tokens, layers, X)."""
    tokens, layers, _ = choices.shape
    uses = np.full((tokens, layers, experts), np.inf)
    each = np.arange(layers)[:, None]
    for token in range(tokens - 1, 0, -1):
        uses[token - 1] = uses[token]
        uses[token - 1, each, choices[token]] = token
    return uses
