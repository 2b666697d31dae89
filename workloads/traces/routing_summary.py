"""A routing trace in numbers, layer by layer: reuse, cache hit rates, spread, coverage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from archsim.errors import ConfigError
from workloads.traces.routing_statistics import (
    POLICIES,
    any_overlap,
    coverage,
    hit_rates,
    mean_overlap,
    popularity_spread,
)

if TYPE_CHECKING:
    from workloads.traces.routing import RoutingTrace

BATCHES: Final = (4, 16, 64)
"""Tokens of the batches whose coverage is told."""


def summarise_routing(trace: RoutingTrace, *, experts: int = 0, slots: int = 0) -> dict[str, Any]:
    """Return statistics of every layer, JSON-able.

    Parameters
    ----------
    trace
        The choices.
    experts
        Experts of a layer; 0: as many as the scores have, or the greatest id and one.
    slots
        Experts that a cache holds; 0: a quarter of them, but at least one token's.

    Raises
    ------
    ConfigError
        Fewer than two tokens, ids beyond the experts, slots out of range.
    """
    tokens, layers, active = trace.choices.shape
    most = int(trace.choices.max()) + 1
    known = most if trace.scores is None else trace.scores.shape[2]
    experts = experts or known
    if tokens < 2:
        raise ConfigError("a trace of one token has no neighbours", path="routing", given=tokens)
    if experts < known:
        raise ConfigError(
            "the trace has more experts", path="routing.experts", given=experts, allowed=str(known)
        )
    slots = slots or max(experts // 4, active)
    policies = [name for name in POLICIES if name != "mrs" or trace.scores is not None]
    rates = {name: hit_rates(trace, experts=experts, slots=slots, policy=name) for name in policies}
    rows = [
        {
            "layer": layer,
            "overlap": mean_overlap(trace, layer),
            "any": any_overlap(trace, layer),
            "hit_rates": {name: float(values[layer]) for name, values in rates.items()},
            "spread": popularity_spread(trace, layer, experts=experts),
            "coverage": {
                str(number): coverage(trace, layer, tokens=number, experts=experts)
                for number in BATCHES
                if number <= tokens
            },
        }
        for layer in range(layers)
    ]
    return {
        "tokens": tokens,
        "layers": layers,
        "active": active,
        "experts": experts,
        "slots": slots,
        "by_layer": rows,
    }
