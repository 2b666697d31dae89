"""Search of mapper auto: every form, tile and binding, pruned by bounds, proved by the engine.

A candidate is a form with a tile shape; its binding is the best of all (branch and bound), its row
blocks together as many as fit, its pipeline the modulo schedule. Candidates wait in order of a
lower bound on their time:

1. at first the tiles that the visible scores need at least, times the busiest unit of a tile;
2. once planned, the busiest resource over the whole attention: units, buffer ports, memory traffic;
3. then the engine runs them, until no bound is below the best time found.

So nothing is planned, and nothing run, that cannot be faster than what was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from archsim.mapping import Infeasible
from mappers.auto_binding import BoundTile, Costs, bind
from mappers.auto_form import closed_form, lower_bound_ps
from mappers.auto_forms import Form, forms
from mappers.auto_plan import AutoPlan, plan
from mappers.auto_tiles import shapes

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import MapContext
    from archsim.program import Program
    from mappers.attention_problem import AttentionProblem
    from workloads import Cascade

CLOSE = 0.001
"""Candidates whose bound is less than this share below the best time are not run (a choice)."""

MAX_RUNS = 16
"""Most candidates run on the engine (a choice: estimate; most searches end after three)."""


@dataclass(frozen=True)
class Candidate:
    """A plan with its lower bound and its time in closed form, ps."""

    plan: AutoPlan
    bound_ps: int
    closed_ps: int


@dataclass
class Search:
    """What a search found.

    Attributes
    ----------
    best
        The fastest plan; None if nothing fits.
    time_ps
        Its time on the engine, alone.
    tiles, planned, runs
        Bound tiles considered, those planned, and those run on the engine.
    of_form
        Best plan of each form.
    refused
        Least shortage of each form that does not fit with any tile.
    is_complete
        Whether every other candidate is proved no faster, but for `CLOSE`.
    """

    best: Candidate | None = None
    time_ps: int = 0
    tiles: int = 0
    planned: int = 0
    runs: int = 0
    of_form: dict[str, Candidate] = field(default_factory=dict)
    refused: dict[str, Infeasible] = field(default_factory=dict)
    is_complete: bool = True

    def note(self, found: Candidate) -> None:
        """Remember the best plan of each form."""
        name = found.plan.form
        best = self.of_form.get(name)
        if best is None or found.closed_ps < best.closed_ps:
            self.of_form[name] = found

    def refuse(self, form: str, shortage: Infeasible) -> None:
        """Remember the least shortage of each form."""
        known = self.refused.get(form)
        if known is None or shortage.need < known.need:
            self.refused[form] = shortage


@dataclass(frozen=True)
class _Tile:
    """A form bound on tiles of one shape, with a first lower bound, ps."""

    form: Form
    tile: BoundTile
    bound_ps: int


def search(
    cascade: Cascade,
    problem: AttentionProblem,
    machine: Machine,
    context: MapContext,
    rescaled: float = 1.0,
    *,
    multiply_add: bool = True,
) -> Search:
    """Return the fastest plan of an attention.

    Parameters
    ----------
    cascade, problem
        The attention, plain.
    machine
        The machine.
    context
        Homes, room, evaluation and budget.
    rescaled
        Share of tiles in which the running maximum changes.
    multiply_add
        Whether products that one sum alone reads may become multiply-adds.
    """
    found = Search()
    assert machine.vector is not None
    fuses = multiply_add and "mac" in machine.vector.actions()
    choices = forms(cascade, multiply_add=fuses)
    tiles = list(_tiles(choices, problem, machine, rescaled))
    found.tiles = len(tiles)
    limit = MAX_RUNS if context.budget is None else max(1, context.budget)
    waiting: list[tuple[int, int, int, _Tile | Candidate]] = []
    for number, tile in enumerate(tiles):
        heappush(waiting, (tile.bound_ps, 0, number, tile))
    while waiting:
        bound_ps, _, number, item = heappop(waiting)
        if found.best is not None and bound_ps >= found.time_ps * (1.0 - CLOSE):
            break
        if isinstance(item, _Tile):
            made = _planned(item, context, found)
            if made is not None:
                heappush(waiting, (made.bound_ps, made.closed_ps, number, made))
            continue
        if found.best is not None and item.closed_ps >= found.time_ps:
            continue
        if found.runs >= limit:
            found.is_complete = False
            break
        time_ps = context.evaluate(program_of(item.plan))
        found.runs += 1
        if found.best is None or time_ps < found.time_ps:
            found.best, found.time_ps = item, time_ps
    _complete(tiles, context, found)
    return found


def _complete(tiles: list[_Tile], context: MapContext, found: Search) -> None:
    """Plan one tile of every form that was never planned, to say what it would take."""
    for tile in sorted(tiles, key=lambda item: item.bound_ps):
        if tile.form.name not in found.of_form:
            _planned(tile, context, found)


def _planned(item: _Tile, context: MapContext, found: Search) -> Candidate | None:
    """Return a tile's plan, if it fits."""
    made = plan(item.form.name, item.tile, context.placement)
    if isinstance(made, Infeasible):
        found.refuse(item.form.name, made)
        return None
    found.planned += 1
    candidate = Candidate(made, lower_bound_ps(made), closed_form(made).time_ps)
    found.note(candidate)
    return candidate


def program_of(found: AutoPlan) -> Program:
    """Return the engine program of a plan."""
    from mappers.auto_program import tile_program

    return tile_program(found)


def _tiles(
    choices: Sequence[Form], problem: AttentionProblem, machine: Machine, rescaled: float
) -> Iterator[_Tile]:
    """Yield every form bound on tiles of every shape."""
    assert machine.array is not None
    for shape in shapes(problem, machine.array):
        for form in choices:
            if form.single_tile and shape.keys < problem.keys:
                continue
            tile = bind(Costs(form.graph, problem, machine, shape, rescaled))
            if tile is not None:
                yield _Tile(form, tile, _least_ps(tile))


def _least_ps(tile: BoundTile) -> int:
    """Return a time that no plan with a tile goes below: tiles needed, times the busiest unit."""
    costs = tile.costs
    problem, shape = costs.problem, costs.shape
    tiles = -(-problem.pairs() // (shape.keys * shape.columns))
    busy: dict[str, int] = {}
    for number in range(costs.graph.num_phases):
        for name, ps in tile.busy_ps(costs.graph.phase(number)).items():
            busy[name] = busy.get(name, 0) + ps
    return tiles * max(busy.values())
