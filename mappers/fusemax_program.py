"""FuseMax's mappings for the engine: every tile an operation on its array, in pipelined order.

Tiles run key tile by key tile over the row blocks that share a stream of keys and values. Work on
a tile is spread over several steps of the loop (software pipelining across what the paper calls
epochs): in step s the array makes the scores of tile s while what depends on its slow ways down
the columns belongs to earlier tiles:

    step s:  QK LM of tile s;  RM PRM SLN SLD SLNV of tile s - a;  SPD RD SPNV RNV of tile s - c

Loads are held back by the buffers that they fill, so they run ahead as far as there is room. Scores
and numerators stay in the array. Without interleaving all of a tile is done before the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mappers.attention_tiles import ON_ARRAY
from mappers.fusemax_form import ACTIONS, IN_ARRAY, einsum_of
from mappers.work import apart

if TYPE_CHECKING:
    from archsim.program import OpRef, Program
    from archsim.program.builder import DependentTrip
    from mappers.attention_blocks import SuperBlock
    from mappers.fusemax_plan import FusemaxPlan
    from mappers.work import Work

ORDER = ("QK", "LM", "RM", "PRM", "SLN", "SLD", "SLNV", "SPD", "RD", "SPNV", "RNV")
"""Issue order within a step; every einsum stands behind those that it needs in it."""

NEEDS = (("PRM", "RM"), ("SLN", "RM"), ("SLD", "SLN"), ("SLNV", "SLN"), ("RD", "SPD"))
"""(einsum, what it needs) in the same step."""

MAX_BACK = 4096
"""Furthest that a wait looks back (limit of the program form)."""

STAGES = (
    ("QK", "LM"),
    ("RM", "PRM", "SLN", "SLD", "SLNV"),
    ("SPD", "RD", "SPNV", "RNV"),
)
"""Einsums of a tile by the step in which they run; between stages values leave the array."""


def tile_program(plan: FusemaxPlan, *, interleaved: bool) -> Program:
    """Return the engine program of a plan.

    Parameters
    ----------
    plan
        The mapping.
    interleaved
        Whether tiles overlap; without, every tile is finished before the next one starts.
    """
    return _Writer(plan, interleaved=interleaved).write()


class _Writer:
    """Writes one plan into a program builder."""

    def __init__(self, plan: FusemaxPlan, *, interleaved: bool) -> None:
        from archsim.program import ProgramBuilder

        self.plan = plan
        self.builder = ProgramBuilder(plan.mapper)
        self.works = plan.tile.works()
        least = min(group.num_tiles for group in plan.supers)
        first, second = plan.lags if interleaved else (0, 0)
        # Results of row blocks leave while the next ones run: no lag is longer than those take.
        second = min(second, least)
        first = min(first, max(1, second // 2), second)
        if plan.tiles_held[1] < 2 + first:
            first = second = 0
        self.lag = second
        self.lags = {name: self._lag(name, first, second) for name in ORDER}
        self.sequential = second == 0
        self.ticks = [
            self.builder.marker(name, tags=plan.problem.tags) for name in ("scored", "summed")
        ]
        self.ops = {name: self._define(name, self.works[name]) for name in (*ORDER, "AV")}
        self.ports = self._ports()
        self.loads = self._loads()
        self._waits()

    def _lag(self, name: str, first: int, second: int) -> int:
        if name in ("SPD", "RD", "SPNV", "RNV"):
            return second
        if name == "QK" or (name == "LM" and self.plan.style in IN_ARRAY):
            return 0
        return first

    def _tags(self, name: str) -> dict[str, str]:
        return {**self.plan.problem.tags, "einsum": einsum_of(self.plan, name)}

    def _define(self, name: str, work: Work) -> OpRef:
        return work.define(self.builder, name, self._tags(name))

    def _ports(self) -> dict[str, OpRef]:
        """Return what a step reads and writes in the buffer, beside its computation."""
        tile, found = self.plan.tile, {}
        for action in ACTIONS:
            for names, label in ((ORDER, "step"), (("AV",), "results")):
                work = tile.ports(names, action)
                if work is not None:
                    name = f"{action}_{label}"
                    found[name] = work.define(self.builder, name, self.plan.problem.tags)
        return found

    def _loads(self) -> dict[str, OpRef]:
        """Return the transfers: queries by row block, keys and values by tile, results.

        Fills of the buffer take its port beside the transfer, which then runs ahead of the steps.
        """
        plan, shape = self.plan, self.plan.shape
        problem, builder = plan.problem, self.builder
        made = {
            "Q": plan.load("query", shape.columns * problem.depth),
            "K": plan.load("key", shape.keys * problem.depth),
            "AV": plan.store(shape.columns * problem.width),
        }
        if not problem.shares_key:
            made["V"] = plan.load("value", shape.keys * problem.width)
        names = {"Q": "QK", "K": "QK", "V": "SLNV", "AV": "AV"}
        kinds = {"Q": "load_Q", "K": "load_K", "V": "load_V", "AV": "store_AV"}
        found = {}
        for name, work in made.items():
            if not work.holds:
                continue
            far, near = apart(work, plan.machine.innermost)
            found[name] = far.define(builder, kinds[name], self._tags(names[name]))
            if near is not None:
                self.ports[name] = near.define(builder, f"fill_{name}", self._tags(names[name]))
        self.used = {
            name: builder.marker(f"{name}_used", tags=problem.tags)
            for name in ("K", "V")
            if name in found
        }
        return found

    def _waits(self) -> None:
        builder, ops, loads, plan = self.builder, self.ops, self.loads, self.plan
        for name, source in self._needs():
            if not self._in_array(name, source):
                builder.after(ops[name], ops[source])
        self._cross()
        self._hold_back("Q", "QK")
        self._hold_back("K", "QK")
        self._hold_back("V", "SLNV")
        if "V" not in loads and "K" in loads:
            builder.after(ops["SLNV"], loads["K"])
        rows = plan.problem.groups * sum(item.num_rows for item in plan.supers)
        readers = {"K": "SLNV" if plan.problem.shares_key else "QK", "V": "SLNV"}
        held = dict(zip(("K", "V"), plan.tiles_held, strict=True))
        for name, marker in self.used.items():
            self._read(marker, readers[name])
            if rows > 1:
                builder.after(loads[name], marker, back=min(2, held[name]))
        if "Q" in loads:
            self._read(loads["Q"], "QK", back=min(plan.together, MAX_BACK))
        for name in ("RD", "RNV"):
            builder.after(ops["AV"], ops[name])
        if "AV" in loads:
            builder.after(loads["AV"], ops["AV"])
            if sum(len(item.blocks) for item in plan.supers) * plan.problem.groups > 1:
                builder.after(ops["AV"], loads["AV"], back=2)
        if plan.together == 1:
            builder.after(ops["RM"], ops["RM"])
            builder.after(ops["SPNV"], ops["RNV"])
            builder.after(ops["SPD"], ops["RD"])
        reads, writes = self.ports.get("read_step"), self.ports.get("write_step")
        if reads is not None:
            builder.after(reads, ops["QK"], anchor="start")
            builder.after(ops["QK"], reads)
        if writes is not None:
            builder.after(writes, ops["RNV"], anchor="start")
            builder.after(ops["RNV"], writes)
        if self.sequential:
            for name in ("RNV", "RD"):
                builder.after(ops["QK"], ops[name])

    def _read(self, target: OpRef, name: str, *, back: int = 1) -> None:
        """Let an operation wait until an einsum has taken its operands in: not for its result."""
        self.builder.after(
            target,
            self.ops[name],
            back=back,
            anchor="start",
            delay=self._busy(name),
            delay_expr=self.works[name].holds[0][2],
            cause="buffer",
        )

    def _needs(self) -> Sequence[tuple[str, str]]:
        return NEEDS if self.plan.style in IN_ARRAY else (*NEEDS, ("RM", "LM"))

    def _in_array(self, name: str, source: str) -> bool:
        """Whether one wave follows another through the array: issue order is all that it takes."""
        return self.plan.style in IN_ARRAY and {name, source} <= set(ON_ARRAY)

    def _cross(self) -> None:
        """Let stages wait for each other across steps, through a tick that every step has."""
        builder, ops = self.builder, self.ops
        scored, summed = self.ticks
        in_array = self.plan.style in IN_ARRAY
        builder.after(scored, ops["LM" if in_array else "QK"])
        first, second = self.lags["RM"], self.lags["RNV"]
        for name in ("RM",) if in_array else ("LM", "SLN"):
            builder.after(ops[name], scored, back=first + 1)
        for name in ("PRM", "SLD"):
            builder.after(summed, ops[name])
        if self._streams():
            work = self.works["SLNV"]
            builder.after(
                summed,
                ops["SLNV"],
                anchor="start",
                delay=work.latency_ps - self._busy("SLNV"),
                delay_expr=f"({work.latency_expr}) - ({work.holds[0][2]})",
                cause="drain",
            )
        else:
            builder.after(summed, ops["SLNV"])
        for name in STAGES[2]:
            builder.after(ops[name], summed, back=second - first + 1)

    def _streams(self) -> bool:
        """Whether running numerators take the sums as they come: they are no faster."""
        return self._busy("RNV") >= self._busy("SLNV")

    def _busy(self, name: str) -> int:
        return self.works[name].holds[0][1]

    def _hold_back(self, load: str, einsum: str) -> None:
        if load in self.loads:
            self.builder.after(self.ops[einsum], self.loads[load])

    def write(self) -> Program:
        """Return the program: the first head by itself, as nothing runs before it."""
        plan = self.plan
        self._head(first=True)
        if plan.problem.groups > 1:
            with self.builder.loop(plan.problem.groups - 1, "heads"):
                self._head(first=False)
        for step in range(1, self.lag + 1):
            self._place([name for name in ORDER if self.lags[name] >= step])
        self._results(plan.supers[-1])
        return self.builder.build()

    def _head(self, *, first: bool) -> None:
        """Place all row blocks of one pair of keys and values."""
        supers = self.plan.supers
        before = None if first else supers[-1]
        position = 0
        while position < len(supers):
            group: Sequence[SuperBlock] = supers[position : position + 1]
            if before is not None:
                group = self._alike(position, before)
            self._supers(group, before)
            before = group[-1]
            position += len(group)

    def _alike(self, position: int, before: SuperBlock) -> Sequence[SuperBlock]:
        """Return the groups from a position on that one loop can run."""
        supers = self.plan.supers
        first = supers[position]
        stop = position + 1
        if len(before.blocks) == len(first.blocks) and _widest_is_long(first, self.lag):
            while (
                stop < len(supers)
                and _signature(supers[stop]) == _signature(first)
                and _widest_is_long(supers[stop], self.lag)
            ):
                stop += 1
        return supers[position:stop]

    def _supers(self, group: Sequence[SuperBlock], before: SuperBlock | None) -> None:
        from archsim.program import table

        if len(group) == 1:
            counts = [count for _, count in group[0].runs]
            self._super(group[0], counts, before)
            return
        with self.builder.loop(len(group), "row_blocks") as loop:
            widest = _widest(group[0])
            rows: list[int | DependentTrip] = [count for _, count in group[0].runs]
            peeled = self._peels(group[0])[widest]
            values = [item.runs[widest][1] - peeled for item in group]
            rows[widest] = table(values, loop) if len(set(values)) > 1 else values[0] + peeled
            self._super(group[0], rows, before)

    def _peels(self, item: SuperBlock) -> list[int]:
        """Return how many key tiles of each run are written out while the pipeline turns over."""
        done = 0
        peels = []
        for number, (width, count) in enumerate(item.runs):
            least = int(number == 0)
            peel = min(count, max(least, -(-max(0, self.lag - done) // width)))
            done += peel * width
            peels.append(peel)
        return peels

    def _super(
        self,
        item: SuperBlock,
        counts: Sequence[int | DependentTrip],
        before: SuperBlock | None,
    ) -> None:
        """Place row blocks that share a stream; results of those before follow in their time."""
        done = 0
        finished = before is None
        for number, ((width, _), peel) in enumerate(zip(item.runs, self._peels(item), strict=True)):
            count = counts[number]
            for row in range(peel):
                opening = number == 0 and row == 0
                done, finished = self._row(item, width, done, before, finished, opening)
            left = count - peel if isinstance(count, int) else count
            if isinstance(left, int) and left == 0:
                continue
            with self.builder.loop(left, "keys"):
                self._load_tile()
                with self.builder.loop(width, "rows"):
                    self._step()
                self._release_tile()
        if not finished and before is not None:
            self._results(before)

    def _row(
        self,
        item: SuperBlock,
        width: int,
        done: int,
        before: SuperBlock | None,
        finished: bool,
        opening: bool,
    ) -> tuple[int, bool]:
        """Place one key tile over its row blocks, step by step while the pipeline turns over."""
        self._load_tile()
        steps = min(width, max(0, self.lag - done))
        for step in range(steps):
            self._load_query(opening)
            self._step(None if before is not None else done + step)
        done += width
        if not finished and done >= self.lag and before is not None:
            self._results(before)
            finished = True
        if width > steps:
            with self.builder.loop(width - steps, "rows"):
                self._load_query(opening)
                self._step()
        if opening and len(item.blocks) > width and "Q" in self.loads:
            with self.builder.loop(len(item.blocks) - width, "queries"):
                self._load_query(opening)
        self._release_tile()
        return done, finished

    def _load_query(self, opening: bool) -> None:
        if opening:
            self._transfer("Q")

    def _load_tile(self) -> None:
        self._transfer("K")
        self._transfer("V")

    def _transfer(self, name: str) -> None:
        for ops in (self.loads, self.ports):
            if name in ops:
                self.builder.place(ops[name])

    def _release_tile(self) -> None:
        for marker in self.used.values():
            self.builder.place(marker)

    def _step(self, number: int | None = None) -> None:
        """Place one step; the first ones of all lack the work of tiles before the first."""
        self._place([name for name in ORDER if number is None or self.lags[name] <= number])
        for name in ("read_step", "write_step"):
            if name in self.ports:
                self.builder.place(self.ports[name])

    def _place(self, names: Sequence[str]) -> None:
        """Place some einsums and both ticks, each behind the stage that it counts."""
        for name in ORDER:
            if name in names:
                self.builder.place(self.ops[name])
            if name == ("LM" if self.plan.style in IN_ARRAY else "QK"):
                self.builder.place(self.ticks[0])
            if name == "SLNV":
                self.builder.place(self.ticks[1])

    def _results(self, item: SuperBlock) -> None:
        with self.builder.loop(len(item.blocks), "results"):
            self.builder.place(self.ops["AV"])
            for name in ("read_results", "write_results"):
                if name in self.ports:
                    self.builder.place(self.ports[name])
            self._transfer("AV")


def _widest(item: SuperBlock) -> int:
    """Return the run with the most row blocks."""
    widths = [width for width, _ in item.runs]
    return widths.index(max(widths))


def _widest_is_long(item: SuperBlock, lag: int) -> bool:
    """Whether the widest run has tiles left when the pipeline has turned over."""
    width, count = item.runs[_widest(item)]
    return count > max(1, -(-lag // width))


def _signature(item: SuperBlock) -> tuple[object, ...]:
    """Return what tells groups apart, the length of the widest run left out."""
    widest = _widest(item)
    runs = tuple(
        (width, 0 if number == widest else count) for number, (width, count) in enumerate(item.runs)
    )
    return (len(item.blocks), runs)
