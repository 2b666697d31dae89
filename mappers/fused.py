"""Products fused with what stands beside them: gated feed-forward parts, norms with projections.

A row block comes in, goes through the block, and leaves: what is between never does. Tiles of
weights stream by once for each row block, the next one while one is in use; the product that sums
over the inner rank runs one tile behind those that make it. Everything else is mapped by
:mod:`mappers.gemm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from archsim.errors import MappingError
from archsim.mapping import FragmentMapping, Infeasible
from archsim.units import human_quantity
from mappers.fused_block import find_blocks
from mappers.fused_plan import WEIGHT_TILES, FusedPlan, plan_block
from mappers.gemm import GemmMapper
from mappers.unfused import Part, UnfusedMapping, split
from mappers.vector import VectorMapper
from mappers.work import Work, apart

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, MapContext
    from archsim.program import OpRef, Program, ProgramBuilder
    from workloads import Cascade, Einsum


@dataclass(frozen=True)
class FusedMapping:
    """A block of einsums mapped as one.

    Attributes
    ----------
    plan
        Row blocks and tiles.
    saved_bytes, saved_ps
        What separate operators would move and take in addition.
    """

    plan: FusedPlan
    saved_bytes: int = 0
    saved_ps: int = 0
    mapper: str = "fused"

    @property
    def footprints(self) -> Mapping[str, int]:
        """Peak bytes of each level."""
        return {self.plan.machine.innermost: self.plan.footprint_bytes()}

    @property
    def fused(self) -> tuple[str, ...]:
        """Names of the einsums whose results never leave the chip."""
        inside = set(self.plan.inside())
        return tuple(e.name for e in self.plan.block.einsums if e.output.tensor in inside)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was fused and what it saved, for the report."""
        block, plan = self.plan.block, self.plan
        amount = human_quantity(abs(self.saved_bytes), "bytes")
        word = "saves" if self.saved_bytes >= 0 else "costs"
        time = human_quantity(self.saved_ps * 1e-12, "time")
        return (
            f"{block.kind} fused ({block.names[0]} to {block.names[-1]}), {plan.num_blocks} row "
            f"blocks of {plan.rows}: {word} {amount} of memory traffic and saves {time} a layer",
        )

    def program(self) -> Program:
        """Return the engine program."""
        return _Writer(self.plan).write()

    def to_json(self) -> dict[str, Json]:
        """Return the decisions."""
        plan = self.plan
        return {
            "mapper": self.mapper,
            "kind": plan.block.kind,
            "einsums": list(plan.block.names),
            "rows": plan.rows,
            "tile": plan.tile,
            "saved_bytes": self.saved_bytes,
            "saved_ps": self.saved_ps,
        }


class FusedMapper:
    """Maps products, fused with their neighbours where that is possible.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "fused"
    classes: frozenset[str] = frozenset({"gemm"})
    options: frozenset[str] = frozenset({"slack"})

    def blocks(self, cascade: Cascade) -> Sequence[Sequence[str]]:
        """Return the runs of einsums that are fused."""
        return [block.names for block in find_blocks(cascade)]

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the fragment can be mapped, else why not."""
        if len(cascade.einsums) == 1:
            return GemmMapper().supports(cascade, machine)
        array, vector = machine.array, machine.vector
        if array is None or vector is None:
            return "a fused block needs an array and a vector unit"
        wanted = {
            action
            for einsum in cascade.einsums
            if einsum.matmul() is None
            for action in einsum.op_counts()
        }
        missing = sorted(wanted - set(vector.actions()))
        if missing:
            return f"the vector unit lacks {', '.join(missing)}"
        names = {
            cascade.tensor(found.lhs).format.name.partition(":")[0]
            for einsum in cascade.einsums
            if (found := einsum.matmul()) is not None
        }
        lacking = sorted(names - set(array.formats))
        return f"the array does not multiply {', '.join(lacking)}" if lacking else None

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> FragmentMapping | Infeasible:
        """Map a block, fused unless that is slower, or a single product as mapper gemm does.

        Raises
        ------
        MappingError
            The fragment is neither, or the machine lacks a unit for it.
        """
        reason = self.supports(cascade, machine)
        if reason is not None:
            raise MappingError(reason)
        if len(cascade.einsums) == 1:
            return GemmMapper().map(cascade, machine, options, context)
        found = find_blocks(cascade)
        if len(found) != 1 or len(found[0].einsums) != len(cascade.einsums):
            raise MappingError(f"{cascade.name} is no block that can be fused")
        separate = _separate(cascade, machine, options, context)
        plan = plan_block(found[0], cascade, machine, context.placement)
        if isinstance(plan, Infeasible):
            return plan if separate is None else separate
        mapping = FusedMapping(plan)
        if separate is None:
            return mapping
        fused, parts = mapping.program(), separate.program()
        saved_ps = context.evaluate(parts) - context.evaluate(fused)
        if saved_ps < 0:
            return separate
        outer = machine.outermost
        moved = [
            sum(n for (name, _, _), n in program.total_counts().items() if name == outer)
            for program in (parts, fused)
        ]
        return FusedMapping(plan, moved[0] - moved[1], saved_ps)


def _separate(
    cascade: Cascade, machine: Machine, options: Mapping[str, Json], context: MapContext
) -> UnfusedMapping | None:
    """Return the same einsums mapped one by one; None if one of them does not fit."""
    parts: list[Part] = []
    for piece in split(cascade):
        mapper = GemmMapper() if piece.einsums[0].matmul() is not None else VectorMapper()
        chosen = options if isinstance(mapper, GemmMapper) else {}
        if mapper.supports(piece, machine) is not None:
            return None
        mapped = mapper.map(piece, machine, chosen, context)
        if isinstance(mapped, Infeasible):
            return None
        parts.append(mapped)
    return UnfusedMapping(cascade.name, tuple(parts), mapper="fused")


class _Writer:
    """Writes a plan: row blocks, in each the tiles of the inner rank, sums one tile behind."""

    def __init__(self, plan: FusedPlan) -> None:
        from archsim.program import ProgramBuilder

        self.plan = plan
        self.builder: ProgramBuilder = ProgramBuilder("fused")
        self.tags = {"layer": plan.block.first[0].layer}

    def define(self, name: str, work: Work, einsum: str) -> list[OpRef]:
        """Define a transfer, its hold of the buffer's port apart; nothing for no work."""
        if not work.holds:
            return []
        tags = {**self.tags, "einsum": einsum}
        far, near = apart(work, self.plan.machine.innermost)
        made = [far.define(self.builder, name, tags)]
        if near is not None:
            made.append(near.define(self.builder, f"{name}_port", tags))
        return made

    def einsum(self, einsum: Einsum) -> OpRef:
        work = self.plan.compute(einsum, self.plan.parts(einsum))
        tags = {"layer": einsum.layer, "einsum": einsum.name}
        return work.define(self.builder, einsum.name, tags)

    def write(self) -> Program:
        plan, builder, block = self.plan, self.builder, self.plan.block
        first = block.first[0].name
        self.rows = self.define("load_rows", plan.rows_in(), first)
        self.weights = self.define("load_weights", plan.weights_in(), first)
        self.store = self.define("store_rows", plan.rows_out(), plan.products[-1].name)
        between = [self.einsum(item) for item in block.between]
        products = [self.einsum(item) for item in block.first]
        self.last = None if block.last is None else self.einsum(block.last)
        self.before = between if self.last is None else []
        self.in_tile = products if self.last is None else [*products, *between]
        names = ("made", "weights_used", "row_block_done")
        self.made, self.used, self.done = (builder.marker(n, tags=self.tags) for n in names)
        lag = 0 if self.last is None else min(1, plan.num_tiles - 1)
        with builder.loop(plan.num_blocks, "row_blocks"):
            self.place(*self.rows, *self.before)
            if lag:
                # The first tile has nothing behind it; the last one's sum follows alone.
                self.tile(None)
            with builder.loop(plan.num_tiles - lag, "tiles"):
                self.tile(self.last)
            if lag and self.last is not None:
                self.place(self.made, self.last)
            self.place(self.done, *([] if self.last is None else self.store))
        self.waits(lag)
        return builder.build()

    def place(self, *ops: OpRef) -> None:
        for op in ops:
            self.builder.place(op)

    def tile(self, last: OpRef | None) -> None:
        """Place one tile: weights, products and what joins them, the sum of the tile before."""
        self.place(*self.weights, *self.in_tile, self.made, *([last] if last else []), self.used)
        if self.last is None:
            self.place(*self.store)

    def waits(self, lag: int) -> None:
        """Let everything wait for what it needs, and loads for room."""
        builder, plan = self.builder, self.plan
        chain = [*self.rows[:1], *self.before]
        for source, target in pairwise(chain):
            builder.after(target, source)
        for op in self.in_tile:
            for source in (*chain[-1:], *self.weights[:1]):
                builder.after(op, source)
        for source, target in pairwise(self.in_tile):
            if self.last is not None:
                builder.after(target, source)
        builder.after(self.made, self.in_tile[-1])
        if self.last is not None:
            builder.after(self.last, self.made, back=lag + 1)
            builder.after(self.done, self.last)
        else:
            builder.after(self.done, self.made)
        # Sums use a tile's weights one step later: room for them is held until then.
        builder.after(self.used, self.last or self.made)
        tiles = plan.num_blocks * (plan.num_tiles - lag)
        for load in self.weights[:1]:
            if tiles >= WEIGHT_TILES:
                builder.after(load, self.used, back=WEIGHT_TILES)
        for op in self.store[:1]:
            builder.after(op, self.made if self.last is None else self.done)
        for load in self.rows[:1]:
            if plan.num_blocks > 1:
                builder.after(load, self.done)
