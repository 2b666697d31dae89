"""Replays a program and reports how many bytes of tiles were live at any time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from archsim.engine import run_program
from archsim.program.ir import BEGIN, END, PLACE, Program
from mappers.pipeline import Nest


def instances(program: Program) -> Iterator[tuple[str, int]]:
    """Yield (operation, instance number) in program order, loops expanded."""
    counters = dict.fromkeys(program.ops, 0)

    def walk(first: int, last: int) -> Iterator[tuple[str, int]]:
        position = first
        while position < last:
            kind, arg = program.tape_kinds[position], program.tape_args[position]
            if kind == PLACE:
                name = program.ops[arg]
                yield name, counters[name]
                counters[name] += 1
                position += 1
                continue
            assert kind == BEGIN
            foot = next(
                i
                for i in range(position, last)
                if program.tape_kinds[i] == END and program.tape_args[i] == arg
            )
            for _ in range(program.trips[arg].at(0)):
                yield from walk(position + 1, foot)
            position = foot + 1

    yield from walk(0, len(program.tape_kinds))


@dataclass
class Tile:
    """A tile in the buffer: its size, when its load starts and when it is last used, ps."""

    num_bytes: int
    start_ps: int
    end_ps: int = -1


@dataclass
class Occupancy:
    """Tiles of every stream over the whole run."""

    tiles: list[Tile] = field(default_factory=list)

    def peak_bytes(self) -> int:
        """Return the most bytes live at one time."""
        events = [(tile.start_ps, tile.num_bytes) for tile in self.tiles]
        events += [(tile.end_ps, -tile.num_bytes) for tile in self.tiles]
        peak = live = 0
        for _, change in sorted(events):
            live += change
            peak = max(peak, live)
        return peak


def replay(nest: Nest, result_bytes: int) -> Occupancy:
    """Return the live tiles of a nest with one computation per step and one result stream.

    Parameters
    ----------
    nest
        The nest.
    result_bytes
        Bytes of one element of the result while it is in the buffer.
    """
    program = nest.program()
    timing = run_program(program, fold=False)
    found = Occupancy()
    current: dict[str, Tile] = {}
    result: Tile | None = None
    for name, number in instances(program):
        start = timing.start_ps(name, number)
        end = start + program.latencies_ps[program.op_ids[name]]
        role, _, shape = name.removesuffix("]").partition("[")
        if role.startswith("load_"):
            size = program.counts[program.op_ids[name]]["dram", "read", "bf16"]
            tile = Tile(size, start)
            found.tiles.append(tile)
            current[f"next {role}"] = tile
        elif role == "mac":
            for key in [key for key in current if key.startswith("next ")]:
                current[key.removeprefix("next ")] = current.pop(key)
            if result is None:
                batch, *sizes = map(int, shape.split("x"))
                by_axis = dict(zip((a.name for a in nest.axes), (batch, *sizes), strict=True))
                result = Tile(by_axis["m"] * by_axis["n"] * result_bytes, start)
                found.tiles.append(result)
        elif name == "tile_done":
            for key, tile in current.items():
                if not key.startswith("next "):
                    tile.end_ps = start
        elif role.startswith("store_"):
            assert result is not None
            result.end_ps = end
            result = None
    return found
