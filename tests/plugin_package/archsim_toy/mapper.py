"""A toy mapper of matrix products: one load, one product, one store, nothing overlapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archsim.machine import Machine, Transfer
from archsim.mapping import Infeasible, Json, MapContext
from archsim.program import OpRef, Program, ProgramBuilder
from workloads import Cascade


@dataclass(frozen=True)
class ToyMapping:
    """Operands in, product, result out."""

    cascade: Cascade
    machine: Machine
    mapper: str = "toy"
    fused: tuple[str, ...] = ()

    @property
    def footprints(self) -> Mapping[str, int]:
        """Peak bytes of the innermost level: operands and result together."""
        return {self.machine.innermost: needed_bytes(self.cascade)}

    def program(self) -> Program:
        """Return the engine program."""
        einsum, machine = self.cascade.einsums[0], self.machine
        dims, array = einsum.matmul(), machine.array
        assert dims is not None
        assert array is not None
        builder = ProgramBuilder(self.cascade.name)
        tags = {"einsum": einsum.name, "layer": einsum.layer}
        outer, inner = machine.outermost, machine.innermost
        loads = [
            _move(builder, name, machine.transfer(outer, inner, _bytes(self.cascade, name), "bf16"))
            for name in dict.fromkeys((dims.lhs, dims.rhs))
        ]
        shape = {"m": dims.m, "n": dims.n, "k": dims.k, "batch": dims.batch}
        service = array.service("mac", shape, "bf16")
        product = builder.op(
            einsum.name,
            holds=[(builder.resource(array.resource("mac"), 1), service.occupancy_ps)],
            latency=service.latency_ps,
            cause="compute",
            counts=dict(service.counts),
            tags=tags,
        )
        out = _bytes(self.cascade, dims.out)
        store = _move(builder, dims.out, machine.transfer(inner, outer, out, "bf16"))
        for op in (*loads, product, store):
            builder.place(op)
        for load in loads:
            builder.after(product, load)
        builder.after(store, product)
        return builder.build()

    def to_json(self) -> dict[str, Json]:
        """Return the choices: there are none."""
        return {"mapper": self.mapper}


class ToyMapper:
    """Maps products whose operands and result fit into the innermost level at once."""

    id: str = "toy"
    classes: frozenset[str] = frozenset({"gemm"})
    options: frozenset[str] = frozenset()

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None for one matrix product on a machine with an array, else the reason."""
        if len(cascade.einsums) != 1 or cascade.einsums[0].matmul() is None:
            return "mapper toy takes one matrix product"
        return None if machine.array is not None else f"machine {machine.name} has no array"

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> ToyMapping | Infeasible:
        """Map the product, or say how many bytes are missing."""
        del options
        need, have = needed_bytes(cascade), context.placement.available_bytes[machine.innermost]
        if have is not None and need > have:
            return Infeasible(machine.innermost, need, have, "B", "operands and result at once")
        return ToyMapping(cascade, machine)


def needed_bytes(cascade: Cascade) -> int:
    """Return the bytes of all tensors of a cascade."""
    return sum(tensor.num_bytes(cascade) for tensor in cascade.tensors)


def _bytes(cascade: Cascade, name: str) -> int:
    return cascade.tensor(name).num_bytes(cascade)


def _move(builder: ProgramBuilder, name: str, transfer: Transfer) -> OpRef:
    return builder.op(
        f"move {name}",
        holds=[(builder.resource(hold.resource, 1), hold.occupancy_ps) for hold in transfer.holds],
        latency=transfer.latency_ps,
        cause="bandwidth",
        counts=dict(transfer.counts),
    )
