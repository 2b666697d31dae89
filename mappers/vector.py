"""Mapper of vector work: runs of element-wise and reducing einsums, streamed in tiles.

Tiles of rows go from their home through the innermost level and back with two buffers each. Inside
a run, what one einsum makes and the next one reads stays in the innermost level. Where a reduced
rank is too long for that, the run is cut into passes over it, and what a later pass needs goes to
its home and comes back: the re-reads are paid for. The search evaluates every way of cutting whose
bound can win.

Points that a causal filter removes are computed all the same (the full box), as rows of equal
length are what a lane-parallel unit streams.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, cast

from archsim.errors import MappingError
from archsim.mapping import Infeasible
from mappers.cachekey import cache_key
from mappers.vector_plan import Plan, plans

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, MapContext, Placement
    from archsim.program import Program
    from mappers.vector_stage import Stage, StageChoice
    from workloads import Cascade

VERSION = 1
"""Version of the search; part of the cache key."""


@dataclass(frozen=True)
class VectorMapping:
    """A run of vector work mapped onto a machine.

    Attributes
    ----------
    cascade, machine, placement
        What runs where.
    plan, choices
        The way it is cut into stages, and the tiling of each.
    search
        What the search found.
    """

    cascade: Cascade
    machine: Machine
    placement: Placement
    plan: Plan
    choices: tuple[StageChoice, ...]
    search: Mapping[str, Json] = field(default_factory=dict)
    mapper: str = "vector"

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the plan."""
        return build_stages(self.cascade, self.machine, self.placement, self.plan)

    @cached_property
    def footprints(self) -> Mapping[str, int]:
        """Peak bytes of the innermost level."""
        from mappers.vector_bound import footprint

        used = [
            footprint(stage, self.machine, choice)
            for stage, choice in zip(self.stages, self.choices, strict=True)
        ]
        return {self.machine.innermost: max(used)}

    @cached_property
    def fused(self) -> tuple[str, ...]:
        """Names of the einsums whose results never leave the innermost level."""
        stored = {use.name for stage in self.stages for use in stage.stores}
        return tuple(e.name for e in self.cascade.einsums if e.output.tensor not in stored)

    def program(self) -> Program:
        """Return the engine program: the stages one after the other."""
        return build_program(self.stages, self.machine, self.choices)

    def to_json(self) -> dict[str, Json]:
        """Return the choices and what the search found."""
        return {
            "mapper": self.mapper,
            "plan": self.plan.name,
            "stages": [
                {"einsums": list(group), "tiles": dict(choice.tiles)}
                for group, choice in zip(self.plan.groups, self.choices, strict=True)
            ],
            "search": dict(self.search),
        }


class VectorMapper:
    """Maps a run of element-wise and reducing einsums; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "vector"
    classes: frozenset[str] = frozenset({"vector"})
    options: frozenset[str] = frozenset()

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if every einsum is vector work that the unit can do, else the reason."""
        if not cascade.einsums:
            return "mapper vector needs at least one einsum"
        for einsum in cascade.einsums:
            if einsum.matmul() is not None:
                return f"einsum {einsum.name} is a matrix product; mapper vector takes vector work"
        if machine.vector is None:
            return f"machine {machine.name} has no vector unit"
        for einsum in cascade.einsums:
            missing = set(einsum.op_counts()) - set(machine.vector.actions())
            if missing:
                return (
                    f"einsum {einsum.name} needs {', '.join(sorted(missing))}, which the vector "
                    f"unit of {machine.name} cannot do"
                )
        return None

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> VectorMapping | Infeasible:
        """Map the run.

        Parameters
        ----------
        cascade
            A fragment without matrix products.
        machine
            The machine.
        options
            None are known.
        context
            Placement, evaluation, cache, budget.

        Returns
        -------
        VectorMapping or Infeasible
            Infeasible names the bytes of the smallest legal tile set.

        Raises
        ------
        MappingError
            The fragment is not supported.
        """
        reason = self.supports(cascade, machine)
        if reason is not None:
            raise MappingError(reason)
        if options:
            raise MappingError(f"mapper vector has no options; given {', '.join(sorted(options))}")
        content: Json = {
            "cascade": cascade.signature(),
            "placement": context.placement.to_json(),
        }
        key = cache_key(self.id, VERSION, machine, content, context)
        stored = context.cache.get(key)
        if stored is None:
            stored = search(cascade, machine, context)
            context.cache.put(key, stored)
        return _read(stored, cascade, machine, context.placement)


def build_stages(
    cascade: Cascade, machine: Machine, placement: Placement, plan: Plan
) -> tuple[Stage, ...]:
    """Return the stages of a plan."""
    from mappers.vector_stage import build_stage

    return tuple(
        build_stage(
            cascade, [cascade.einsum(name) for name in group], machine, placement, walk=plan.walk
        )
        for group in plan.groups
    )


def build_program(
    stages: Sequence[Stage], machine: Machine, choices: Sequence[StageChoice]
) -> Program:
    """Return the program of some stages, one after the other."""
    from archsim.program import ProgramBuilder
    from mappers.vector_stage import stage_nest

    programs = [
        stage_nest(stage, machine, choice).program()
        for stage, choice in zip(stages, choices, strict=True)
    ]
    if len(programs) == 1:
        return programs[0]
    builder = ProgramBuilder(f"{stages[0].name} … {stages[-1].name}")
    end = None
    for program in programs:
        end = builder.embed(program, after=end)
    return builder.build()


def search(cascade: Cascade, machine: Machine, context: MapContext) -> dict[str, Json]:
    """Return the best plan and tilings, or why there is none, as JSON values."""
    best: dict[str, Json] | None = None
    best_ps = 0
    shortages: list[tuple[int, str]] = []
    evaluated = 0
    for plan in plans(cascade.einsums):
        found = _search_plan(plan, cascade, machine, context, best_ps if best else None)
        evaluated += found.evaluated
        if found.shortage is not None:
            shortages.append(found.shortage)
        elif found.choices is not None and (best is None or found.cost_ps < best_ps):
            best_ps = found.cost_ps
            best = {
                "plan": plan.name,
                "tiles": [[list(tile) for tile in choice.tiles] for choice in found.choices],
                "makespan_ps": best_ps,
            }
    if best is None:
        need, name = min(shortages)
        return {"infeasible": {"need": need, "einsums": name}}
    return {**best, "evaluated": evaluated}


@dataclass(frozen=True, slots=True)
class _PlanResult:
    choices: tuple[StageChoice, ...] | None = None
    cost_ps: int = 0
    evaluated: int = 0
    shortage: tuple[int, str] | None = None


def _search_plan(
    plan: Plan, cascade: Cascade, machine: Machine, context: MapContext, to_beat_ps: int | None
) -> _PlanResult:
    """Search each stage of a plan, unless its bound cannot win or a stage does not fit."""
    from mappers.search import best_first
    from mappers.vector_bound import candidates

    stages = build_stages(cascade, machine, context.placement, plan)
    room = context.placement.available_bytes.get(machine.innermost)
    found = [candidates(stage, machine, room) for stage in stages]
    needs = [
        (one.least_footprint, s.name)
        for one, s in zip(found, stages, strict=True)
        if not one.choices
    ]
    if needs:
        return _PlanResult(shortage=max(needs))
    if to_beat_ps is not None and sum(float(one.bounds_ps.min()) for one in found) >= to_beat_ps:
        return _PlanResult()
    choices: list[StageChoice] = []
    evaluated = total = 0
    for stage, one in zip(stages, found, strict=True):

        def evaluate(
            index: int, stage: Stage = stage, options: Sequence[StageChoice] = one.choices
        ) -> int:
            return context.evaluate(build_program([stage], machine, [options[index]]))

        result = best_first(one.bounds_ps.tolist(), one.preference(), evaluate, context.budget)
        evaluated += result.num_evaluated
        total += result.cost_ps
        choices.append(one.choices[result.index])
    if len(stages) > 1:
        total = context.evaluate(build_program(stages, machine, choices))
        evaluated += 1
    return _PlanResult(tuple(choices), total, evaluated)


def _read(
    stored: Json, cascade: Cascade, machine: Machine, placement: Placement
) -> VectorMapping | Infeasible:
    from mappers.vector_stage import StageChoice

    found = cast("dict[str, Json]", stored)
    if "infeasible" in found:
        shortage = cast("dict[str, Json]", found["infeasible"])
        need = cast("int", shortage["need"])
        return Infeasible(
            resource=machine.innermost,
            need=need,
            have=placement.available_bytes.get(machine.innermost) or 0,
            unit="B",
            detail=(
                f"the smallest tiles of {shortage['einsums']} need {need} B of {machine.innermost}"
            ),
        )
    plan = next(plan for plan in plans(cascade.einsums) if plan.name == found["plan"])
    tiles = cast("list[list[tuple[str, int]]]", found["tiles"])
    choices = tuple(StageChoice(tuple((name, size) for name, size in stage)) for stage in tiles)
    search_result: dict[str, Json] = {
        "makespan_ps": found["makespan_ps"],
        "evaluated": found["evaluated"],
    }
    return VectorMapping(cascade, machine, placement, plan, choices, search_result)
