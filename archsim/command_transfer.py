"""One transfer to or from a memory as commands: begin, activations and bursts, end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from archsim.accounting import MEMORY_TAG
from archsim.dram.gaps import Gaps
from archsim.dram.streams_writer import MAX_BACK, Labels, StreamWriter
from archsim.units import PS_PER_S

if TYPE_CHECKING:
    from archsim.components.dram import BoundDram
    from archsim.program import CountKey, OpRef, Program, ProgramBuilder, ResourceRef


MAX_WAITING: Final = 4
"""Transfers of one operation whose requests wait at the memory at a time (estimate). Their bursts
stand in line in any case; this bounds how far requests run ahead of them."""


class TransferCommands:
    """One transfer of a program of the tile rung, as commands in a program that is being written.

    Parameters
    ----------
    builder
        The program being written.
    program, op
        The program of the tile rung, and which operation of it is the transfer.
    memory
        The memory, at the level of commands.
    action, num_bytes
        ``read`` or ``write``, and how much.

    Attributes
    ----------
    begin, end
        What holds the transfer back, and what has its result.
    """

    def __init__(
        self,
        builder: ProgramBuilder,
        program: Program,
        op: int,
        memory: BoundDram,
        action: str,
        num_bytes: int,
    ) -> None:
        self.builder, self.memory, self.action = builder, memory, action
        self.transfer = memory.lower(action, {"bytes": num_bytes})
        self.name = program.ops[op]
        self.cause = program.causes[op]
        self.instances = program.instance_counts[op]
        longest_ps = max(ps for _, ps in program.holds(op))
        elsewhere_ps = program.latencies_ps[op] - longest_ps - memory.latency_ps
        self.elsewhere_ps = max(0, elsewhere_ps)
        self.latency_ps = self.transfer.memory.latency_ps
        self.tags = {**program.tags[op], MEMORY_TAG: memory.name}
        self.begin = self.builder.op(
            self.name, cause="marker", counts=program.counts[op], tags=self.tags
        )
        self.ports: OpRef | None = None
        self.shares = self._shares()
        self.writer = StreamWriter(
            self.builder, memory.command_standard, self.transfer.stream, self._labels()
        )
        self.end = self.builder.marker(f"{self.name}/end", tags=self.tags)
        self._wired = False

    def _labels(self) -> Labels:
        transfer, name = self.transfer, self.memory.name
        memory = transfer.memory
        return Labels(
            prefix=f"{self.name}/",
            resources=f"{name}.",
            tags=self.tags,
            counts={"activate": {(name, "activate", "*"): transfer.activations_per_row}},
            auto_precharge=True,
            bank_slots=transfer.bank_slots,
            data=self.memory.resource(self.action),
            sharing=memory.standard.num_data_buses,
            burst_ps=memory.burst_ps,
            burst_expr=f"{memory.num_buses * memory.standard.burst_bytes} * {self._rate_expr}",
        )

    @property
    def _rate_expr(self) -> str:
        """Time of a byte at the memory's peak bandwidth, ps: devices as fast as the bandwidth."""
        return f"{PS_PER_S} / {self.memory.context.prefix}.bandwidth"

    def hold_ports(self, holds: Sequence[tuple[ResourceRef, int, str | None]]) -> None:
        """Hold the other parts of the transfer, ports and links, each for its time in ps."""
        if holds:
            self.ports = self.builder.op(
                f"{self.name}/ports",
                holds=[(resource, ps) for resource, ps, _ in holds],
                latency=max(ps for _, ps, _ in holds),
                cause=self.cause,
                tags=self.tags,
                occupancy_expr=[text for _, _, text in holds],
            )

    def _shares(self) -> list[OpRef]:
        """Return what stands for the refreshes that fall into the transfer.

        They keep bursts from the data bus, or activations from the banks where these take longer.
        """
        share_ps, pace_ps = self.transfer.refresh_ps, self.transfer.pace_ps
        if not share_ps:
            return []
        data = self.memory.resource(self.action)
        rows = f"{self.memory.name}.activations"
        share = share_ps * self.transfer.memory.bandwidth_bytes_per_s / PS_PER_S
        made = [self._held("refresh share", data, share_ps, f"{share!r} * {self._rate_expr}")]
        if pace_ps is not None:
            made.append(self._held("refresh share of rows", rows, share_ps))
        if pace_ps:
            made.append(self._held("window of rows", rows, pace_ps, cause="activation"))
        return made

    def _held(
        self, what: str, resource: str, ps: int, expr: str | None = None, cause: str = "refresh"
    ) -> OpRef:
        return self.builder.op(
            f"{self.name}/{what}",
            holds=[(self.builder.resource(resource), ps)],
            occupancy_expr=expr,
            cause=cause,
            tags=self.tags,
        )

    def place(self) -> None:
        """Place the transfer at the current point of the program."""
        builder = self.builder
        builder.place(self.begin)
        for op in (self.ports, *self.shares):
            if op is not None:
                builder.place(op)
        self.writer.place(None)
        builder.place(self.end)
        if not self._wired:
            self._wired = True
            self._wire()

    def _wire(self) -> None:
        builder = self.builder
        self.writer.wire()
        last, times = self.writer.last()
        if self.instances > MAX_WAITING and times * MAX_WAITING <= MAX_BACK:
            back = times * MAX_WAITING
            builder.after(self.begin, last, back=back, anchor="start", cause="queue")
        for op in (self.ports, *self.shares, *self.writer.heads()):
            if op is not None:
                builder.after(op, self.begin)
        for op in (self.ports, *(op for op, _ in self.writer.tails())):
            if op is not None:
                builder.after(
                    self.end,
                    op,
                    delay=self.latency_ps + self.elsewhere_ps,
                    delay_expr=f"{self.memory.context.prefix}.commands.latency * {PS_PER_S}"
                    f" + {self.elsewhere_ps}",
                    cause="latency",
                )

    def keep_turnaround(self, access: str, marker: OpRef) -> None:
        """Keep the distance from the last accesses of the other direction.

        Parameters
        ----------
        access
            ``read`` or ``write``: what the marker stands behind.
        marker
            Placed behind every transfer of that direction.
        """
        builder = self.builder
        if access == self.action:
            for op, last_ps in self.writer.tails():
                builder.after(marker, op, anchor="start", delay=last_ps, cause="bandwidth")
            return
        gaps = Gaps(self.memory.command_standard)
        before, after = ("WR", "RD") if access == "write" else ("RD", "WR")
        gap_ps = gaps.between(before, after, gaps.above_group)
        for op in self.writer.firsts():
            builder.after(op, marker, anchor="start", delay=gap_ps, cause="turnaround")


def moved_bytes(counts: Mapping[CountKey, int], memory: str) -> tuple[str, int] | None:
    """Return in which direction an operation moves how many bytes of a memory, if any."""
    moved = {"read": 0, "write": 0}
    for (component, action, _), count in counts.items():
        if component == memory and action in moved:
            moved[action] += count
    total = sum(moved.values())
    if not total:
        return None
    return ("read" if moved["read"] >= moved["write"] else "write"), total
