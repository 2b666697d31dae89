"""Ranks, tensors and einsums: the parts of a cascade.

Shape letters, the same everywhere in this project:

====== ==================================== ====== =======================================
B      batch (sequences)                    E      head dimension of queries and keys
G      key/value heads                      F      head dimension of values
R      query heads per key/value head       D      model dimension
P      query positions                      S      hidden dimension of the feed-forward part
M      key/value positions, history first   V      vocabulary
U      rotary pairs                         T      rows of the learned position table
X      experts                              K      experts of a token
N      positions of an encoder's result     W      candidates of a grouped choice
====== ==================================== ====== =======================================

Query heads H = G·R. M1, M0 are the outer and inner level of a split M. The variable of a rank is
its name in lower case: rank ``M1`` is iterated by ``m1``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from archsim.errors import WorkloadError
from archsim.numberformat import NumberFormat
from workloads.access import Access, IndexExpr
from workloads.matmul import MatmulDims, find_matmul
from workloads.notation import format_expression, parse_statement
from workloads.operation import OPERATIONS, Expression, action_counts
from workloads.prefix_filter import PrefixFilter
from workloads.sparsity import Sparsity

if TYPE_CHECKING:
    from workloads.cascade import Cascade

ROLES = ("input", "weight", "constant", "kv", "intermediate", "output")
"""Tensor roles. ``constant``: precomputed values that are no parameters (rotary tables).
``kv``: caches; their leading rows are read, the rows of new positions written."""

SECTIONS = ("init", "body", "tail")
"""Sections of a cascade: before, during and after the iterations of its iterative rank."""

OP_CLASSES = (
    "gemm",
    "gemv",
    "attention",
    "norm",
    "activation",
    "softmax",
    "rope",
    "router",
    "expert",
    "embedding",
    "head",
    "collective",
)
"""Operation classes; they choose the mapper."""


@dataclass(frozen=True, slots=True)
class Rank:
    """A named dimension.

    Attributes
    ----------
    name
        Upper-case letter with optional digits; its lower case is the rank variable.
    extent
        Number of coordinates, at least 1.
    parent
        The rank of which this one is a level (M1 and M0 of M; their extents multiply to M's).
    iterative
        The body of the cascade runs once per coordinate; tensors written at ``m1+1`` have versions.
    """

    name: str
    extent: int
    parent: str | None = None
    iterative: bool = False

    @property
    def variable(self) -> str:
        """The rank variable."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor: named ranks, role, number format, and its sparsity if it has any.

    A sparse tensor's format is the one that stores only what is kept, with its positions.
    """

    name: str
    ranks: tuple[str, ...]
    role: str
    format: NumberFormat
    sparsity: Sparsity | None = None

    def __post_init__(self) -> None:
        if self.sparsity is not None:
            object.__setattr__(self, "format", self.sparsity.stored(self.format))

    def num_elements(self, cascade: Cascade) -> int:
        """Return the elements of the tensor; of an iterative rank, its two live versions."""
        return prod(self.shape(cascade, stored=True))

    def num_bytes(self, cascade: Cascade) -> int:
        """Return the bytes of the tensor, block scales included."""
        return self.format.bytes(self.num_elements(cascade))

    def shape(self, cascade: Cascade, *, stored: bool = False) -> tuple[int, ...]:
        """Return the extents of its ranks.

        Parameters
        ----------
        cascade
            The cascade that the tensor belongs to.
        stored
            Count two versions of an iterative rank (what must be kept) instead of all of them.
        """
        versioned = cascade.is_versioned(self.name)
        extents = []
        for name in self.ranks:
            rank = cascade.rank(name)
            if rank.iterative and versioned:
                extents.append(2 if stored else rank.extent + 1)
            else:
                extents.append(rank.extent)
        return tuple(extents)


@dataclass(frozen=True, slots=True)
class Einsum:
    """One extended einsum: output ← reduce(map(operands)) over its iteration space.

    Attributes
    ----------
    name
        Unique in the cascade.
    output, operands
        What is written and read; `map` refers to operands by position.
    map
        Expression evaluated at every visited point.
    reduce
        ``(variable, operation)`` for every variable that the output lacks.
    space
        ``(variable, extent)`` of the iteration space, output variables first.
    section
        One of :data:`SECTIONS`.
    op_class
        One of :data:`OP_CLASSES`.
    layer
        Layer type by which results are broken down: embedding, attention, ffn, moe, norm, head.
    """

    name: str
    output: Access
    operands: tuple[Access, ...]
    map: Expression
    reduce: tuple[tuple[str, str], ...]
    space: tuple[tuple[str, int], ...]
    section: str = "body"
    op_class: str = "activation"
    layer: str = ""

    @staticmethod
    def parse(
        name: str,
        statement: str,
        extents: Mapping[str, int],
        *,
        reduce: Mapping[str, str] | None = None,
        section: str = "body",
        op_class: str = "activation",
        layer: str = "",
    ) -> Einsum:
        """Build an einsum from its text (see :mod:`workloads.notation`).

        Parameters
        ----------
        extents
            Extent of every rank variable.
        reduce
            Reduction by variable where it is not a sum.

        Raises
        ------
        WorkloadError
            Malformed text, a variable without rank, an operation that cannot reduce.
        """
        parsed = parse_statement(statement)
        chosen = dict(reduce or {})
        variables: dict[str, int] = {}
        written = list(parsed.output.variables())
        read = [item for access in parsed.operands for item in access.variables()]
        for variable in (*written, *read):
            if variable not in extents:
                raise WorkloadError(
                    f"einsum {name}: no rank for variable {variable}", given=statement
                )
            variables[variable] = extents[variable]
        dropped = [variable for variable in variables if variable not in written]
        unknown = set(chosen) - set(dropped)
        if unknown:
            raise WorkloadError(
                f"einsum {name}: reduction over variables that are not reduced",
                given=", ".join(sorted(unknown)),
                allowed=dropped,
            )
        return Einsum(
            name=name,
            output=parsed.output,
            operands=parsed.operands,
            map=parsed.expression,
            reduce=tuple((variable, chosen.get(variable, "add")) for variable in dropped),
            space=tuple(variables.items()),
            section=section,
            op_class=op_class,
            layer=layer,
        )

    @property
    def statement(self) -> str:
        """The text of the einsum, without its reductions."""
        return f"{self.output} = {format_expression(self.map, self.operands)}"

    @property
    def extents(self) -> dict[str, int]:
        """Extent of every variable of the iteration space."""
        return dict(self.space)

    @property
    def filter(self) -> PrefixFilter | None:
        """The prefix filter of its iteration space, or None."""
        for access in self.operands:
            for index in access.indices:
                if index.bound is not None:
                    return self._prefix_filter(index, index.bound)
        return None

    def _prefix_filter(self, index: IndexExpr, bound: IndexExpr) -> PrefixFilter:
        # m0 <= p - m1*4 is m1*4 + m0 <= p: variables with a negative factor are keys.
        moved = tuple((variable, -factor) for variable, factor in bound.terms if factor < 0)
        kept = tuple(term for term in bound.terms if term[1] >= 0)
        return PrefixFilter(
            self._positional(index.terms + moved),
            self._positional(kept),
            bound.offset - index.offset,
            index.window,
        )

    def _positional(self, terms: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
        """Return the variables of a coordinate that runs 0, 1, 2, … without gaps, in order."""
        extents = self.extents
        expected = 1
        for variable, factor in sorted(terms, key=lambda term: term[1]):
            # A variable of extent 1 adds nothing, whatever its factor.
            if factor != expected and extents[variable] != 1:
                raise WorkloadError(
                    f"einsum {self.name}: a filter needs a coordinate without gaps",
                    given=str(IndexExpr(terms)),
                )
            expected *= extents[variable]
        ordered = sorted(terms, key=lambda term: -term[1])
        return tuple((variable, extents[variable]) for variable, _ in ordered)

    def dense_points(self) -> int:
        """Return the points of the iteration space, the filter not considered."""
        return prod(extent for _, extent in self.space)

    def points(self) -> int:
        """Return the points visited: the iteration space without what the filter removes."""
        kept = self.filter
        if kept is None:
            return self.dense_points()
        return self.dense_points() // (kept.num_keys * kept.num_queries) * kept.visited()

    def matmul(self) -> MatmulDims | None:
        """Return the dimensions if this is a (batched) matrix product, else None."""
        return find_matmul(self)

    def macs(self) -> int:
        """Return the useful multiply-accumulates; 0 if this is no matrix product."""
        return self.points() if self.matmul() is not None else 0

    def dense_macs(self) -> int:
        """Return the multiply-accumulates of the full box, masked points included."""
        return self.dense_points() if self.matmul() is not None else 0

    def op_counts(self) -> dict[str, int]:
        """Return ``{action: count}`` over all visited points.

        A matrix product is all ``mac``. Elsewhere every visited point evaluates the map once and
        every reduced point adds one reduction step (the first one combines with the identity).
        """
        points = self.points()
        if self.matmul() is not None:
            return {"mac": points}
        counts = action_counts(self.map)
        # One step per visited point reduces all dropped variables of the same operation.
        for operation in dict.fromkeys(operation for _, operation in self.reduce):
            for action, count in OPERATIONS[operation].actions:
                counts[action] = counts.get(action, 0) + count
        return {action: counts[action] * points for action in sorted(counts)}

    def reads(self) -> tuple[str, ...]:
        """Return the names of the tensors it reads, each once, those it gathers from included."""
        names = [
            access.tensor for operand in self.operands for access in (operand, *operand.gathers())
        ]
        return tuple(dict.fromkeys(names))
