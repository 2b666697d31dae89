"""The counts of a case of the attention tile."""

from __future__ import annotations

from dataclasses import dataclass

from rtl_ref.harness.blocks import Case


@dataclass(frozen=True, slots=True)
class Shape:
    """Counts of a case: rows of an array tile, tiles of a block, beats of a tile, blocks."""

    rows: int
    columns: int
    tiles: int
    beats: int
    blocks: int
    queue: int
    spacing: int

    @property
    def words(self) -> int:
        """Rows of scores of a block, and tiles of its softmax."""
        return self.rows * self.tiles

    @property
    def block_beats(self) -> int:
        """Operand beats of a block."""
        return self.tiles * self.beats


def shape(parameters: dict[str, int], case: Case) -> Shape:
    """Return the counts of a case."""
    return Shape(
        parameters["Rows"],
        parameters["Cols"],
        parameters["Tiles"],
        case["beats"],
        case["blocks"],
        parameters["QueueDepth"],
        parameters["SlotSpacing"],
    )
