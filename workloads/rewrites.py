"""Rewrites of cascades: other cascades with the same result and fewer passes.

- :func:`defer_division` divides (or scales) what a sum gives instead of every term of it;
- :func:`tile_rank` splits a rank into tiles;
- :func:`local_max` subtracts each tile's maximum in an exponential and corrects sums by tile;
- :func:`running_max` keeps the maximum so far and corrects what was summed before it changed.

They look for a form of dependence, not for names: a maximum along a rank, the exponential of the
difference from it, sums that are linear in that. Attention is one case, log-sum-exp another.

References
----------
FuseMax, MICRO 2024, sections IV-D (division deferral) and IV-E (2-pass and 1-pass attention).
Milakov and Gimelshein, arXiv:1805.02867 (running maximum).
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce as reduce_pairs
from typing import TYPE_CHECKING

from workloads.access import Access, IndexExpr
from workloads.einsum import Rank, Tensor
from workloads.notation import format_expression
from workloads.operation import Apply, Expression, Operand
from workloads.rewrites_draft import (
    Draft,
    factors,
    is_linear_in,
    plain_variables,
    refuse,
    text_of,
)
from workloads.rewrites_softmax import local_max, running_max

if TYPE_CHECKING:
    from archsim.numberformat import NumberFormat
    from workloads.cascade import Cascade
    from workloads.einsum import Einsum

__all__ = ["defer_division", "local_max", "one_pass", "running_max", "tile_rank", "two_pass"]


def defer_division(cascade: Cascade) -> Cascade:
    """Return a cascade that divides or scales sums instead of their terms.

    Every einsum ``A = N / D`` or ``A = N * D`` is dropped whose D lacks a rank of A, if all that
    reads A are sums over such ranks that are linear in it.

    Raises
    ------
    WorkloadError
        There is no such einsum.
    """
    for einsum in cascade.einsums:
        found = _deferred(cascade, einsum)
        if found is not None:
            return found
    raise refuse(cascade, "there is no division or scale to defer")


def _deferred(cascade: Cascade, scaled: Einsum) -> Cascade | None:
    """Return the cascade without one scaling of terms, or None if it has to stay."""
    names = plain_variables(scaled.output)
    readers = [e for e in cascade.einsums if scaled.output.tensor in e.reads()]
    if scaled.reduce or names is None or not readers:
        return None
    for rest, by, sign in _splits(scaled):
        missing = set(names) - set(by.variables())
        if missing and all(_sums_over(reader, scaled, missing) for reader in readers):
            return _defer(cascade, scaled, rest, by, sign, readers)
    return None


def _splits(einsum: Einsum) -> list[tuple[Expression, Access, str]]:
    """Return (terms, scale, sign) of ``terms / scale`` or ``terms * scale``."""
    expression = einsum.map
    if isinstance(expression, Apply) and expression.operation == "div":
        terms, scale = expression.arguments
        if isinstance(scale, Operand):
            return [(terms, einsum.operands[scale.index], "/")]
        return []
    parts = factors(expression)
    found: list[tuple[Expression, Access, str]] = []
    for number, part in enumerate(parts):
        rest = parts[:number] + parts[number + 1 :]
        if isinstance(part, Operand) and rest:
            product = reduce_pairs(lambda left, right: Apply("mul", (left, right)), rest)
            found.append((product, einsum.operands[part.index], "*"))
    return found


def _sums_over(reader: Einsum, scaled: Einsum, missing: set[str]) -> bool:
    """Whether an einsum sums, linearly in what is scaled, over ranks that the scale lacks."""
    if not is_linear_in(reader, scaled.output.tensor):
        return False
    access = next(item for item in reader.operands if item.tensor == scaled.output.tensor)
    read, written = plain_variables(access), plain_variables(scaled.output)
    if read is None or written is None:
        return False
    lacking = {theirs for ours, theirs in zip(written, read, strict=True) if ours in missing}
    reduced = {name for name, operation in reader.reduce if operation == "add"}
    shared = set(read) - lacking
    return bool(reduced) and not shared & reduced and bool(reduced & lacking)


def _defer(
    cascade: Cascade,
    scaled: Einsum,
    rest: Expression,
    by: Access,
    sign: str,
    readers: list[Einsum],
) -> Cascade:
    draft = Draft.of(cascade, f"{cascade.name}-deferred")
    for einsum in cascade.einsums:
        if einsum is scaled:
            if not isinstance(rest, Operand):
                terms = format_expression(rest, einsum.operands)
                draft.add(einsum, f"{einsum.output} = {terms}")
            continue
        if einsum not in readers:
            draft.keep(einsum)
            continue
        position = next(
            number
            for number, access in enumerate(einsum.operands)
            if access.tensor == scaled.output.tensor
        )
        renamed = _renaming(scaled.output, einsum.operands[position])
        operands = list(einsum.operands)
        if isinstance(rest, Operand):
            operands[position] = _substituted(scaled.operands[rest.index], renamed)
        old = draft.tensors[einsum.output.tensor]
        wide = Tensor(
            draft.free_name(f"{old.name}U"), old.ranks, "intermediate", _statistic(cascade, by, old)
        )
        draft.tensors[wide.name] = wide
        whole = Access(wide.name, einsum.output.indices)
        draft.add(einsum, text_of(einsum, tuple(operands), whole), reduce=dict(einsum.reduce))
        scale = _substituted(by, {name: replace(i, bound=None) for name, i in renamed.items()})
        draft.add(
            scaled, f"{einsum.output} = {whole} {sign} {scale}", name=f"{einsum.name}_{scaled.name}"
        )
    return draft.build()


def _statistic(cascade: Cascade, by: Access, result: Tensor) -> NumberFormat:
    return max(cascade.tensor(by.tensor).format, result.format, key=lambda item: item.bits)


def _renaming(written: Access, read: Access) -> dict[str, IndexExpr]:
    """Return the index that stands for each variable of an output where it is read."""
    return {
        index.terms[0][0]: other for index, other in zip(written.indices, read.indices, strict=True)
    }


def _substituted(access: Access, renamed: dict[str, IndexExpr]) -> Access:
    """Return an access with plain indices replaced; filters are those of where it is read."""
    return Access(
        access.tensor,
        tuple(
            renamed.get(index.terms[0][0], index) if len(index.terms) == 1 else index
            for index in access.indices
        ),
    )


def tile_rank(cascade: Cascade, rank: str, size: int) -> Cascade:
    """Return a cascade in which a rank is split into tiles.

    Tensors that are made and carry the rank get its two levels; inputs keep it. Tiles need not
    divide the rank: a filter cuts the last one off.

    Parameters
    ----------
    cascade
        The cascade; `rank` is not split and not iterative.
    rank
        Name of the rank.
    size
        Coordinates per tile.

    Raises
    ------
    WorkloadError
        There is no such rank, it is split already, or an output of the cascade carries it and the
        tiles do not divide it.
    """
    old = cascade.rank(rank)
    size = min(size, old.extent)
    if old.iterative or any(item.parent == rank for item in cascade.ranks):
        raise refuse(cascade, f"rank {rank} is split or iterative already")
    return _Tiling(cascade, old, size).run()


class _Tiling:
    """Splits one rank of a cascade."""

    def __init__(self, cascade: Cascade, rank: Rank, size: int) -> None:
        self.cascade, self.rank, self.size = cascade, rank, size
        self.outer = Rank(f"{rank.name}1", -(-rank.extent // size), rank.name)
        self.inner = Rank(f"{rank.name}0", size, rank.name)
        self.ragged = rank.extent % size != 0
        made = set(cascade.made())
        self.split = {
            tensor.name
            for tensor in cascade.tensors
            if rank.name in tensor.ranks and tensor.name in made and tensor.role == "intermediate"
        }

    def run(self) -> Cascade:
        draft = Draft.of(self.cascade, f"{self.cascade.name}-tiled")
        draft.ranks |= {self.outer.name: self.outer, self.inner.name: self.inner}
        for name in self.split:
            tensor = draft.tensors[name]
            ranks = tuple(
                level
                for item in tensor.ranks
                for level in (
                    (self.outer.name, self.inner.name) if item == self.rank.name else (item,)
                )
            )
            draft.tensors[name] = replace(tensor, ranks=ranks)
        for einsum in self.cascade.einsums:
            self.einsum(draft, einsum)
        return draft.build()

    def einsum(self, draft: Draft, einsum: Einsum) -> None:
        old = self.rank.variable
        if old not in einsum.extents:
            draft.keep(einsum)
            return
        if self.ragged and einsum.output.tensor not in self.split and not einsum.reduce:
            raise refuse(self.cascade, f"tiles do not divide rank {self.rank.name} of the output")
        carriers = self.carriers(einsum)
        kept = self.kept(einsum)
        operands = [
            self.access(access, kept if number in carriers else None)
            for number, access in enumerate(einsum.operands)
        ]
        output = self.access(einsum.output, None)
        reduce: dict[str, str] = {}
        for name, operation in einsum.reduce:
            names = (self.outer.variable, self.inner.variable) if name == old else (name,)
            reduce |= dict.fromkeys(names, operation)
        draft.add(einsum, text_of(einsum, tuple(operands), output), reduce=reduce)

    def carries(self, access: Access) -> IndexExpr | None:
        """Return the index of an access that has the rank's variable, or None."""
        return next((i for i in access.indices if self.rank.variable in dict(i.terms)), None)

    def carriers(self, einsum: Einsum) -> list[int]:
        """Return the operands that get the filter: those whose rank is not split, else the first.

        A filter stands alike on all of them: none may be read beyond its end.
        """
        found = [n for n, access in enumerate(einsum.operands) if self.carries(access)]
        return [n for n in found if einsum.operands[n].tensor not in self.split] or found[:1]

    def kept(self, einsum: Einsum) -> IndexExpr | None:
        """Return the index whose filter stays: that of the einsum, or what cuts the last tile."""
        for access in einsum.operands:
            index = self.carries(access)
            if index is not None and index.bound is not None:
                return index
        if not self.ragged:
            return None
        terms = ((self.rank.variable, 1),)
        return IndexExpr(terms, bound=IndexExpr((), self.rank.extent - 1))

    def access(self, access: Access, kept: IndexExpr | None) -> Access:
        """Return an access with the split index, filtered as another index says."""
        indices: list[IndexExpr] = []
        for index in access.indices:
            if self.rank.variable not in dict(index.terms):
                indices.append(index)
                continue
            if index.terms != ((self.rank.variable, 1),):
                raise refuse(self.cascade, f"{access} indexes rank {self.rank.name} by arithmetic")
            bound = kept.bound if kept is not None else None
            if bound is not None and kept is not None:
                bound = IndexExpr(bound.terms, bound.offset + index.offset - kept.offset)
            window = kept.window if kept is not None else 0
            outer, inner = self.outer.variable, self.inner.variable
            if access.tensor in self.split:
                if bound is not None:
                    bound = IndexExpr((*bound.terms, (outer, -self.size)), bound.offset)
                indices += [
                    IndexExpr(((outer, 1),)),
                    IndexExpr(((inner, 1),), index.offset, bound=bound, window=window),
                ]
            else:
                terms = ((outer, self.size), (inner, 1))
                indices.append(IndexExpr(terms, index.offset, bound=bound, window=window))
        return Access(access.tensor, tuple(indices))


def two_pass(cascade: Cascade, rank: str, size: int) -> Cascade:
    """Return the form with one maximum per tile: :func:`tile_rank`, then :func:`local_max`."""
    return local_max(tile_rank(cascade, rank, size), rank)


def one_pass(cascade: Cascade, rank: str, size: int) -> Cascade:
    """Return the form with a running maximum: divisions deferred, tiled, :func:`running_max`.

    A division that nothing defers is left where it is; one in the way of the running maximum is an
    error.
    """
    from archsim.errors import WorkloadError

    try:
        cascade = defer_division(cascade)
    except WorkloadError:
        cascade = replace(cascade)
    return running_max(tile_rank(cascade, rank, size), rank)
