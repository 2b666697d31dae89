"""Structured sparsity of weights, as an annotation of tensors.

A cascade computes the dense product; its counts and results are those of the dense tensor. What is
kept is stored with its positions, so bytes are fewer: in memory, on their way, and in buffers. That
a machine multiplies only what is kept is for the cost side to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from archsim.errors import WorkloadError

if TYPE_CHECKING:
    from archsim.numberformat import NumberFormat

_PATTERN = re.compile(
    r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})(?:@([1-9][0-9]{0,3})x([1-9][0-9]{0,3}))?"
)


@dataclass(frozen=True, slots=True)
class Sparsity:
    """At most `kept` of every `of` neighbours along the summed rank are not zero.

    Attributes
    ----------
    kept, of
        N and M.
    rows, columns
        Shape of a neighbour: 1 × 1 is N:M sparsity of values, larger ones that of blocks.
    """

    kept: int
    of: int
    rows: int = 1
    columns: int = 1

    @property
    def density(self) -> Fraction:
        """Share of the values that may be other than zero."""
        return Fraction(self.kept, self.of)

    def bits_per_dense_element(self, value_bits: Fraction | int) -> Fraction:
        """Return the bits stored per element of the dense tensor, positions included.

        Every kept block carries its position among `of` in ⌈log2 of⌉ bits.
        """
        position = Fraction((self.of - 1).bit_length(), self.rows * self.columns)
        return self.density * (Fraction(value_bits) + position)

    def stored(self, number: NumberFormat) -> NumberFormat:
        """Return a format that stores only what is kept; of one that does already, itself."""
        if number.stored_bits is not None:
            return number
        bits = self.bits_per_dense_element(number.bits_per_element)
        return replace(number, stored_bits=bits)

    def __str__(self) -> str:
        shape = f"@{self.rows}x{self.columns}" if (self.rows, self.columns) != (1, 1) else ""
        return f"{self.kept}:{self.of}{shape}"


def parse_sparsity(text: str) -> Sparsity:
    """Read ``2:4`` (2 of 4 values) or ``1:2@16x16`` (1 of 2 blocks of 16 × 16).

    Raises
    ------
    WorkloadError
        Malformed text, or more kept than there are.

    Examples
    --------
    >>> parse_sparsity("2:8").bits_per_dense_element(16)
    Fraction(19, 4)
    """
    match = _PATTERN.fullmatch(text.strip())
    if match is None or int(match[1]) > int(match[2]):
        raise WorkloadError(
            "is no sparsity",
            path="options.sparsity",
            given=text,
            allowed="N:M with N at most M, such as 2:4, or N:M@ROWSxCOLUMNS",
        )
    return Sparsity(int(match[1]), int(match[2]), int(match[3] or 1), int(match[4] or 1))
