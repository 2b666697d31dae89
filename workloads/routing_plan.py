"""How many tokens each expert gets: the plan from which the expert einsums are built.

Experts are numbered by load, the busiest first; which expert that is does not change any count.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TypeAlias

from archsim.errors import WorkloadError, nearest
from workloads.model_parts import MoeConfig

Routing: TypeAlias = str | tuple[int, ...]
"""``uniform``, ``balanced``, or the number of tokens of every expert."""

ROUTINGS = ("uniform", "balanced")
"""``uniform``: as many experts are visited as independent, uniform choices visit on average;
``balanced``: as many as possible. In both the visited experts share the tokens evenly."""


def expected_experts(experts: int, active: int, tokens: int) -> float:
    """Return the mean number of distinct experts that independent, uniform choices visit.

    X · (1 - (1 - K/X)^T): every token leaves out an expert with probability 1 - K/X.
    """
    return float(experts * (1.0 - (1.0 - active / experts) ** tokens))


def expert_loads(moe: MoeConfig, tokens: int, routing: Routing) -> tuple[int, ...]:
    """Return the number of tokens of every visited expert, the busiest first, drops taken out.

    Parameters
    ----------
    moe
        The experts.
    tokens
        Tokens that are routed.
    routing
        See :data:`ROUTINGS`; or loads, which must add up to tokens · K.

    Raises
    ------
    WorkloadError
        Unknown routing; loads that are no possible routing of the tokens.
    """
    pairs = tokens * moe.active
    if isinstance(routing, str):
        if routing not in ROUTINGS:
            raise WorkloadError(
                "unknown routing",
                path="options.routing",
                given=routing,
                allowed=ROUTINGS,
                hint=nearest(routing, ROUTINGS),
            )
        visited = min(moe.experts, pairs)
        if routing == "uniform":
            mean = round(expected_experts(moe.experts, moe.active, tokens))
            visited = min(max(mean, moe.active), visited)
        least, more = divmod(pairs, visited)
        loads = [least + 1] * more + [least] * (visited - more)
    else:
        loads = _checked(moe, tokens, routing)
    limit = expert_capacity(moe, tokens)
    return tuple(min(load, limit) for load in loads)


def expert_capacity(moe: MoeConfig, tokens: int) -> int:
    """Return the tokens that one expert takes: ⌈factor · tokens · K / X⌉, or all of them."""
    if moe.capacity_factor is None:
        return tokens
    return min(tokens, max(1, -int(-moe.capacity_factor * tokens * moe.active // moe.experts)))


def _checked(moe: MoeConfig, tokens: int, loads: Sequence[int]) -> list[int]:
    if len(loads) > moe.experts:
        raise WorkloadError(
            "loads are given for more experts than there are",
            path="options.routing",
            given=len(loads),
            allowed=f"at most {moe.experts}",
        )
    wrong = [load for load in loads if not 0 <= load <= tokens]
    if wrong:
        raise WorkloadError(
            "an expert gets each token at most once",
            path="options.routing",
            given=wrong[0],
            allowed=f"0 to {tokens}",
        )
    if sum(loads) != tokens * moe.active:
        raise WorkloadError(
            f"loads must add up to the {tokens} tokens times the {moe.active} active experts",
            path="options.routing",
            given=sum(loads),
            allowed=str(tokens * moe.active),
        )
    return sorted((load for load in loads if load), reverse=True)


def load_groups(loads: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Return ``(first expert, experts, load, first slot)`` for every group of equally busy ones."""
    groups = []
    first = slot = 0
    for load, members in groupby(loads):
        number = len(list(members))
        groups.append((first, number, load, slot))
        first, slot = first + number, slot + number * load
    return groups
