"""FLAT: scores, softmax and context fused over blocks of query rows, all three at once.

The array multiplies, the 1D unit does all of softmax with the plain 3-pass cascade, so a block's
rows of scores have to be on chip whole: with long contexts they are spilled. The full box of scores
is computed, masked or not.

References
----------
S.-C. Kao et al., "FLAT", ASPLOS 2023; as used by FuseMax, MICRO 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import MappingError
from mappers.attention_problem import AttentionProblem, find_attention
from mappers.flat_choice import best_decisions, read_decisions
from mappers.flat_form import FlatDecisions
from mappers.flat_plan import FlatPlan, sizes_of

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Infeasible, Json, MapContext
    from archsim.program import Program
    from workloads import Cascade

OPERATIONS = ("max", "exp", "add", "div")
"""What the 1D unit does to each score, one result a cycle each (the difference is part of exp)."""

FULL_BOX = "FLAT computes masked scores too"
"""Assumption where a mask removes points."""


@dataclass(frozen=True)
class FlatMapping:
    """An attention mapped as FLAT does.

    Attributes
    ----------
    plan
        The decisions and what they cost.
    """

    plan: FlatPlan
    mapper: str = "flat"

    @property
    def footprints(self) -> Mapping[str, int]:
        """Peak bytes of each level."""
        return self.plan.footprints

    @property
    def fused(self) -> tuple[str, ...]:
        """Names of the einsums whose results are never held whole."""
        problem = self.plan.problem
        names = (problem.scores, *problem.softmax, problem.context)
        return tuple(name for name in names if name != problem.last)

    def program(self) -> Program:
        """Return the engine program, row block by row block."""
        return self.plan.program()

    def analytic(self) -> Program:
        """Return the closed form as a program."""
        return self.plan.closed_form().program()

    def to_json(self) -> dict[str, Json]:
        """Return the decisions."""
        masked = self.plan.problem.mask is not None
        return {
            "mapper": self.mapper,
            **decisions_json(self.plan.decisions),
            "assumptions": [FULL_BOX] if masked else [],
        }


def decisions_json(chosen: FlatDecisions) -> dict[str, Json]:
    """Return decisions as JSON-able data; :func:`read_decisions` reads their text form."""
    return {
        "on_chip": "+".join(sorted(chosen.on_chip)),
        "score_loops": chosen.score_loops,
        "context_loops": chosen.context_loops,
        "rows": chosen.rows,
        "spilled": chosen.spilled,
    }


class FlatMapper:
    """Maps attention as FLAT does; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "flat"
    classes: frozenset[str] = frozenset({"attention"})
    options: frozenset[str] = frozenset({"decisions"})

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
    ) -> FlatMapping | Infeasible:
        """Map the attention.

        Parameters
        ----------
        cascade
            Scores, softmax and context.
        machine
            An array and a vector unit.
        options
            ``decisions``: a text such as ``on_chip=QK+A,score=output,context=output,rows=1024``;
            without it the fastest decisions are searched for.
        context
            Homes and room.

        Raises
        ------
        MappingError
            The cascade or the machine is not supported.
        ConfigError
            The decisions cannot be read.
        """
        problem = find_attention(cascade)
        reason = problem if isinstance(problem, str) else unsupported(problem, machine)
        if isinstance(problem, str) or reason is not None:
            raise MappingError(reason or "")
        room = context.placement.available_bytes.get(machine.innermost)
        sizes = sizes_of(problem, machine, room)
        text = options.get("decisions")
        chosen = read_decisions(text, sizes) if text is not None else None
        if chosen is None:
            chosen = best_decisions(problem, machine, sizes, context.placement)
        return FlatMapping(FlatPlan(problem, machine, chosen, sizes, context.placement))


def unsupported(problem: AttentionProblem, machine: Machine) -> str | None:
    """Return why a machine cannot run an attention, or None."""
    if machine.array is None or machine.vector is None:
        return "fused attention needs an array and a vector unit"
    if problem.number not in machine.array.formats:
        return f"the array does not multiply {problem.number}"
    wanted = {*OPERATIONS, *problem.shaping}
    missing = sorted(wanted - set(machine.vector.actions()))
    return f"the vector unit lacks {', '.join(missing)}" if missing else None
