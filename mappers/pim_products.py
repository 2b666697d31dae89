"""Matrix products in memory: weights in the banks, one vector (or a few) at a time.

Rows of the matrix are dealt to all stacks, channels and units; with a unit beside each bank the
inner dimension is split over the banks of a group. Vectors beyond those that units take at once
read the matrix again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.components.base import base_format
from archsim.components.pim_cost import PimCost
from archsim.mapping import Infeasible
from mappers.pim_collective import behind_products
from mappers.pim_mapping import (
    PimMapping,
    joined,
    move_phase,
    moves_used,
    operator_use,
    unit_phases,
)

if TYPE_CHECKING:
    from archsim.mapping import Json, MapContext, OperatorUse
    from mappers.closed_form import Phase
    from mappers.pim_machine import PimMachine
    from workloads import Cascade, Einsum
    from workloads.matmul import MatmulDims


@dataclass(frozen=True, slots=True)
class Product:
    """A product in memory.

    Attributes
    ----------
    einsum, dims
        What is computed.
    number, element_bytes
        Format of the weights.
    parts
        Operations, of as many vectors as units take at once and of the rest, and how often each.
    """

    einsum: Einsum
    dims: MatmulDims
    number: str
    element_bytes: int
    parts: tuple[tuple[PimCost, int], ...]

    @property
    def passes(self) -> int:
        """How often the matrices are read."""
        return sum(times for _, times in self.parts)

    @property
    def cost(self) -> PimCost:
        """All of it as one."""
        return PimCost.total(self.parts)

    @property
    def padding(self) -> float:
        """Share of the bytes read that is padding."""
        first = self.parts[0][0]
        return 1.0 - first.useful_bytes / first.read_bytes


def product(
    pim: PimMachine, cascade: Cascade, einsum: Einsum, context: MapContext
) -> Product | Infeasible:
    """Return a product in memory, or what hinders it."""
    dims = einsum.matmul()
    assert dims is not None
    number = cascade.tensor(dims.rhs).format.name
    size = pim.units.element_bytes(number)
    if isinstance(size, Infeasible):
        return size
    whole, rest = divmod(dims.m, pim.units.vectors)
    parts = []
    for vectors, times in ((pim.units.vectors, whole), (rest, 1)):
        if vectors and times:
            cost = pim.units.gemv(dims.n, dims.k, size, vectors, context.cache)
            if isinstance(cost, Infeasible):
                return cost
            parts.append((cost, times * dims.batch))
    return Product(einsum, dims, base_format(number), size, tuple(parts))


def product_phases(
    pim: PimMachine, cascade: Cascade, item: Product, context: MapContext
) -> list[Phase]:
    """Return the phases of a product: vectors in, passes over the matrix, results out."""
    machine, dims, name = pim.machine, item.dims, item.einsum.name
    cost = item.cost
    served = dims.batch * dims.m / item.passes
    counts = pim.units.counts(cost, item.number, item.element_bytes, served)
    left, out = cascade.tensor(dims.lhs).format, cascade.tensor(dims.out).format
    homes = context.placement.homes
    reads = out.bytes(dims.batch * dims.m * dims.n)
    writes = 0
    if pim.link is not None:
        writes = left.bytes(dims.batch * dims.m * dims.k)
    elif not pim.keeps_activations:
        if homes.get(dims.lhs, machine.outermost) == machine.outermost:
            reads += left.bytes(dims.batch * dims.m * dims.k)
        if homes.get(dims.out, machine.outermost) == machine.outermost:
            writes = out.bytes(dims.batch * dims.m * dims.n)
    phases = unit_phases(pim, name, cost, 1, {name: counts})
    return list(joined([*phases, move_phase(pim, f"{name} results", name, reads, writes)]))


def products_mapping(
    pim: PimMachine,
    mapper_id: str,
    cascade: Cascade,
    options: Mapping[str, Json],
    context: MapContext,
) -> PimMapping | Infeasible:
    """Map all products of a fragment into memory, one after the other."""
    phases: list[Phase] = []
    notes, shapes = [], []
    uses: list[OperatorUse] = []
    for einsum in cascade.einsums:
        if einsum.matmul() is None:
            continue
        item = product(pim, cascade, einsum, context)
        if isinstance(item, Infeasible):
            return item
        own = product_phases(pim, cascade, item, context)
        phases += own
        work = einsum.macs(), item.cost.useful_bytes
        uses.append(operator_use(pim, einsum.name, item.number, own, work))
        notes += product_notes(pim, item)
        shape: dict[str, Json] = {
            "einsum": einsum.name,
            "rows": item.dims.n,
            "inner": item.dims.k,
            "passes": item.passes,
            "batch": min(item.dims.m, pim.units.vectors),
            "time_ps": item.parts[0][0].time_ps,
        }
        shapes.append(shape)
    behind = behind_products(pim.machine, cascade, options)
    phases += behind
    uses += moves_used(behind)
    inside = {tensor.name for tensor in cascade.role_tensors("intermediate")}
    return PimMapping(
        mapper_id,
        cascade.name,
        cascade.einsums[-1].layer,
        tuple(phases),
        tuple(e.name for e in cascade.einsums if e.output.tensor in inside),
        tuple(notes),
        {"operations": list(shapes)},
        operators=tuple(uses),
    )


def product_notes(pim: PimMachine, item: Product) -> list[str]:
    """Return what the report says about a product: padding, passes, lines."""
    found = []
    if item.padding > 0.005:
        found.append(
            f"{item.einsum.name}: {item.padding:.1%} of what the units read is padding "
            f"({item.dims.n} x {item.dims.k} over all banks)"
        )
    if item.passes > item.dims.batch:
        vectors = pim.units.vectors
        found.append(
            f"weights in memory are read once for each {vectors} vectors"
            if vectors > 1
            else "weights in memory are read again for each vector: units keep one"
        )
    if item.cost.is_line:
        found.append("operations of very many commands are continued as a line from shorter ones")
    return found
