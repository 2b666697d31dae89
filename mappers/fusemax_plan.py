"""What FuseMax's mappings decide: tile, row blocks that share a stream of keys, room on chip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from archsim.mapping import Infeasible
from mappers.attention_blocks import SuperBlock, blocks_together, row_blocks, super_blocks
from mappers.attention_tiles import Softmax, TileBytes, TileShape, TileWorks, tile_shape
from mappers.work import Work, transfer_work

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, Placement
    from mappers.attention_problem import AttentionProblem

Style = Literal["cascade", "architecture", "binding", "flash"]
"""Steps of FuseMax's ablation: the 1-pass cascade on a plain array; softmax in the array, tile
after tile; both arrays interleaved across tiles. And ``flash``: the 1-pass cascade with products
as the array's own dataflow makes them, of tiles of any size."""

SOFTMAX_AT: dict[str, Softmax] = {"cascade": "vector", "flash": "tiled"}
"""Where softmax runs, by style; in the array unless named."""

BUFFERED_TILES = 2
"""Tiles of keys and values in the buffer: one in use, one being filled."""


@dataclass(frozen=True)
class FusemaxPlan:
    """A mapping of one attention onto one machine.

    Attributes
    ----------
    problem, machine, style
        What, where, how.
    shape
        Tile.
    together
        Row blocks that share one stream of keys and values (P1 of the paper).
    supers
        Groups of row blocks, in order (P2 of them).
    placement
        Homes of the tensors.
    """

    problem: AttentionProblem
    machine: Machine
    style: Style
    shape: TileShape
    together: int
    supers: tuple[SuperBlock, ...]
    placement: Placement

    @property
    def mapper(self) -> str:
        """Id of the mapper that makes such plans."""
        return self.style if self.style == "flash" else f"fusemax-{self.style}"

    @property
    def tile(self) -> TileWorks:
        """The works of a tile's einsums."""
        where = SOFTMAX_AT.get(self.style, "array")
        return TileWorks(self.problem, self.machine, self.shape, where)

    def load(self, name: Literal["query", "key", "value"], elements: int) -> Work:
        """Return the work of fetching elements of an operand from its home."""
        part = getattr(self.problem, name)
        home = self.problem.home(part, self.placement, self.machine)
        if home == self.machine.innermost:
            return Work((), 0)
        number = part.format
        return transfer_work(
            self.machine, home, self.machine.innermost, number.bytes(elements), number.name
        )

    def store(self, elements: int) -> Work:
        """Return the work of taking elements of the result to its home."""
        part = self.problem.result
        home = self.problem.home(part, self.placement, self.machine)
        number = part.format
        if home == self.machine.innermost:
            return Work((), 0)
        return transfer_work(
            self.machine, self.machine.innermost, home, number.bytes(elements), number.name
        )

    @property
    def footprint_bytes(self) -> int:
        """Bytes used of the innermost level."""
        size = TileBytes.of(self.problem, self.shape)
        per_block = size.row_block + _scores_on_chip(size, self.style)
        stream = size.stream(shared=self.problem.shares_key)
        return self.together * per_block + BUFFERED_TILES * stream

    def to_json(self) -> dict[str, Json]:
        """Return the decisions."""
        return {
            "tile": {"keys": self.shape.keys, "rows": self.shape.columns},
            "row_blocks_together": self.together,
            "streams_of_keys": len(self.supers),
        }

    @property
    def footprints(self) -> Mapping[str, int]:
        """Bytes used by level."""
        return {self.machine.innermost: self.footprint_bytes}


def _scores_on_chip(size: TileBytes, style: Style) -> int:
    """Return the bytes of scores and numerators of a row block's tile in the buffer."""
    return 2 * size.score if style in SOFTMAX_AT else 0


def plan_attention(
    problem: AttentionProblem,
    machine: Machine,
    style: Style,
    placement: Placement,
    shape: TileShape | None = None,
) -> FusemaxPlan | Infeasible:
    """Return the plan of an attention: as many row blocks together as fit, see `blocks_together`.

    Parameters
    ----------
    problem, machine, style, placement
        What, where, how, and where the tensors stand.
    shape
        Tile; what fills the array by default.

    Returns
    -------
    FusemaxPlan or Infeasible
        Infeasible if a single row block does not fit beside a tile of keys and values.
    """
    array = machine.array
    assert array is not None
    shape = shape or tile_shape(problem, array)
    size = TileBytes.of(problem, shape)
    blocks = row_blocks(problem, shape.keys, shape.columns)
    capacity = placement.available_bytes.get(machine.innermost)
    stream = BUFFERED_TILES * size.stream(shared=problem.shares_key)
    each = size.row_block + _scores_on_chip(size, style)
    room = len(blocks) if capacity is None else (capacity - stream) // each
    if room < 1:
        return Infeasible(
            machine.innermost,
            stream + each,
            capacity or 0,
            "B",
            f"a row block of {shape.columns} queries and {BUFFERED_TILES} tiles of "
            f"{shape.keys} keys and values",
        )
    together = blocks_together(len(blocks), room)
    supers = super_blocks(blocks, together)
    return FusemaxPlan(problem, machine, style, shape, together, supers, placement)
