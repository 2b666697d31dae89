"""Index expressions and accesses: how a point of an einsum reaches an element of a tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexExpr:
    """Coordinate of one rank: an affine form of rank variables, or a value read from a tensor.

    Attributes
    ----------
    terms
        ``(variable, coefficient)`` pairs.
    offset
        Constant added to the terms.
    bound
        Prefix filter: only points whose coordinate is at most the bound's value are visited.
    gather
        The coordinate is the (integer) value of this access; terms and bound are then empty.
    window
        With a bound: only the last `window` coordinates up to the bound are visited; 0: all.
    """

    terms: tuple[tuple[str, int], ...] = ()
    offset: int = 0
    bound: IndexExpr | None = None
    gather: Access | None = None
    window: int = 0

    @property
    def kind(self) -> str:
        """One of ``var affine const shift filter gather``."""
        if self.gather is not None:
            return "gather"
        if self.bound is not None:
            return "filter"
        if not self.terms:
            return "const"
        if len(self.terms) == 1 and self.terms[0][1] == 1:
            return "shift" if self.offset else "var"
        return "affine"

    def variables(self) -> Iterator[str]:
        """Yield the rank variables it needs, those of its bound last."""
        for variable, _ in self.terms:
            yield variable
        if self.gather is not None:
            yield from self.gather.variables()
        if self.bound is not None:
            yield from self.bound.variables()

    def span(self, extents: Mapping[str, int]) -> tuple[int, int]:
        """Return the least and the greatest coordinate, the filter not considered.

        Parameters
        ----------
        extents
            Extent of every variable.
        """
        low = high = self.offset
        for variable, coefficient in self.terms:
            reach = coefficient * (extents[variable] - 1)
            low, high = low + min(reach, 0), high + max(reach, 0)
        return low, high

    def __str__(self) -> str:
        if self.gather is not None:
            return str(self.gather)
        text = ""
        for variable, coefficient in self.terms:
            sign = "-" if coefficient < 0 else "+" if text else ""
            factor = f"*{abs(coefficient)}" if abs(coefficient) != 1 else ""
            text += f"{sign}{variable}{factor}"
        if self.offset or not text:
            text += f"{self.offset:+d}" if text else str(self.offset)
        if self.bound is None:
            return text
        lower = f"{_shifted(self.bound, -self.window)}<" if self.window else ""
        return f"{lower}{text}<={self.bound}"


def _shifted(index: IndexExpr, distance: int) -> IndexExpr:
    return IndexExpr(index.terms, index.offset + distance)


@dataclass(frozen=True, slots=True)
class Access:
    """One tensor, with an index expression for each of its ranks."""

    tensor: str
    indices: tuple[IndexExpr, ...]

    def variables(self) -> Iterator[str]:
        """Yield the rank variables of all indices (with repetitions)."""
        for index in self.indices:
            yield from index.variables()

    def gathers(self) -> Iterator[Access]:
        """Yield the accesses from which coordinates are read."""
        for index in self.indices:
            if index.gather is not None:
                yield index.gather

    def __str__(self) -> str:
        return f"{self.tensor}[{','.join(map(str, self.indices))}]"
