"""Tensors stored in a format with scales, and the einsums that scale them.

Neighbours along one rank share a scale (and a zero point): ``W`` holds the values, ``WSCALE`` and
``WZERO`` hold one number for each group. A rank that the group does not divide is one group.
"""

from __future__ import annotations

from collections.abc import Sequence

from archsim.numberformat import FORMATS, NumberFormat, parse_format
from workloads.builder import CascadeBuilder
from workloads.sparsity import Sparsity

LARGEST = {"int4": 7.0, "int8": 127.0, "fp8": 448.0, "mxfp4": 6.0, "nvfp4": 6.0, "fp16": 65504.0}
"""Greatest value of a format: two's complement integers used symmetrically; E4M3, E2M1 (OCP
Microscaling Formats 1.0, tables 1 and 5) and IEEE binary16 floats."""


def has_scales(number_format: NumberFormat) -> bool:
    """Whether values of the format share scales."""
    return number_format.group is not None


def format_parts(
    number_format: NumberFormat,
) -> tuple[NumberFormat, NumberFormat, NumberFormat | None]:
    """Return the formats of values, scales and zero points of a format with scales."""
    base, *rest = number_format.name.split(":")
    if not rest:
        # Formats with scales by definition: 4-bit values, 8-bit scales.
        return FORMATS["int4"], FORMATS["fp8"], None
    zeros = parse_format(rest[2]) if len(rest) == 3 else None
    return parse_format(base), parse_format(rest[1]), zeros


def largest_value(number_format: NumberFormat) -> float:
    """Return the greatest value that one element can hold before it is scaled."""
    return LARGEST.get(number_format.name.partition(":")[0], 3.0e38)


def group_ranks(builder: CascadeBuilder, rank: str, number_format: NumberFormat) -> tuple[str, str]:
    """Declare the two levels of a rank, groups and members; return the text of both coordinates.

    Returns
    -------
    tuple of str
        The coordinate of an element, ``dq128*128+di128``, and that of its group, ``dq128``.
    """
    extent = builder.extent(rank)
    size = number_format.group or extent
    size = extent if extent % size else size
    outer, inner = f"{rank}Q{size}", f"{rank}I{size}"
    builder.rank(outer, extent // size, parent=rank)
    builder.rank(inner, size, parent=rank)
    return f"{outer.lower()}*{size}+{inner.lower()}", outer.lower()


def declare_scaled(
    builder: CascadeBuilder,
    name: str,
    ranks: Sequence[str],
    place: int,
    role: str,
    number_format: NumberFormat,
    sparsity: Sparsity | None = None,
) -> None:
    """Declare the values of a tensor, its scales, and its zero points if the format has any.

    Parameters
    ----------
    builder
        The cascade.
    name, ranks, role, number_format, sparsity
        As of a tensor.
    place
        Which of the ranks is cut into groups.
    """
    values, scales, zeros = format_parts(number_format)
    _, group = group_ranks(builder, ranks[place], number_format)
    coarse = [*ranks]
    coarse[place] = group.upper()
    builder.tensor(name, " ".join(ranks), role, values, sparsity)
    builder.tensor(f"{name}SCALE", " ".join(coarse), role, scales)
    if zeros is not None:
        builder.tensor(f"{name}ZERO", " ".join(coarse), role, zeros)


def scaled_text(
    builder: CascadeBuilder,
    name: str,
    indices: Sequence[str],
    place: int,
    rank: str,
    number_format: NumberFormat,
) -> tuple[str, str]:
    """Return the coordinate of an element of the grouped rank, and the text of its scaled value.

    Parameters
    ----------
    builder, name, number_format
        As for :func:`declare_scaled`.
    indices
        Index texts of the tensor; that at `place` is replaced.
    place, rank
        Which index runs along the groups, and the rank that it indexes.
    """
    element, group = group_ranks(builder, rank, number_format)
    fine, coarse = [*indices], [*indices]
    fine[place], coarse[place] = element, group
    value = f"{name}[{','.join(fine)}]"
    if format_parts(number_format)[2] is not None:
        value = f"({value} - {name}ZERO[{','.join(coarse)}])"
    return element, f"{value} * {name}SCALE[{','.join(coarse)}]"
