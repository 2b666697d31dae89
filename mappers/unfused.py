"""Unfused attention: scores, softmax and context one after the other, through memory.

Every matrix product is mapped by :mod:`mappers.gemm`, every run of softmax einsums by
:mod:`mappers.vector`. Scores and probabilities are written to their home level and read back. The
full box of scores is computed, the half that a causal mask removes included: this is what a chain
of library kernels does, and the reference against which fused attention is judged. Nothing of the
scores is held in the simulator's own memory, however long the context.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from archsim.errors import MappingError
from archsim.mapping import Infeasible
from mappers.attention_problem import find_attention
from mappers.gemm import GemmMapper, GemmMapping
from mappers.unfused_form import unfused_form
from mappers.vector import VectorMapper, VectorMapping

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, MapContext, Placement
    from archsim.program import Program
    from mappers.closed_form import ClosedForm
    from workloads import Cascade

Part: TypeAlias = GemmMapping | VectorMapping

FULL_BOX = "masked scores are computed too: unfused attention executes the full box"
"""Assumption reported where a causal mask removes points that are executed all the same."""


@dataclass(frozen=True)
class UnfusedMapping:
    """Attention mapped part by part.

    Attributes
    ----------
    name
        Name of the fragment.
    parts
        Mappings of the matrix products and of the runs between them, in order.
    assumptions
        What the mapping takes for granted.
    """

    name: str
    parts: tuple[Part, ...]
    assumptions: tuple[str, ...] = ()
    mapper: str = "unfused"

    @property
    def footprints(self) -> Mapping[str, int]:
        """Peak bytes of each level, the largest of the parts (they follow one another)."""
        peak: dict[str, int] = {}
        for part in self.parts:
            for level, num_bytes in part.footprints.items():
                peak[level] = max(peak.get(level, 0), num_bytes)
        return peak

    @property
    def fused(self) -> tuple[str, ...]:
        """Names of the einsums whose results never leave the innermost level."""
        return tuple(name for part in self.parts for name in part.fused)

    def program(self) -> Program:
        """Return the engine program: the parts in order, each after the end of the one before."""
        from archsim.program import ProgramBuilder

        if len(self.parts) == 1:
            return self.parts[0].program()
        builder = ProgramBuilder(self.name)
        end = None
        for part in self.parts:
            end = builder.embed(part.program(), after=end)
        return builder.build()

    def to_json(self) -> dict[str, Json]:
        """Return the choices of every part and the assumptions."""
        return {
            "mapper": self.mapper,
            "parts": [part.to_json() for part in self.parts],
            "assumptions": list(self.assumptions),
        }


@dataclass(frozen=True)
class UnfusedClosedForm(UnfusedMapping):
    """Attention mapped part by part that also has a closed form.

    Attributes
    ----------
    form
        The closed form.
    """

    form: ClosedForm | None = None

    def analytic(self) -> Program:
        """Return the closed form as a program."""
        assert self.form is not None
        return self.form.program()


class UnfusedAttentionMapper:
    """Maps attention as separate matrix products and softmax passes; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "unfused"
    classes: frozenset[str] = frozenset({"attention"})
    options: frozenset[str] = frozenset({"slack"})

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if every part can be mapped, else the first reason why not."""
        gemm, vector = GemmMapper(), VectorMapper()
        for part in split(cascade):
            mapper = gemm if _is_product(part) else vector
            reason = mapper.supports(part, machine)
            if reason is not None:
                return reason
        return None if cascade.einsums else "mapper unfused needs at least one einsum"

    def closed_form(
        self, cascade: Cascade, machine: Machine, placement: Placement
    ) -> Program | None:
        """Return the closed form as a program, without mapping the parts; None if there is none."""
        problem = find_attention(cascade)
        if isinstance(problem, str):
            return None
        form = unfused_form(problem, machine, placement)
        return None if form is None else form.program()

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> UnfusedMapping | Infeasible:
        """Map the fragment part by part.

        Parameters
        ----------
        cascade
            Scores, softmax and context (any mix of matrix products and vector work).
        machine
            The machine.
        options
            Those of mapper gemm, for the matrix products.
        context
            Placement, evaluation, cache, budget.

        Returns
        -------
        UnfusedMapping or Infeasible
            Infeasible if a part is, with that part's shortage.

        Raises
        ------
        MappingError
            A part is not supported.
        """
        reason = self.supports(cascade, machine)
        if reason is not None:
            raise MappingError(reason)
        gemm, vector = GemmMapper(), VectorMapper()
        parts: list[Part] = []
        for part in split(cascade):
            mapped = (
                gemm.map(part, machine, options, context)
                if _is_product(part)
                else vector.map(part, machine, {}, context)
            )
            if isinstance(mapped, Infeasible):
                return mapped
            parts.append(mapped)
        masked = any(einsum.points() < einsum.dense_points() for einsum in cascade.einsums)
        assumptions = (FULL_BOX,) if masked else ()
        problem = find_attention(cascade)
        form = None
        if not isinstance(problem, str):
            form = unfused_form(problem, machine, context.placement)
        if form is None:
            return UnfusedMapping(cascade.name, tuple(parts), assumptions)
        return UnfusedClosedForm(cascade.name, tuple(parts), assumptions, form=form)


def split(cascade: Cascade) -> tuple[Cascade, ...]:
    """Return a cascade's matrix products and the runs of other einsums between them, in order."""
    runs: list[list[str]] = []
    previous_is_product = True
    for einsum in cascade.einsums:
        is_product = einsum.matmul() is not None
        if is_product or previous_is_product:
            runs.append([])
        runs[-1].append(einsum.name)
        previous_is_product = is_product
    return tuple(cascade.subset(run, f"{cascade.name}: {run[0]}") for run in runs)


def _is_product(cascade: Cascade) -> bool:
    return len(cascade.einsums) == 1 and cascade.einsums[0].matmul() is not None
