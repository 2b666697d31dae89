"""From operations to request streams: which mapping a device has, and what it cannot take."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from archsim.mapping import Infeasible
from archsim.pim import aim, attacc, hbm_pim
from archsim.pim.kv_write import kv_write
from archsim.pim.segments import StreamWriter
from archsim.pim.shapes import Attention, Gemv, KvWrite

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.segments import Segment, Stream
    from archsim.pim.shapes import Operation

TWO_BYTES: Final = 2


def _up(value: int, by: int) -> int:
    return -(-value // by)


def obstacle(device: PimDevice, operation: Operation) -> Infeasible | None:
    """Return why an operation cannot run on a device, or None."""
    have = device.stack_bytes * device.stacks
    what = "the matrix does" if isinstance(operation, Gemv) else "keys and values do"
    if operation.stored_bytes > have:
        return Infeasible("capacity", operation.stored_bytes, have, "B", f"{what} not fit")
    width, element = device.unit.lanes_bytes, operation.element_bytes
    if element > width or width % element:
        return Infeasible("lanes", element, width, "B", "element and lanes differ")
    if device.config.mapping != "attacc" and element != TWO_BYTES:
        detail = "lanes of the units are for elements of two bytes"
        return Infeasible("lanes", element, TWO_BYTES, "B", detail)
    if isinstance(operation, Attention) and device.config.mapping != "hbm-pim":
        split = device.split_inner if device.config.mapping == "attacc" else 1
        slice_bytes = _up(operation.head_size, split) * element
        if slice_bytes > device.unit.vector_bytes:
            return Infeasible(
                "vector buffer",
                slice_bytes,
                device.unit.vector_bytes,
                "B",
                f"a unit's part of a query of {operation.head_size} elements",
            )
    return None


def queries_at_once(device: PimDevice, operation: Operation) -> int:
    """Return how many vectors a column serves in an operation."""
    if isinstance(operation, Gemv):
        return min(operation.batch, device.unit.vectors)
    if isinstance(operation, Attention):
        return min(operation.share, device.unit.vectors)
    return 1


def segments_of(device: PimDevice, operation: Operation) -> list[Segment]:
    """Return the requests of an operation on the stack that has most of it."""
    if isinstance(operation, KvWrite):
        return kv_write(device, operation)
    mapping = device.config.mapping
    if isinstance(operation, Gemv):
        rows = _up(operation.rows, device.stacks)
        inner, element, batch = operation.inner, operation.element_bytes, operation.batch
        if mapping == "hbm-pim":
            return hbm_pim.gemv(device, rows, inner, batch)
        if mapping == "aim":
            return aim.gemv(
                *(device, rows, inner, device.channels), element_bytes=element, batch=batch
            )
        return attacc.gemv(device, rows, inner, element, batch)
    return _attention(device, operation)


def _attention(device: PimDevice, operation: Attention) -> list[Segment]:
    mapping = device.config.mapping
    shape = operation.tokens, operation.head_size
    if mapping == "aim":
        requests = _up(operation.requests, device.stacks)
        heads = operation.heads, operation.kv_heads
        return aim.attention(device, *shape, *heads, device.channels) * requests
    vectors = queries_at_once(device, operation)
    turns = operation.kv_heads * _up(operation.share, vectors)
    heads_here = _up(turns * operation.requests, device.stacks)
    if mapping == "hbm-pim":
        return hbm_pim.attention(device, *shape, heads_here)
    return attacc.attention(
        *(device, *shape, heads_here, operation.element_bytes, max(4096, operation.tokens)),
        vectors=vectors,
    )


@lru_cache(maxsize=64)
def _writer(device: PimDevice, by_bank: bool) -> StreamWriter:
    return StreamWriter(device, by_bank=by_bank)


def stream_of(device: PimDevice, operation: Operation) -> Stream:
    """Return the request stream of an operation."""
    writer = _writer(device, isinstance(operation, KvWrite))
    return writer.write(segments_of(device, operation))
