"""Attention mapped by search: rewrite, binding, tile and software pipeline found, not given.

From the plain cascade and the machine alone. Legality comes from pass analysis: einsums of
different passes share no traversal, and a form that holds scores between traversals is refused as
soon as the row block exceeds the buffer. What was found is run on the engine before it is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import ConfigError, MappingError
from archsim.mapping import Infeasible
from mappers.attention_problem import AttentionProblem, find_attention
from mappers.auto_form import closed_form
from mappers.auto_reasons import assumptions, reasons
from mappers.auto_search import Search, program_of, search

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, MapContext
    from archsim.program import Program
    from mappers.auto_plan import AutoPlan
    from workloads import Cascade

RESCALED = "rescaled"
"""Option: share of the tiles in which a running maximum changes."""

MULTIPLY_ADD = "multiply_add"
"""Option: whether a sum is corrected and added to in one operation of the 1D unit."""


@dataclass(frozen=True)
class AutoMapping:
    """An attention mapped by search.

    Attributes
    ----------
    plan
        What was found.
    found
        How it was found.
    rescaled
        Share of tiles in which sums are corrected, as given.
    mapper
        Id of the mapper.
    """

    plan: AutoPlan
    found: Search
    rescaled: float
    mapper: str = "auto"

    @property
    def footprints(self) -> Mapping[str, int]:
        """Peak bytes of each level."""
        return self.plan.footprints

    @property
    def fused(self) -> tuple[str, ...]:
        """Names of the einsums whose results never leave the chip: all but the last."""
        problem = self.plan.problem
        names = (problem.scores, *problem.softmax, problem.context)
        return tuple(name for name in names if name != problem.last)

    @property
    def notes(self) -> tuple[str, ...]:
        """Return for the report why this was chosen, and what it takes for granted."""
        told = (*reasons(self.found), *assumptions(self.plan, self.rescaled))
        return tuple(f"mapper auto: {sentence}" for sentence in told)

    def program(self) -> Program:
        """Return the engine program, tile by tile."""
        return program_of(self.plan)

    def analytic(self) -> Program:
        """Return the closed form as a program."""
        return closed_form(self.plan).program()

    def to_json(self) -> dict[str, Json]:
        """Return the decisions, how they were found, and why."""
        found = self.found
        return {
            "mapper": self.mapper,
            **self.plan.to_json(),
            "search": {
                "tiles": found.tiles,
                "planned": found.planned,
                "engine_runs": found.runs,
                "complete": found.is_complete,
            },
            "reasons": list(reasons(found)),
            "assumptions": list(assumptions(self.plan, self.rescaled)),
        }


class AutoMapper:
    """Maps attention by search; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "auto"
    classes: frozenset[str] = frozenset({"attention"})
    options: frozenset[str] = frozenset({RESCALED, MULTIPLY_ADD})

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the attention can be mapped, else why not."""
        problem = find_attention(cascade)
        return problem if isinstance(problem, str) else unsupported(problem, machine)

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> AutoMapping | Infeasible:
        """Map the attention.

        Parameters
        ----------
        cascade
            Scores, softmax and context, plain.
        machine
            A machine with an array and a 1D unit.
        options
            ``rescaled``: share of the tiles in which a running maximum changes, 0 to 1. It depends
            on the data, so it is 1 unless given: every tile corrects its sums. ``multiply_add``:
            whether a sum is corrected and added to in one operation where the 1D unit has one
            (default yes); without, operations are those that FuseMax counts.
        context
            Homes, room, evaluation, budget.

        Returns
        -------
        AutoMapping or Infeasible
            Infeasible if no form fits with any tile; the least shortage.

        Raises
        ------
        MappingError
            The cascade or the machine is not supported.
        ConfigError
            An option is no share, or neither true nor false.
        """
        problem = find_attention(cascade)
        reason = problem if isinstance(problem, str) else unsupported(problem, machine)
        if isinstance(problem, str) or reason is not None:
            raise MappingError(reason or "")
        rescaled = _share(options.get(RESCALED, 1.0))
        fuses = _flag(options.get(MULTIPLY_ADD, True))
        found = search(cascade, problem, machine, context, rescaled, multiply_add=fuses)
        if found.best is None:
            if not found.refused:
                raise MappingError("no unit of the machine can do all of the attention")
            return min(found.refused.values(), key=lambda item: item.need)
        return AutoMapping(found.best.plan, found, rescaled)


def _share(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ConfigError(
            "is no share of the tiles",
            path=f"options.{RESCALED}",
            given=value,
            allowed="a number from 0 to 1",
        )
    return float(value)


def _flag(value: Json) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(
            "must be true or false",
            path=f"options.{MULTIPLY_ADD}",
            given=value,
            allowed="true, false",
        )
    return value


def unsupported(problem: AttentionProblem, machine: Machine) -> str | None:
    """Return why a machine cannot run an attention, or None."""
    array, vector = machine.array, machine.vector
    if array is None or vector is None:
        return "mapper auto needs an array and a vector unit"
    if problem.number not in array.formats:
        return f"the array does not multiply {problem.number}"
    return None
