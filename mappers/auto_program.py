"""The engine program of an auto plan: steps of a software pipeline over all tiles.

Tiles run key tile by key tile over the row blocks that share a stream. With one traversal the
pipeline never empties: the last stages of one group run in the first steps of the next, and what
ends the row blocks of a group is spread over the steps that open the next one. With several
traversals the pipeline empties between them, as the next one needs what the last tile gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from mappers.auto_operations import Operations, PhaseOperations

if TYPE_CHECKING:
    from archsim.program import Program
    from archsim.program.builder import DependentTrip
    from mappers.attention_blocks import SuperBlock
    from mappers.auto_plan import AutoPlan


def tile_program(plan: AutoPlan) -> Program:
    """Return the engine program of a plan."""
    return _Writer(plan).write()


class _Writer:
    """Writes one plan into a program builder."""

    def __init__(self, plan: AutoPlan) -> None:
        from archsim.program import ProgramBuilder

        self.plan = plan
        self.builder = ProgramBuilder("auto")
        self.made = Operations(plan, self.builder)
        self.runs_on = plan.runs_on
        self.shift = plan.end_shift
        # Where a group ends the one `lookback` groups before: behind so many of its steps.
        tiles = plan.num_tiles if plan.lookback > 1 else 0
        self.due = plan.finished - (plan.lookback - 1) * tiles
        number = len(plan.supers[0].blocks)
        # Steps of a group that are written out or differ from those of its steady state.
        steps = 0 if self.shift is None else number + self.shift
        # Results leave later still, so that transfers behind them do not wait for them.
        self.late = plan.store_lag
        self.opening = steps + self.late

    def write(self) -> Program:
        """Return the program: the first head by itself, as nothing runs before it."""
        plan, groups = self.plan, self.plan.problem.groups
        if not self.runs_on:
            with self.builder.loop(groups, "heads"):
                self._head(None)
            return self.builder.build()
        if plan.lookback > 1:
            self._short_heads(plan.lookback)
            return self.builder.build()
        self._head(None)
        if groups > 1:
            with self.builder.loop(groups - 1, "heads"):
                self._head(plan.supers[-1])
        self._empty(self.made.last)
        self._results(len(plan.supers[-1].blocks))
        return self.builder.build()

    def _short_heads(self, ahead: int) -> None:
        """Place heads of fewer tiles than the pipeline has stages: several are under way."""
        plan, phase = self.plan, self.made.last
        (item,), groups = plan.supers, self.plan.problem.groups
        counts = [count for _, count in item.runs]
        first = min(ahead, groups)
        for number in range(first):
            self._super(phase, item, counts, None, base=number * plan.num_tiles)
        if groups > first:
            with self.builder.loop(groups - first, "heads"):
                self._super(phase, item, counts, item)
        self._empty(phase)
        self._results(first * len(item.blocks))

    def _head(self, before: SuperBlock | None) -> None:
        """Place all row blocks of one pair of keys and values."""
        supers = self.plan.supers
        position = 0
        while position < len(supers):
            group = self._alike(position, before)
            self._supers(group, before)
            before = group[-1] if self.runs_on else None
            position += len(group)

    def _lead(self, phase: PhaseOperations) -> int:
        """Return the first steps of a group that are no steady state."""
        return max(phase.depth, self.opening, self.plan.finished if self.runs_on else 0)

    def _alike(self, position: int, before: SuperBlock | None) -> Sequence[SuperBlock]:
        """Return the groups from a position on that one loop can run."""
        supers = self.plan.supers
        first, stop = supers[position], position + 1
        depth = max(self._lead(phase) for phase in self.made.phases)
        same = before is not None and len(before.blocks) == len(first.blocks)
        if (same or not self.runs_on) and _widest_is_long(first, depth):
            while (
                stop < len(supers)
                and _signature(supers[stop]) == _signature(first)
                and _widest_is_long(supers[stop], depth)
            ):
                stop += 1
        return supers[position:stop]

    def _supers(self, group: Sequence[SuperBlock], before: SuperBlock | None) -> None:
        from archsim.program import table

        if len(group) == 1:
            for phase in self.made.phases:
                self._super(phase, group[0], [count for _, count in group[0].runs], before)
            if not self.runs_on:
                self._results(len(group[0].blocks))
            return
        with self.builder.loop(len(group), "row_blocks") as loop:
            widest = _widest(group[0])
            for phase in self.made.phases:
                rows: list[int | DependentTrip] = [count for _, count in group[0].runs]
                peeled = _peels(group[0], self._lead(phase))[widest]
                values = [item.runs[widest][1] - peeled for item in group]
                rows[widest] = table(values, loop) if len(set(values)) > 1 else values[0] + peeled
                self._super(phase, group[0], rows, before)
            if not self.runs_on:
                self._results(len(group[0].blocks))

    def _super(
        self,
        phase: PhaseOperations,
        item: SuperBlock,
        counts: Sequence[int | DependentTrip],
        before: SuperBlock | None,
        base: int = 0,
    ) -> None:
        """Place one traversal of row blocks that share a stream, behind some steps of others."""
        done = 0
        peels = _peels(item, self._lead(phase))
        for number, ((width, _), peel) in enumerate(zip(item.runs, peels, strict=True)):
            count = counts[number]
            for row in range(peel):
                opening = number == 0 and row == 0
                self._row(phase, item, width, done, before, opening=opening, base=base)
                due = done < self.due <= done + width or (self.due == 0 and opening)
                done += width
                if due and before is not None and self.shift is None:
                    self._results(len(before.blocks))
            left = count - peel if isinstance(count, int) else count
            if isinstance(left, int) and left == 0:
                continue
            with self.builder.loop(left, "keys"):
                self._load_tile(phase)
                with self.builder.loop(width, "rows"):
                    self._step(phase)
                self._release_tile(phase)
        if not self.runs_on:
            self._empty(phase)

    def _row(
        self,
        phase: PhaseOperations,
        item: SuperBlock,
        width: int,
        done: int,
        before: SuperBlock | None,
        *,
        opening: bool,
        base: int = 0,
    ) -> None:
        """Place one key tile over its row blocks, step by step while the pipeline turns over."""
        self._load_tile(phase)
        opens = opening and phase.number == 0
        ends = range(0)
        if self.shift is not None and before is not None:
            ends = range(self.shift - done, self.opening - self.late - done)
        stores = range(ends.start + self.late, ends.stop + self.late)
        ramp = range(max(0, phase.depth - base - done) if before is None else 0)
        edges = (ramp.stop, ends.start, ends.stop, stores.start, stores.stop)
        for steps in _spans(width, edges, one_by_one=len(ramp)):
            number = base + done + steps.start if steps.start in ramp else None
            if len(steps) == 1:
                self._opening_step(phase, opens, steps.start in ends, steps.start in stores, number)
                continue
            with self.builder.loop(len(steps), "rows"):
                self._opening_step(phase, opens, steps.start in ends, steps.start in stores, number)
        if opens and len(item.blocks) > width and "query" in self.made.loads:
            with self.builder.loop(len(item.blocks) - width, "queries"):
                self._transfer("query")
        self._release_tile(phase)

    def _opening_step(
        self,
        phase: PhaseOperations,
        opens: bool,
        ends: bool,
        stores: bool,
        number: int | None,
    ) -> None:
        """Place a step that may start a row block, end one of the group before, and store it."""
        if opens:
            self._transfer("query")
        if stores and self.late:
            self._transfer("result")
        if ends:
            self._end()
        if stores and not self.late:
            self._transfer("result")
        self._step(phase, number)

    def _load_tile(self, phase: PhaseOperations) -> None:
        for stream in self.plan.streams(phase.number):
            self._transfer(stream)

    def _transfer(self, name: str) -> None:
        for ops in (self.made.loads, self.made.fills):
            if name in ops:
                self.builder.place(ops[name])

    def _release_tile(self, phase: PhaseOperations) -> None:
        for marker in phase.used.values():
            self.builder.place(marker)

    def _step(self, phase: PhaseOperations, number: int | None = None) -> None:
        """Place one step; the first ones of all lack the stages of tiles before the first."""
        stages = phase.schedule.stages
        names = {name for name in stages if number is None or stages[name] <= number}
        self._place(phase, names)
        for port in phase.ports:
            self.builder.place(port)

    def _empty(self, phase: PhaseOperations) -> None:
        """Place the steps in which the last tiles come to their end."""
        stages = phase.schedule.stages
        for step in range(1, phase.depth + 1):
            self._place(phase, {name for name in stages if stages[name] >= step})

    def _place(self, phase: PhaseOperations, names: set[str]) -> None:
        """Place some tasks in the order of the schedule, every tick behind its task."""
        for name in phase.schedule.order:
            if name in names:
                self.builder.place(phase.ops[name])
            for tick in phase.ticks.get(name, ()):
                self.builder.place(tick)

    def _results(self, count: int) -> None:
        with self.builder.loop(count, "results"):
            self._end()
            self._transfer("result")

    def _end(self) -> None:
        for op in (*self.made.tails.values(), *self.made.tail_ports):
            self.builder.place(op)


def _spans(width: int, edges: Sequence[int], *, one_by_one: int) -> Sequence[range]:
    """Return the steps of a row in spans without an edge inside, the first ones singly."""
    cuts = {0, width, *range(min(one_by_one, width)), *(e for e in edges if 0 < e < width)}
    ordered = sorted(cuts)
    return [range(first, last) for first, last in pairwise(ordered)]


def _peels(item: SuperBlock, depth: int) -> list[int]:
    """Return how many key tiles of each run are written out while the pipeline turns over."""
    done = 0
    peels = []
    for number, (width, count) in enumerate(item.runs):
        least = int(number == 0)
        peel = min(count, max(least, -(-max(0, depth - done) // width)))
        done += peel * width
        peels.append(peel)
    return peels


def _widest(item: SuperBlock) -> int:
    """Return the run with the most row blocks."""
    widths = [width for width, _ in item.runs]
    return widths.index(max(widths))


def _widest_is_long(item: SuperBlock, depth: int) -> bool:
    """Whether the widest run has tiles left when the pipeline has turned over."""
    width, count = item.runs[_widest(item)]
    return count > max(1, -(-depth // width))


def _signature(item: SuperBlock) -> tuple[object, ...]:
    """Return what tells groups apart, the length of the widest run left out."""
    widest = _widest(item)
    runs = tuple(
        (width, 0 if number == widest else count) for number, (width, count) in enumerate(item.runs)
    )
    return (len(item.blocks), runs)
