"""FLAT in closed form: scores, softmax and context overlapped, their traffic counted loop by loop.

Decisions are which of Q, K, QK, A, V, AV the buffer holds, which operand of each product stays in
the array, how many query rows are fused at once, and which share of what should be in the buffer
does not fit and is spilled.

References
----------
S.-C. Kao et al., "FLAT: An Optimized Dataflow for Mitigating Attention Bottlenecks", ASPLOS 2023,
as corrected and used by FuseMax, MICRO 2024 (artifact src/models/flat.py and flat_validation.csv).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

Stationarity = Literal["output", "weight", "input"]

LOOPS: dict[tuple[str, Stationarity], tuple[str, str, str]] = {
    ("QK", "output"): ("E", "M", "P"),
    ("QK", "weight"): ("P", "E", "M"),
    ("QK", "input"): ("M", "E", "P"),
    ("AV", "output"): ("M", "F", "P"),
    ("AV", "weight"): ("P", "F", "M"),
    ("AV", "input"): ("F", "M", "P"),
}
"""Ranks of a product, innermost first; the second and third lie on columns and rows."""

RANKS = {
    "Q": ("E", "P"),
    "K": ("E", "M"),
    "QK": ("M", "P"),
    "A": ("M", "P"),
    "V": ("F", "M"),
    "AV": ("F", "P"),
}
"""Ranks of each tensor."""

OPERANDS = {"QK": ("Q", "K"), "AV": ("A", "V")}
"""Operands of each product."""

BOUNDARY = ("Q", "K", "V", "AV")
"""Tensors that come from or go to memory in any case."""


@dataclass(frozen=True, slots=True)
class FlatDecisions:
    """What a FLAT mapping decides.

    Attributes
    ----------
    on_chip
        Tensors that the buffer holds.
    score_loops, context_loops
        Operand that stays in the array, of each product.
    rows
        Query rows fused at once; all of them for the granularity ``head``.
    spilled
        Share of what is on chip that does not fit.
    """

    on_chip: frozenset[str]
    score_loops: Stationarity
    context_loops: Stationarity
    rows: int
    spilled: float = 0.0


@dataclass(frozen=True, slots=True)
class FlatSizes:
    """One head: extents, array, and what the buffer has room for.

    Attributes
    ----------
    extents
        Coordinates of P, M, E, F.
    array_rows, array_columns
        The array.
    buffer_values
        Values that fit in the buffer; None if unbounded.
    """

    extents: dict[str, int]
    array_rows: int
    array_columns: int
    buffer_values: int | None


@dataclass(frozen=True, slots=True)
class FlatCounts:
    """What one head takes.

    Attributes
    ----------
    reads, writes
        Values moved from and to memory, by tensor.
    softmax_values
        Values that softmax moves from and to memory.
    cycles
        Cycles of each product on the array.
    buffer_reads, buffer_writes
        Values read from and written to the buffer: operands of the products on their way, and what
        softmax does to each score (three reads, two writes).
    """

    reads: dict[str, float]
    writes: dict[str, float]
    softmax_values: float
    cycles: dict[str, int]
    buffer_reads: int
    buffer_writes: int

    @property
    def product_values(self) -> float:
        """Values that the two products move."""
        return sum(self.reads.values()) + sum(self.writes.values())


@dataclass(frozen=True, slots=True)
class _Loop:
    rank: str
    times: int
    spatial: int


def flat_counts(sizes: FlatSizes, chosen: FlatDecisions) -> FlatCounts:
    """Return traffic and cycles of one head under some decisions."""
    reads: dict[str, float] = {}
    writes: dict[str, float] = {}
    cycles: dict[str, int] = {}
    points = sizes.extents["M"] * sizes.extents["P"]
    on_chip = [3 * points, 2 * points]
    for name, kept in (("QK", chosen.score_loops), ("AV", chosen.context_loops)):
        loops = _loops(sizes, chosen, name, kept)
        cycles[name] = prod(loop.times for loop in loops)
        for tensor in OPERANDS[name]:
            reads[tensor] = _moved(sizes, chosen, tensor, _accesses(loops, tensor))
            on_chip[0] += _accesses(loops, tensor)
        written = _accesses(loops, name)
        on_chip[1] += written
        again = written - _unique(sizes, name)
        writes[name] = _moved(sizes, chosen, name, written)
        share = chosen.spilled if name in chosen.on_chip else 1.0
        reads[f"{name} again"] = share * again
    return FlatCounts(reads, writes, _softmax_values(sizes, chosen), cycles, *on_chip)


def _loops(
    sizes: FlatSizes, chosen: FlatDecisions, name: str, kept: Stationarity
) -> tuple[_Loop, ...]:
    """Return the loops of a product, outermost first: row blocks in memory, then the buffer's."""
    inner, columns, rows = LOOPS[name, kept]
    outer = _Loop("P", -(-sizes.extents["P"] // chosen.rows), 1)

    def extent(rank: str) -> int:
        return min(chosen.rows, sizes.extents["P"]) if rank == "P" else sizes.extents[rank]

    def tiled(rank: str, width: int) -> _Loop:
        spatial = min(width, extent(rank))
        return _Loop(rank, -(-extent(rank) // width), spatial)

    return (
        outer,
        tiled(rows, sizes.array_rows),
        tiled(columns, sizes.array_columns),
        _Loop(inner, extent(inner), 1),
    )


def _accesses(loops: tuple[_Loop, ...], tensor: str) -> int:
    """Return how many values of a tensor pass, those shared by elements of the array once."""
    relevant = [loop.rank in RANKS[tensor] for loop in loops]
    last = max((i for i, is_relevant in enumerate(relevant) if is_relevant), default=-1)
    # The outermost loop runs over row blocks: what does not depend on them is met again in each.
    times = prod(loop.times for loop in loops[: last + 1])
    return times * prod(loop.spatial for loop in loops if loop.rank in RANKS[tensor])


def _unique(sizes: FlatSizes, tensor: str) -> int:
    return prod(sizes.extents[rank] for rank in RANKS[tensor])


def _moved(sizes: FlatSizes, chosen: FlatDecisions, tensor: str, accesses: int) -> float:
    """Return the values of a tensor that go over the memory's pins."""
    if tensor not in chosen.on_chip:
        return float(accesses)
    fill = (1.0 - chosen.spilled) * _unique(sizes, tensor) if tensor in BOUNDARY else 0.0
    return chosen.spilled * accesses + fill


def _softmax_values(sizes: FlatSizes, chosen: FlatDecisions) -> float:
    """Return the values of scores that softmax reads and writes in memory.

    Notes
    -----
    On chip, five accesses to each score are spilled in proportion. Elsewhere scores come in and
    probabilities leave, and the three accesses between them go to memory as far as a row of scores
    finds no room beside the tiles of the products.
    """
    points = sizes.extents["M"] * sizes.extents["P"]
    if "QK" in chosen.on_chip:
        return 5.0 * chosen.spilled * points
    if sizes.buffer_values is None:
        return 2.0 * points
    free = max(0, sizes.buffer_values - buffered_values(sizes, chosen))
    outside = 1.0 - min(1.0, free / sizes.extents["M"])
    return points * (2.0 + 3.0 * outside)


def buffered_values(sizes: FlatSizes, chosen: FlatDecisions) -> int:
    """Return the values of all tensors that the buffer holds at once; A takes the place of QK."""
    return _held_values(sizes, chosen.on_chip, chosen.rows)


def _held_values(sizes: FlatSizes, on_chip: frozenset[str], rows: int) -> int:
    extents = {**sizes.extents, "P": min(rows, sizes.extents["P"])}
    held = on_chip - {"A"} if "QK" in on_chip else on_chip
    return sum(prod(extents[rank] for rank in RANKS[tensor]) for tensor in held)


def spilled_share(sizes: FlatSizes, on_chip: frozenset[str], rows: int) -> float:
    """Return the share of what should be on chip that does not fit.

    Notes
    -----
    Beside what is held, two tiles of the size of the array are in transit: with them the shares of
    the published mappings follow (1/129 where scores alone fill the buffer, 129/257 at twice that).
    """
    if sizes.buffer_values is None or not on_chip:
        return 0.0
    transit = 2 * sizes.array_rows * sizes.array_columns
    wanted = _held_values(sizes, on_chip, rows) + transit
    return max(0.0, 1.0 - sizes.buffer_values / wanted)
