"""Why mapper auto chose what it did, in sentences, and what it takes for granted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mappers.auto_form import traffic

if TYPE_CHECKING:
    from mappers.auto_plan import AutoPlan
    from mappers.auto_search import Search


def reasons(found: Search) -> Iterator[str]:
    """Yield what was chosen, what limits it, and what every other form would have taken."""
    best = found.best
    if best is None:
        return
    chosen = best.plan
    cycle_ps = chosen.tile.costs.array.clock.period_ps
    yield f"form {chosen.form}: {limit(chosen)}"
    for number, pipeline in enumerate(chosen.schedules):
        proof = "equal to its lower bound" if pipeline.is_optimal else "above its lower bound"
        bound = max(pipeline.resource_ps, pipeline.recurrence_ps)
        yield (
            f"traversal {number + 1}: a tile of {chosen.shape.keys} keys by {chosen.shape.columns} "
            f"rows every {pipeline.interval_ps / cycle_ps:g} cycles, {proof} "
            f"({bound / cycle_ps:g}), {pipeline.depth + 1} stages deep"
        )
    for name, other in sorted(found.of_form.items(), key=lambda item: item[1].closed_ps):
        if name != chosen.form:
            share = other.closed_ps / best.closed_ps
            yield f"form {name} takes {share:.3g} times as long: {limit(other.plan)}"
    for name, shortage in found.refused.items():
        if name not in found.of_form:
            yield (
                f"form {name} does not fit: {shortage.detail} needs {shortage.need} B of "
                f"{shortage.have} B"
            )


def limit(plan: AutoPlan) -> str:
    """Return what limits a plan, and by how much."""
    tally = traffic(plan)
    memory = dict(tally.busy_ps)
    busy: dict[str, int] = {}
    for number in range(plan.graph.num_phases):
        for name, ps in plan.tile.busy_ps(plan.graph.phase(number)).items():
            busy[name] = busy.get(name, 0) + ps * plan.num_tiles
    for name, ps in plan.tile.busy_ps(plan.graph.tails).items():
        busy[name] = busy.get(name, 0) + ps * plan.num_blocks
    for name, ps in memory.items():
        busy[name] = busy.get(name, 0) + ps
    ordered = sorted(busy.items(), key=lambda item: -item[1])
    (first, most), (second, next_most) = ordered[0], ordered[1]
    return f"{first} is the busiest unit, {second} is busy for {next_most / most:.0%} of its time"


def assumptions(plan: AutoPlan, rescaled: float) -> Iterator[str]:
    """Yield what a plan takes for granted."""
    actions = {action for task in plan.graph.tasks for action in task.operations}
    on_vector = [t for t in plan.graph.tasks if plan.tile.units[t.name] == "vector"]
    if any("mac" in task.operations and task.kind == "map" for task in on_vector):
        yield (
            "running sums are corrected and added to in one multiply-add of the 1D unit "
            "(one rounding instead of two)"
        )
    if "div" in actions and _uses_reciprocal(plan):
        yield "one reciprocal per row of the result instead of a division per value"
    if rescaled < 1.0:
        yield (
            f"running maxima change in {rescaled:.3g} of the tiles (option rescaled); sums "
            "are corrected only there. This depends on the data"
        )
    if plan.problem.mask is not None:
        yield "tiles that the mask removes whole are not visited; others are computed whole"


def _uses_reciprocal(plan: AutoPlan) -> bool:
    return any(
        any(action == "mul" for _, action, _ in plan.tile.works[task.name].counts)
        for task in plan.graph.tails
    )
