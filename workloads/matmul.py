"""Recognise (batched) matrix products among einsums."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, TypeAlias

from workloads.operation import Apply, Operand

if TYPE_CHECKING:
    from workloads.einsum import Einsum
    from workloads.prefix_filter import PrefixFilter

Variables: TypeAlias = tuple[tuple[str, int], ...]
"""``(variable, extent)`` pairs."""


@dataclass(frozen=True, slots=True)
class MatmulDims:
    """A batched matrix product out[batch, m, n] = Σ_k lhs[batch, m, k] · rhs[batch, k, n].

    Attributes
    ----------
    batch_variables, m_variables, n_variables, k_variables
        Rank variables with extents: in all three tensors; in lhs and out; in rhs and out; in lhs
        and rhs, summed.
    lhs, rhs, out
        Names of the tensors; lhs is the first operand of the product.
    filter
        Prefix filter (causal mask) over some of the variables, or None.
    """

    batch_variables: Variables
    m_variables: Variables
    n_variables: Variables
    k_variables: Variables
    lhs: str
    rhs: str
    out: str
    filter: PrefixFilter | None = None

    @property
    def batch(self) -> int:
        """Number of independent products."""
        return _extent(self.batch_variables)

    @property
    def m(self) -> int:
        """Rows of lhs and out; each rhs element is used by m multiply-accumulates."""
        return _extent(self.m_variables)

    @property
    def n(self) -> int:
        """Columns of rhs and out; each lhs element is used by n multiply-accumulates."""
        return _extent(self.n_variables)

    @property
    def k(self) -> int:
        """Depth of the sum; each out element takes k multiply-accumulates."""
        return _extent(self.k_variables)

    @property
    def lhs_elements(self) -> int:
        """Distinct lhs elements read: batch · m · k."""
        return self.batch * self.m * self.k

    @property
    def rhs_elements(self) -> int:
        """Distinct rhs elements read: batch · k · n."""
        return self.batch * self.k * self.n

    @property
    def out_elements(self) -> int:
        """Distinct out elements written: batch · m · n."""
        return self.batch * self.m * self.n

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates of the box: batch · m · n · k."""
        return self.batch * self.m * self.n * self.k


def _extent(variables: Variables) -> int:
    return prod(extent for _, extent in variables)


def find_matmul(einsum: Einsum) -> MatmulDims | None:
    """Return the dimensions of an einsum that is a matrix product, else None.

    It is one if it multiplies two different tensors, sums over at least one variable that both
    have and no other, and at least one operand has a variable that the other lacks (a plain dot
    product is vector work). Operands whose rows are gathered are no dense matrices: vector work.
    """
    product = einsum.map
    if not isinstance(product, Apply) or product.operation != "mul" or len(einsum.operands) != 2:
        return None
    if not all(isinstance(argument, Operand) for argument in product.arguments):
        return None
    left, right = einsum.operands
    if any(index.gather is not None for access in (left, right) for index in access.indices):
        return None
    if left.tensor == right.tensor or any(operation != "add" for _, operation in einsum.reduce):
        return None
    in_left = _free_variables(einsum, 0)
    in_right = _free_variables(einsum, 1)
    summed = {variable for variable, _ in einsum.reduce}
    groups: dict[str, list[tuple[str, int]]] = {"batch": [], "m": [], "n": [], "k": []}
    for variable, extent in einsum.space:
        if variable in in_left and variable in in_right:
            group = "k" if variable in summed else "batch"
        elif variable in summed:
            return None
        else:
            group = "m" if variable in in_left else "n"
        groups[group].append((variable, extent))
    if not groups["k"] or not (groups["m"] or groups["n"]):
        return None
    return MatmulDims(
        batch_variables=tuple(groups["batch"]),
        m_variables=tuple(groups["m"]),
        n_variables=tuple(groups["n"]),
        k_variables=tuple(groups["k"]),
        lhs=left.tensor,
        rhs=right.tensor,
        out=einsum.output.tensor,
        filter=einsum.filter,
    )


def _free_variables(einsum: Einsum, operand: int) -> set[str]:
    """Variables that choose the operand's element; those of a filter's bound do not."""
    chosen: set[str] = set()
    for index in einsum.operands[operand].indices:
        chosen.update(variable for variable, _ in index.terms)
    return chosen
