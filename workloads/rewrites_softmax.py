"""Rewrites of a maximum and the exponentials of differences from it, tile by tile.

See :mod:`workloads.rewrites`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workloads.access import Access, IndexExpr
from workloads.einsum import Einsum, Tensor
from workloads.notation import format_expression
from workloads.operation import Apply, Operand
from workloads.rewrites_draft import Draft, is_linear_in, refuse, text_of, variable

if TYPE_CHECKING:
    from workloads.cascade import Cascade


@dataclass(frozen=True, slots=True)
class Pattern:
    """A maximum over a split rank, the exponentials of differences from it, and who reads those.

    Attributes
    ----------
    maximum, numerator
        The two einsums.
    sums
        Readers of the numerators that sum over the rank, linearly.
    others
        Readers that do not sum over it.
    outer, inner
        Variables of the two levels of the rank.
    """

    maximum: Einsum
    numerator: Einsum
    sums: tuple[Einsum, ...]
    others: tuple[Einsum, ...]
    outer: str
    inner: str


def find_pattern(cascade: Cascade, rank: str) -> Pattern:
    """Return the pattern along a split rank.

    Raises
    ------
    WorkloadError
        There is none, or the rank is not split into two levels.
    """
    levels = [item.variable for item in cascade.ranks if item.parent == rank]
    if len(levels) != 2:
        raise refuse(cascade, f"rank {rank} is not split into tiles (see tile_rank)")
    outer, inner = levels
    both = {outer, inner}
    for einsum in cascade.einsums:
        operations = dict(einsum.reduce)
        if set(operations) != both or set(operations.values()) != {"max"}:
            continue
        if not isinstance(einsum.map, Operand):
            continue
        scores = einsum.operands[0].tensor
        numerator = next(
            (e for e in cascade.einsums if _is_numerator(e, scores, einsum.output.tensor)), None
        )
        if numerator is None:
            continue
        readers = [e for e in cascade.einsums if numerator.output.tensor in e.reads()]
        sums = [e for e in readers if _sums(e, numerator.output.tensor, both)]
        others = [e for e in readers if e not in sums]
        return Pattern(einsum, numerator, tuple(sums), tuple(others), outer, inner)
    raise refuse(cascade, f"no exponential of a difference from a maximum along {rank}")


def _is_numerator(einsum: Einsum, scores: str, maximum: str) -> bool:
    expression = einsum.map
    if not isinstance(expression, Apply) or einsum.reduce:
        return False
    if expression.operation == "exp" and isinstance(expression.arguments[0], Apply):
        # exp(x - y) is what sub_exp(x, y) is short for.
        expression = expression.arguments[0]
        if expression.operation != "sub":
            return False
    elif expression.operation != "sub_exp":
        return False
    names = [
        einsum.operands[item.index].tensor
        for item in expression.arguments
        if isinstance(item, Operand)
    ]
    return names == [scores, maximum]


def _sums(einsum: Einsum, tensor: str, variables: set[str]) -> bool:
    reduced = {name for name, operation in einsum.reduce if operation == "add"}
    return variables <= reduced and is_linear_in(einsum, tensor)


def _tensor(draft: Draft, name: str, like: Tensor, level: str) -> Tensor:
    """Declare a tensor like another one with one value for each tile."""
    made = Tensor(draft.free_name(name), (*like.ranks, level), "intermediate", like.format)
    draft.tensors[made.name] = made
    return made


def local_max(cascade: Cascade, rank: str) -> Cascade:
    """Return a cascade that subtracts each tile's own maximum and corrects what follows.

    Sums of numerators become sums by tile, corrected and added up; other readers see numerators
    times the correction of their tile.

    Parameters
    ----------
    cascade
        A cascade whose rank is tiled.
    rank
        The rank along which the maximum is taken.

    Raises
    ------
    WorkloadError
        The pattern is not there.
    """
    found = find_pattern(cascade, rank)
    draft = Draft.of(cascade, f"{cascade.name}-local-max")
    level = found.outer.upper()
    top = draft.tensors[found.maximum.output.tensor]
    local = _tensor(draft, f"L{top.name}", top, level)
    correction = _tensor(draft, f"P{top.name}", top, level)
    row = found.maximum.output.indices
    tile = (*row, variable(found.outer))
    of_tile, factor = Access(local.name, tile), Access(correction.name, tile)
    for einsum in cascade.einsums:
        if einsum is found.maximum:
            scores = format_expression(einsum.map, einsum.operands)
            draft.add(
                einsum,
                f"{of_tile} = {scores}",
                name=f"{einsum.name}_local",
                reduce={found.inner: "max"},
            )
            draft.add(einsum, f"{einsum.output} = {of_tile}", reduce={found.outer: "max"})
            draft.add(
                einsum,
                f"{factor} = sub_exp({of_tile}, {einsum.output})",
                name=f"{einsum.name}_correction",
            )
        elif einsum is found.numerator:
            operands = (einsum.operands[0], of_tile)
            draft.add(einsum, text_of(einsum, operands))
        elif einsum in found.sums:
            _sum_by_tile(draft, einsum, found, factor)
        elif einsum in found.others:
            _correct_terms(draft, einsum, found, factor)
        else:
            draft.keep(einsum)
    return draft.build()


def _sum_by_tile(draft: Draft, einsum: Einsum, found: Pattern, factor: Access) -> None:
    """Append a sum as sums by tile, times the tile's correction, added up."""
    total = draft.tensors[einsum.output.tensor]
    parts = _tensor(draft, f"L{total.name}", total, found.outer.upper())
    by_tile = Access(parts.name, (*einsum.output.indices, variable(found.outer)))
    reduce = {name: op for name, op in einsum.reduce if name != found.outer}
    draft.add(
        einsum,
        text_of(einsum, einsum.operands, by_tile),
        name=f"{einsum.name}_local",
        reduce=reduce,
    )
    draft.add(einsum, f"{einsum.output} = {by_tile} * {factor}", op_class="softmax")


def _correct_terms(draft: Draft, einsum: Einsum, found: Pattern, factor: Access) -> None:
    """Append an einsum that sees every numerator times its tile's correction."""
    position = next(
        number
        for number, access in enumerate(einsum.operands)
        if access.tensor == found.numerator.output.tensor
    )
    read = einsum.operands[position]
    text = format_expression(einsum.map, einsum.operands)
    corrected = text.replace(str(read), f"({read} * {factor})")
    draft.add(einsum, f"{einsum.output} = {corrected}", reduce=dict(einsum.reduce))


def running_max(cascade: Cascade, rank: str) -> Cascade:
    """Return a cascade that keeps the maximum so far: one pass along the rank.

    The outer level becomes iterative. Each sum of numerators has versions: the old one times the
    correction by the change of the maximum, plus the tile's own sum. What reads sums or maximum
    reads their last version.

    Parameters
    ----------
    cascade
        A cascade whose rank is tiled and whose divisions are deferred.
    rank
        The rank along which the maximum is taken.

    Raises
    ------
    WorkloadError
        The pattern is not there, or something reads numerators that is no sum of them.
    """
    found = find_pattern(cascade, rank)
    if found.others:
        names = ", ".join(einsum.name for einsum in found.others)
        raise refuse(cascade, f"{names} reads single numerators: defer the division first")
    return _Running(cascade, found).run()


class _Running:
    """Writes the form with a running maximum."""

    def __init__(self, cascade: Cascade, found: Pattern) -> None:
        self.cascade, self.found = cascade, found
        self.level = found.outer.upper()
        self.draft = Draft.of(cascade, f"{cascade.name}-running-max")
        outer = self.draft.ranks[self.level]
        self.draft.ranks[self.level] = replace(outer, iterative=True)
        self.last = outer.extent
        self.versions: dict[str, str] = {}

    def run(self) -> Cascade:
        found, draft = self.found, self.draft
        for einsum in (found.maximum, *found.sums):
            self._version(einsum)
        done = {found.maximum.output.tensor, *(e.output.tensor for e in found.sums)}
        for einsum in self.cascade.einsums:
            if einsum is found.maximum:
                self._maximum(einsum)
            elif einsum is found.numerator:
                running = self._at(found.maximum.output, variable(found.outer, 1))
                draft.add(einsum, text_of(einsum, (einsum.operands[0], running)))
            elif einsum in found.sums:
                self._sum(einsum)
            elif found.outer in einsum.extents:
                draft.keep(einsum)
            elif done & set(einsum.reads()):
                done.add(einsum.output.tensor)
                operands = tuple(
                    self._at(access, IndexExpr((), self.last))
                    if access.tensor in self.versions
                    else access
                    for access in einsum.operands
                )
                draft.add(einsum, text_of(einsum, operands), section="tail")
            else:
                draft.add(einsum, einsum.statement, reduce=dict(einsum.reduce), section="init")
        return draft.build()

    def _version(self, einsum: Einsum) -> None:
        """Declare the versions of a result, and what the first one holds."""
        tensor = self.draft.tensors[einsum.output.tensor]
        made = _tensor(self.draft, f"R{tensor.name}", tensor, self.level)
        self.versions[tensor.name] = made.name
        first = self._at(einsum.output, IndexExpr())
        value = "-inf" if einsum is self.found.maximum else "0.0"
        self.draft.add(
            einsum,
            f"{first} = {value}",
            name=f"{einsum.name}_start",
            section="init",
            op_class="softmax",
        )

    def _at(self, access: Access, version: IndexExpr) -> Access:
        return Access(self.versions[access.tensor], (*access.indices, version))

    def _maximum(self, einsum: Einsum) -> None:
        """Append the tile's maximum, the running one, and the correction by its change."""
        draft, outer = self.draft, self.found.outer
        tensor = draft.tensors[einsum.output.tensor]
        local = _tensor(draft, f"L{tensor.name}", tensor, self.level)
        correction = _tensor(draft, f"P{tensor.name}", tensor, self.level)
        tile = (*einsum.output.indices, variable(outer))
        of_tile = Access(local.name, tile)
        before, now = (self._at(einsum.output, variable(outer, step)) for step in (0, 1))
        scores = format_expression(einsum.map, einsum.operands)
        draft.add(
            einsum,
            f"{of_tile} = {scores}",
            name=f"{einsum.name}_local",
            reduce={self.found.inner: "max"},
        )
        draft.add(einsum, f"{now} = max({before}, {of_tile})", name=f"{einsum.name}_running")
        self.factor = Access(correction.name, tile)
        draft.add(
            einsum, f"{self.factor} = sub_exp({before}, {now})", name=f"{einsum.name}_correction"
        )

    def _sum(self, einsum: Einsum) -> None:
        """Append the tile's sum, the old one corrected, and the new one."""
        draft, outer = self.draft, self.found.outer
        tensor = draft.tensors[einsum.output.tensor]
        local = _tensor(draft, f"L{tensor.name}", tensor, self.level)
        scaled = _tensor(draft, f"P{tensor.name}", tensor, self.level)
        tile = (*einsum.output.indices, variable(outer))
        of_tile, corrected = Access(local.name, tile), Access(scaled.name, tile)
        before, now = (self._at(einsum.output, variable(outer, step)) for step in (0, 1))
        reduce = {name: op for name, op in einsum.reduce if name != outer}
        draft.add(
            einsum,
            text_of(einsum, einsum.operands, of_tile),
            name=f"{einsum.name}_local",
            reduce=reduce,
        )
        draft.add(
            einsum,
            f"{corrected} = {before} * {self.factor}",
            name=f"{einsum.name}_corrected",
            op_class="softmax",
        )
        draft.add(
            einsum,
            f"{now} = {of_tile} + {corrected}",
            name=f"{einsum.name}_running",
            op_class="softmax",
        )
