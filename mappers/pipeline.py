"""Software-pipelined loop nests of tiles: the program form that the tiling mappers share.

A nest walks tiles along ordered axes. In each step it computes on the tiles of its *streams*: loads
bring operand tiles from their home, stores take result tiles back. A load is issued one step before
the step that needs it, so it runs beside the computation (two buffers for each operand); a store
runs beside the next step. Resources serve in program order, so a step is placed as

    reads and computation of step s;  largest load of step s + 1;  writes of step s;
    other loads of step s + 1;  stores of step s

which keeps a load from queueing behind the store of the step that it overlaps with, and the writes
from queueing (at the write port) behind loads that themselves wait for the memory. Where a step
stores more than it loads, its writes go before all loads: those wait for earlier stores.

Ragged edges are exact: the last tile of an axis is a sibling of the loop over the full ones, with
operations of its own shape. What must not depend on the shape (is the buffer free? is the tile
done?) is a marker that takes no time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from archsim.program.residents import Fill, Free, resident_tags
from mappers.work import Work

if TYPE_CHECKING:
    from archsim.program import OpRef, Program

Shape = Mapping[str, int]
"""Tile size by axis name, elements."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of the nest, cut into tiles.

    Attributes
    ----------
    name
        Name of the axis.
    extent, tile
        Elements in all and per tile; the last tile may be smaller.
    reduced
        Results accumulate along this axis; reduced axes are innermost.
    """

    name: str
    extent: int
    tile: int
    reduced: bool = False

    @property
    def num_tiles(self) -> int:
        """Tiles, the ragged one included."""
        return -(-self.extent // self.tile)

    def segments(self) -> tuple[tuple[int, int], ...]:
        """Return ``(tiles, size)`` of the full tiles and of the ragged one."""
        full, rest = divmod(self.extent, self.tile)
        parts = [(full, self.tile)] if full else []
        return tuple(parts + ([(1, rest)] if rest else []))


@dataclass(frozen=True, slots=True)
class Stream:
    """A tensor that is loaded or stored tile by tile.

    Attributes
    ----------
    name
        Name of the tensor.
    axes
        Names of the axes that choose its tile.
    work
        Transfer of one tile of a shape.
    tags
        Tags of its operations.
    room
        Bytes that a tile takes in the level of the tiles; None: as many as its transfer moves.
    """

    name: str
    axes: frozenset[str]
    work: Callable[[Shape], Work]
    tags: Mapping[str, str] = field(default_factory=dict)
    room: Callable[[Shape], int] | None = None

    def room_bytes(self, shape: Shape) -> int:
        """Return the bytes that a tile takes in the level of the tiles."""
        return self.work(shape).num_bytes if self.room is None else self.room(shape)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step does with its tiles.

    Attributes
    ----------
    reads
        Work at the read port, beside the computation.
    chain
        Computation, one after the other.
    writes
        Work at the write port, beside the computation.
    carry
        Reading partial sums back, in all but the first step along the reduced axes.
    """

    chain: tuple[tuple[str, Work, Mapping[str, str]], ...]
    reads: Work | None = None
    writes: Work | None = None
    carry: Work | None = None


@dataclass(frozen=True, slots=True)
class Nest:
    """A loop nest over tiles.

    Attributes
    ----------
    name
        Name of the program.
    axes
        Outermost first.
    loads, stores
        Operand and result streams.
    step
        Computation on a full tile shape.
    tags
        Tags of the computation.
    level
        Memory level that holds the tiles, for timelines; empty leaves them out.
    """

    name: str
    axes: tuple[Axis, ...]
    loads: tuple[Stream, ...]
    stores: tuple[Stream, ...]
    step: Callable[[Shape], Step]
    tags: Mapping[str, str] = field(default_factory=dict)
    level: str = ""

    def program(self) -> Program:
        """Return the engine program of the nest."""
        return _Writer(self).write()


def depth(axes: Sequence[Axis], stream: Stream) -> int:
    """Return the number of outer axes within which one tile of a stream stays in place.

    Axes with a single tile do not count: an operand that the inner loops do not change is loaded
    outside them.
    """
    deepest = 0
    for position, axis in enumerate(axes):
        if axis.name in stream.axes and axis.num_tiles > 1:
            deepest = position + 1
    return deepest


def num_tiles(axes: Sequence[Axis], stream: Stream) -> int:
    """Return how many tiles of a stream are moved in all."""
    return prod(axis.num_tiles for axis in axes[: depth(axes, stream)])


class _Writer:
    """Writes one nest into a program builder."""

    def __init__(self, nest: Nest) -> None:
        from archsim.program import ProgramBuilder

        self.nest = nest
        self.builder = ProgramBuilder(nest.name)
        self.axes = nest.axes
        self.depths = {s.name: depth(self.axes, s) for s in (*nest.loads, *nest.stores)}
        self.tiles = {s.name: num_tiles(self.axes, s) for s in (*nest.loads, *nest.stores)}
        self.innermost = max(
            (i + 1 for i, axis in enumerate(self.axes) if axis.num_tiles > 1), default=0
        )
        self.writes_first = self.step_bytes(nest.stores) > self.step_bytes(nest.loads)
        left = [Free(nest.level, f"{s.name} in", self.steps_per_tile(s)) for s in nest.loads]
        tags = resident_tags(frees=left) if nest.level else {}
        self.done = self.builder.marker("tile_done", tags={**nest.tags, **tags})
        self.free: dict[str, OpRef] = {}
        self.stored: dict[str, OpRef] = {}
        self.load_ops: dict[tuple[str, tuple[int, ...]], OpRef] = {}
        self.load_bytes: dict[int, int] = {}
        self.store_ops: dict[tuple[str, tuple[int, ...]], OpRef] = {}
        self.steps: dict[tuple[int, ...], dict[str, list[OpRef]]] = {}
        for stream in nest.loads:
            if self.tiles[stream.name] > 2 and self.depths[stream.name] < self.innermost:
                marker = self.builder.marker(f"{stream.name}_free", tags=stream.tags)
                self.builder.after(marker, self.done)
                self.free[stream.name] = marker
        for stream in nest.stores:
            if self.tiles[stream.name] > 2:
                self.stored[stream.name] = self.builder.marker(
                    f"{stream.name}_stored", tags=stream.tags
                )

    def steps_per_tile(self, stream: Stream) -> int:
        """Return how many steps use one tile of a stream."""
        return prod(axis.num_tiles for axis in self.axes) // self.tiles[stream.name]

    def step_bytes(self, streams: Sequence[Stream]) -> int:
        """Return the bytes that streams move in every step, for full tiles."""
        shape = self.full({})
        moved = [s for s in streams if self.depths[s.name] == self.innermost]
        return sum(stream.work(shape).num_bytes for stream in moved)

    def write(self) -> Program:
        shape = {axis.name: axis.segments()[0][1] for axis in self.axes}
        for op in self.largest_first([self.load(stream, shape) for stream in self.nest.loads]):
            self.builder.place(op)
        self.emit(0, {}, (), 0)
        return self.builder.build()

    def key(self, stream: Stream, shape: Shape) -> tuple[int, ...]:
        return tuple(shape[axis.name] for axis in self.axes if axis.name in stream.axes)

    def label(self, name: str, key: Sequence[int], single: bool) -> str:
        return name if single else f"{name}[{'x'.join(map(str, key))}]"

    def load(self, stream: Stream, shape: Shape) -> OpRef:
        """Return the load of a tile, held back until one of the two buffers is free."""
        key = self.key(stream, shape)
        found = self.load_ops.get((stream.name, key))
        if found is None:
            name = self.label(f"load_{stream.name}", key, not key)
            work = stream.work(shape)
            tags = dict(stream.tags)
            if self.nest.level:
                room = Fill(self.nest.level, f"{stream.name} in", stream.room_bytes(shape))
                tags |= resident_tags(fills=[room])
            found = work.define(self.builder, name, tags)
            self.load_ops[stream.name, key] = found
            self.load_bytes[found.number] = work.num_bytes
            if self.tiles[stream.name] > 2:
                self.builder.after(found, self.free.get(stream.name, self.done))
        return found

    def largest_first(self, loads: list[OpRef]) -> tuple[OpRef, ...]:
        """Return loads by descending bytes; equal ones stay in order."""
        return tuple(sorted(loads, key=lambda op: -self.load_bytes[op.number]))

    def store(self, stream: Stream, shape: Shape) -> OpRef:
        """Return the store of a tile, which follows the step that completes it."""
        key = self.key(stream, shape)
        found = self.store_ops.get((stream.name, key))
        if found is None:
            name = self.label(f"store_{stream.name}", key, not key)
            tags = dict(stream.tags)
            if self.nest.level:
                tags |= resident_tags(frees=[Free(self.nest.level, f"{stream.name} out")])
            found = stream.work(shape).define(self.builder, name, tags)
            self.store_ops[stream.name, key] = found
            self.builder.after(found, self.done)
            if stream.name in self.stored:
                self.builder.after(self.stored[stream.name], found)
        return found

    def step(self, shape: Shape) -> dict[str, list[OpRef]]:
        """Return the operations of a step, by role."""
        key = tuple(shape[axis.name] for axis in self.axes)
        found = self.steps.get(key)
        if found is not None:
            return found
        step, b, tags = self.nest.step(shape), self.builder, self.nest.tags
        inputs = [self.load_ops[s.name, self.key(s, shape)] for s in self.nest.loads]
        roles: dict[str, list[OpRef]] = {"reads": [], "chain": [], "writes": []}
        if step.reads is not None:
            roles["reads"].append(step.reads.define(b, self.label("reads", key, False), tags))
        opens = self.opens(shape)
        for name, work, own_tags in step.chain:
            first_tags = {} if roles["chain"] else opens
            every_tag = {**tags, **own_tags, **first_tags}
            made = work.define(b, self.label(name, key, False), every_tag)
            if roles["chain"]:
                b.after(made, roles["chain"][-1])
            roles["chain"].append(made)
        first = roles["chain"][0]
        for target in (*roles["reads"], first):
            for source in inputs:
                b.after(target, source)
        for reads in roles["reads"]:
            # Operands are not read before the unit takes them up, at most a step ahead.
            b.after(reads, first, anchor="start")
        for marker in self.stored.values():
            b.after(first, marker, back=2)
        if step.writes is not None:
            writes = step.writes.define(b, self.label("writes", key, False), tags)
            b.after(writes, first, anchor="start")
            roles["writes"].append(writes)
        for source in (*roles["reads"], roles["chain"][-1], *roles["writes"]):
            b.after(self.done, source)
        self.steps[key] = roles
        return roles

    def opens(self, shape: Shape) -> dict[str, str]:
        """Return the tags of the computation that opens a tile of each result."""
        level = self.nest.level
        rooms = [
            (f"{item.name} out", item.room_bytes(shape), self.steps_per_tile(item))
            for item in self.nest.stores
        ]
        return resident_tags(fills=[Fill(level, *room) for room in rooms]) if level else {}

    def carry(self, shape: Shape) -> list[OpRef]:
        """Return the operation that reads the partial sums of a step back, if it has one."""
        key = tuple(shape[axis.name] for axis in self.axes)
        roles = self.step(shape)
        if "carry" not in roles:
            roles["carry"] = []
            work = self.nest.step(shape).carry
            if work is not None:
                made = work.define(self.builder, self.label("carry", key, False), self.nest.tags)
                self.builder.after(made, roles["chain"][0], anchor="start")
                self.builder.after(self.done, made)
                roles["carry"].append(made)
        return roles["carry"]

    def entering(self, level: int, shape: Shape, size: int) -> tuple[OpRef, ...]:
        """Return the loads for the first step after axis `level` moves to a tile of `size`."""
        target = dict(shape)
        target[self.axes[level].name] = size
        for axis in self.axes[level + 1 :]:
            target[axis.name] = axis.segments()[0][1]
        return self.largest_first(
            [self.load(s, target) for s in self.nest.loads if self.depths[s.name] > level]
        )

    def emit(self, level: int, shape: Shape, following: tuple[OpRef, ...], carried: int) -> None:
        """Place everything inside axis `level`; `following` are the loads of the step after it."""
        if level == len(self.axes):
            self.place_step(shape, following, carried)
        else:
            self.place_axis(level, shape, following, carried)
        b = self.builder
        for stream in self.nest.stores:
            if self.depths[stream.name] == level:
                b.place(self.store(stream, self.full(shape)))
                if stream.name in self.stored:
                    b.place(self.stored[stream.name])
        for stream in self.nest.loads:
            if stream.name in self.free and self.depths[stream.name] == level:
                b.place(self.free[stream.name])

    def full(self, shape: Shape) -> Shape:
        """Complete a shape with the (only) tiles of the axes inside."""
        return {axis.name: shape.get(axis.name, axis.segments()[0][1]) for axis in self.axes}

    def place_axis(
        self, level: int, shape: Shape, following: tuple[OpRef, ...], carried: int
    ) -> None:
        axis, b = self.axes[level], self.builder
        segments = axis.segments()
        for i, (count, size) in enumerate(segments):
            inner = {**shape, axis.name: size}
            again = self.entering(level, shape, size) if count > 1 else ()
            last = i + 1 == len(segments)
            after = following if last else self.entering(level, shape, segments[i + 1][1])
            runs: list[tuple[int, tuple[OpRef, ...], int]] = []
            first = axis.reduced and i == 0
            if first and count > 1:
                runs.append((1, again, carried))
            rest = count - len(runs)
            flag = carried if (first and count == 1) or not axis.reduced else 1
            if rest > 1 and again != after:
                runs.append((rest - 1, again, flag))
                rest = 1
            runs.append((rest, after, flag))
            for trips, loads, carry in runs:
                if trips == 1:
                    self.emit(level + 1, inner, loads, carry)
                else:
                    with b.loop(trips, axis.name):
                        self.emit(level + 1, inner, loads, carry)

    def place_step(self, shape: Shape, following: tuple[OpRef, ...], carried: int) -> None:
        b, roles = self.builder, self.step(shape)
        ordered = roles["reads"] + roles["chain"] + (self.carry(shape) if carried else [])
        ahead = 0 if self.writes_first else 1
        loads = (*following[:ahead], *roles["writes"], *following[ahead:])
        for op in (*ordered, *loads, self.done):
            b.place(op)
