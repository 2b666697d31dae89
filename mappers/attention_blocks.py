"""Blocks of query rows on the columns of an array, and the key tiles that each of them visits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mappers.attention_problem import AttentionProblem


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Query rows that the array holds at once.

    Attributes
    ----------
    columns
        Rows of scores in it, one for each column of the array.
    first, stop
        Key tiles visited: first … stop - 1; tiles that the mask removes whole are not among them.
    """

    columns: int
    first: int
    stop: int

    @property
    def num_tiles(self) -> int:
        """Key tiles visited."""
        return self.stop - self.first


def row_blocks(problem: AttentionProblem, tile_keys: int, columns: int) -> tuple[RowBlock, ...]:
    """Return the blocks of one pair of K and V, all heads that share it included.

    Parameters
    ----------
    problem
        The attention.
    tile_keys
        Keys of a tile.
    columns
        Query rows that fit side by side.

    Notes
    -----
    A head that fills the columns is cut along its positions; shorter heads stand side by side.
    """
    queries, heads = problem.queries, problem.heads
    if queries >= columns or heads == 1:
        parts = [(first, min(columns, queries - first), 1) for first in range(0, queries, columns)]
        repeats = heads
    else:
        together = columns // queries
        full, rest = divmod(heads, together)
        parts = [(0, queries, together)] * full + ([(0, queries, rest)] if rest else [])
        repeats = 1
    blocks = []
    for first, count, side_by_side in parts:
        low, high = problem.visible_keys(first, first + count - 1)
        if high > low:
            tiles = (low // tile_keys, -(-high // tile_keys))
            blocks.append(RowBlock(count * side_by_side, *tiles))
    return tuple(blocks) * repeats


def blocks_together(num_blocks: int, room: int) -> int:
    """Return how many row blocks stay on chip while keys and values stream by once.

    Parameters
    ----------
    num_blocks
        Row blocks in all.
    room
        Row blocks that fit.

    Notes
    -----
    The largest divisor of the number of blocks that fits, as FuseMax chooses it (MICRO 2024,
    artifact); equal shares instead where that would stream keys more than twice as often.
    """
    most = max(1, min(room, num_blocks))
    divisor = next(size for size in range(most, 0, -1) if num_blocks % size == 0)
    streams = -(-num_blocks // most)
    return divisor if num_blocks // divisor <= 2 * streams else -(-num_blocks // streams)


@dataclass(frozen=True, slots=True)
class SuperBlock:
    """Row blocks that share one stream of keys and values.

    Attributes
    ----------
    blocks
        Row blocks, in order.
    runs
        ``(row blocks that visit a tile, consecutive tiles with that many)``, along the stream.
    """

    blocks: tuple[RowBlock, ...]
    runs: tuple[tuple[int, int], ...]

    def steps_behind(self, place: int) -> int:
        """Return how many tiles of the group follow the last one of one of its blocks."""
        stop = self.blocks[place].stop
        found = 0
        for number, other in enumerate(self.blocks):
            same_row = number > place and other.first < stop <= other.stop
            found += int(same_row) + max(0, other.stop - max(stop, other.first))
        return found

    @property
    def num_rows(self) -> int:
        """Key tiles streamed."""
        return sum(count for _, count in self.runs)

    @property
    def num_tiles(self) -> int:
        """Tiles computed."""
        return sum(width * count for width, count in self.runs)


def super_blocks(blocks: Sequence[RowBlock], together: int) -> tuple[SuperBlock, ...]:
    """Return row blocks in groups that share a stream, each with the tiles it visits."""
    groups = [tuple(blocks[i : i + together]) for i in range(0, len(blocks), together)]
    made: dict[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]] = {}
    found = []
    for group in groups:
        low = min(block.first for block in group)
        shape = tuple((block.first - low, block.stop - low) for block in group)
        if shape not in made:
            made[shape] = _runs(shape)
        found.append(SuperBlock(group, made[shape]))
    return tuple(found)


def _runs(ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return how many of some ranges cover each position, as runs of equal numbers."""
    change: dict[int, int] = {}
    for first, stop in ranges:
        change[first] = change.get(first, 0) + 1
        change[stop] = change.get(stop, 0) - 1
    runs: list[tuple[int, int]] = []
    covering = 0
    edges = sorted(change)
    for edge, following in pairwise(edges):
        covering += change[edge]
        if covering:
            runs.append((covering, following - edge))
    return tuple(runs)
