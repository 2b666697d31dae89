"""A fused block on a machine: row blocks, tiles of the inner rank, what they take and save."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.mapping import Infeasible
from mappers.fused_block import Block, dims
from mappers.work import Work, in_turn, service_work, transfer_work

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Placement
    from workloads import Cascade, Einsum

WEIGHT_TILES = 2
"""Tiles of weights on chip: one in use, one being filled."""


@dataclass(frozen=True)
class FusedPlan:
    """How a block runs: rows in blocks, the inner rank in tiles.

    Attributes
    ----------
    block, cascade, machine, placement
        What, of which fragment, where, and where the tensors stand.
    rows, tile
        Rows of a block, and coordinates of the inner rank at a time.
    """

    block: Block
    cascade: Cascade
    machine: Machine
    placement: Placement
    rows: int
    tile: int

    @property
    def all_rows(self) -> int:
        """Rows in all."""
        return dims(self.block.first[0]).m

    @property
    def inner(self) -> int:
        """Extent of the rank that is tiled: inner one, or columns of all projections together."""
        if self.block.last is not None:
            return dims(self.block.first[0]).n
        return sum(dims(einsum).n for einsum in self.block.first)

    @property
    def num_blocks(self) -> int:
        """Row blocks."""
        return -(-self.all_rows // self.rows)

    @property
    def num_tiles(self) -> int:
        """Tiles of the inner rank in a row block."""
        return -(-self.inner // self.tile)

    def bytes_of(self, tensor: str, share: float) -> int:
        """Return the bytes of a share of a tensor, rounded up to whole values."""
        found = self.cascade.tensor(tensor)
        return found.format.bytes(max(1, -int(-found.num_elements(self.cascade) * share // 1)))

    def boundary(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the row tensors that come in, and those that leave."""
        made = {einsum.output.tensor for einsum in self.block.einsums}
        weights = {dims(e).rhs for e in self.products}
        read = {name for einsum in self.block.einsums for name in einsum.reads()}
        came = sorted(read - made - weights)
        if self.block.last is not None:
            return tuple(came), (self.block.last.output.tensor,)
        return tuple(came), tuple(einsum.output.tensor for einsum in self.block.first)

    @property
    def products(self) -> tuple[Einsum, ...]:
        """Products of the block, in order."""
        last = self.block.last
        return self.block.first if last is None else (*self.block.first, last)

    def inside(self) -> tuple[str, ...]:
        """Return the tensors that never leave the chip."""
        out = set(self.boundary()[1])
        return tuple(
            einsum.output.tensor for einsum in self.block.einsums if einsum.output.tensor not in out
        )

    def weight_bytes(self) -> int:
        """Return the bytes of all weights."""
        return sum(self.bytes_of(dims(einsum).rhs, 1.0) for einsum in self.products)

    def footprint_bytes(self) -> int:
        """Return the bytes in use at once: rows in and out, tiles of weights and in between."""
        share = self.rows / self.all_rows
        came, left = self.boundary()
        part = self.tile / self.inner
        rows = sum(self.bytes_of(name, share) for name in came)
        # Projections leave tile by tile, with one tile on its way out.
        leaving = share if self.block.last is not None else 2 * share * part
        rows += sum(self.bytes_of(name, leaving) for name in left)
        between = sum(
            self.bytes_of(name, share * (part if self.block.last is not None else 1.0))
            for name in self.inside()
        )
        weights = -(-self.weight_bytes() * self.tile // self.inner)
        return rows + between + WEIGHT_TILES * weights

    def compute(self, einsum: Einsum, parts: int) -> Work:
        """Return the work of an einsum on one row block, or on one of several tiles of it."""
        found = einsum.matmul()
        if found is not None:
            array = self.machine.array
            assert array is not None
            tiled_sum = einsum is self.block.last
            extent = {
                "m": self.rows,
                "n": found.n if tiled_sum else -(-found.n // parts),
                "k": -(-found.k // parts) if tiled_sum else found.k,
            }
            number = self.cascade.tensor(found.lhs).format.name.partition(":")[0]
            return service_work(array, "mac", extent, number)
        vector = self.machine.vector
        assert vector is not None
        counts = {
            action: -(-count // (self.num_blocks * parts))
            for action, count in einsum.op_counts().items()
        }
        number = self.cascade.tensor(einsum.output.tensor).format.name.partition(":")[0]
        return service_work(vector, "elementwise", counts, number)

    def rows_in(self) -> Work:
        """Return the work of fetching the rows of a block, gains and the like included."""
        return self._moved(self.boundary()[0], 1.0 / self.num_blocks, inward=True)

    def rows_out(self) -> Work:
        """Return the work of taking results home: of a row block, or of a tile of projections."""
        parts = self.num_blocks * (self.num_tiles if self.block.last is None else 1)
        return self._moved(self.boundary()[1], 1.0 / parts, inward=False)

    def weights_in(self) -> Work:
        """Return the work of fetching the weights of one tile of the inner rank."""
        names = tuple(dims(einsum).rhs for einsum in self.products)
        return self._moved(names, 1.0 / self.num_tiles, inward=True)

    def _moved(self, names: tuple[str, ...], share: float, *, inward: bool) -> Work:
        works = []
        for name in names:
            home = self.placement.homes.get(name, self.machine.outermost)
            if home == self.machine.innermost:
                continue
            ends = (home, self.machine.innermost)
            source, target = ends if inward else ends[::-1]
            number = self.cascade.tensor(name).format.name
            num_bytes = self.bytes_of(name, share)
            works.append(transfer_work(self.machine, source, target, num_bytes, number))
        return in_turn(works, "bandwidth") if works else Work((), 0)

    def time_ps(self) -> int:
        """Return the busiest unit's time, for the choice of rows and tile."""
        busy: dict[str, int] = {}

        def add(work: Work, times: int) -> None:
            for resource, occupancy, _ in work.holds:
                busy[resource] = busy.get(resource, 0) + occupancy * times

        add(self.rows_in(), self.num_blocks)
        add(self.rows_out(), self.num_blocks * (self.num_tiles if self.block.last is None else 1))
        add(self.weights_in(), self.num_blocks * self.num_tiles)
        for einsum in self.block.einsums:
            parts = self.parts(einsum)
            add(self.compute(einsum, parts), self.num_blocks * parts)
        return max(busy.values())

    def parts(self, einsum: Einsum) -> int:
        """Return in how many tiles an einsum runs in a row block."""
        before = self.block.last is None and einsum in self.block.between
        return 1 if before else self.num_tiles


def plan_block(
    block: Block, cascade: Cascade, machine: Machine, placement: Placement
) -> FusedPlan | Infeasible:
    """Return the plan that keeps its busiest unit shortest, the smallest footprint of equals."""
    room = placement.available_bytes.get(machine.innermost)
    best: tuple[tuple[int, int], FusedPlan] | None = None
    least: int | None = None
    for rows, tile in _candidates(block, machine):
        plan = FusedPlan(block, cascade, machine, placement, rows, tile)
        used = plan.footprint_bytes()
        least = used if least is None else min(least, used)
        if room is not None and used > room:
            continue
        cost = (plan.time_ps(), used)
        if best is None or cost < best[0]:
            best = (cost, plan)
    if best is None:
        detail = f"the smallest row block of {block.names[0]}..{block.names[-1]} with its weights"
        return Infeasible(machine.innermost, least or 0, room or 0, "B", detail)
    return best[1]


def _candidates(block: Block, machine: Machine) -> Iterator[tuple[int, int]]:
    array = machine.array
    assert array is not None
    rows = dims(block.first[0]).m
    inner = dims(block.first[0]).n
    if block.last is None:
        inner = sum(dims(einsum).n for einsum in block.first)
    sides = [array.law.rows, array.law.columns]
    for tall in _doublings(min(rows, sides[0]), rows):
        for wide in _doublings(min(inner, sides[1]), inner):
            yield tall, wide


def _doublings(first: int, last: int) -> list[int]:
    """Return a size and its doublings, made even over the whole."""
    sizes = []
    size = first
    while size < last:
        sizes.append(-(-last // -(-last // size)))
        size *= 2
    return [*dict.fromkeys(sizes), last]
