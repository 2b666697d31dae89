"""Live activations of a cascade while its einsums run in order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.cascade import Cascade


@dataclass(frozen=True, slots=True)
class Footprint:
    """Room that the activations of a cascade need (inputs, intermediates, outputs).

    Attributes
    ----------
    peak_bytes
        Greatest sum of live tensors.
    einsum
        The (first) einsum during which it is reached.
    live
        ``(tensor, bytes)`` at that time, the largest first.
    timeline
        ``(einsum, bytes)`` during every einsum, in order.
    """

    peak_bytes: int
    einsum: str
    live: tuple[tuple[str, int], ...]
    timeline: tuple[tuple[str, int], ...]


def find_footprint(cascade: Cascade, fused: Collection[str]) -> Footprint:
    """Return the footprint of a cascade.

    A tensor is live from the einsum that makes it (inputs: from the start) to the last that reads
    it (outputs: to the end); operands and result of an einsum are live together. Weights,
    constants and caches are not activations.

    Parameters
    ----------
    cascade
        The cascade.
    fused
        Tensors that are never held whole.
    """
    last = len(cascade.einsums) - 1
    spans: list[tuple[str, int, int, int]] = []
    for tensor in cascade.role_tensors("input", "intermediate", "output"):
        if tensor.name in fused:
            continue
        uses = [
            position
            for position, einsum in enumerate(cascade.einsums)
            if tensor.name in (einsum.output.tensor, *einsum.reads())
        ]
        first = 0 if tensor.role == "input" else min(uses, default=0)
        end = last if tensor.role == "output" else max(uses, default=0)
        spans.append((tensor.name, first, end, tensor.num_bytes(cascade)))
    timeline = tuple(
        (einsum.name, sum(size for _, first, end, size in spans if first <= position <= end))
        for position, einsum in enumerate(cascade.einsums)
    )
    if not timeline:
        return Footprint(0, "", (), ())
    peak = max(range(len(timeline)), key=lambda position: timeline[position][1])
    live = [(name, size) for name, first, end, size in spans if first <= peak <= end]
    live.sort(key=lambda item: (-item[1], item[0]))
    return Footprint(timeline[peak][1], timeline[peak][0], tuple(live), timeline)
