"""Synthetic expert routing: popularity, slow context and fresh noise per token.

Per layer, expert e scores z(t) = a + √(1-w) h(t) + √w n(t) at token t: a ~ N(0, σ²) is its
long-run popularity, h a first-order autoregressive process with factor φ and variance 1 that
neighbouring tokens share, n ~ N(0, 1) fresh for every token. The K best are chosen. With coupling c
a layer mixes in the permuted scores of the layer before: c z'[P] + √(1-c²) z.

Calibrations are fitted to published cache hit rates and the overlap of neighbouring tokens:

==================== ==== ==== ==== ============================================================
id                   σ    φ    w    what it is fitted to
==================== ==== ==== ==== ============================================================
``mixtral``          0.1  0.95 0.84 HybriMoE, arXiv:2504.05897 (LRU .302, MRS .362 with 25 % of
                                    the experts); Jiang et al., arXiv:2401.04088, table 5
``deepseek-v2-lite`` 0.3  0.98 0.75 HybriMoE (LRU .477, MRS .527 with 25 %)
``qwen3-30b-a3b``    0.8  0.98 0.75 Layered Prefill, table 1: 16 tokens of unlike requests visit
                                    less than half of the experts, 64 less than 70 %; σ alone
==================== ==== ==== ==== ============================================================

σ of Mixtral: 0.2 with the same φ and w has been suggested too, from traces of one layer drawn with
the seeds 0 and 1. Their eight popularities happen to lie close together (0.56 σ and 0.70 σ). Over
many layers 0.2 lies 1.7 points above the published LRU, makes LFU better than LRU, and spreads the
counts of the experts by 0.22 (standard deviation of their logarithm); 0.1 lies 1.1 points above,
keeps LFU below LRU, and spreads the counts by 0.12; those published with OLMoE (allenai/OLMoE,
scripts/routing_output, three domains, three layers) spread by 0.14.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RoutingProfile:
    """Parameters of the generator.

    Attributes
    ----------
    experts, active
        X and K.
    popularity
        σ, spread of the long-run popularity.
    memory
        φ, factor of the slow component from one token to the next.
    noise
        w, share of fresh noise; 1: no reuse.
    topic
        Spread of a popularity drawn once for every request (or topic), added to the long-run one.
    request_tokens
        Tokens of one request; the slow component and the topic are drawn anew for each.
    topics
        Number of topics that requests choose from; 0: every request has its own.
    coupling
        c, weight of the scores of the layer before.
    by_depth
        Whether the first layer has no reuse, the middle third has noise w, and the layers between
        lie half-way between that and 1.
    """

    experts: int
    active: int
    popularity: float
    memory: float
    noise: float
    topic: float = 0.0
    request_tokens: int = 2**31
    topics: int = 0
    coupling: float = 0.0
    by_depth: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.active <= self.experts:
            raise ConfigError(
                "a token cannot be routed to more experts than there are",
                path="routing.active",
                given=self.active,
                allowed=f"1 to {self.experts}",
            )
        for name in ("memory", "noise", "coupling"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(
                    "must be from 0 to 1", path=f"routing.{name}", given=value, allowed="0 to 1"
                )
        for name in ("popularity", "topic"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ConfigError("must be 0 or more", path=f"routing.{name}", given=value)
        if self.request_tokens < 1 or self.topics < 0:
            raise ConfigError("request_tokens must be at least 1, topics at least 0")

    def layer_noise(self, layer: int, layers: int) -> float:
        """Return w of a layer."""
        if not self.by_depth:
            return self.noise
        if layer == 0:
            return 1.0
        middle = layers // 3 <= layer < layers - layers // 3
        return self.noise if middle else (1.0 + self.noise) / 2


CALIBRATIONS: Final = {
    "mixtral": RoutingProfile(8, 2, popularity=0.1, memory=0.95, noise=0.84),
    "deepseek-v2-lite": RoutingProfile(64, 6, popularity=0.3, memory=0.98, noise=0.75),
    "qwen3-30b-a3b": RoutingProfile(128, 8, popularity=0.8, memory=0.98, noise=0.75),
}
"""Calibrated profiles."""


def calibrated(name: str) -> RoutingProfile:
    """Return a calibrated profile; ConfigError if there is none of that name."""
    if name not in CALIBRATIONS:
        raise ConfigError(
            "unknown calibration",
            path="routing",
            given=name,
            allowed=CALIBRATIONS,
            hint=nearest(name, CALIBRATIONS),
        )
    return CALIBRATIONS[name]


@dataclass(frozen=True, slots=True)
class RoutingTrace:
    """Choices of every token in every layer.

    Attributes
    ----------
    choices
        Expert ids, best first (tokens, layers, K).
    scores
        Router scores that sum to 1 (tokens, layers, X), or None where they are unknown.
    """

    choices: NDArray[np.int64]
    scores: NDArray[np.float64] | None = None

    def loads(self, layer: int, first: int, stop: int, experts: int) -> tuple[int, ...]:
        """Return how many of some tokens choose each expert: a routing for a workload."""
        chosen = self.choices[first:stop, layer].reshape(-1)
        return tuple(int(count) for count in np.bincount(chosen, minlength=experts))


def generate_routing(
    profile: RoutingProfile, *, tokens: int, layers: int = 1, seed: int = 0
) -> RoutingTrace:
    """Return a synthetic trace.

    All of a seed's normal numbers but topics and orders come from one stream: popularities, the
    slow component before the first token, then for every token its change and its noise.

    Parameters
    ----------
    profile
        Parameters.
    tokens, layers
        Length and depth.
    seed
        Equal seeds give equal traces; a longer trace begins with the shorter one.
    """
    if tokens < 1 or layers < 1:
        raise ConfigError("a trace has at least one token and one layer", path="routing.tokens")
    shape = (layers, profile.experts)
    rng = np.random.default_rng(seed)
    popularity = profile.popularity * rng.standard_normal(shape)
    slow, topic = rng.standard_normal(shape), np.zeros(shape)
    order = layer_orders(profile, layers=layers, seed=seed)
    noise = np.array([profile.layer_noise(layer, layers) for layer in range(layers)])[:, None]
    scores = np.empty((tokens, *shape))
    kept, fresh = profile.memory, math.sqrt(1.0 - profile.memory**2)
    for token in range(tokens):
        request, within = divmod(token, profile.request_tokens)
        draws = rng.standard_normal((2, *shape))
        if within == 0:
            topic = profile.topic * _topic(profile, shape, request, seed)
        slow = draws[0] if token and within == 0 else kept * slow + fresh * draws[0]
        now = popularity + topic + np.sqrt(1.0 - noise) * slow + np.sqrt(noise) * draws[1]
        for layer in range(1, layers if profile.coupling else 0):
            before = now[layer - 1][order[layer]]
            own = math.sqrt(1.0 - profile.coupling**2) * now[layer]
            now[layer] = profile.coupling * before + own
        scores[token] = now
    choices = np.argsort(-scores, axis=-1, kind="stable")[..., : profile.active]
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return RoutingTrace(choices.astype(np.int64), weights / weights.sum(axis=-1, keepdims=True))


def layer_orders(profile: RoutingProfile, *, layers: int = 1, seed: int = 0) -> NDArray[np.int64]:
    """Return the expert of the layer before that each expert takes after (layers, X)."""
    base = np.random.default_rng([seed, 0])
    order = [base.permutation(profile.experts) for _ in range(layers)]
    return np.array(order, dtype=np.int64)


def _topic(
    profile: RoutingProfile, shape: tuple[int, int], request: int, seed: int
) -> NDArray[np.float64]:
    number = request
    if profile.topics:
        number = int(np.random.default_rng([seed, 2, request]).integers(profile.topics))
    return np.random.default_rng([seed, 3, number]).standard_normal(shape)
