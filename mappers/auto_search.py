"""Search of mapper auto: every form, tile and binding, pruned by bounds, proved by the engine.

A candidate is a form with a tile shape; its binding is the best of all (branch and bound), its row
blocks together as many as fit, its pipeline the modulo schedule. Its lower bound is the busiest
resource over the whole attention: array, 1D unit, buffer ports, memory traffic. Candidates are run
on the engine in order of their bounds until no bound is below the best time found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archsim.mapping import Infeasible
from mappers.auto_binding import Costs, bind
from mappers.auto_form import closed_form, lower_bound_ps
from mappers.auto_forms import forms
from mappers.auto_plan import AutoPlan, plan
from mappers.auto_tiles import shapes

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import MapContext
    from archsim.program import Program
    from mappers.attention_problem import AttentionProblem
    from workloads import Cascade

CLOSE = 0.005
"""Candidates whose bound is less than this share below the best time are not run (a choice)."""

MAX_RUNS = 12
"""Most candidates run on the engine (a choice: estimate; most searches end after two)."""


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
    candidates, runs
        Candidates with a bound, and those run on the engine.
    of_form
        Best bound of each form, with what it is for.
    refused
        First shortage of each form that does not fit with any tile.
    is_complete
        Whether every other candidate is proved no faster, but for `CLOSE`.
    """

    best: Candidate | None = None
    time_ps: int = 0
    candidates: int = 0
    runs: int = 0
    of_form: dict[str, Candidate] = field(default_factory=dict)
    refused: dict[str, Infeasible] = field(default_factory=dict)
    is_complete: bool = True


def search(
    cascade: Cascade,
    problem: AttentionProblem,
    machine: Machine,
    context: MapContext,
    rescaled: float,
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
    """
    found = Search()
    candidates = list(_candidates(cascade, problem, machine, context, rescaled, found))
    candidates.sort(key=lambda item: (item.bound_ps, item.closed_ps))
    found.candidates = len(candidates)
    limit = MAX_RUNS if context.budget is None else max(1, context.budget)
    for candidate in candidates:
        if found.best is not None and candidate.bound_ps >= found.time_ps * (1.0 - CLOSE):
            break
        if found.runs >= limit:
            found.is_complete = False
            break
        if found.best is not None and candidate.closed_ps >= found.time_ps:
            continue
        time_ps = context.evaluate(program_of(candidate.plan))
        found.runs += 1
        if found.best is None or time_ps < found.time_ps:
            found.best, found.time_ps = candidate, time_ps
    return found


def program_of(found: AutoPlan) -> Program:
    """Return the engine program of a plan."""
    from mappers.auto_program import tile_program

    return tile_program(found)


def _candidates(
    cascade: Cascade,
    problem: AttentionProblem,
    machine: Machine,
    context: MapContext,
    rescaled: float,
    found: Search,
) -> Iterator[Candidate]:
    """Yield the candidates; those that cannot win by their tiles alone are left out."""
    assert machine.array is not None
    assert machine.vector is not None
    choices = forms(cascade, multiply_add="mac" in machine.vector.actions())
    best_ps = 0
    for shape in shapes(problem, machine.array):
        for form in choices:
            if form.single_tile and shape.keys < problem.keys:
                continue
            tile = bind(Costs(form.graph, problem, machine, shape, rescaled))
            if tile is None:
                continue
            made = plan(form.name, tile, context.placement)
            if isinstance(made, Infeasible):
                known = found.refused.get(form.name)
                if known is None or made.need < known.need:
                    found.refused[form.name] = made
                continue
            candidate = Candidate(made, lower_bound_ps(made), closed_form(made).time_ps)
            best = found.of_form.get(form.name)
            if best is None or candidate.closed_ps < best.closed_ps:
                found.of_form[form.name] = candidate
            if best_ps and candidate.bound_ps > best_ps * 2:
                continue
            best_ps = min(best_ps or candidate.closed_ps, candidate.closed_ps)
            yield candidate
