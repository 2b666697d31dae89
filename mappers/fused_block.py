"""Blocks of einsums that one row block can go through without leaving the chip.

Two forms, found by who reads what:

- products of one input that are joined element by element and summed again by another product
  (a gated feed-forward part): tiles of the inner rank never exist whole;
- einsums without a product that make the input of neighbouring products (a norm and its
  projections): the normalised rows stay on chip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workloads.matmul import MatmulDims

if TYPE_CHECKING:
    from workloads import Cascade, Einsum

Kind = Literal["feed-forward", "norm and projection"]

FUSABLE = ("gemm", "gemv", "norm", "activation")
"""Operation classes of what is fused."""

MOST_BETWEEN = 12
"""Most einsums between the products of a block."""


@dataclass(frozen=True, slots=True)
class Block:
    """A run of einsums that is fused.

    Attributes
    ----------
    kind
        Which form it has.
    first
        Products of the rows: inner ones of a feed-forward part, projections of a norm.
    between
        Einsums without a product: after `first` in a feed-forward part, before it for a norm.
    last
        Product that sums over the inner rank; None for a norm.
    """

    kind: Kind
    first: tuple[Einsum, ...]
    between: tuple[Einsum, ...]
    last: Einsum | None

    @property
    def einsums(self) -> tuple[Einsum, ...]:
        """All of them, in order."""
        if self.last is None:
            return (*self.between, *self.first)
        return (*self.first, *self.between, self.last)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(einsum.name for einsum in self.einsums)


def dims(einsum: Einsum) -> MatmulDims:
    """Return the dimensions of a product."""
    found = einsum.matmul()
    assert found is not None
    return found


def find_blocks(cascade: Cascade) -> list[Block]:
    """Return the blocks of a cascade that do not overlap, feed-forward parts first."""
    found: list[Block] = []
    taken: set[str] = set()
    for finder in (_feed_forward, _norm):
        for position in range(len(cascade.einsums)):
            block = finder(cascade, position)
            if block is not None and not taken & set(block.names):
                found.append(block)
                taken |= set(block.names)
    return found


def _is_dense(einsum: Einsum) -> bool:
    """Whether an einsum is an unmasked product of rows by one matrix of weights."""
    found = einsum.matmul()
    return (
        found is not None
        and found.batch == 1
        and found.filter is None
        and einsum.op_class in FUSABLE
    )


def _products_of_one_input(einsums: Sequence[Einsum], position: int) -> tuple[Einsum, ...]:
    """Return neighbouring products that read the same rows."""
    run: list[Einsum] = []
    for einsum in einsums[position:]:
        if not _is_dense(einsum) or (run and dims(einsum).lhs != dims(run[0]).lhs):
            break
        run.append(einsum)
    return tuple(run)


def _plain_run(einsums: Sequence[Einsum], position: int) -> tuple[Einsum, ...]:
    """Return neighbouring einsums without a product."""
    run: list[Einsum] = []
    for einsum in einsums[position : position + MOST_BETWEEN]:
        if einsum.matmul() is not None or einsum.op_class not in FUSABLE:
            break
        run.append(einsum)
    return tuple(run)


def _feed_forward(cascade: Cascade, position: int) -> Block | None:
    einsums = cascade.einsums
    first = _products_of_one_input(einsums, position)
    between = _plain_run(einsums, position + len(first))
    after = position + len(first) + len(between)
    if not first or not between or after >= len(einsums):
        return None
    last = einsums[after]
    made = {einsum.output.tensor for einsum in (*first, *between)}
    inner = {name for name, _ in dims(first[0]).n_variables}
    joined = all(not einsum.reduce for einsum in between)
    if not _is_dense(last) or dims(last).lhs not in made or not joined:
        return None
    summed = {name for name, _ in dims(last).k_variables}
    alike = all({name for name, _ in dims(einsum).n_variables} == inner for einsum in first)
    if summed != inner or not alike or _read_outside(cascade, (*first, *between, last), made):
        return None
    return Block("feed-forward", first, between, last)


def _norm(cascade: Cascade, position: int) -> Block | None:
    einsums = cascade.einsums
    between = _plain_run(einsums, position)
    if not between or not any(einsum.op_class == "norm" for einsum in between):
        return None
    # The rows before the norm may be made by what stands before it in the run.
    start = next(n for n, einsum in enumerate(between) if einsum.op_class == "norm")
    between = between[start:]
    first = _products_of_one_input(einsums, position + start + len(between))
    if not first or dims(first[0]).lhs != between[-1].output.tensor:
        return None
    made = {einsum.output.tensor for einsum in between}
    if _read_outside(cascade, (*between, *first), made):
        return None
    return Block("norm and projection", first, between, None)


def _read_outside(cascade: Cascade, inside: Sequence[Einsum], made: set[str]) -> bool:
    """Whether something outside a block reads what is made inside, or it is an output."""
    names = {einsum.name for einsum in inside}
    outside = {
        tensor
        for einsum in cascade.einsums
        if einsum.name not in names
        for tensor in einsum.reads()
    }
    outputs = {tensor.name for tensor in cascade.role_tensors("output", "kv")}
    return bool(made & (outside | outputs))
