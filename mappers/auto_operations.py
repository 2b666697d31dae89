"""Operations of an auto plan and their waits; :mod:`mappers.auto_program` places them.

A step of the pipeline works on as many tiles as its schedule has stages. Ticks, markers that every
step has, carry waits from step to step, so that the first and the last steps, which lack some of
the work, wait like all others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from mappers.auto_form import einsum_of
from mappers.auto_timing import delay
from mappers.work import apart, port_work

if TYPE_CHECKING:
    from archsim.program import OpRef, ProgramBuilder
    from mappers.auto_graph import Need, Task
    from mappers.auto_modulo import ModuloSchedule
    from mappers.auto_plan import AutoPlan, Stream

MAX_BACK = 4096
"""Furthest that a wait looks back (limit of the program form)."""

ACTIONS: Final[tuple[Literal["read", "write"], ...]] = ("read", "write")


@dataclass
class PhaseOperations:
    """What a step of one traversal consists of.

    Attributes
    ----------
    number
        Which traversal.
    schedule
        Its modulo schedule.
    ops
        Operation of every task.
    ticks
        Markers behind each task, by task.
    ports
        Buffer traffic of a step.
    used
        Marker by stream: a tile of it is no longer needed.
    """

    number: int
    schedule: ModuloSchedule
    ops: dict[str, OpRef] = field(default_factory=dict)
    ticks: dict[str, list[OpRef]] = field(default_factory=dict)
    ports: list[OpRef] = field(default_factory=list)
    used: dict[Stream, OpRef] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """Deepest stage."""
        return self.schedule.depth


class Operations:
    """Defines all operations of a plan in a builder, with their waits."""

    def __init__(self, plan: AutoPlan, builder: ProgramBuilder) -> None:
        self.plan, self.builder = plan, builder
        self.loads: dict[str, OpRef] = {}
        self.fills: dict[str, OpRef] = {}
        self.phases = [self._phase(n, found) for n, found in enumerate(plan.schedules)]
        self.tails = {task.name: self._define(task) for task in plan.graph.tails}
        self.tail_ports = self._ports(plan.graph.tails, "results")
        self._transfers()
        self._markers()
        for phase in self.phases:
            self._within(phase)
        self._across()
        self._streams()
        self._results()

    def op(self, name: str) -> OpRef:
        """Return the operation of a task."""
        if name in self.tails:
            return self.tails[name]
        return next(phase.ops[name] for phase in self.phases if name in phase.ops)

    @property
    def last(self) -> PhaseOperations:
        """The last traversal."""
        return self.phases[-1]

    @property
    def num_steps(self) -> int:
        """Tiles of a traversal, of all heads."""
        return self.plan.num_tiles * self.plan.problem.groups

    def _num_ticks(self, phase: PhaseOperations) -> int:
        """Return the steps of a traversal, of all heads, with those in which it empties."""
        ends = 1 if self.plan.runs_on else len(self.plan.supers) * self.plan.problem.groups
        return self.num_steps + phase.depth * ends

    def _phase(self, number: int, found: ModuloSchedule) -> PhaseOperations:
        made = PhaseOperations(number, found)
        for task in self.plan.graph.phase(number):
            made.ops[task.name] = self._define(task)
        made.ports = self._ports(self.plan.graph.phase(number), f"step {number}")
        return made

    def _tags(self, task: Task) -> dict[str, str]:
        return {**self.plan.problem.tags, "einsum": einsum_of(self.plan, task), "phase": task.name}

    def _define(self, task: Task) -> OpRef:
        work = self.plan.tile.works[task.name]
        return work.define(self.builder, task.name, self._tags(task))

    def _ports(self, tasks: tuple[Task, ...], label: str) -> list[OpRef]:
        found = []
        for action in ACTIONS:
            parts = self.plan.tile.reads if action == "read" else self.plan.tile.writes
            moved = [part for task in tasks for part in parts[task.name]]
            work = port_work(self.plan.machine, action, moved)
            if work is not None:
                name = f"{action} {label}"
                found.append(work.define(self.builder, name, self.plan.problem.tags))
        return found

    def _transfers(self) -> None:
        """Define transfers; fills of the buffer take its port beside them, so they run ahead."""
        plan, problem, shape = self.plan, self.plan.problem, self.plan.shape
        made = {
            "query": plan.load("query", shape.columns * problem.depth),
            "result": plan.store(shape.columns * problem.width),
        }
        streams = {name for p in range(plan.graph.num_phases) for name in plan.streams(p)}
        if "key" in streams:
            made["key"] = plan.load("key", shape.keys * problem.depth)
        if "value" in streams:
            made["value"] = plan.load("value", shape.keys * problem.width)
        for name, work in made.items():
            if not work.holds:
                continue
            einsum = problem.scores if name in ("query", "key") else problem.context
            tags = {**problem.tags, "einsum": einsum}
            far, near = apart(work, plan.machine.innermost)
            self.loads[name] = far.define(self.builder, f"move {name}", tags)
            if near is not None:
                self.fills[name] = near.define(self.builder, f"fill {name}", tags)

    def _markers(self) -> None:
        for phase in self.phases:
            for stream in self.plan.streams(phase.number):
                if stream in self.loads:
                    name = f"{stream} used {phase.number}"
                    phase.used[stream] = self.builder.marker(name, tags=self.plan.problem.tags)

    def _within(self, phase: PhaseOperations) -> None:
        """Add the waits of a traversal, from step to step and within steps."""
        graph = self.plan.graph
        order = {name: number for number, name in enumerate(phase.schedule.order)}
        ticks: dict[tuple[str, int, bool], OpRef] = {}
        for need in graph.needs:
            if need.target not in phase.ops:
                continue
            wait = delay(self.plan.tile, graph.task(need.source), graph.task(need.target))
            if wait.in_order:
                continue
            latency = self.plan.tile.works[need.source].latency_ps
            whole = wait.ps == latency or need.distance > 0
            tick = self._tick(phase, need.source, 0 if whole else wait.ps, whole, ticks)
            back = self._steps(phase, need) + int(order[need.source] < order[need.target])
            if back <= self._num_ticks(phase):
                self.builder.after(phase.ops[need.target], tick, back=min(max(back, 1), MAX_BACK))
        starts, last = phase.schedule.starts_ps, self._last(phase)
        first = phase.ops[min(starts, key=starts.__getitem__)]
        for port in phase.ports:
            anchor = last if port is phase.ports[-1] and len(phase.ports) > 1 else first
            # A step's operands may be read, and its results written, one step early or late.
            self.builder.after(port, anchor, anchor="start")
            if self.num_steps > 1:
                self.builder.after(anchor, port, back=2)

    def _last(self, phase: PhaseOperations) -> OpRef:
        starts = phase.schedule.starts_ps
        return phase.ops[max(starts, key=starts.__getitem__)]

    def _steps(self, phase: PhaseOperations, need: Need) -> int:
        """Return how many steps before the target's the source works on what it needs."""
        stages = phase.schedule.stages
        steps = stages[need.target] - stages[need.source]
        if need.distance:
            # A more recent step than needed: finished just as long ago, and shorter memory.
            steps = min(steps + need.distance * self.plan.least_width, phase.depth + 2)
        return steps

    def _tick(
        self,
        phase: PhaseOperations,
        source: str,
        delay_ps: int,
        whole: bool,
        known: dict[tuple[str, int, bool], OpRef],
    ) -> OpRef:
        key = (source, delay_ps, whole)
        if key not in known:
            number = len(phase.ticks.get(source, ()))
            tick = self.builder.marker(f"{source} tick {number}", tags=self.plan.problem.tags)
            if whole:
                self.builder.after(tick, phase.ops[source])
            else:
                self.builder.after(
                    tick, phase.ops[source], anchor="start", delay=delay_ps, cause="drain"
                )
            known[key] = tick
            phase.ticks.setdefault(source, []).append(tick)
        return known[key]

    def _across(self) -> None:
        """Let later traversals, and the ends of row blocks, wait for what they read."""
        for source, target in self.plan.graph.waits:
            self.builder.after(self.op(target), self.op(source))

    def _streams(self) -> None:
        """Let loads fill free room only, and tasks wait for their operands."""
        plan, builder = self.plan, self.builder
        rows = plan.problem.groups * sum(item.num_rows for item in plan.supers)
        for phase in self.phases:
            for stream, marker in phase.used.items():
                for task in plan.readers(stream, phase.number):
                    builder.after(phase.ops[task.name], self.loads[stream])
                    self._taken(marker, phase, task)
                if rows > 1:
                    builder.after(self.loads[stream], marker, back=2)
        if "query" not in self.loads:
            return
        readers = [
            (phase, task)
            for phase in self.phases
            for task in plan.graph.phase(phase.number)
            if plan.problem.query.name in task.reads
        ]
        for phase, task in readers:
            builder.after(phase.ops[task.name], self.loads["query"])
        phase, task = readers[-1]
        back = plan.together * plan.query_sets if plan.runs_on else 1
        if back <= self.num_steps:
            self._taken(self.loads["query"], phase, task, back=min(back, MAX_BACK))

    def _taken(self, target: OpRef, phase: PhaseOperations, task: Task, *, back: int = 1) -> None:
        """Let an operation wait until a task has taken its operands in: not for its result."""
        ((_, busy, expression), *_) = self.plan.tile.works[task.name].holds
        self.builder.after(
            target,
            phase.ops[task.name],
            back=back,
            anchor="start",
            delay=busy,
            delay_expr=expression,
            cause="buffer",
        )

    def _results(self) -> None:
        if "result" not in self.loads:
            return
        plan = self.plan
        ends = list(self.tails.values()) or [self._last(self.last)]
        self.builder.after(self.loads["result"], ends[-1])
        if self.tails and plan.num_blocks * plan.problem.groups > 1:
            self.builder.after(ends[0], self.loads["result"], back=2)
