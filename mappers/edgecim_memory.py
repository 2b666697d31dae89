"""What of a fragment crosses the memory beside streamed weights, and what stays on the chip."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from mappers.edgecim_stream import EdgeMachine

if TYPE_CHECKING:
    from workloads import Cascade, Einsum


def kept_on_chip(cascade: Cascade, edge: EdgeMachine) -> set[str]:
    """Return the activations that stay in the global buffer."""
    return {
        tensor.name
        for tensor in cascade.role_tensors("input", "intermediate", "output")
        if tensor.num_bytes(cascade) <= edge.stays_bytes
    }


def memory_bytes(cascade: Cascade, edge: EdgeMachine, action: str) -> int:
    """Return the bytes of a phase beside streamed weights that the memory reads or writes.

    Read: vectors of gains and constants, gathered rows of a table, and activations that do not
    stay; written: new keys and values, activations that do not stay, and the logits.
    """
    kept = kept_on_chip(cascade, edge)
    total = 0
    if action == "write":
        for einsum in cascade.einsums:
            out = cascade.tensor(einsum.output.tensor)
            if out.role == "kv" or (out.role == "output" and out.name not in kept):
                total += out.format.bytes(_new_elements(einsum))
        return total
    made = set(cascade.made())
    seen: set[str] = set()
    streamed = {d.rhs for e in cascade.einsums if (d := e.matmul()) is not None}
    for einsum in cascade.einsums:
        for name in einsum.reads():
            tensor = cascade.tensor(name)
            if name in seen | made | streamed or tensor.role == "kv":
                continue
            seen.add(name)
            if einsum.op_class == "embedding" and tensor.role == "weight":
                total += tensor.format.bytes(_new_elements(einsum))
            elif tensor.role in ("weight", "constant") or name not in kept:
                total += tensor.num_bytes(cascade)
    return total


def _new_elements(einsum: Einsum) -> int:
    """Return the elements that an einsum makes."""
    extents = einsum.extents
    return prod(extents[name] for item in einsum.output.indices for name, _ in item.terms)
