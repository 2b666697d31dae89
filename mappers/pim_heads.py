"""Phases of attention in memory: what a group of equal requests costs, and many groups together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

from archsim.components.base import base_format
from archsim.components.pim_cost import PimCost
from archsim.mapping import Infeasible
from mappers.attention_problem import AttentionProblem
from mappers.pim_lengths import extent, weighted_lengths
from mappers.pim_mapping import PimMapping, joined, operator_use, unit_phases
from mappers.pim_traffic import around, cache_write

if TYPE_CHECKING:
    from archsim.mapping import Json, MapContext, OperatorUse
    from mappers.closed_form import Phase
    from mappers.pim_machine import PimMachine
    from mappers.work import CountKey
    from workloads import Cascade


@dataclass(frozen=True, slots=True)
class Group:
    """Equal requests of a batch.

    Attributes
    ----------
    cascade, problem
        Their attention.
    requests, kv_heads
        Requests, and key-value heads of one.
    number, element_bytes
        Format of keys and values.
    lengths
        Keys, and how many query positions see so many.
    uses, passes
        Queries that use a key for each of those positions, and how often it is read for them.
    """

    cascade: Cascade
    problem: AttentionProblem
    requests: int
    kv_heads: int
    number: str
    element_bytes: int
    lengths: tuple[tuple[int, int], ...]
    uses: int
    passes: int

    @property
    def heads(self) -> int:
        """Query heads of a request, or queries that see the same keys."""
        return self.kv_heads * self.uses

    @property
    def is_step(self) -> bool:
        """Whether every query sees the same keys, as in decoding."""
        return len(self.lengths) == 1 and self.lengths[0][1] == 1


def group_of(pim: PimMachine, cascade: Cascade, problem: AttentionProblem) -> Group | Infeasible:
    """Return the requests of a fragment, or that lanes cannot take its elements."""
    number = problem.key.format.name
    size = pim.units.element_bytes(number)
    if isinstance(size, Infeasible):
        return size
    need, have = problem.value.format.bits, problem.key.format.bits
    if need != have:
        return Infeasible("lanes", need, have, "bit", "keys and values in one format")
    requests = gcd(problem.groups, extent(cascade, problem.scores, "b"))
    lengths = weighted_lengths(problem)
    uses = problem.heads * problem.queries // sum(times for _, times in lengths)
    passes = -(-uses // pim.units.vectors)
    return Group(
        cascade,
        problem,
        requests,
        problem.groups // requests,
        base_format(number),
        size,
        tuple(lengths),
        uses,
        passes,
    )


def one_group(
    mapper_id: str, pim: PimMachine, group: Group, context: MapContext
) -> PimMapping | Infeasible:
    """Map equal requests into memory."""
    problem = group.problem
    parts: list[tuple[PimCost, int]] = []
    for tokens, times in group.lengths:
        cost = pim.units.attention(
            tokens,
            problem.depth,
            group.heads,
            group.kv_heads,
            group.requests,
            group.element_bytes,
            context.cache,
        )
        if isinstance(cost, Infeasible):
            return cost
        parts.append((cost, times))
    whole = PimCost.total(parts)
    phases: list[Phase] = list(joined([write_phase(pim, group, context)]))
    phases += unit_phases(pim, "attention", whole, 1, _amounts(pim, [group], whole))
    phases += around(pim, group.cascade, problem, context)
    operation: dict[str, Json] = {
        "tokens": problem.keys,
        "head_size": problem.depth,
        "heads": group.heads,
        "kv_heads": group.kv_heads,
        "requests": group.requests,
        "element_bytes": group.element_bytes,
        "time_ps": parts[-1][0].time_ps,
    }
    notes = [*_turns(pim, group), *said(group, whole)]
    return PimMapping(
        mapper_id,
        group.cascade.name,
        problem.tags.get("layer", "attention"),
        tuple(phases),
        inside(group),
        tuple(notes),
        {"operation": operation},
        operators=(_use(pim, [group], phases, whole.useful_bytes),),
    )


def many_groups(
    mapper_id: str, pim: PimMachine, groups: Sequence[Group], context: MapContext
) -> PimMapping | Infeasible:
    """Map decode steps of requests of different lengths into memory: their heads share channels."""
    first = groups[0]
    shape = {
        "head_size": first.problem.depth,
        "heads": first.heads,
        "kv_heads": first.kv_heads,
        "element_bytes": first.element_bytes,
    }
    parts = [(group.lengths[0][0], group.requests) for group in groups]
    found = pim.units.batch(parts, shape, context.cache)
    if isinstance(found, Infeasible):
        return found
    writes = [write_phase(pim, group, context) for group in groups]
    phases: list[Phase] = list(joined(writes))
    amounts = _amounts(pim, groups, found.cost)
    phases += unit_phases(pim, "attention", found.cost, 1, amounts)
    for group in groups:
        phases += around(pim, group.cascade, group.problem, context)
    requests = sum(group.requests for group in groups)
    notes = [
        f"{requests} requests of {len(groups)} lengths: heads are dealt {pim.units.units.deal} to "
        f"channels, which are busy {found.balance:.0%} of the time of the longest",
        *said(first, found.cost),
    ]
    lengths: list[Json] = [f"{number} x {tokens}" for tokens, number in parts]
    return PimMapping(
        mapper_id,
        first.cascade.name,
        first.problem.tags.get("layer", "attention"),
        tuple(phases),
        tuple(name for group in groups for name in inside(group)),
        tuple(notes),
        {"lengths": lengths, "time_ps": found.cost.time_ps, "balance": found.balance},
        operators=(_use(pim, groups, phases, found.cost.useful_bytes),),
    )


def inside(group: Group) -> tuple[str, ...]:
    """Return the einsums whose results never leave the stacks."""
    result = group.problem.result.name
    return tuple(e.name for e in group.cascade.einsums if e.output.tensor != result)


def _use(
    pim: PimMachine, groups: Sequence[Group], phases: Sequence[Phase], num_bytes: int
) -> OperatorUse:
    macs = sum(
        group.cascade.einsum(name).macs()
        for group in groups
        for name in (group.problem.scores, group.problem.context)
    )
    return operator_use(pim, "attention", groups[0].number, phases, (macs, num_bytes))


def _amounts(
    pim: PimMachine, groups: Sequence[Group], cost: PimCost
) -> Mapping[str, Mapping[CountKey, int]]:
    """Return the actions of attention by einsum: MACs in proportion to those of the model."""
    first = groups[0]
    served = first.uses / first.passes
    counts = pim.units.counts(cost, first.number, first.element_bytes, served)
    mac = next(key for key in counts if key[1] == "mac")
    executed = counts.pop(mac)
    names = [name for g in groups for name in (g.problem.scores, g.problem.context)]
    macs = [
        group.cascade.einsum(name).macs()
        for group in groups
        for name in (group.problem.scores, group.problem.context)
    ]
    found: dict[str, dict[CountKey, int]] = {names[0]: dict(counts)}
    left, rest = executed, sum(macs)
    for name, share in zip(names, macs, strict=True):
        part = left * share // max(1, rest)
        left, rest = left - part, rest - share
        found.setdefault(name, {})[mac] = part
    return found


def write_phase(pim: PimMachine, group: Group, context: MapContext) -> Phase | None:
    """Return the writing of new keys and values: of one token by its commands, of more by bytes."""
    problem = group.problem
    rows_ps = 0
    if extent(group.cascade, problem.scores, "p") == 1 and problem.keys > 1:
        shape = {
            "tokens": problem.keys - 1,
            "head_size": problem.depth,
            "kv_heads": group.kv_heads,
            "requests": group.requests,
            "element_bytes": group.element_bytes,
        }
        found = pim.units.cache_write(shape, context.cache)
        if not isinstance(found, Infeasible):
            rows_ps = pim.units.scaled_ps(found.time_ps)
    return cache_write(pim, group.cascade, problem, rows_ps)


def _turns(pim: PimMachine, group: Group) -> list[str]:
    """Return how the heads of equal requests fill the channels."""
    channels = pim.units.device.channels * pim.units.device.stacks
    heads = group.kv_heads * group.passes * group.requests
    whole = -(-heads // channels)
    if heads % channels == 0 or not pim.units.deals_heads:
        return []
    return [
        f"heads take {whole} {'turn' if whole == 1 else 'turns'} of {channels} channels, the "
        f"last in part: {heads / channels / whole:.0%} of channel time is used"
    ]


def said(group: Group, cost: PimCost) -> list[str]:
    """Return what the report says about heads that share keys, prompts and lines."""
    found = []
    if group.passes < group.uses:
        found.append(f"keys and values are read once for {group.uses // group.passes} query heads")
    elif group.uses > 1:
        found.append("keys and values are read again for each query head: units keep one vector")
    if len(group.lengths) > 1:
        found.append(
            "a prompt is taken position by position, its lengths sampled and summed in between"
        )
    if cost.is_line:
        found.append("operations of very many commands are continued as a line from shorter ones")
    return found
