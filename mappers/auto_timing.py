"""How long a task waits for another one: the arcs of a bound tile, for schedules and programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mappers.auto_modulo import Arc, ModuloSchedule, Node, schedule
from mappers.work import Work, port_work

if TYPE_CHECKING:
    from mappers.auto_binding import BoundTile
    from mappers.auto_graph import Task


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait between starts.

    Attributes
    ----------
    ps
        From the start of the source to the earliest start of the target.
    in_order
        Whether both run in the array, one wave behind the other, so that issue order is enough.
    """

    ps: int
    in_order: bool = False


def delay(tile: BoundTile, source: Task, target: Task) -> Delay:
    """Return how long a task waits for what another one makes.

    Notes
    -----
    Held scores follow one another through the array as waves. Sums that leave it one value a cycle
    are taken as they come by work that is no faster. Scores that pass through the buffer are
    written and read whole.
    """
    made, taken = tile.works[source.name], tile.works[target.name]
    busy = max((ps for _, ps, _ in made.holds), default=0)
    if source.makes_scores:
        if tile.array_held(source.name) and tile.array_held(target.name):
            return Delay(busy, in_order=True)
        if source.writes in tile.passing:
            moved = sum(max(ps for _, ps, _ in port.holds) for port in _passage(tile, source))
            return Delay(made.latency_ps + moved)
    if source.kind == "product" and tile.units[source.name] == "held":
        taking = max((ps for _, ps, _ in taken.holds), default=0)
        if taking >= busy:
            return Delay(made.latency_ps - busy)
    return Delay(made.latency_ps)


def _passage(tile: BoundTile, source: Task) -> tuple[Work, ...]:
    """Return the works of writing scores to the buffer and of reading them once."""
    costs = tile.costs
    part = (costs.bytes_of(source.result, costs.problem.score), costs.problem.score.name)
    found = (port_work(costs.machine, action, [part]) for action in ("write", "read"))
    return tuple(work for work in found if work is not None)


def arcs(tile: BoundTile, phase: int, least_width: int) -> tuple[Arc, ...]:
    """Return the arcs of a traversal; `least_width` steps lie between tiles of a row block."""
    graph = tile.costs.graph
    names = {task.name for task in graph.phase(phase)}
    found = []
    for need in graph.needs:
        if need.target in names:
            source, target = graph.task(need.source), graph.task(need.target)
            wait = delay(tile, source, target).ps
            if need.distance:
                wait = tile.works[need.source].latency_ps
            found.append(Arc(need.source, need.target, wait, need.distance * least_width))
    return tuple(found)


def schedule_phase(
    tile: BoundTile, phase: int, least_width: int, most_stages: int
) -> ModuloSchedule:
    """Return the modulo schedule of a traversal.

    Parameters
    ----------
    tile
        The bound tile.
    phase
        Which traversal.
    least_width
        Fewest row blocks that a tile of keys meets: steps from tile to tile of a row block.
    most_stages
        Deepest stage that the number of tiles allows.
    """
    tasks = tile.costs.graph.phase(phase)
    nodes = []
    for task in tasks:
        held = tile.works[task.name].holds
        resource, ps = (held[0][0], held[0][1]) if held else (task.name, 0)
        nodes.append(Node(task.name, resource, ps))
    ports = [max(ps for _, ps, _ in work.holds) for work in tile.ports(tasks)]
    return schedule(
        nodes,
        arcs(tile, phase, least_width),
        least_ps=max(ports, default=0),
        most_stages=most_stages,
    )
