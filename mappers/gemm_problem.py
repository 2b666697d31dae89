"""A (batched) matrix product to be mapped: extents, formats, homes; and the choices made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from archsim.errors import MappingError
from archsim.numberformat import FORMATS, NumberFormat, parse_format

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, Placement
    from workloads import Cascade

Unit = Literal["array", "array-swapped", "vector"]
"""Where the products are made: the array with the rhs as its second operand, the array with the
operands exchanged (the transposed product), the vector unit."""

Order = Literal["mnk", "nmk"]
"""Loop order over tiles, outermost first; k is innermost, so results leave the buffer once."""


@dataclass(frozen=True, slots=True)
class MatrixTensor:
    """One of the three tensors: name, number format and home level."""

    name: str
    format: NumberFormat
    home: str


@dataclass(frozen=True, slots=True)
class GemmProblem:
    """out[batch, m, n] = Σ_k lhs[batch, m, k] · rhs[batch, k, n].

    Attributes
    ----------
    batch, m, n, k
        Extents.
    lhs, rhs, out
        The tensors.
    accumulator
        Number format of partial sums in the buffer.
    capacity_bytes
        Bytes of the innermost level for tiles; None if unbounded.
    tags
        Tags of every operation (einsum, layer).
    """

    batch: int
    m: int
    n: int
    k: int
    lhs: MatrixTensor
    rhs: MatrixTensor
    out: MatrixTensor
    accumulator: NumberFormat
    capacity_bytes: int | None
    tags: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def wider_format(self) -> NumberFormat:
        """The wider of the two operands' formats."""
        return max((self.lhs.format, self.rhs.format), key=lambda item: item.bits)

    def key(self) -> dict[str, Json]:
        """Return the content that a search result depends on: no names, no tags."""
        tensors = (self.lhs, self.rhs, self.out)
        return {
            "extents": [self.batch, self.m, self.n, self.k],
            "formats": [
                [tensor.format.name, str(tensor.format.bits_per_element)] for tensor in tensors
            ],
            "homes": [tensor.home for tensor in tensors],
            "accumulator": self.accumulator.name,
            "capacity_bytes": self.capacity_bytes,
        }


@dataclass(frozen=True, slots=True)
class GemmChoice:
    """The choices that define a mapping.

    Attributes
    ----------
    unit
        Compute unit.
    order
        Loop order.
    tile_m, tile_n, tile_k
        Tile extents in the innermost level.
    panel
        Whether the operand of the outermost dimension is loaded with its full k and kept while the
        inner dimension is walked.
    """

    unit: Unit
    order: Order
    tile_m: int
    tile_n: int
    tile_k: int
    panel: bool

    def to_json(self) -> dict[str, Json]:
        """Return the choices as JSON values."""
        return {
            "unit": self.unit,
            "order": self.order,
            "tile_m": self.tile_m,
            "tile_n": self.tile_n,
            "tile_k": self.tile_k,
            "panel": self.panel,
        }

    @staticmethod
    def from_json(data: Mapping[str, Json]) -> GemmChoice:
        """Read what :meth:`to_json` wrote."""
        return GemmChoice(
            unit=cast("Unit", data["unit"]),
            order=cast("Order", data["order"]),
            tile_m=cast("int", data["tile_m"]),
            tile_n=cast("int", data["tile_n"]),
            tile_k=cast("int", data["tile_k"]),
            panel=cast("bool", data["panel"]),
        )


def read_problem(cascade: Cascade, machine: Machine, placement: Placement) -> GemmProblem:
    """Return the matrix product of a fragment with one einsum.

    Raises
    ------
    MappingError
        The fragment is not one matrix product.
    """
    einsum = cascade.einsums[0]
    dims = einsum.matmul()
    if dims is None or len(cascade.einsums) != 1:
        raise MappingError(f"fragment {cascade.name!r} is not a single matrix product")

    def tensor(name: str) -> MatrixTensor:
        home = placement.homes.get(name, machine.outermost)
        return MatrixTensor(name, cascade.tensor(name).format, home)

    accumulator = FORMATS["fp32"] if machine.array is None else accumulator_format(machine)
    return GemmProblem(
        batch=dims.batch,
        m=dims.m,
        n=dims.n,
        k=dims.k,
        lhs=tensor(dims.lhs),
        rhs=tensor(dims.rhs),
        out=tensor(dims.out),
        accumulator=accumulator,
        capacity_bytes=placement.available_bytes.get(machine.innermost),
        tags={"einsum": einsum.name, "layer": einsum.layer},
    )


def accumulator_format(machine: Machine) -> NumberFormat:
    """Return the format in which the machine's array keeps partial sums."""
    array = machine.array
    return FORMATS["fp32"] if array is None else parse_format(array.array.accumulator)


def multiply_format(problem: GemmProblem, formats: tuple[str, ...]) -> str | None:
    """Return the number format in which a unit multiplies.

    Parameters
    ----------
    problem
        The product; operands of different width are widened to the wider one on their way in.
    formats
        Formats that the unit supports.

    Returns
    -------
    str or None
        The wider operand's format if supported, else the narrowest supported one that is at least
        as wide; a floating-point one if either operand is. None if there is none.
    """
    operands = [
        parse_format(tensor.format.name.partition(":")[0]) for tensor in (problem.lhs, problem.rhs)
    ]
    bits = max(number.bits for number in operands)
    needs_float = any(_is_float(number) for number in operands)
    wanted = {number.name for number in operands if number.bits == bits}
    usable = [
        number
        for number in map(parse_format, formats)
        if number.bits >= bits and (_is_float(number) or not needs_float)
    ]
    usable.sort(key=lambda n: (n.name not in wanted, n.bits, _is_float(n) != needs_float, n.name))
    return usable[0].name if usable else None


def _is_float(number: NumberFormat) -> bool:
    return not number.name.startswith("int")
