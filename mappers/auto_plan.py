"""A complete mapping found by mapper auto: form, binding, tile, row blocks, pipeline, room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from archsim.mapping import Infeasible
from mappers.attention_blocks import SuperBlock, row_blocks, super_blocks
from mappers.attention_tiles import TileBytes, TileShape
from mappers.auto_timing import schedule_phase
from mappers.work import Work, transfer_work

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, Placement
    from mappers.attention_problem import AttentionProblem
    from mappers.auto_binding import BoundTile
    from mappers.auto_graph import Task, TaskGraph
    from mappers.auto_modulo import ModuloSchedule

Stream = Literal["key", "value"]
"""What streams by, a tile at a time."""

MOST_AHEAD = 8
"""Short groups of tiles under way at once (a choice: estimate)."""

SETTLED = 1
"""Steps between the last stage of a row block and what ends it: it need not wait for the units."""

LATE = 3
"""Steps between the end of a row block and the transfer of its result, so that transfers placed
behind it do not wait for it (measured: an array of 512 gains 3 % over 0, 1 % over 2)."""

DOUBLE = 2
"""Tiles of a stream that have room: one in use, one on its way."""


@dataclass(frozen=True)
class AutoPlan:
    """One mapping.

    Attributes
    ----------
    form
        Name of the rewrite.
    tile
        Task graph, bound to units.
    together
        Row blocks that share one stream of keys and values.
    supers
        Groups of row blocks, in order.
    placement
        Homes of the tensors.
    most_stages
        Deepest stage allowed, to save room; None: as deep as the tiles allow.
    """

    form: str
    tile: BoundTile
    together: int
    supers: tuple[SuperBlock, ...]
    placement: Placement
    most_stages: int | None = None

    @property
    def problem(self) -> AttentionProblem:
        """The attention."""
        return self.tile.costs.problem

    @property
    def machine(self) -> Machine:
        """The machine."""
        return self.tile.costs.machine

    @property
    def shape(self) -> TileShape:
        """Keys and query rows of a tile."""
        return self.tile.costs.shape

    @property
    def graph(self) -> TaskGraph:
        """Tasks of a tile."""
        return self.tile.costs.graph

    @cached_property
    def least_width(self) -> int:
        """Fewest row blocks that a tile of keys meets."""
        return min(width for item in self.supers for width, _ in item.runs)

    @cached_property
    def schedules(self) -> tuple[ModuloSchedule, ...]:
        """Modulo schedule of every traversal; no deeper than the tiles that it runs over."""
        least = self.least_tiles
        if self.runs_on and len(self.supers) == 1:
            least *= min(MOST_AHEAD, self.problem.groups)
        most = least if self.most_stages is None else min(least, self.most_stages)
        return tuple(
            schedule_phase(self.tile, number, self.least_width, most)
            for number in range(self.graph.num_phases)
        )

    @property
    def runs_on(self) -> bool:
        """Whether the pipeline runs on from group to group: no later traversal needs its end."""
        return self.graph.num_phases == 1

    @cached_property
    def lookback(self) -> int:
        """Groups that start before the last tile of a group is finished."""
        if not self.runs_on or len(self.supers) > 1:
            return 1
        return max(1, -(-self.finished // self.num_tiles))

    @property
    def finished(self) -> int:
        """Steps behind the last tile of a group after which its row blocks are ended."""
        depth = self.schedules[-1].depth
        room = self.problem.groups * self.num_tiles if len(self.supers) == 1 else self.least_tiles
        return min(depth + SETTLED, max(depth, room))

    @property
    def least_tiles(self) -> int:
        """Fewest tiles of a group of row blocks."""
        return min(item.num_tiles for item in self.supers)

    @cached_property
    def end_shift(self) -> int | None:
        """Step of a group from which on the blocks of the one before are ended, one a step.

        Notes
        -----
        None if they cannot be ended one a step: block j is ended in step j + shift. By then it
        must have had its last stage, and its place must not yet be taken by block j of the group.
        """
        supers, found = self.supers, self.schedules[-1]
        number = len(supers[0].blocks)
        tails = {task.name for task in self.graph.tails}
        read = {source for source, target in self.graph.waits if target in tails}
        if not read or not self.runs_on or self.lookback > 1:
            return None
        most = min(found.stages[name] for name in read)
        if any(len(item.blocks) != number or item.runs[0][0] != number for item in supers):
            return None
        for steps in (found.depth + SETTLED, found.depth):
            shift = max(
                steps - place - item.steps_behind(place)
                for item in supers
                for place in range(number)
            )
            if shift <= most and number + max(shift, 0) <= self.least_tiles:
                return max(shift, 0)
        return None

    @property
    def store_lag(self) -> int:
        """Steps between the end of a row block and the transfer of its result."""
        if self.end_shift is None:
            return 0
        steps = len(self.supers[0].blocks) + self.end_shift
        return min(LATE, self.least_tiles - steps)

    @property
    def state_sets(self) -> int:
        """Copies of what lives from tile to tile: groups under way at once."""
        if not self.runs_on or self.end_shift is not None:
            return 1
        return self.lookback + 1

    @property
    def query_sets(self) -> int:
        """Copies of the queries: a single row block is fetched ahead."""
        return DOUBLE if self.together == 1 and self.runs_on else 1

    @property
    def num_tiles(self) -> int:
        """Tiles of a pair of keys and values, in one traversal."""
        return sum(item.num_tiles for item in self.supers)

    @property
    def num_blocks(self) -> int:
        """Row blocks of a pair of keys and values."""
        return sum(len(item.blocks) for item in self.supers)

    def readers(self, stream: Stream, phase: int) -> tuple[Task, ...]:
        """Return the tasks of a traversal that read keys, or values."""
        part = self.problem.key if stream == "key" else self.problem.value
        return tuple(
            task
            for task in self.graph.phase(phase)
            if part.name in task.reads
            and (self.problem.shares_key or task.makes_scores == (stream == "key"))
        )

    def streams(self, phase: int) -> tuple[Stream, ...]:
        """Return what streams by in a traversal; shared keys and values are one stream."""
        names: tuple[Stream, ...] = ("key",) if self.problem.shares_key else ("key", "value")
        return tuple(name for name in names if self.readers(name, phase))

    def tiles_held(self, stream: Stream) -> int:
        """Return the tiles of a stream that have room: those in use as long as they are needed."""
        lag = 0
        for number, found in enumerate(self.schedules):
            stages = [found.stages[task.name] for task in self.readers(stream, number)]
            lag = max(lag, *stages) if stages else lag
        return DOUBLE + -(-lag // self.least_width)

    @cached_property
    def footprint_bytes(self) -> int:
        """Bytes used of the innermost level."""
        size = TileBytes.of(self.problem, self.shape)
        found = self.together * block_bytes(self.tile, self.query_sets, self.state_sets)
        for stream in ("key", "value"):
            used = any(stream in self.streams(p) for p in range(self.graph.num_phases))
            each = size.key if stream == "key" else size.value
            found += self.tiles_held(stream) * each if used else 0
        found += (DOUBLE + self.store_lag) * size.result
        return found + self._passing_bytes(size.score)

    def _passing_bytes(self, each: int) -> int:
        """Return the room of scores on their way through the buffer."""
        total = 0
        for number, found in enumerate(self.schedules):
            stages = found.stages
            for task in self.graph.phase(number):
                if task.writes in self.tile.passing and task.makes_scores:
                    readers = [stages[t.name] for t in self.graph.consumers(task)]
                    total += each * (DOUBLE + max(readers, default=0) - stages[task.name])
        return total

    def load(self, name: Literal["query", "key", "value"], elements: int) -> Work:
        """Return the work of fetching elements of an operand from its home."""
        part = getattr(self.problem, name)
        return self._moved(part.name, part.format.name, part.format.bytes(elements), write=False)

    def store(self, elements: int) -> Work:
        """Return the work of taking elements of the result to its home."""
        part = self.problem.result
        return self._moved(part.name, part.format.name, part.format.bytes(elements), write=True)

    def _moved(self, name: str, number: str, num_bytes: int, *, write: bool) -> Work:
        machine = self.machine
        home = self.placement.homes.get(name, machine.outermost)
        if home == machine.innermost:
            return Work((), 0)
        ends = (machine.innermost, home) if write else (home, machine.innermost)
        return transfer_work(machine, *ends, num_bytes, number)

    @property
    def footprints(self) -> Mapping[str, int]:
        """Bytes used by level."""
        return {self.machine.innermost: self.footprint_bytes}

    def to_json(self) -> dict[str, Json]:
        """Return the decisions."""
        cycle_ps = self.tile.costs.array.clock.period_ps
        return {
            "form": self.form,
            "traversals": self.graph.num_phases,
            "held_scores": list(self.graph.kept),
            "tile": {"keys": self.shape.keys, "rows": self.shape.columns},
            "row_blocks_together": self.together,
            "streams_of_keys": len(self.supers) * self.graph.num_phases,
            "units": {task.name: self.tile.units[task.name] for task in self.graph.tasks},
            "schedules": [
                {
                    "interval_cycles": found.interval_ps / cycle_ps,
                    "resource_bound_cycles": found.resource_ps / cycle_ps,
                    "recurrence_bound_cycles": found.recurrence_ps / cycle_ps,
                    "optimal": found.is_optimal,
                    "stages": dict(found.stages),
                }
                for found in self.schedules
            ],
        }


def block_bytes(tile: BoundTile, query_sets: int = 1, state_sets: int = 1) -> int:
    """Return the bytes that a row block keeps: queries, what lives from tile to tile, held scores.

    Parameters
    ----------
    tile
        The bound tile.
    query_sets, state_sets
        Copies of queries, and of what lives from tile to tile.

    Notes
    -----
    Pass analysis says which scores a later traversal needs: a fiber of them for every row.
    """
    costs = tile.costs
    problem, shape = costs.problem, costs.shape
    found = query_sets * problem.query.format.bytes(shape.columns * problem.depth)
    states = {task.writes: task for task in costs.graph.tasks if task.state}
    for task in states.values():
        found += state_sets * problem.statistic.bytes(costs.extent(task.result))
    whole = -(-problem.keys // shape.keys) * shape.keys
    return found + len(costs.graph.kept) * problem.score.bytes(shape.columns * whole)


def shares(number: int) -> list[int]:
    """Return the sizes of equal shares of some row blocks, largest first, few of them.

    Notes
    -----
    The list depends on nothing but the number, so that more room only ever adds choices.
    """
    sizes = {-(-number // parts) for parts in range(1, min(number, 16) + 1)}
    size = number
    while size > 1:
        size = -(-size // 2)
        sizes.add(size)
    sizes |= {divisor for divisor in range(1, min(number, 512) + 1) if number % divisor == 0}
    return sorted(sizes, reverse=True)


def plan(form: str, tile: BoundTile, placement: Placement) -> AutoPlan | Infeasible:
    """Return the plan with the most row blocks together that fit.

    Parameters
    ----------
    form
        Name of the rewrite.
    tile
        Task graph, bound.
    placement
        Homes and room.
    """
    costs = tile.costs
    machine, shape = costs.machine, costs.shape
    room = placement.available_bytes.get(machine.innermost)
    each = block_bytes(tile)
    kept = f" with its {' and '.join(costs.graph.kept)} held" if costs.graph.kept else ""
    what = f"a row block of {shape.columns} queries{kept}"
    if room is not None and each > room:
        return Infeasible(machine.innermost, each, room, "B", what)
    blocks = row_blocks(costs.problem, shape.keys, shape.columns)
    most = len(blocks) if room is None else room // each
    need = each
    for together, most_stages in _choices(len(blocks), most):
        supers = super_blocks(blocks, together)
        made = AutoPlan(form, tile, together, supers, placement, most_stages)
        need = made.footprint_bytes
        if room is None or need <= room:
            return made
    detail = f"{what} beside tiles of {shape.keys} keys"
    return Infeasible(machine.innermost, need, room or 0, "B", detail)


def _choices(number: int, most: int) -> Iterator[tuple[int, int | None]]:
    """Yield (row blocks together, deepest stage): deep pipelines first, then shallow ones."""
    for together in shares(number):
        if together <= most:
            yield together, None
    for stages in (3, 2, 1, 0):
        yield 1, stages
