"""What FuseMax's mappings decide: tile, row blocks that share a stream of keys, room on chip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from archsim.mapping import Infeasible
from mappers.attention_blocks import SuperBlock, blocks_together, row_blocks, super_blocks
from mappers.attention_tiles import (
    ON_ARRAY,
    ON_VECTOR,
    Softmax,
    TileBytes,
    TileShape,
    TileWorks,
    tile_shape,
)
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

MAX_LAG = 12
"""Most steps between the scores of a tile and the end of its work."""


def step_lags(style: Style, works: Mapping[str, Work]) -> tuple[int, int]:
    """Return by how many steps the numerators and the running sums lag behind the scores.

    Notes
    -----
    A step takes the busy time of the busier unit. What leaves the array at the bottom is waited
    for as many steps as its latency spans.
    """
    busy: dict[str, int] = {}
    for name in (*ON_ARRAY, *ON_VECTOR):
        for resource, occupancy, _ in works[name].holds:
            busy[resource] = busy.get(resource, 0) + occupancy
    step_ps = max(busy.values())
    first = _steps(works["LM" if style not in SOFTMAX_AT else "QK"].latency_ps, step_ps)
    return first, first + _steps(works["SLNV"].latency_ps, step_ps)


def _steps(latency_ps: int, step_ps: int) -> int:
    return min(MAX_LAG // 2, -(-latency_ps // step_ps))


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
    lags
        Steps by which the second and the third stage of a tile lag behind its scores.
    tiles_held
        Tiles of keys, and of values, that have room on chip.
    """

    problem: AttentionProblem
    machine: Machine
    style: Style
    shape: TileShape
    together: int
    supers: tuple[SuperBlock, ...]
    placement: Placement
    lags: tuple[int, int]
    tiles_held: tuple[int, int]

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
        return self.together * per_block + _stream_bytes(size, self.problem, self.tiles_held)

    def to_json(self) -> dict[str, Json]:
        """Return the decisions."""
        return {
            "tile": {"keys": self.shape.keys, "rows": self.shape.columns},
            "row_blocks_together": self.together,
            "streams_of_keys": len(self.supers),
            "tiles_held": list(self.tiles_held),
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
    *,
    single: bool = False,
) -> FusemaxPlan | Infeasible:
    """Return the plan of an attention: as many row blocks together as fit, see `blocks_together`.

    Parameters
    ----------
    problem, machine, style, placement
        What, where, how, and where the tensors stand.
    shape
        Tile; what fills the array by default.
    single
        Take as many row blocks together as fit beside one tile of keys and values, as the paper
        does; else beside as many as keep the stream going while tiles overlap.

    Returns
    -------
    FusemaxPlan or Infeasible
        Infeasible if a single row block does not fit beside a tile of keys and values.
    """
    array = machine.array
    assert array is not None
    shape = shape or tile_shape(problem, array)
    size = TileBytes.of(problem, shape)
    works = TileWorks(problem, machine, shape, SOFTMAX_AT.get(style, "array")).works()
    lags = step_lags(style, works)
    blocks = row_blocks(problem, shape.keys, shape.columns)
    capacity = placement.available_bytes.get(machine.innermost)
    wanted = (2, 2 + lags[0])
    tiles = (1, 1) if single else wanted
    stream = _stream_bytes(size, problem, tiles)
    each = size.row_block + _scores_on_chip(size, style)
    room = len(blocks) if capacity is None else (capacity - stream) // each
    if room < 1:
        return Infeasible(
            machine.innermost,
            stream + each,
            capacity or 0,
            "B",
            f"a row block of {shape.columns} queries and {sum(tiles)} tiles of {shape.keys} "
            "keys or values",
        )
    together = blocks_together(len(blocks), room)
    left = None if capacity is None else capacity - together * each
    if left is None or _stream_bytes(size, problem, wanted) <= left:
        tiles = wanted
    supers = super_blocks(blocks, together)
    return FusemaxPlan(problem, machine, style, shape, together, supers, placement, lags, tiles)


def _stream_bytes(size: TileBytes, problem: AttentionProblem, tiles: tuple[int, int]) -> int:
    """Return the bytes of some tiles of keys and of values; shared ones count once."""
    if problem.shares_key:
        return max(tiles) * size.key
    return tiles[0] * size.key + tiles[1] * size.value
