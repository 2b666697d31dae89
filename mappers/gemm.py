"""Mapper of matrix products: tiling, loop order and compute unit found by exact search.

Each operand and the result has a home level; tiles live in the innermost level, with two buffers
each, so that loads, computation and stores of neighbouring tiles overlap. The search bounds every
tiling of a grid from below in closed form and evaluates the most promising ones with the engine
until no bound is left that could win: the result is the best of the whole grid, and so never gets
worse when bandwidth or buffer grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, cast

from archsim.errors import MappingError
from archsim.mapping import Infeasible
from mappers.cachekey import cache_key
from mappers.gemm_problem import GemmChoice, GemmProblem, read_problem

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, MapContext
    from archsim.program import Program
    from workloads import Cascade

VERSION = 2
"""Version of the search; part of the cache key."""


@dataclass(frozen=True)
class GemmMapping:
    """A matrix product mapped onto a machine.

    Attributes
    ----------
    problem, choice
        What is computed and how.
    machine
        The machine.
    search
        What the search found: makespan, candidates, evaluations, whether it was complete.
    """

    problem: GemmProblem
    choice: GemmChoice
    machine: Machine
    search: Mapping[str, Json] = field(default_factory=dict)
    mapper: str = "gemm"
    fused: tuple[str, ...] = ()

    @cached_property
    def footprints(self) -> Mapping[str, int]:
        """Bytes of the innermost level that the tiles take."""
        from mappers.gemm_nest import footprint_bytes

        used = footprint_bytes(self.problem, self.machine, self.choice)
        return {self.machine.innermost: used}

    def program(self) -> Program:
        """Return the engine program."""
        from mappers.gemm_nest import gemm_nest

        return gemm_nest(self.problem, self.machine, self.choice).program()

    def to_json(self) -> dict[str, Json]:
        """Return the choices and what the search found."""
        return {
            "mapper": self.mapper,
            "einsum": self.problem.tags.get("einsum", ""),
            **self.choice.to_json(),
            "search": dict(self.search),
        }


class GemmMapper:
    """Maps one (batched) matrix product; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "gemm"
    classes: frozenset[str] = frozenset({"gemm"})
    options: frozenset[str] = frozenset({"slack"})

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None for one matrix product that the machine can make, else the reason."""
        if len(cascade.einsums) != 1:
            return f"mapper gemm takes one einsum; given {len(cascade.einsums)}"
        einsum = cascade.einsums[0]
        if einsum.matmul() is None:
            return f"einsum {einsum.name} is not a matrix product"
        if machine.array is None and (
            machine.vector is None or "mac" not in machine.vector.actions()
        ):
            return f"machine {machine.name} has neither an array nor a vector unit with mac"
        return None

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> GemmMapping | Infeasible:
        """Map the product.

        Parameters
        ----------
        cascade
            A fragment of one einsum that is a matrix product.
        machine
            The machine.
        options
            ``slack``: fraction of the least makespan that may be given up to move fewer bytes
            (default 0: the fastest; then more bandwidth or buffer is never slower).
        context
            Placement, evaluation, cache, budget.

        Returns
        -------
        GemmMapping or Infeasible
            Infeasible names the bytes of the smallest legal tile set.

        Raises
        ------
        MappingError
            The fragment is not supported, or no unit multiplies its number formats.
        """
        reason = self.supports(cascade, machine)
        if reason is not None:
            raise MappingError(reason)
        slack = read_slack(options)
        problem = read_problem(cascade, machine, context.placement)
        content: Json = {**problem.key(), "slack": slack}
        key = cache_key(self.id, VERSION, machine, content, context)
        stored = context.cache.get(key)
        if stored is None:
            stored = search(problem, machine, context, slack)
            context.cache.put(key, stored)
        found = cast("dict[str, dict[str, Json]]", stored)
        if "infeasible" in found:
            return _infeasible(found["infeasible"])
        choice = GemmChoice.from_json(found["choice"])
        return GemmMapping(problem, choice, machine, found["search"])


def search(
    problem: GemmProblem, machine: Machine, context: MapContext, slack: float = 0.0
) -> dict[str, Json]:
    """Return the best choice over the grid of tilings, or why there is none, as JSON values.

    Parameters
    ----------
    problem, machine, context
        What to map, where, and with which help.
    slack
        Fraction of the least makespan that may be given up to move fewer bytes.
    """
    from mappers.gemm_bound import GemmBounds
    from mappers.gemm_nest import gemm_nest
    from mappers.gemm_units import units
    from mappers.search import best_first, thriftiest

    if not units(problem, machine):
        raise MappingError(
            f"machine {machine.name} has no unit that multiplies "
            f"{problem.lhs.format} by {problem.rhs.format}"
        )
    bounds = GemmBounds(problem, machine)
    candidates = bounds.candidates()
    if not len(candidates.bounds_ps):
        return {"infeasible": _shortage(problem, machine, bounds.least_footprint())}

    def evaluate(index: int) -> int:
        nest = gemm_nest(problem, machine, candidates.choice(index))
        return context.evaluate(nest.program())

    bounds_ps = candidates.bounds_ps.tolist()
    found = best_first(bounds_ps, candidates.preference(), evaluate, context.budget)
    index, makespan_ps, evaluated = found.index, found.cost_ps, found.num_evaluated
    if slack:
        limit_ps = int(makespan_ps * (1 + slack))
        thrifty = thriftiest(bounds_ps, candidates.thrift(), evaluate, limit_ps, context.budget)
        if thrifty is not None:
            index, makespan_ps = thrifty[:2]
            evaluated += thrifty[2]
    return {
        "choice": candidates.choice(index).to_json(),
        "search": {
            "makespan_ps": makespan_ps,
            "least_makespan_ps": found.cost_ps,
            "bound_ps": int(candidates.bounds_ps.min()),
            "traffic_bytes": int(candidates.traffic_bytes[index]),
            "candidates": found.num_candidates,
            "evaluated": evaluated,
            "complete": found.is_complete,
        },
    }


def read_slack(options: Mapping[str, Json]) -> float:
    """Return the option ``slack``; 0 if it is not given.

    Raises
    ------
    MappingError
        Another option is given, or the slack is not a number from 0 to 1.
    """
    unknown = sorted(set(options) - {"slack"})
    if unknown:
        raise MappingError(f"mapper gemm has the option slack; given {', '.join(unknown)}")
    slack = options.get("slack", 0.0)
    if isinstance(slack, bool) or not isinstance(slack, int | float) or not 0 <= slack <= 1:
        raise MappingError(f"options.slack must be a number from 0 to 1; given {slack}")
    return float(slack)


def _shortage(problem: GemmProblem, machine: Machine, need: int) -> dict[str, Json]:
    tensors = ", ".join(f"{tensor.name} ({tensor.format})" for tensor in (problem.lhs, problem.rhs))
    return {
        "resource": machine.innermost,
        "need": need,
        "have": problem.capacity_bytes,
        "unit": "B",
        "detail": (
            f"the smallest tiles of {tensors} and partial sums of {problem.out.name} "
            f"({problem.accumulator}) need {need} B of {machine.innermost}"
        ),
    }


def _infeasible(data: Mapping[str, Json]) -> Infeasible:
    return Infeasible(
        str(data["resource"]),
        cast("int", data["need"]),
        cast("int", data["have"]),
        str(data["unit"]),
        str(data["detail"]),
    )
