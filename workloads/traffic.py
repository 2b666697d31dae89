"""Compulsory traffic of a cascade: the bytes that any schedule must move."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from workloads.access import Access
    from workloads.cascade import Cascade
    from workloads.einsum import Einsum

Box: TypeAlias = tuple[tuple[int, int], ...]
"""Least and greatest coordinate of each rank."""


def touched_box(cascade: Cascade, tensor: str, *, written: bool) -> Box | None:
    """Return the smallest box that holds all elements read or written, or None if there are none.

    Parameters
    ----------
    cascade, tensor
        Where, and which tensor.
    written
        Elements written instead of elements read.
    """
    box: Box | None = None
    for einsum in cascade.einsums:
        accesses = [einsum.output] if written else list(einsum.operands)
        accesses += [gather for access in accesses for gather in access.gathers()]
        for access in accesses:
            if access.tensor == tensor:
                other = _access_box(cascade, einsum, access)
                box = other if box is None else _hull(box, other)
    return box


def _access_box(cascade: Cascade, einsum: Einsum, access: Access) -> Box:
    extents = einsum.extents
    spans: list[tuple[int, int]] = []
    for index, extent in zip(
        access.indices, cascade.tensor(access.tensor).shape(cascade), strict=True
    ):
        if index.gather is not None:
            gathers = prod(extents[variable] for variable in set(index.gather.variables()))
            spans.append((0, min(gathers, extent) - 1))
            continue
        low, high = index.span(extents)
        if index.bound is not None:
            high = min(high, index.bound.span(extents)[1])
        spans.append((low, high))
    return tuple(spans)


def _hull(first: Box, second: Box) -> Box:
    return tuple((min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(first, second, strict=True))


def _size(box: Box) -> int:
    return prod(max(high - low + 1, 0) for low, high in box)


def read_before_written(cascade: Cascade, tensor: str) -> int:
    """Return how many elements of a tensor are read that the cascade does not itself make."""
    read = touched_box(cascade, tensor, written=False)
    if read is None:
        return 0
    made = touched_box(cascade, tensor, written=True)
    if made is None:
        return _size(read)
    overlap = tuple((max(a[0], b[0]), min(a[1], b[1])) for a, b in zip(read, made, strict=True))
    return _size(read) - _size(overlap)


def compulsory_traffic(cascade: Cascade) -> dict[tuple[str, str], int]:
    """Return ``{(role, "read" | "write"): bytes}``; see :meth:`Cascade.compulsory_traffic`."""
    totals: dict[tuple[str, str], int] = {}
    for tensor in cascade.tensors:
        moved = {"read": 0, "write": 0}
        if tensor.role in ("input", "weight", "constant", "kv"):
            moved["read"] = read_before_written(cascade, tensor.name)
        if tensor.role in ("output", "kv"):
            made = touched_box(cascade, tensor.name, written=True)
            moved["write"] = 0 if made is None else _size(made)
        for direction, num_elements in moved.items():
            if num_elements:
                key = (tensor.role, direction)
                totals[key] = totals.get(key, 0) + tensor.format.bytes(num_elements)
    return totals
