"""Decode attention of requests of different lengths: heads to channels, the slowest channel counts.

Small batches are simulated channel by channel, as ``archsim pim batch`` does. In larger ones a head
takes half of what a channel's two interleaved heads take alone, refreshes included.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from archsim.components.pim_cost import BUDGET, PimCost, items_of
from archsim.mapping import Infeasible

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.operations import Attention

Deal = Literal["longest-first", "round-robin"]
"""How heads get to channels: each to the least loaded, or in turn."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch costs.

    Attributes
    ----------
    cost
        The batch as one operation.
    balance
        Mean channel over the longest.
    is_exact
        Whether all channels were simulated.
    """

    cost: PimCost
    balance: float
    is_exact: bool


def dealt(costs: Sequence[tuple[float, int]], places: int, deal: Deal) -> list[float]:
    """Return what each place has to do.

    Parameters
    ----------
    costs
        Cost of an item, and how many such items there are; in the order in which they arrive.
    places
        Channels.
    deal
        How they are dealt.
    """
    loads = [0.0] * places
    if deal == "round-robin":
        turn = 0
        for cost, count in costs:
            whole, rest = divmod(count, places)
            loads = [load + whole * cost for load in loads]
            for step in range(rest):
                loads[(turn + step) % places] += cost
            turn = (turn + rest) % places
        return loads
    heap = [(0.0, place) for place in range(places)]
    for cost, count in sorted(costs, reverse=True):
        for _ in range(count):
            load, place = heap[0]
            heapq.heapreplace(heap, (load + cost, place))
    for load, place in heap:
        loads[place] = load
    return loads


def batch_cost(
    device: PimDevice,
    parts: Sequence[Attention],
    deal: Deal,
    cost_of: Callable[[Attention], PimCost | Infeasible],
) -> Batch | Infeasible:
    """Return what the attention of groups of equal requests costs together.

    Parameters
    ----------
    device
        Stacks with units that take command streams.
    parts
        One operation for each group: tokens, heads and requests of it.
    deal
        How heads are dealt to channels.
    cost_of
        What an operation costs alone.
    """
    places = device.channels * device.stacks
    pairs: list[tuple[Attention, PimCost]] = []
    for part in parts:
        vectors = min(part.share, device.unit.vectors)
        whole = {"heads": 2 * places * vectors, "kv_heads": 2 * places, "requests": 1}
        found = cost_of(replace(part, **whole))
        if isinstance(found, Infeasible):
            return found
        pairs.append((part, found))
    counts = [items_of(device, part) for part, _ in pairs]
    each = [(cost.time_ps + cost.due_ps) / 2 for _, cost in pairs]
    loads = dealt(list(zip(each, counts, strict=True)), places, deal)
    time_ps = round(max(loads))
    balance = sum(loads) / len(loads) / max(loads)
    exact = _exact(device, parts) if deal == "longest-first" else None
    if exact is not None:
        time_ps, balance = exact

    def total(name: str) -> int:
        amounts = [int(getattr(cost, name)) for _, cost in pairs]
        return sum(n * count for n, count in zip(amounts, counts, strict=True)) // (2 * places)

    alone = sum(n * count for n, count in zip(each, counts, strict=True)) / places
    scale = time_ps / alone
    stream_ps = min(time_ps, round(total("stream_ps") * scale))
    refresh_ps = min(time_ps - stream_ps, round(total("refresh_ps") * scale))
    cost = PimCost(
        time_ps=time_ps,
        stream_ps=stream_ps,
        refresh_ps=refresh_ps,
        vector_ps=0,
        due_ps=0,
        read_bytes=total("read_bytes"),
        useful_bytes=sum(part.needed_bytes(device.unit.vectors) for part in parts),
        moved_bytes=total("moved_bytes"),
        activate_pj=total("activate_pj"),
        access_pj=total("access_pj"),
        compute_pj=total("compute_pj"),
        move_pj=total("move_pj"),
        is_line=any(cost.is_line for _, cost in pairs),
    )
    return Batch(cost, balance, exact is not None)


def in_turn(
    parts: Sequence[Attention], cost_of: Callable[[Attention], PimCost | Infeasible]
) -> Batch | Infeasible:
    """Return what groups of requests cost one after another, each on all channels."""
    costs = []
    for part in parts:
        found = cost_of(part)
        if isinstance(found, Infeasible):
            return found
        costs.append((found, 1))
    return Batch(PimCost.total(costs), 1.0, True)


def _exact(device: PimDevice, parts: Sequence[Attention]) -> tuple[int, float] | None:
    """Return time and balance of all channels simulated, or None if that is too much."""
    from archsim.pim.batch import run_batch

    first = parts[0]
    if min(first.share, device.unit.vectors) > 1:
        return None
    lanes = device.split_inner * device.lanes(first.element_bytes)
    inner = 2 * -(-first.head_size // lanes)
    macs = sum(
        part.heads * part.requests * inner * -(-part.tokens // device.units_per_channel)
        for part in parts
    )
    if device.config.mapping != "attacc" or macs > BUDGET * device.channels:
        return None
    lengths = Counter({part.tokens: 0 for part in parts})
    for part in parts:
        lengths[part.tokens] += part.requests
    found = run_batch(
        device,
        list(lengths.elements()),
        first.head_size,
        first.heads,
        first.heads,
        first.element_bytes,
    )
    return None if isinstance(found, Infeasible) else (found.time_ps, found.balance)
