"""Mapper of chips built of compute-in-memory tiles that stream weights from their memory.

Phases run one after the other, as EdgeCIM's do: projections head by head on clusters, attention by
blocks of keys and values, every other matrix over the whole chip, element-wise work on the vector
unit. Activations stay in the global buffer where a quarter of it holds them; others are read from
the memory before a phase and written back behind it, with nothing overlapped.

References
----------
EdgeCIM, arXiv:2604.11512v1, Section III-C (read).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import MappingError
from mappers import edgecim_attention, edgecim_matrix
from mappers.closed_form import ClosedForm, Phase, Tally
from mappers.edgecim_memory import kept_on_chip, memory_bytes
from mappers.edgecim_stream import EdgeMachine, Stream, edge_machine, memory_work, weight_bits
from mappers.work import Work, service_work

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Infeasible, Json, MapContext
    from archsim.program import OpRef, Program
    from workloads import Cascade

HEAD = "head"
"""Option: whether the language-model head is read for every token."""

ATTENTION_CLASSES = frozenset({"attention", "softmax"})


@dataclass(frozen=True, slots=True)
class Part:
    """Part of a mapping that follows the one before: steps of weights, or one piece of work."""

    name: str
    einsum: str
    work: Stream | Work

    @property
    def time_ps(self) -> int:
        """Time of the part, ps."""
        return self.work.time_ps if isinstance(self.work, Stream) else self.work.latency_ps


@dataclass(frozen=True)
class EdgeMapping:
    """A fragment mapped onto tiles: its parts, one after the other.

    Attributes
    ----------
    name, layer
        Name and layer of the fragment.
    parts
        The parts, in order.
    footprints, fused
        See :class:`archsim.mapping.FragmentMapping`.
    """

    name: str
    layer: str
    parts: tuple[Part, ...]
    footprints: Mapping[str, int]
    fused: tuple[str, ...]
    mapper: str = "edgecim"

    @property
    def time_ps(self) -> int:
        """Time of the fragment in closed form, ps."""
        return sum(part.time_ps for part in self.parts)

    def program(self) -> Program:
        """Return the engine program, step by step."""
        from archsim.program import ProgramBuilder

        builder = ProgramBuilder(self.name)
        before: OpRef | None = None
        for number, part in enumerate(self.parts):
            tags = {"layer": self.layer, "einsum": part.einsum}
            if isinstance(part.work, Stream):
                before = part.work.place(builder, before, tags)
                continue
            op = part.work.define(builder, f"{part.name}/{number}", {**tags, "phase": part.name})
            builder.place(op)
            if before is not None:
                builder.after(op, before)
            before = op
        if before is None:
            builder.place(builder.marker("nothing", tags={"layer": self.layer}))
        return builder.build()

    def analytic(self) -> Program:
        """Return the closed form, one operation for each part."""
        phases = []
        for number, part in enumerate(self.parts):
            if isinstance(part.work, Stream):
                phases.append(part.work.phase())
                continue
            tally = Tally()
            tally.add(part.einsum, part.work, 1)
            phases.append(
                Phase(
                    f"{part.name}/{number}",
                    part.time_ps,
                    part.work.cause,
                    tally,
                    part.work.latency_expr,
                )
            )
        if not phases:
            return self.program()
        return ClosedForm(self.name, 1, tuple(phases), {"layer": self.layer}).program()

    def to_json(self) -> dict[str, Json]:
        """Return the parts with their steps and times."""
        parts: list[Json] = []
        for part in self.parts:
            steps = part.work.steps if isinstance(part.work, Stream) else 1
            parts.append({"name": part.name, "steps": steps, "time_ps": part.time_ps})
        return {"mapper": self.mapper, "parts": parts}


class EdgeCimMapper:
    """Maps every fragment of a dense decoder; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    siblings
        Neighbouring products come as one fragment.
    """

    id: str = "edgecim"
    classes: frozenset[str] = frozenset({"gemm", "attention", "vector"})
    options: frozenset[str] = frozenset({HEAD})
    siblings: bool = True

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the fragment can be mapped, else why not."""
        try:
            found = _parts(cascade, machine, head=True)
        except MappingError as error:
            return str(error)
        return found if isinstance(found, str) else None

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> EdgeMapping | Infeasible:
        """Map the fragment.

        Parameters
        ----------
        cascade
            A fragment.
        machine
            Tiles, buses, a vector unit and a memory.
        options
            ``head`` (default true): false leaves out the language-model head, as the publication
            seems to.
        context
            Not used: nothing is searched for, and what stays on chip is decided tensor by tensor.

        Raises
        ------
        MappingError
            The fragment or the machine is not supported, or an option is none.
        """
        del context
        head = options.get(HEAD, True)
        if not isinstance(head, bool):
            raise MappingError(f"mapper.gemm.{HEAD} must be true or false; given {head}")
        found = _parts(cascade, machine, head=head)
        if isinstance(found, str):
            raise MappingError(found)
        layer = cascade.einsums[0].layer
        edge = edge_machine(machine)
        assert isinstance(edge, EdgeMachine)
        kept = kept_on_chip(cascade, edge)
        inside = {tensor.name for tensor in cascade.role_tensors("intermediate")}
        fused = tuple(e.name for e in cascade.einsums if e.output.tensor in inside | kept)
        used = sum(cascade.tensor(name).num_bytes(cascade) for name in kept)
        room = machine.capacity_bytes(machine.innermost)
        footprints = {machine.innermost: used if room is None else min(used, room)}
        return EdgeMapping(cascade.name, layer, tuple(found), footprints, fused)


def _parts(cascade: Cascade, machine: Machine, *, head: bool) -> list[Part] | str:
    """Return the parts of a fragment, or why it cannot be mapped."""
    edge = edge_machine(machine)
    if isinstance(edge, str):
        return edge
    first, last = cascade.einsums[0], cascade.einsums[-1]
    if not head and first.op_class == "head":
        return []
    core = _core(cascade, edge)
    if isinstance(core, str):
        return core
    parts = list(core)
    matrices = first.matmul() is not None
    reads = memory_bytes(cascade, edge, "read")
    writes = memory_bytes(cascade, edge, "write")
    loads = memory_work(edge, "read", reads, "*")
    if loads is not None and not matrices and len(parts) == 1 and isinstance(parts[0].work, Work):
        parts[0] = Part(parts[0].name, parts[0].einsum, _beside(loads, parts[0].work))
    elif loads is not None:
        parts.insert(0, Part("load", first.name, loads))
    stores = memory_work(edge, "write", writes, "*")
    if stores is not None:
        parts.append(Part("store", last.name, stores))
    return parts


def _core(cascade: Cascade, edge: EdgeMachine) -> Sequence[Part] | str:
    first = cascade.einsums[0]
    if first.op_class in ATTENTION_CLASSES:
        work = edgecim_attention.attention(cascade, edge)
        if isinstance(work, str):
            return work
        weight_bits(edge, work.format.name)
        parts = [
            Part(stream.name, first.name, stream)
            for stream in edgecim_attention.streams(edge, work)
        ]
        finish = edgecim_attention.finish_work(edge, work)
        return [*parts, Part("division", work.context.name, finish)]
    if first.matmul() is not None:
        products = edgecim_matrix.products(cascade)
        if isinstance(products, str):
            return products
        return [
            Part(stream.name, product.names[0], stream)
            for product in products
            for stream in edgecim_matrix.streams(edge, product)
        ]
    return _vector_parts(cascade, edge)


def _vector_parts(cascade: Cascade, edge: EdgeMachine) -> list[Part]:
    """Return the element-wise work of a fragment as one part: its einsums one after the other."""
    from mappers.work import in_turn

    vector = edge.machine.vector
    assert vector is not None
    works = []
    for einsum in cascade.einsums:
        operations = einsum.op_counts()
        if operations:
            number = cascade.tensor(einsum.output.tensor).format.name.partition(":")[0]
            works.append(service_work(vector, "elementwise", operations, number))
    if not works:
        return []
    name = cascade.einsums[0].name
    return [Part("vector", name, in_turn(works, "compute"))]


def _beside(load: Work, work: Work) -> Work:
    """Return reading what is known ahead while the vector unit works on what it has."""
    slow = load if load.latency_ps > work.latency_ps else work
    counts = {**load.counts, **work.counts}
    return Work((*load.holds, *work.holds), slow.latency_ps, slow.latency_expr, counts, slow.cause)
