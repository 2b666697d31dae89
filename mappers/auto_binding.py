"""Binding: which unit does each task of a tile, and what values cost on their way between units.

A task on the scores of a tile runs in the array, which holds them (``held``), or in the 1D unit
(``vector``); a product also in the array's own dataflow, its result leaving (``product``). Scores
that leave the array go out at its edge, a row a cycle, through the buffer; scores that come in are
shifted in likewise. Row values pass between array and 1D unit directly, as in FuseMax; what lives
from tile to tile is read from and written to the buffer.

All bindings are enumerated, branch and bound over the busiest resource: exact, as a tile has few
tasks with a choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Literal

from mappers.attention_tiles import TileShape, array_work
from mappers.auto_graph import TILE, Task, TaskGraph
from mappers.work import Work, in_turn, port_work, service_work

if TYPE_CHECKING:
    from archsim.components.systolic_array import BoundSystolicArray
    from archsim.components.vector_unit import BoundVectorUnit
    from archsim.machine import Machine
    from archsim.numberformat import NumberFormat
    from mappers.attention_problem import AttentionProblem

Unit = Literal["held", "product", "vector"]
"""Where a task runs; see the module."""

Binding = Mapping[str, Unit]
"""Unit of every task."""


@dataclass(frozen=True)
class Costs:
    """What the tasks of a graph take on a machine with tiles of one shape.

    Attributes
    ----------
    graph, problem, machine, shape
        What, of which attention, where, in which tiles.
    rescaled
        Share of the tiles in which a running maximum changes and sums are corrected.
    known
        Works found so far.
    """

    graph: TaskGraph
    problem: AttentionProblem
    machine: Machine
    shape: TileShape
    rescaled: float = 1.0
    known: dict[tuple[object, ...], Work | None] = field(default_factory=dict, compare=False)

    @property
    def array(self) -> BoundSystolicArray:
        """The 2D array."""
        assert self.machine.array is not None
        return self.machine.array

    @property
    def vector(self) -> BoundVectorUnit:
        """The 1D unit."""
        assert self.machine.vector is not None
        return self.machine.vector

    def extent(self, roles: frozenset[str]) -> int:
        """Return the points of a space that is given by its roles."""
        sizes = {
            "keys": self.shape.keys,
            "rows": self.shape.columns,
            "depth": self.problem.depth,
            "width": self.problem.width,
        }
        return prod(sizes[role] for role in roles)

    def number(self, task: Task) -> NumberFormat:
        """Return the format of what a task makes."""
        return self.problem.score if task.makes_scores else self.problem.statistic

    def units(self, task: Task) -> Iterator[Unit]:
        """Yield the units that can do a task, the array first."""
        law = self.array.law
        fits = self.shape.keys <= law.rows and self.shape.columns <= law.columns * law.count
        on_scores = task.space >= TILE and not task.per_block
        if on_scores and fits and self._held_able(task):
            yield "held"
        if on_scores and task.kind == "product":
            yield "product"
        if set(task.operations) <= set(self.vector.actions()):
            yield "vector"

    def _held_able(self, task: Task) -> bool:
        return task.kind == "product" or set(task.operations) <= set(self.array.actions())

    def work(self, task: Task, unit: Unit) -> Work:
        """Return the work of a task on a unit, without what its values cost on their way."""
        key = (task.name, unit)
        if key not in self.known:
            self.known[key] = self._work(task, unit)
        found = self.known[key]
        assert found is not None
        return found

    def port(self, action: str, parts: tuple[tuple[int, str], ...]) -> Work | None:
        """Return the work of reading or writing some bytes of the buffer."""
        key = (action, parts)
        if key not in self.known:
            self.known[key] = port_work(self.machine, action, parts)
        return self.known[key]

    def _work(self, task: Task, unit: Unit) -> Work:
        number = self.problem.number
        held = (self.shape.keys, self.shape.columns)
        if unit == "held":
            if task.kind == "product":
                depth = self.extent(task.space - TILE)
                return array_work(self.array, self.array.held_product(*held, depth, number))
            if task.kind == "fold" and len(task.operations) == 1:
                (action,) = task.operations
                return array_work(self.array, self.array.held_reduction(*held, action, number))
            operations = self.array.held_operations(*held, task.operations, number)
            return array_work(self.array, operations)
        if unit == "product":
            keys, rows = held
            other = self.extent(task.space - TILE)
            n, k = (keys, other) if task.makes_scores else (other, keys)
            return service_work(self.array, "mac", {"m": rows, "n": n, "k": k}, number)
        return self._on_vector(task)

    def _on_vector(self, task: Task) -> Work:
        number = self.problem.number
        points = self.extent(task.space)
        if task.kind == "fold" and len(task.operations) == 1:
            (action,) = task.operations
            shape = {action: points, "results": self.extent(task.result)}
            return service_work(self.vector, "reduce", shape, number)
        operations = {action: n * points for action, n in task.operations.items()}
        if self.rescaled < 1.0 and corrects(self.graph, task):
            operations = self._less_often(operations)
        if set(operations) == {"div"} and "width" in task.space:
            return self._divided(task, points)
        return service_work(self.vector, "elementwise", operations, number)

    def _less_often(self, operations: Mapping[str, int]) -> dict[str, int]:
        """Return operations without the corrections of tiles whose maximum does not change."""
        found: dict[str, int] = {}
        for action, count in operations.items():
            often = round(count * self.rescaled)
            found[action] = found.get(action, 0) + often
            if action == "mac":
                # Without the factor, the sum of the tile is still added.
                found["add"] = found.get("add", 0) + count - often
        return found

    def _divided(self, task: Task, points: int) -> Work:
        """Return division by a row's sum: every value, or one reciprocal and products."""
        number = self.problem.number
        plain = service_work(self.vector, "elementwise", {"div": points}, number)
        if "mul" not in self.vector.actions():
            return plain
        rows = self.extent(task.space & {"rows"})
        once = service_work(self.vector, "elementwise", {"div": rows, "mul": points}, number)
        return min((plain, once), key=lambda work: work.holds[0][1])

    def entry(self) -> Work:
        """Return the work of shifting a tile of scores into the array, a row a cycle."""
        if ("entry",) not in self.known:
            self.known["entry",] = self._entry()
        found = self.known["entry",]
        assert found is not None
        return found

    def _entry(self) -> Work:
        held = (self.shape.keys, self.shape.columns)
        service = self.array.held_product(*held, 1, self.problem.number)
        cycles = self.array.law.rows
        per_ps = service.occupancy_ps
        ps = cycles * per_ps
        return Work(((self.array.name, ps, None),), ps, None, {}, "drain")

    def bytes_of(self, roles: frozenset[str], number: NumberFormat) -> int:
        """Return the bytes of a value with some roles, of one tile."""
        return number.bytes(self.extent(roles))


def corrects(graph: TaskGraph, task: Task) -> bool:
    """Whether a task corrects by the change of a running maximum, or makes that correction."""
    corrections = {
        other.name
        for other in graph.tasks
        if other.result == {"rows"} and "exp" in other.operations and not other.per_block
    }
    if task.name in corrections:
        return True
    return any(n.target == task.name and n.source in corrections for n in graph.needs) and (
        task.result <= {"rows", "width"}
    )


@dataclass(frozen=True)
class BoundTile:
    """A graph whose tasks are bound to units.

    Attributes
    ----------
    costs
        The graph on the machine.
    units
        Unit of every task.
    works
        Work of every task on its unit, values on their way to it and from it included.
    reads, writes
        Buffer traffic of every task: ``(bytes, format)``.
    passing
        Tensors of scores that pass through the buffer within a traversal.
    """

    costs: Costs
    units: Binding
    works: Mapping[str, Work]
    reads: Mapping[str, tuple[tuple[int, str], ...]]
    writes: Mapping[str, tuple[tuple[int, str], ...]]
    passing: tuple[str, ...]

    def busy_ps(self, tasks: tuple[Task, ...]) -> dict[str, int]:
        """Return the time that some tasks take of every resource, buffer ports included."""
        found: dict[str, int] = {}
        for work in (*(self.works[task.name] for task in tasks), *self.ports(tasks)):
            for resource, ps, _ in work.holds:
                found[resource] = found.get(resource, 0) + ps
        return found

    def ports(self, tasks: tuple[Task, ...]) -> tuple[Work, ...]:
        """Return what some tasks read and write in the buffer, as up to two works."""
        reads = tuple(part for task in tasks for part in self.reads[task.name])
        writes = tuple(part for task in tasks for part in self.writes[task.name])
        found = (self.costs.port("read", reads), self.costs.port("write", writes))
        return tuple(work for work in found if work is not None)

    def array_held(self, name: str) -> bool:
        """Whether a task works on scores that the array holds."""
        return self.units[name] == "held"

    def tile_ps(self, phase: int) -> int:
        """Return the time of a tile on the busiest resource."""
        return max(self.busy_ps(self.costs.graph.phase(phase)).values())


def bind(costs: Costs) -> BoundTile | None:
    """Return the binding with the least busy busiest resource, then the least work in all.

    Returns
    -------
    BoundTile or None
        None if a task can run nowhere.
    """
    graph = costs.graph
    options = {task.name: tuple(costs.units(task)) for task in graph.tasks}
    if any(not found for found in options.values()):
        return None
    best: tuple[tuple[int, int], dict[str, Unit]] | None = None
    works = {(t.name, u): costs.work(t, u) for t in graph.tasks for u in options[t.name]}

    def descend(number: int, chosen: dict[str, Unit], loads: dict[tuple[int, str], int]) -> None:
        nonlocal best
        cost = _cost(loads)
        if best is not None and cost[0] > best[0][0]:
            return
        if number == len(graph.tasks):
            made = assemble(costs, chosen)
            exact = [made.busy_ps(graph.phase(p)) for p in range(graph.num_phases)]
            total = (sum(max(b.values()) for b in exact), sum(sum(b.values()) for b in exact))
            if best is None or total < best[0]:
                best = (total, dict(chosen))
            return
        task = graph.tasks[number]
        for unit in options[task.name]:
            after = dict(loads)
            for resource, ps, _ in () if task.per_block else works[task.name, unit].holds:
                key = (task.phase, resource)
                after[key] = after.get(key, 0) + ps
            chosen[task.name] = unit
            descend(number + 1, chosen, after)
            del chosen[task.name]

    descend(0, {}, {})
    return None if best is None else assemble(costs, best[1])


def _cost(loads: Mapping[tuple[int, str], int]) -> tuple[int, int]:
    """Return (sum over traversals of the busiest resource, all work): bounds of what follows."""
    phases: dict[int, int] = {}
    for (phase, _), ps in loads.items():
        phases[phase] = max(phases.get(phase, 0), ps)
    return sum(phases.values()), sum(loads.values())


def assemble(costs: Costs, units: Binding) -> BoundTile:
    """Return a binding with everything that its values cost on their way."""
    graph, problem = costs.graph, costs.problem
    works = {task.name: costs.work(task, units[task.name]) for task in graph.tasks}
    reads: dict[str, list[tuple[int, str]]] = {task.name: [] for task in graph.tasks}
    writes: dict[str, list[tuple[int, str]]] = {task.name: [] for task in graph.tasks}
    passing: dict[str, None] = {}
    score = problem.score.name
    tile_bytes = costs.bytes_of(TILE, problem.score)
    for task in graph.tasks:
        if task.makes_scores:
            held = units[task.name] == "held"
            readers = list(graph.consumers(task))
            leaves = task.writes in graph.kept or any(
                units[r.name] != "held" or not held for r in readers
            )
            if not leaves:
                continue
            writes[task.name].append((tile_bytes, score))
            if any(units[r.name] != "held" or not held for r in readers):
                passing[task.writes] = None
            if held:
                works[task.name] = _leaving(costs, works[task.name])
    for task in graph.tasks:
        for tensor in task.reads:
            amount = _read(costs, units, task, tensor)
            if amount is not None:
                reads[task.name].append(amount)
                if _scores(graph, tensor) and _enters(costs, units, task, tensor):
                    works[task.name] = in_turn([costs.entry(), works[task.name]], "compute")
        if task.state and not task.per_block:
            number = problem.statistic
            writes[task.name].append((costs.bytes_of(task.result, number), number.name))
    return BoundTile(
        costs,
        dict(units),
        works,
        {name: tuple(parts) for name, parts in reads.items()},
        {name: tuple(parts) for name, parts in writes.items()},
        tuple(passing),
    )


def _leaving(costs: Costs, work: Work) -> Work:
    """Return the work of an array that also lets its tile out at the edge."""
    out = costs.entry()
    if costs.array.law.drain == "serial":
        return in_turn([work, out], "compute")
    ((resource, ps, expression),) = work.holds
    longer = max(ps, out.holds[0][1])
    grown = longer - ps
    holds = ((resource, longer, expression if not grown else None),)
    return replace(work, holds=holds, latency_ps=work.latency_ps + grown, latency_expr=None)


def _scores(graph: TaskGraph, tensor: str) -> bool:
    """Whether a tensor has a value for every score."""
    return any(task.writes == tensor and task.makes_scores for task in graph.tasks)


def _maker(graph: TaskGraph, tensor: str, phase: int) -> Task | None:
    makers = [task for task in graph.tasks if task.writes == tensor]
    return next((t for t in makers if t.phase == phase), makers[0] if makers else None)


def _enters(costs: Costs, units: Binding, task: Task, tensor: str) -> bool:
    """Whether a task is the first one for which scores are shifted into the array."""
    if units[task.name] != "held":
        return False
    graph = costs.graph
    same = (t for t in graph.tasks if tensor in t.reads and t.phase == task.phase)
    first = next(t for t in same if units[t.name] == "held")
    return first is task


def _read(costs: Costs, units: Binding, task: Task, tensor: str) -> tuple[int, str] | None:
    """Return what a task reads of a tensor in the buffer; None if it comes another way."""
    graph, problem = costs.graph, costs.problem
    maker = _maker(graph, tensor, task.phase)
    if maker is None:
        return _operand(costs, units, task, tensor)
    if maker.makes_scores:
        stays = units[maker.name] == "held" and units[task.name] == "held"
        if maker.phase == task.phase and stays:
            return None
        if units[task.name] == "held" and not _enters(costs, units, task, tensor):
            return None
        return (costs.bytes_of(TILE, problem.score), problem.score.name)
    if maker.state and (maker is task or task.per_block or maker.phase != task.phase):
        number = problem.statistic
        return (costs.bytes_of(maker.result, number), number.name)
    return None


def _operand(costs: Costs, units: Binding, task: Task, tensor: str) -> tuple[int, str] | None:
    """Return what a task reads of queries, keys or values."""
    problem = costs.problem
    part = next((p for p in (problem.query, problem.key, problem.value) if p.name == tensor), None)
    if part is None:
        return None
    if task.kind != "product":
        return (part.format.bytes(costs.extent(task.space)), part.format.name)
    roles = (task.space - {"rows"}) if part is not problem.query else task.space - {"keys"}
    times = costs.shape.columns if units[task.name] == "vector" and part is not problem.query else 1
    return (part.format.bytes(costs.extent(roles) * times), part.format.name)
