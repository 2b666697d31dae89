"""FlashAttention-2 on an array and a vector unit: two levels of tiles, the 1-pass cascade.

Groups of query row blocks stay in the buffer while keys and values stream by once; within a group,
tiles of row blocks by keys go through scores, online softmax and context, the next tile's scores
beside this one's softmax. Tile sizes are searched for. Only tiles that a mask leaves something of
are visited, and the division waits until the end.

References
----------
T. Dao, "FlashAttention-2: Faster Attention with Better Parallelism and Work Partitioning",
arXiv:2307.08691.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from archsim.errors import MappingError
from archsim.mapping import Infeasible
from mappers.attention_options import INTERLEAVE, interleaved
from mappers.attention_problem import AttentionProblem, find_attention
from mappers.attention_tiles import TileShape
from mappers.fusemax import FusemaxMapping
from mappers.fusemax_form import closed_form
from mappers.fusemax_plan import FusemaxPlan, plan_attention

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json, MapContext
    from workloads import Cascade

OPERATIONS = ("add", "max", "exp", "div")
"""What the vector unit does, beside a product (``mac`` or ``mul``)."""

MULTIPLES = (1, 2, 4, 8, 16)
"""Tile sides tried, in sides of the array."""


class FlashMapper:
    """Maps attention as FlashAttention-2 does; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "flash"
    classes: frozenset[str] = frozenset({"attention"})
    options: frozenset[str] = frozenset({INTERLEAVE})

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
    ) -> FusemaxMapping | Infeasible:
        """Map the attention with the tile that is fastest in closed form, the smallest of equals.

        Parameters
        ----------
        cascade
            Scores, softmax and context.
        machine
            An array and a vector unit.
        options
            ``interleave``: whether tiles overlap on the units (default yes).
        context
            Homes and room.

        Raises
        ------
        MappingError
            The cascade or the machine is not supported.
        """
        problem = find_attention(cascade)
        reason = problem if isinstance(problem, str) else unsupported(problem, machine)
        if isinstance(problem, str) or reason is not None:
            raise MappingError(reason or "")
        return self.map_problem(problem, machine, context, overlap=interleaved(options))

    def map_problem(
        self,
        problem: AttentionProblem,
        machine: Machine,
        context: MapContext,
        *,
        overlap: bool = True,
    ) -> FusemaxMapping | Infeasible:
        """Map an attention that is known to be supported."""
        best: tuple[tuple[int, int], FusemaxPlan] | None = None
        shortage: Infeasible | None = None
        for shape in shapes(problem, machine):
            plan = plan_attention(problem, machine, "flash", context.placement, shape)
            if isinstance(plan, Infeasible):
                shortage = shortage or plan
                continue
            cost = (closed_form(plan).time_ps, shape.keys * shape.columns)
            if best is None or cost < best[0]:
                best = (cost, plan)
        if best is None:
            assert shortage is not None
            return shortage
        return FusemaxMapping(best[1], overlap)


def shapes(problem: AttentionProblem, machine: Machine) -> Iterator[TileShape]:
    """Yield the tiles worth trying, small ones first, without repetitions."""
    array = machine.array
    assert array is not None
    sides = array.law.rows, array.law.columns * array.law.count
    rows = problem.heads * problem.queries
    seen = set()
    for tall in MULTIPLES:
        for wide in MULTIPLES:
            shape = TileShape(min(problem.keys, sides[0] * wide), min(rows, sides[1] * tall))
            if shape not in seen:
                seen.add(shape)
                yield shape


def unsupported(problem: AttentionProblem, machine: Machine) -> str | None:
    """Return why a machine cannot run an attention, or None."""
    array, vector = machine.array, machine.vector
    if array is None or vector is None:
        return "fused attention needs an array and a vector unit"
    if problem.number not in array.formats:
        return f"the array does not multiply {problem.number}"
    known = set(vector.actions())
    missing = sorted({*OPERATIONS, *problem.shaping} - known)
    if not known & {"mac", "mul"}:
        missing.append("mac or mul")
    return f"the vector unit lacks {', '.join(missing)}" if missing else None
