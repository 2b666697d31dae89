"""What a token does beside streaming weights: vector work and single transfers of the memory.

Norms, rotary positions, gating and residuals run on the vector unit, one phase after another.
Their gains and constants come from the memory meanwhile; new keys and values and the logits go
there behind what makes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from archsim.edgecim.build import Build
from archsim.edgecim.model_shape import ModelShape
from archsim.fragments import cut
from archsim.units import transfer_ps
from workloads import Cascade, Einsum, build_workload

SUPPORTED_BITS = (4, 8)
"""Bits of weights and cache that a job may have."""


@dataclass(frozen=True, slots=True)
class Beside:
    """One phase beside streams, or beside one.

    Attributes
    ----------
    layer
        Layer tag of the phase.
    repeat
        How often a token runs it.
    operations
        Vector operations of each einsum: (action, count, number format).
    read_bytes, write_bytes
        Bytes that the memory reads meanwhile, and writes behind it.
    is_head
        Whether it belongs to the language-model head's product.
    """

    layer: str
    repeat: int
    operations: tuple[tuple[tuple[str, int, str], ...], ...]
    read_bytes: int
    write_bytes: int
    is_head: bool


@lru_cache(maxsize=64)
def work_beside(
    shape: ModelShape, weight_bits: int, cache_bits: int, stays_bytes: int
) -> tuple[Beside, ...]:
    """Return all phases of a token that are not streams, the head's among them.

    Parameters
    ----------
    shape
        Model.
    weight_bits, cache_bits
        Bits of weights and cache.
    stays_bytes
        Largest tensor of activations that stays on the chip.
    """
    precision = f"weights=int{weight_bits},kv=int{cache_bits}"
    workload = build_workload(shape.model, phase="decode", context=1, precision=precision)
    found = []
    for stage in workload.stages:
        for fragment in cut(stage.cascade, siblings=True):
            item = _beside(fragment.cascade, stage.repeat, stays_bytes)
            if item.operations or item.read_bytes or item.write_bytes:
                found.append(item)
    return tuple(found)


def beside_ps(build: Build, item: Beside, dram_bytes_per_s: float) -> int:
    """Return the time of one such phase, ps."""
    unit = build.chip.vector.unit
    rates = build.chip.vector_cycles
    cycles = sum(
        -(-count // unit.lanes) * rates[action]
        for operations in item.operations
        for action, count, _ in operations
    )
    access = build.latency_ps
    read = transfer_ps(item.read_bytes, dram_bytes_per_s) + access if item.read_bytes else 0
    write = transfer_ps(item.write_bytes, dram_bytes_per_s) + access if item.write_bytes else 0
    vector = cycles * build.chip.period_ps
    return max(vector, read) + write


def _beside(cascade: Cascade, repeat: int, stays_bytes: int) -> Beside:
    first = cascade.einsums[0]
    is_vector = first.op_class not in ("attention", "softmax") and first.matmul() is None
    operations = []
    for einsum in cascade.einsums if is_vector else ():
        number = cascade.tensor(einsum.output.tensor).format.name.partition(":")[0]
        counts = einsum.op_counts()
        if counts:
            operations.append(tuple((action, count, number) for action, count in counts.items()))
    written = sum(_written_bytes(cascade, einsum, stays_bytes) for einsum in cascade.einsums)
    return Beside(
        first.layer,
        repeat,
        tuple(operations),
        _read_bytes(cascade),
        written,
        first.op_class == "head",
    )


def _written_bytes(cascade: Cascade, einsum: Einsum, stays_bytes: int) -> int:
    out = cascade.tensor(einsum.output.tensor)
    leaves = out.role == "output" and out.num_bytes(cascade) > stays_bytes
    return out.format.bytes(_made(einsum)) if leaves or out.role == "kv" else 0


def _read_bytes(cascade: Cascade) -> int:
    streamed = {dims.rhs for item in cascade.einsums if (dims := item.matmul()) is not None}
    found: dict[str, int] = {}
    for einsum in cascade.einsums:
        for name in einsum.reads():
            tensor = cascade.tensor(name)
            if name in streamed or tensor.role not in ("weight", "constant"):
                continue
            gathered = einsum.op_class == "embedding"
            elements = _made(einsum) if gathered else tensor.num_elements(cascade)
            found[name] = tensor.format.bytes(elements)
    return sum(found.values())


def _made(einsum: Einsum) -> int:
    extents = einsum.extents
    return prod(extents[name] for item in einsum.output.indices for name, _ in item.terms)
