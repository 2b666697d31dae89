"""FuseMax's mappings of attention: 1-pass cascade, softmax in the array, both arrays interleaved.

Three mappers, the steps of the paper's ablation. Scores never leave the chip: keys and values
stream by once for every group of row blocks that fits the buffer, so what is kept does not depend
on the length. Only tiles that a mask leaves something of are visited.

References
----------
N. Nayak et al., "FuseMax: Leveraging Extended Einsums to Optimize Attention Accelerator Design",
MICRO 2024, section V.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import MappingError
from archsim.mapping import Infeasible
from mappers.attention_options import BUFFERING, INTERLEAVE, interleaved, single_tile
from mappers.attention_problem import AttentionProblem, find_attention
from mappers.fusemax_form import closed_form
from mappers.fusemax_plan import FusemaxPlan, Style, plan_attention

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, MapContext
    from archsim.program import Program
    from workloads import Cascade

HELD_OPERATIONS = ("add", "max", "exp")
"""What the elements of the array do beside MACs when softmax runs in it."""

VECTOR_OPERATIONS = ("add", "mac", "max", "exp", "div")
"""What the 1D unit does."""


@dataclass(frozen=True)
class FusemaxMapping:
    """An attention mapped as FuseMax does.

    Attributes
    ----------
    plan
        The decisions.
    interleaved
        Whether the engine runs several tiles at once on the two arrays.
    """

    plan: FusemaxPlan
    interleaved: bool

    @property
    def mapper(self) -> str:
        """Id of the mapper."""
        return self.plan.mapper

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

    def program(self) -> Program:
        """Return the engine program, tile by tile."""
        from mappers.fusemax_program import tile_program

        return tile_program(self.plan, interleaved=self.interleaved)

    def analytic(self) -> Program:
        """Return the closed form as a program."""
        return closed_form(self.plan).program()

    def to_json(self) -> dict[str, Json]:
        """Return the decisions."""
        return {
            "mapper": self.mapper,
            "interleaved": self.interleaved,
            **self.plan.to_json(),
            "assumptions": [],
        }


class FusemaxMapper:
    """One step of FuseMax's ablation.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    style
        Which step.
    """

    classes: frozenset[str] = frozenset({"attention"})
    options: frozenset[str] = frozenset({INTERLEAVE, BUFFERING})

    def __init__(self, style: Style) -> None:
        self.style: Style = style
        self.id = f"fusemax-{style}"

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the attention can be mapped, else why not."""
        problem = find_attention(cascade)
        return problem if isinstance(problem, str) else unsupported(problem, machine, self.style)

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> FusemaxMapping | Infeasible:
        """Map the attention.

        Parameters
        ----------
        cascade
            Scores, softmax and context.
        machine
            An array over a 1D unit.
        options
            ``interleave``: whether tiles overlap on the two arrays (default: yes, but for
            architecture). ``buffering``: ``double``, or ``single`` as in the paper.
        context
            Homes and room.

        Raises
        ------
        MappingError
            The cascade or the machine is not supported.
        """
        problem = find_attention(cascade)
        reason = problem if isinstance(problem, str) else None
        if not isinstance(problem, str):
            reason = unsupported(problem, machine, self.style)
        if isinstance(problem, str) or reason is not None:
            raise MappingError(reason or "")
        overlap = interleaved(options, default=self.style != "architecture")
        return self.map_problem(
            problem, machine, context, overlap=overlap, single=single_tile(options)
        )

    def map_problem(
        self,
        problem: AttentionProblem,
        machine: Machine,
        context: MapContext,
        *,
        overlap: bool = True,
        single: bool = False,
    ) -> FusemaxMapping | Infeasible:
        """Map an attention that is known to be supported."""
        plan = plan_attention(problem, machine, self.style, context.placement, single=single)
        return plan if isinstance(plan, Infeasible) else FusemaxMapping(plan, overlap)


def unsupported(problem: AttentionProblem, machine: Machine, style: Style) -> str | None:
    """Return why a machine cannot run an attention in a style, or None."""
    array, vector = machine.array, machine.vector
    if array is None or vector is None:
        return "fused attention needs an array and a vector unit"
    if problem.number not in array.formats:
        return f"the array does not multiply {problem.number}"
    missing = [name for name in VECTOR_OPERATIONS if name not in vector.actions()]
    if missing:
        return f"the vector unit lacks {', '.join(missing)}"
    wanted = {*HELD_OPERATIONS, *problem.shaping} if style != "cascade" else set()
    lacking = sorted(wanted - set(array.actions()))
    if lacking:
        return (
            f"softmax in the array needs {', '.join(lacking)} in its elements "
            "(components.array.cycles_per_operation)"
        )
    return None


def cascade() -> FusemaxMapper:
    """Return the mapper of the 1-pass cascade on a plain array."""
    return FusemaxMapper("cascade")


def architecture() -> FusemaxMapper:
    """Return the mapper of softmax in the array, tile after tile."""
    return FusemaxMapper("architecture")


def binding() -> FusemaxMapper:
    """Return the mapper of both arrays interleaved across tiles."""
    return FusemaxMapper("binding")
