"""Operations on a memory that computes: shapes, what does not fit, time, bandwidth, energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from archsim.mapping import Infeasible
from archsim.pim import attacc
from archsim.pim.run import PimRun, simulate
from archsim.pim.segments import StreamWriter

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.segments import Segment, Stream

BITS = 8


@dataclass(frozen=True, slots=True)
class Gemv:
    """A matrix of `rows` by `inner` elements times a vector."""

    rows: int
    inner: int
    element_bytes: int = 2

    @property
    def stored_bytes(self) -> int:
        """Bytes of the matrix."""
        return self.rows * self.inner * self.element_bytes

    @property
    def macs(self) -> int:
        """Multiplications that the operation needs."""
        return self.rows * self.inner


@dataclass(frozen=True, slots=True)
class Attention:
    """Decode attention: one query per head over `tokens` keys and values.

    Attributes
    ----------
    tokens
        Keys and values of each head.
    head_size
        Elements of a key.
    heads
        Query heads of a request.
    kv_heads
        Key-value heads of a request; fewer than heads when heads share them. Units keep one vector,
        so keys are read once for each query head all the same.
    requests
        Requests of the same length.
    element_bytes
        Size of an element.
    """

    tokens: int
    head_size: int
    heads: int
    kv_heads: int
    requests: int = 1
    element_bytes: int = 2

    @property
    def stored_bytes(self) -> int:
        """Bytes of keys and values."""
        each = 2 * self.tokens * self.head_size * self.element_bytes
        return each * self.kv_heads * self.requests

    @property
    def macs(self) -> int:
        """Multiplications that scores and contexts need."""
        return 2 * self.tokens * self.head_size * self.heads * self.requests


Operation = Gemv | Attention


@dataclass(frozen=True)
class Outcome:
    """What an operation costs on all stacks of a device.

    Attributes
    ----------
    run, stream
        Run of the stack that has most to do, and its requests; None for a closed form.
    commands
        Commands of all channels of a stack, by name.
    ticks, time_ps
        Until the last command of the last channel issued.
    read_bytes, useful_bytes
        Bytes that the units read in all stacks, and those of them that the operation needs; the
        rest is padding.
    peak_bytes_per_s
        Bytes that the units could read if MACs came without gaps.
    energy_j
        Dynamic energy by what it is spent on; empty if unknown.
    assumptions
        What was taken for granted.
    """

    run: PimRun | None
    stream: Stream | None
    commands: Mapping[str, int]
    ticks: int
    time_ps: int
    read_bytes: int
    useful_bytes: int
    peak_bytes_per_s: float
    energy_j: Mapping[str, float]
    assumptions: tuple[str, ...]

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Useful bytes over time."""
        return self.useful_bytes / (self.time_ps * 1e-12)

    @property
    def utilization(self) -> float:
        """Useful bytes over what the units could read."""
        return self.bandwidth_bytes_per_s / self.peak_bytes_per_s


def obstacle(device: PimDevice, operation: Operation) -> Infeasible | None:
    """Return why an operation cannot run on a device, or None."""
    have = device.stack_bytes * device.stacks
    what = "keys and values do" if isinstance(operation, Attention) else "the matrix does"
    if operation.stored_bytes > have:
        return Infeasible("capacity", operation.stored_bytes, have, "B", f"{what} not fit")
    width = device.unit.lanes_bytes
    if operation.element_bytes > width or width % operation.element_bytes:
        return Infeasible("lanes", operation.element_bytes, width, "B", "element and lanes differ")
    if isinstance(operation, Attention):
        slice_bytes = -(-operation.head_size // device.split_inner) * operation.element_bytes
        if slice_bytes > device.unit.vector_bytes:
            return Infeasible(
                "vector buffer",
                slice_bytes,
                device.unit.vector_bytes,
                "B",
                f"a unit's part of a query of {operation.head_size} elements",
            )
    return None


@lru_cache(maxsize=32)
def _writer(device: PimDevice) -> StreamWriter:
    return StreamWriter(device)


def segments_of(device: PimDevice, operation: Operation) -> list[Segment]:
    """Return the requests of an operation on the stack that has most of it."""
    if isinstance(operation, Gemv):
        rows = -(-operation.rows // device.stacks)
        return attacc.gemv(device, rows, operation.inner, operation.element_bytes)
    heads = -(-operation.heads * operation.requests // device.stacks)
    return attacc.attention(
        device,
        operation.tokens,
        operation.head_size,
        heads,
        operation.element_bytes,
        max(4096, operation.tokens),
    )


def run_operation(
    device: PimDevice, operation: Operation, *, log_commands: bool = False
) -> Outcome | Infeasible:
    """Run an operation on a device at command fidelity.

    Parameters
    ----------
    device
        Stacks with units.
    operation
        What to run.
    log_commands
        Whether to keep every command.
    """
    reason = obstacle(device, operation)
    if reason is not None:
        return reason
    if device.config.mapping != "attacc":
        from archsim.pim.closed_forms import closed_outcome

        return closed_outcome(device, operation)
    stream = _writer(device).write(segments_of(device, operation))
    run = simulate(device, stream, log_commands=log_commands)
    standard = device.standard
    read = run.counts[device.unit.mac] * device.banks_per_mac * standard.burst_bytes
    return Outcome(
        run=run,
        stream=stream,
        commands=run.counts,
        ticks=run.ticks,
        time_ps=standard.time_ps(run.ticks),
        read_bytes=read * device.stacks,
        useful_bytes=operation.macs * operation.element_bytes,
        peak_bytes_per_s=peak_bytes_per_s(device),
        energy_j=energy_j(device, run.counts),
        assumptions=_assumptions(device, operation),
    )


def peak_bytes_per_s(device: PimDevice) -> float:
    """Return what the units of a device read if MACs come at their least distance, B/s."""
    standard = device.standard
    mac = standard.command_id(device.unit.mac)
    gap = max(
        standard.gap(rule, mac, mac)
        for rule in standard.constraints
        if mac in rule.previous and mac in rule.following and rule.level == 0
    )
    each = device.channels * device.banks_per_mac * standard.burst_bytes
    return each * device.stacks * 1e12 / (gap * standard.tick_ps)


def energy_j(device: PimDevice, counts: Mapping[str, int]) -> dict[str, float]:
    """Return the dynamic energy of all stacks by what it is spent on, J.

    Parameters
    ----------
    device
        Energy by bit.
    counts
        Commands of all channels of a stack, by name.
    """
    bits = device.energy
    if bits is None:
        return {}
    standard = device.standard
    unit = device.unit
    burst = standard.burst_bytes * BITS
    read = counts.get(unit.mac, 0) * device.banks_per_mac * burst
    opened = counts.get(unit.activate, 0) * device.banks_per_mac * burst * device.columns
    moves = device.moves
    moved = sum(
        counts.get(name, 0)
        for name in dict.fromkeys((moves.write_vector, moves.read_result, moves.move_vector))
    )
    scale = 1e-12 * device.stacks
    return {
        "activate": opened * bits.activate_pj * scale,
        "access": read * bits.access_pj * scale,
        "compute": read * bits.compute_pj * scale,
        "move": moved * burst * bits.move_pj * scale,
    }


def _assumptions(device: PimDevice, operation: Operation) -> tuple[str, ...]:
    found = ["energy is dynamic only: refresh and background power of the stacks are left out"]
    if isinstance(operation, Gemv):
        need = -(-operation.inner // device.split_inner) * operation.element_bytes
        if need > device.unit.vector_bytes:
            found.append(
                f"vector buffers hold {need} B, the published unit has"
                f" {device.unit.vector_bytes} B: the vector would be written in pieces"
            )
    else:
        found.append("the softmax unit keeps up: its command takes no time of its own")
        if operation.kv_heads < operation.heads:
            found.append("keys are read once for each query head: units keep one vector")
    if device.stacks > 1:
        found.append("stacks share the work evenly and do not wait for each other")
    return tuple(found)
