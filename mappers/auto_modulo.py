"""Modulo scheduling: software pipelining of a tile's task graph under resources and recurrences.

A schedule starts a new tile every initiation interval (II). Every task has a start behind that of
its tile; start // II is its stage, start % II its place in a step. No interval can be below

- the busy time of the busiest resource (resource-constrained II), nor
- delay over distance of any cycle of needs from tile to tile (recurrence-constrained II).

Tasks are placed in order of need, on every unit in one order, each as early as leaves room for
those still to come; where that fails the interval grows. With no recurrence in the way the first
interval tried, the larger of the two bounds, succeeds: the schedule is then proved optimal.

References
----------
B. R. Rau, "Iterative Modulo Scheduling", MICRO-27, 1994 (the bounds, and the problem).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GROWTH = 64
"""An interval that fails grows by a 64th: finer steps would gain less than 1.6 % (a choice)."""

ROUNDS = 16
"""Times that a placement is repeated for recurrences to settle (a choice: estimate)."""


@dataclass(frozen=True, slots=True)
class Node:
    """A task to place: name, the unit that it occupies, and for how long (ps)."""

    name: str
    unit: str
    busy_ps: int


@dataclass(frozen=True, slots=True)
class Arc:
    """``start(target) + distance · II >= start(source) + delay`` (ps)."""

    source: str
    target: str
    delay_ps: int
    distance: int = 0


@dataclass(frozen=True)
class ModuloSchedule:
    """Starts of all tasks of a tile, repeated every interval.

    Attributes
    ----------
    interval_ps
        Initiation interval.
    resource_ps, recurrence_ps
        Its two lower bounds.
    starts_ps
        Start of every task behind the start of its tile.
    """

    interval_ps: int
    resource_ps: int
    recurrence_ps: int
    starts_ps: Mapping[str, int]

    @property
    def stages(self) -> dict[str, int]:
        """Steps by which each task lags behind the first work of its tile."""
        return {name: start // self.interval_ps for name, start in self.starts_ps.items()}

    @property
    def order(self) -> tuple[str, ...]:
        """Tasks in the order of their places in a step; equal ones in order of need."""
        names = list(self.starts_ps)
        return tuple(sorted(names, key=lambda name: self.starts_ps[name] % self.interval_ps))

    @property
    def depth(self) -> int:
        """Steps behind the first one in which a tile still has work."""
        return max(self.stages.values())

    @property
    def is_optimal(self) -> bool:
        """Whether the interval equals a lower bound."""
        return self.interval_ps == max(self.resource_ps, self.recurrence_ps, 1)


def recurrence_bound_ps(nodes: Sequence[Node], arcs: Sequence[Arc]) -> int:
    """Return the least interval that no cycle of needs forbids, ps."""
    low, high = 0, sum(arc.delay_ps for arc in arcs) + 1
    while low < high:
        middle = (low + high) // 2
        if _has_positive_cycle(nodes, arcs, middle):
            low = middle + 1
        else:
            high = middle
    return low


def _has_positive_cycle(nodes: Sequence[Node], arcs: Sequence[Arc], interval_ps: int) -> bool:
    latest = {node.name: 0 for node in nodes}
    for _ in range(len(nodes) + 1):
        changed = False
        for arc in arcs:
            start = latest[arc.source] + arc.delay_ps - arc.distance * interval_ps
            if start > latest[arc.target]:
                latest[arc.target] = start
                changed = True
        if not changed:
            return False
    return True


def schedule(
    nodes: Sequence[Node],
    arcs: Sequence[Arc],
    *,
    least_ps: int = 0,
    most_stages: int | None = None,
) -> ModuloSchedule:
    """Return the schedule with the least interval found.

    Parameters
    ----------
    nodes
        Tasks in an order in which each stands behind what it needs of its own tile.
    arcs
        Needs.
    least_ps
        What other resources take of every tile (buffer ports).
    most_stages
        Deepest stage allowed, as few tiles cannot fill a deep pipeline; None for any.
    """
    units: dict[str, int] = {}
    for node in nodes:
        units[node.unit] = units.get(node.unit, 0) + node.busy_ps
    resource_ps = max(*units.values(), least_ps, 1) if units else max(least_ps, 1)
    recurrence_ps = recurrence_bound_ps(nodes, arcs)
    interval_ps = max(resource_ps, recurrence_ps)
    while True:
        starts = _place(nodes, arcs, units, interval_ps)
        if starts is not None:
            found = ModuloSchedule(interval_ps, resource_ps, recurrence_ps, starts)
            if most_stages is None or found.depth <= most_stages:
                return found
        interval_ps += max(1, interval_ps // GROWTH)


def _place(
    nodes: Sequence[Node], arcs: Sequence[Arc], units: Mapping[str, int], interval_ps: int
) -> dict[str, int] | None:
    """Return starts that keep all needs and overlap on no unit, or None if none settle."""
    into: dict[str, list[Arc]] = {node.name: [] for node in nodes}
    for arc in arcs:
        into[arc.target].append(arc)
    known: dict[str, int] = {}
    for _ in range(ROUNDS):
        starts = _pass(nodes, into, units, interval_ps, known)
        if all(
            starts[a.target] + a.distance * interval_ps >= starts[a.source] + a.delay_ps
            for a in arcs
        ):
            return starts
        known = starts
    return None


def _pass(
    nodes: Sequence[Node],
    into: Mapping[str, Sequence[Arc]],
    units: Mapping[str, int],
    interval_ps: int,
    known: Mapping[str, int],
) -> dict[str, int]:
    """Place every task once, behind those placed before it on its unit."""
    cursor = dict.fromkeys(units, 0)
    left = dict(units)
    starts: dict[str, int] = {}
    for node in nodes:
        ready = 0
        for arc in into[node.name]:
            source = starts.get(arc.source, known.get(arc.source))
            if source is not None:
                ready = max(ready, source + arc.delay_ps - arc.distance * interval_ps)
        stage, place = divmod(ready, interval_ps)
        if place > interval_ps - left[node.unit]:
            stage, place = stage + 1, 0
        place = max(place, cursor[node.unit])
        starts[node.name] = stage * interval_ps + place
        cursor[node.unit] = place + node.busy_ps
        left[node.unit] -= node.busy_ps
    return starts
