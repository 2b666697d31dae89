"""Operations on a memory that computes: time, bandwidth, energy, from their commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.mapping import Infeasible
from archsim.pim.energy import STATIC, energy_j
from archsim.pim.layouts import obstacle, queries_at_once, segments_of, stream_of
from archsim.pim.run import PimRun, simulate
from archsim.pim.shapes import Attention, Gemv, KvWrite, Operation

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.segments import Stream

__all__ = [
    "Attention",
    "Gemv",
    "KvWrite",
    "Operation",
    "Outcome",
    "energy_j",
    "obstacle",
    "peak_bytes_per_s",
    "run_operation",
    "segments_of",
]


@dataclass(frozen=True)
class Outcome:
    """What an operation costs on all stacks of a device.

    Attributes
    ----------
    run, stream
        Run of the stack that has most to do, and its requests.
    commands
        Commands of all channels of a stack, by name.
    ticks, time_ps
        Until the last command of the last channel issued, and its data where the host reads them.
    read_bytes, useful_bytes
        Bytes that the units read in all stacks, and those of them that the operation needs; the
        rest is padding.
    peak_bytes_per_s
        Bytes that the units could read if MACs came without gaps.
    energy_j
        Energy by what it is spent on, that of banks standing by included; empty if unknown.
    assumptions
        What was taken for granted.
    """

    run: PimRun
    stream: Stream
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
    stream = stream_of(device, operation)
    run = simulate(device, stream, log_commands=log_commands)
    standard = device.standard
    ticks = run.ticks + _tail_ticks(device)
    vectors = queries_at_once(device, operation)
    if isinstance(operation, KvWrite):
        read = run.counts["WR"] * standard.burst_bytes
    else:
        read = run.counts[device.unit.mac] * device.banks_per_mac * standard.burst_bytes
    return Outcome(
        run=run,
        stream=stream,
        commands=run.counts,
        ticks=ticks,
        time_ps=standard.time_ps(ticks),
        read_bytes=read * device.stacks,
        useful_bytes=operation.needed_bytes(device.unit.vectors),
        peak_bytes_per_s=_peak(device, operation),
        energy_j=energy_j(device, run.counts, ticks, vectors),
        assumptions=_assumptions(device, operation),
    )


def _tail_ticks(device: PimDevice) -> int:
    """Return the ticks from the last command to the end: the data of a read that the host wants."""
    if device.config.mapping == "hbm-pim":
        return device.standard.read_latency_ticks
    return 0


def _peak(device: PimDevice, operation: Operation) -> float:
    if isinstance(operation, KvWrite):
        return device.standard.peak_bytes_per_s * device.channels * device.stacks
    return peak_bytes_per_s(device)


def peak_bytes_per_s(device: PimDevice) -> float:
    """Return what the units of a device read if MACs come at their least distance, B/s."""
    standard = device.standard
    mac = standard.command_id(device.unit.mac)
    gap = max(
        standard.gap(rule, mac, mac)
        for rule in standard.constraints
        if mac in rule.previous and mac in rule.following and _binds(device, rule.level)
    )
    each = device.channels * device.banks_per_mac * standard.burst_bytes
    return each * device.stacks * 1e12 / (gap * standard.tick_ps)


def _binds(device: PimDevice, level: int) -> bool:
    """Whether MACs one after another meet at a level's node whatever bank they address."""
    if level == 0:
        return True
    name = device.standard.levels[level].name
    return name in device.spans[device.unit.mac] and name != "pseudochannel"


def _assumptions(device: PimDevice, operation: Operation) -> tuple[str, ...]:
    found = []
    if device.standard.energy is None:
        found.append("energy of refreshes and of banks standing by is left out: not known")
    mapping = device.config.mapping
    if isinstance(operation, KvWrite):
        found.append("rows are closed at the start; a token's rows are opened for it alone")
    elif isinstance(operation, Gemv):
        if mapping == "attacc":
            found += _buffer_notes(device, operation)
    elif mapping == "attacc":
        found.append("the softmax unit keeps up: its command takes no time of its own")
    else:
        found.append("softmax is the host's, between scores and contexts, and takes no time here")
    if isinstance(operation, Attention):
        if operation.share > device.unit.vectors:
            turns = -(-operation.share // device.unit.vectors)
            found.append(
                f"keys are read {turns} times: that many turns of the heads that share them"
            )
        if mapping == "hbm-pim":
            found.append("no kernel for attention is published: heads to channels, ours")
    if device.stacks > 1:
        found.append("stacks share the work evenly and do not wait for each other")
    return tuple(found)


def _buffer_notes(device: PimDevice, operation: Gemv) -> list[str]:
    need = -(-operation.inner // device.split_inner) * operation.element_bytes
    need *= min(operation.batch, device.unit.vectors)
    if need <= device.unit.vector_bytes:
        return []
    return [
        f"vector buffers hold {need} B, the published unit has {device.unit.vector_bytes} B: the"
        " vector would be written in pieces"
    ]


def static_j(outcome: Outcome) -> float:
    """Return the energy of banks standing by, J."""
    return outcome.energy_j.get(STATIC, 0.0)
