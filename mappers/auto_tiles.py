"""Tiles that mapper auto tries: the sides of the array, their multiples and fractions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mappers.attention_tiles import TileShape, even_share

if TYPE_CHECKING:
    from archsim.components.systolic_array import BoundSystolicArray
    from mappers.attention_problem import AttentionProblem

MULTIPLES = (1, 2, 4, 8)
"""Tile sides tried beyond the array's, in sides of the array (a choice, as in mapper flash)."""

FRACTIONS = (2, 4, 8, 16)
"""Parts of the array's sides tried: they keep less on chip, and fill and drain sooner."""


def shapes(problem: AttentionProblem, array: BoundSystolicArray) -> Iterator[TileShape]:
    """Yield tiles, the one that fills the array first, each once.

    Notes
    -----
    The time of a tile in the array hardly depends on its size: smaller ones are for small buffers.
    """
    rows = problem.heads * problem.queries
    tall, wide = array.law.rows, array.law.columns * array.law.count
    parts = (1, *FRACTIONS)
    sizes = [(max(1, tall // a), max(1, wide // b)) for a in parts for b in parts]
    sizes += [(tall * a, wide * b) for a in MULTIPLES for b in MULTIPLES]
    seen = set()
    for keys, columns in sizes:
        shape = TileShape(even_share(problem.keys, keys), even_share(rows, columns))
        if shape not in seen:
            seen.add(shape)
            yield shape
