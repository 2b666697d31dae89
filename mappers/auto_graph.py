"""Task graph of one attention tile, made from the einsums of a cascade in any of its forms.

A tile is some keys by some query rows. Every einsum becomes the work that it means for one tile;
what sums over all keys becomes the sum over the tile and an accumulation from tile to tile. Einsums
that touch no key become work of a row block. Passes (:mod:`workloads.passes`) say which tasks may
share one traversal of the keys; scores that a later pass needs again are held or made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from workloads.operation import Apply, Operand, action_counts
from workloads.passes import RankPasses, analyze_passes

if TYPE_CHECKING:
    from workloads import Cascade, Einsum

Role = Literal["keys", "tile", "rows", "depth", "width"]
"""What a rank variable runs over: keys of a tile, tiles, query rows, E, F."""

TILE = frozenset({"keys", "rows"})
"""Roles of a value that exists for every score of a tile."""


@dataclass(frozen=True, slots=True)
class Task:
    """Work on one tile, or on one row block.

    Attributes
    ----------
    name
        Unique in its graph.
    origin
        Einsum of the form that it does.
    kind
        ``product`` (multiply and add up), ``fold`` (reduce the keys of a tile), ``map`` (element
        by element).
    space, result
        Roles that it runs over, and those that its result keeps.
    operations
        Actions at every point of `space`.
    reads, writes
        Tensors; ``writes`` is one.
    phase
        Traversal of the keys in which it runs, from 0.
    per_block
        Whether it runs once for a row block, behind its tiles.
    state
        Whether its result lives from tile to tile.
    """

    name: str
    origin: str
    kind: Literal["product", "fold", "map"]
    space: frozenset[str]
    result: frozenset[str]
    operations: Mapping[str, int]
    reads: tuple[str, ...]
    writes: str
    phase: int
    per_block: bool = False
    state: bool = False

    @property
    def makes_scores(self) -> bool:
        """Whether the result has a value for every score of the tile."""
        return self.result == TILE


@dataclass(frozen=True, slots=True)
class Need:
    """One task needs another: of the same tile, or of an earlier tile of its row block."""

    source: str
    target: str
    distance: int = 0


@dataclass(frozen=True)
class TaskGraph:
    """Tasks of a form, by traversal, with what each needs.

    Attributes
    ----------
    tasks
        In an order in which every task stands behind what it needs of its own tile.
    needs
        Within one traversal.
    waits
        ``(source, target)`` across traversals and to the work of a row block.
    kept
        Tensors with a value for every score that the buffer holds for a later traversal.
    num_phases
        Traversals of the keys.
    """

    tasks: tuple[Task, ...]
    needs: tuple[Need, ...]
    waits: tuple[tuple[str, str], ...]
    kept: tuple[str, ...]
    num_phases: int

    def task(self, name: str) -> Task:
        """Return a task by name."""
        return next(task for task in self.tasks if task.name == name)

    def phase(self, number: int) -> tuple[Task, ...]:
        """Return the tasks that run once for every tile of a traversal."""
        return tuple(t for t in self.tasks if t.phase == number and not t.per_block)

    @property
    def tails(self) -> tuple[Task, ...]:
        """The tasks that run once for every row block."""
        return tuple(task for task in self.tasks if task.per_block)

    def consumers(self, task: Task) -> Iterator[Task]:
        """Yield the tasks of the same traversal that read what a task makes for a tile."""
        for other in self.tasks:
            if task.writes in other.reads and other.phase == task.phase:
                yield other


@dataclass(frozen=True)
class Roles:
    """What the rank variables of an attention mean.

    Attributes
    ----------
    keys, depth, width
        Variables of M, E and F in the plain cascade.
    rows
        Variables of query positions and of the heads that share keys.
    """

    keys: frozenset[str]
    depth: frozenset[str]
    width: frozenset[str]
    rows: frozenset[str]

    @staticmethod
    def of(cascade: Cascade) -> Roles:
        """Return the roles in a plain cascade of two products."""
        scores, context = (e for e in cascade.einsums if e.matmul() is not None)
        first, second = scores.matmul(), context.matmul()
        assert first is not None
        assert second is not None
        keys = frozenset(name for name, _ in second.k_variables)
        sides = [
            frozenset(name for name, _ in variables)
            for variables in (first.m_variables, first.n_variables)
        ]
        rows = sides[1] if sides[0] == keys else sides[0]
        wide = {name for name, _ in (*second.m_variables, *second.n_variables)}
        depth = frozenset(name for name, _ in first.k_variables)
        return Roles(keys, depth, frozenset(wide) - rows, rows)

    def role(self, variable: str) -> Role | None:
        """Return the role of a variable, of split ranks too; None for independent groups."""
        stem, level = variable.rstrip("0123456789"), variable[-1]
        if variable in self.keys:
            return "keys"
        if stem in self.keys and variable != stem:
            return "tile" if level == "1" else "keys"
        if variable in self.rows:
            return "rows"
        if variable in self.depth:
            return "depth"
        return "width" if variable in self.width else None

    def of_variables(self, variables: Iterator[str]) -> frozenset[str]:
        """Return the roles of some variables; tiles are not one of a tile's ranks."""
        found = {self.role(variable) for variable in variables}
        return frozenset(str(role) for role in found if role is not None and role != "tile")


def build_graph(
    cascade: Cascade,
    roles: Roles,
    *,
    hold: bool = False,
    multiply_add: bool = False,
    single_tile: bool = False,
) -> TaskGraph:
    """Return the task graph of a form.

    Parameters
    ----------
    cascade
        The form.
    roles
        Meaning of its variables.
    hold
        Whether scores that a later traversal needs stay in the buffer; else they are made again.
    multiply_add
        Whether a product that only one sum reads becomes a multiply-add.
    single_tile
        Whether a tile has all keys: whole fibers are there at once, one traversal is all.
    """
    passes = analyze_passes(cascade).rank(key_rank(cascade, roles))
    tasks = _Tasks(cascade, roles, passes, single_tile)
    for einsum in cascade.einsums:
        if einsum.section != "init":
            tasks.add(einsum)
    phases = 1 if single_tile else max(passes.passes, 1)
    graph = _Wiring(tasks.made, tasks.distances, phases, hold).graph()
    return contract(graph) if multiply_add else graph


def key_rank(cascade: Cascade, roles: Roles) -> str:
    """Return the rank of the keys."""
    return next(r.name for r in cascade.ranks if r.variable in roles.keys)


@dataclass
class _Tasks:
    """Tasks made from einsums, with the versions that they read."""

    cascade: Cascade
    roles: Roles
    passes: RankPasses
    single_tile: bool
    made: list[Task] = field(default_factory=list)
    distances: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, einsum: Einsum) -> None:
        roles = self.roles
        space = roles.of_variables(iter(einsum.extents))
        result = roles.of_variables(einsum.output.variables())
        per_block = not any(roles.role(v) in ("keys", "tile") for v in einsum.extents)
        phase = 0 if self.single_tile else max(self.passes.einsums.get(einsum.name, 1), 1) - 1
        whole = [v for v, _ in einsum.reduce if v in roles.keys]
        over_tiles = (
            []
            if self.single_tile
            else whole or [v for v, _ in einsum.reduce if roles.role(v) == "tile"]
        )
        own = einsum.output.tensor
        version = _version(einsum, own)
        local = f"{own} of tile" if over_tiles else own
        operations = dict(action_counts(einsum.map))
        kind: Literal["product", "fold", "map"] = "map"
        if _multiplies(einsum):
            kind, operations = "product", {"mac": 1}
        elif "keys" in space - result:
            kind = "fold"
            for operation in dict.fromkeys(operation for _, operation in einsum.reduce):
                operations[operation] = operations.get(operation, 0) + 1
        reads = tuple(dict.fromkeys(access.tensor for access in einsum.operands))
        self.made.append(
            Task(
                einsum.name, einsum.name, kind, space, result, operations, reads, local, phase,
                per_block, version is not None,
            )
        )  # fmt: skip
        for access in einsum.operands:
            read = _offset(access.indices[-1]) if access.indices else 0
            written = self._versions.get(access.tensor)
            if written is not None and not per_block:
                self.distances[einsum.name, access.tensor] = written - read
        if over_tiles:
            operation = dict(einsum.reduce)[over_tiles[0]]
            self.made.append(
                Task(
                    f"{einsum.name}_sum", einsum.name, "map", result, result, {operation: 1},
                    (local,), own, phase, per_block, True,
                )
            )  # fmt: skip

    @property
    def _versions(self) -> dict[str, int]:
        found = {}
        for einsum in self.cascade.einsums:
            version = _version(einsum, einsum.output.tensor)
            if version is not None and einsum.section == "body":
                found[einsum.output.tensor] = version
        return found


def _offset(index: object) -> int:
    return int(getattr(index, "offset", 0))


def _version(einsum: Einsum, tensor: str) -> int | None:
    """Return by how much a result runs ahead of the iteration; None if it has no versions."""
    indices = einsum.output.indices
    if einsum.output.tensor != tensor or not indices:
        return None
    last = indices[-1]
    shifted = last.kind == "shift" and last.offset > 0
    return last.offset if shifted else None


def _multiplies(einsum: Einsum) -> bool:
    """Whether an einsum adds up products of two operands."""
    expression = einsum.map
    return (
        isinstance(expression, Apply)
        and expression.operation == "mul"
        and all(isinstance(item, Operand) for item in expression.arguments)
        and bool(einsum.reduce)
        and all(operation == "add" for _, operation in einsum.reduce)
    )


class _Wiring:
    """Finds out what needs what, traversal by traversal."""

    def __init__(
        self, tasks: list[Task], distances: dict[tuple[str, str], int], phases: int, hold: bool
    ) -> None:
        self.tasks = list(tasks)
        self.distances = distances
        self.num_phases = phases
        self.hold = hold
        self.kept: dict[str, None] = {}

    def graph(self) -> TaskGraph:
        for number in range(1, self.num_phases):
            self._provide(number)
        ordered = sorted(self.tasks, key=lambda task: (task.per_block, task.phase))
        needs: list[Need] = []
        waits: list[tuple[str, str]] = []
        for target in ordered:
            for tensor in target.reads:
                self._connect(target, tensor, needs, waits)
            if target.state and target.writes not in target.reads and not target.per_block:
                needs.append(Need(target.name, target.name, 1))
        return TaskGraph(
            tuple(ordered), tuple(needs), tuple(waits), tuple(self.kept), self.num_phases
        )

    def _maker(self, tensor: str, phase: int) -> Task | None:
        """Return the task that makes a tensor: that of a traversal if it has one."""
        makers = [task for task in self.tasks if task.writes == tensor]
        return next((t for t in makers if t.phase == phase), makers[0] if makers else None)

    def _provide(self, phase: int) -> None:
        """Hold, or make again, the scores that a traversal reads and an earlier one made."""
        pending = [t for t in self.tasks if t.phase == phase and not t.per_block]
        while pending:
            task = pending.pop(0)
            for tensor in task.reads:
                maker = self._maker(tensor, phase)
                if maker is None or maker.phase == phase or not maker.makes_scores:
                    continue
                if self.hold:
                    self.kept[tensor] = None
                    continue
                again = replace(maker, name=f"{maker.name} again {phase}", phase=phase)
                for read in maker.reads:
                    if (maker.name, read) in self.distances:
                        self.distances[again.name, read] = self.distances[maker.name, read]
                self.tasks.insert(self.tasks.index(task), again)
                pending.append(again)

    def _connect(
        self, target: Task, tensor: str, needs: list[Need], waits: list[tuple[str, str]]
    ) -> None:
        source = self._maker(tensor, target.phase)
        if source is None:
            return
        if target.per_block or source.phase != target.phase:
            waits.append((source.name, target.name))
            return
        needs.append(Need(source.name, target.name, self.distances.get((target.name, tensor), 0)))


def contract(graph: TaskGraph) -> TaskGraph:
    """Return a graph in which products that one sum alone reads are part of a multiply-add."""
    for first in graph.tasks:
        readers = [task for task in graph.tasks if first.writes in task.reads]
        if first.kind != "map" or dict(first.operations) != {"mul": 1} or len(readers) != 1:
            continue
        (second,) = readers
        if dict(second.operations) == {"add": 1} and _alike(first, second):
            return contract(_merged(graph, first, second))
    return graph


def _alike(first: Task, second: Task) -> bool:
    return (
        second.kind == "map"
        and (first.space, first.phase, first.per_block)
        == (second.space, second.phase, second.per_block)
        and not first.state
    )


def _merged(graph: TaskGraph, first: Task, second: Task) -> TaskGraph:
    kept_reads = tuple(name for name in second.reads if name != first.writes)
    merged = replace(
        second, operations={"mac": 1}, reads=tuple(dict.fromkeys((*first.reads, *kept_reads)))
    )
    renamed = {first.name: second.name}
    needs = {
        Need(renamed.get(n.source, n.source), renamed.get(n.target, n.target), n.distance): None
        for n in graph.needs
        if (n.source, n.target) != (first.name, second.name)
    }
    return replace(
        graph,
        tasks=tuple(merged if t is second else t for t in graph.tasks if t is not first),
        needs=tuple(needs),
        waits=tuple((renamed.get(s, s), renamed.get(t, t)) for s, t in graph.waits),
    )
