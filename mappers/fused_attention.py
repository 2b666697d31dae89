"""Attention fused with its output projection: blocks of positions, all heads, then the projection.

For a block of query positions all heads are computed, by FuseMax's binding where the array can hold
softmax and as FlashAttention-2 elsewhere; their results stay on chip and go straight through the
projection. Neither the heads' results nor their concatenation reach memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.mapping import FragmentMapping, Infeasible, MapContext, Placement
from archsim.units import human_quantity
from mappers.attention_problem import AttentionProblem, find_attention
from mappers.flash import FlashMapper
from mappers.fusemax import FusemaxMapper
from mappers.gemm import GemmMapper
from workloads import CascadeBuilder

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Json
    from archsim.program import Program
    from workloads import Cascade, Einsum
    from workloads.matmul import MatmulDims

MOST_BLOCKS = 64
"""Most blocks of positions: each is written out where a mask makes them differ."""

RESULT_SHARE = 4
"""The heads' results of a block take at most this fraction of the buffer: one in so many."""


@dataclass(frozen=True)
class FusedAttentionMapping:
    """Attention and projection, block by block.

    Attributes
    ----------
    name, parts
        Name of the fragment; mappings of attention and projection of each block, in order.
    repeat
        How often the parts run (blocks that are alike).
    result_bytes
        The heads' results of a block, on chip; 0 if they go through memory.
    level
        Where those stand.
    inside
        Names of the einsums whose results never leave the chip.
    saved_bytes, saved_ps
        What attention and projection one after the other would move and take in addition.
    """

    name: str
    parts: tuple[FragmentMapping, ...]
    repeat: int
    result_bytes: int
    level: str
    inside: tuple[str, ...]
    saved_bytes: int = 0
    saved_ps: int = 0
    mapper: str = "fused-attention"

    @property
    def footprints(self) -> Mapping[str, int]:
        """Peak bytes of each level."""
        peak = max(part.footprints.get(self.level, 0) for part in self.parts)
        return {self.level: peak + self.result_bytes}

    @property
    def fused(self) -> tuple[str, ...]:
        """Names of the einsums whose results never leave the chip."""
        return self.inside

    @property
    def notes(self) -> tuple[str, ...]:
        """What was fused and what it saved, for the report; nothing where that is slower."""
        if not self.result_bytes:
            return ()
        blocks = self.repeat * len(self.parts) // 2
        amount = human_quantity(abs(self.saved_bytes), "bytes")
        word = "saves" if self.saved_bytes >= 0 else "costs"
        time = human_quantity(self.saved_ps * 1e-12, "time")
        return (
            f"attention and output projection fused, blocks of positions: {blocks}; {word} "
            f"{amount} of memory traffic and saves {time} a layer",
        )

    def program(self) -> Program:
        """Return the engine program: blocks one after the other."""
        from archsim.program import ProgramBuilder

        builder = ProgramBuilder(self.name)
        begin = builder.marker("begin")
        with builder.loop(self.repeat, "blocks"):
            builder.place(begin)
            end = begin
            for part in self.parts:
                end = builder.embed(part.program(), after=end)
        builder.after(begin, end, cause="handover")
        return builder.build()

    def to_json(self) -> dict[str, Json]:
        """Return the decisions."""
        return {
            "mapper": self.mapper,
            "blocks": self.repeat * len(self.parts) // 2,
            "saved_bytes": self.saved_bytes,
            "saved_ps": self.saved_ps,
            "parts": [part.to_json() for part in self.parts[:2]],
        }


class FusedAttentionMapper:
    """Maps attention with the projection behind it; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "fused-attention"
    classes: frozenset[str] = frozenset({"attention"})
    options: frozenset[str] = frozenset({"slack"})

    def blocks(self, cascade: Cascade) -> Sequence[Sequence[str]]:
        """Return attentions whose result is read by the product that follows, and by it alone."""
        found = []
        for position, einsum in enumerate(cascade.einsums):
            run = _attention_before(cascade, position)
            product = einsum.matmul()
            if not run or product is None or product.batch != 1 or einsum.op_class != "gemm":
                continue
            result = run[-1].output.tensor
            readers = [item.name for item in cascade.einsums if result in item.reads()]
            if product.lhs == result and readers == [einsum.name]:
                found.append([*(item.name for item in run), einsum.name])
        return found

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the attention can be mapped, else why not."""
        attention, _ = _apart(cascade)
        return _inner(attention, machine).supports(attention, machine)

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> FragmentMapping | Infeasible:
        """Map attention and projection, fused unless that is slower; attention alone as it is.

        Raises
        ------
        MappingError
            The cascade or the machine is not supported.
        """
        attention, projection = _apart(cascade)
        inner = _inner(attention, machine)
        whole = inner.map(attention, machine, {}, context)
        if projection is None or isinstance(whole, Infeasible):
            return whole
        after = GemmMapper().map(_alone(cascade, projection), machine, options, context)
        if isinstance(after, Infeasible):
            return after
        names = tuple(einsum.name for einsum in attention.einsums)
        separate = FusedAttentionMapping(
            cascade.name, (whole, after), 1, 0, machine.innermost, names[:-1]
        )
        fused = self._fused(cascade, machine, options, context)
        if fused is None:
            return separate
        programs = separate.program(), fused.program()
        times = [context.evaluate(program) for program in programs]
        if times[1] > times[0]:
            return separate
        outer = machine.outermost
        moved = [
            sum(n for (name, _, _), n in program.total_counts().items() if name == outer)
            for program in programs
        ]
        return dataclasses.replace(
            fused, saved_bytes=moved[0] - moved[1], saved_ps=times[0] - times[1]
        )

    def _fused(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> FusedAttentionMapping | None:
        """Return the fused mapping; None where its blocks find no room."""
        attention, projection = _apart(cascade)
        problem = find_attention(attention)
        room = context.placement.available_bytes.get(machine.innermost)
        if isinstance(problem, str) or projection is None or room is None:
            return None
        every = problem.groups * problem.heads * problem.width
        each = problem.result.format.bytes(every)
        positions = min(problem.queries, max(1, room // RESULT_SHARE // each))
        blocks = -(-problem.queries // positions)
        if blocks > MOST_BLOCKS:
            return None
        positions = -(-problem.queries // blocks)
        kept = positions * each
        homes = {**context.placement.homes, problem.result.name: machine.innermost}
        levels = {**context.placement.available_bytes, machine.innermost: room - kept}
        inside = dataclasses.replace(context, placement=Placement(homes, levels))
        alike = problem.mask is None and problem.queries % blocks == 0
        parts: list[FragmentMapping] = []
        inner = _inner(attention, machine)
        for first in range(0, problem.queries, positions):
            number = min(positions, problem.queries - first)
            scores = inner.map_problem(_block(problem, first, number), machine, inside)
            rows = _rows(cascade, projection, number * _product(projection).m // problem.queries)
            sums = GemmMapper().map(rows, machine, options, inside)
            if isinstance(scores, Infeasible) or isinstance(sums, Infeasible):
                return None
            parts += [scores, sums]
            if alike:
                break
        names = tuple(einsum.name for einsum in attention.einsums)
        repeat = blocks if alike else 1
        return FusedAttentionMapping(
            cascade.name, tuple(parts), repeat, kept, machine.innermost, names
        )


def _attention_before(cascade: Cascade, position: int) -> list[Einsum]:
    """Return the attention and softmax einsums that stand right before a position."""
    run: list[Einsum] = []
    for einsum in reversed(cascade.einsums[:position]):
        if einsum.op_class not in ("attention", "softmax"):
            break
        run.insert(0, einsum)
    return run


def _apart(cascade: Cascade) -> tuple[Cascade, Einsum | None]:
    """Return the attention of a fragment, and the projection behind it if there is one."""
    last = cascade.einsums[-1]
    if last.op_class in ("attention", "softmax"):
        return cascade, None
    names = [einsum.name for einsum in cascade.einsums[:-1]]
    return cascade.subset(names, f"{cascade.name}: attention"), last


def _alone(cascade: Cascade, projection: Einsum) -> Cascade:
    return cascade.subset([projection.name], projection.name)


def _inner(attention: Cascade, machine: Machine) -> FusemaxMapper | FlashMapper:
    """Return what maps the attention: in the array if it holds softmax, else tile by tile."""
    binding = FusemaxMapper("binding")
    return binding if binding.supports(attention, machine) is None else FlashMapper()


def _product(einsum: Einsum) -> MatmulDims:
    found = einsum.matmul()
    assert found is not None
    return found


def _block(problem: AttentionProblem, first: int, number: int) -> AttentionProblem:
    """Return the attention of some query positions."""
    mask = problem.mask
    if mask is not None:
        mask = dataclasses.replace(mask, offset=mask.offset + first)
    return dataclasses.replace(problem, queries=number, mask=mask)


def _rows(cascade: Cascade, projection: Einsum, rows: int) -> Cascade:
    """Return the projection of some rows as a cascade, with the tensors' own names."""
    found = _product(projection)
    builder = CascadeBuilder(projection.name)
    for rank, extent in (("P", rows), ("F", found.k), ("D", found.n)):
        builder.rank(rank, extent)
    ranks = {found.lhs: "P F", found.rhs: "F D", found.out: "P D"}
    roles = {found.lhs: "input", found.rhs: "weight", found.out: "output"}
    for name in ranks:
        tensor = cascade.tensor(name)
        builder.tensor(name, ranks[name], roles[name], tensor.format, tensor.sparsity)
    builder.einsum(
        projection.name,
        f"{found.out}[p,d] = {found.lhs}[p,f] * {found.rhs}[f,d]",
        op_class=projection.op_class,
        layer=projection.layer,
    )
    return builder.build()
