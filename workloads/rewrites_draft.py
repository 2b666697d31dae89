"""A cascade being rewritten: parts that can be replaced, and how indices are substituted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from archsim.errors import WorkloadError
from workloads.access import Access, IndexExpr
from workloads.cascade import Cascade
from workloads.einsum import Einsum, Rank, Tensor
from workloads.notation import format_expression
from workloads.operation import Apply, Expression, Operand


def variable(name: str, offset: int = 0) -> IndexExpr:
    """Return the index ``name`` or ``name + offset``."""
    return IndexExpr(((name, 1),), offset)


def plain_variables(access: Access) -> tuple[str, ...] | None:
    """Return the variables of an access whose indices are plain (filters apart), else None."""
    names = []
    for index in access.indices:
        if len(index.terms) != 1 or index.terms[0][1] != 1 or index.offset or index.gather:
            return None
        names.append(index.terms[0][0])
    return tuple(names)


def factors(expression: Expression) -> list[Expression]:
    """Return what a product multiplies; any other expression is its only factor."""
    if isinstance(expression, Apply) and expression.operation == "mul":
        return [item for argument in expression.arguments for item in factors(argument)]
    return [expression]


def is_linear_in(einsum: Einsum, tensor: str) -> bool:
    """Whether an einsum's map is a product with one factor that is a value of a tensor."""
    found = [
        item
        for item in factors(einsum.map)
        if isinstance(item, Operand) and einsum.operands[item.index].tensor == tensor
    ]
    others = sum(access.tensor == tensor for access in einsum.operands)
    return len(found) == 1 and others == 1


@dataclass
class Draft:
    """Parts of a cascade under construction.

    Attributes
    ----------
    name
        Name of the new cascade.
    ranks, tensors
        Parts by name.
    einsums
        Einsums in order.
    """

    name: str
    ranks: dict[str, Rank]
    tensors: dict[str, Tensor]
    einsums: list[Einsum] = field(default_factory=list)

    @classmethod
    def of(cls, cascade: Cascade, name: str) -> Draft:
        """Return a draft with the ranks and tensors of a cascade, and no einsum."""
        return cls(
            name,
            {rank.name: rank for rank in cascade.ranks},
            {tensor.name: tensor for tensor in cascade.tensors},
        )

    def free_name(self, name: str) -> str:
        """Return the name, with a number behind it if there is such a tensor."""
        found, number = name, 1
        while found in self.tensors:
            number += 1
            found = f"{name}{number}"
        return found

    def add(
        self,
        like: Einsum,
        statement: str,
        *,
        name: str | None = None,
        reduce: Mapping[str, str] | None = None,
        section: str | None = None,
        op_class: str | None = None,
    ) -> None:
        """Append an einsum given by its text; what is not said is as in another one."""
        extents = {rank.variable: rank.extent for rank in self.ranks.values()}
        self.einsums.append(
            Einsum.parse(
                name or like.name,
                statement,
                extents,
                reduce=reduce,
                section=section or like.section,
                op_class=op_class or like.op_class,
                layer=like.layer,
            )
        )

    def keep(self, einsum: Einsum) -> None:
        """Append an einsum as it is."""
        self.einsums.append(einsum)

    def build(self) -> Cascade:
        """Return the cascade: tensors that nothing touches any more are left out."""
        touched = {
            access.tensor
            for einsum in self.einsums
            for operand in (einsum.output, *einsum.operands)
            for access in (operand, *operand.gathers())
        }
        tensors = tuple(item for item in self.tensors.values() if item.name in touched)
        order = {"init": 0, "body": 1, "tail": 2}
        einsums = tuple(sorted(self.einsums, key=lambda item: order[item.section]))
        return Cascade(self.name, tuple(self.ranks.values()), tensors, einsums)


def text_of(einsum: Einsum, operands: tuple[Access, ...], output: Access | None = None) -> str:
    """Return the statement of an einsum with other operands, and perhaps another output."""
    return f"{output or einsum.output} = {format_expression(einsum.map, operands)}"


def refuse(cascade: Cascade, message: str) -> WorkloadError:
    """Return the error of a rewrite that does not apply."""
    return WorkloadError(f"cascade {cascade.name}: {message}")


def without_filter(access: Access) -> Access:
    """Return an access whose indices have no prefix filter."""
    return Access(
        access.tensor, tuple(replace(index, bound=None, window=0) for index in access.indices)
    )
