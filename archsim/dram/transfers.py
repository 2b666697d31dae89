"""A transfer between a memory and the chip, as the stream of bursts that each data bus sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.dram.gaps import Gaps
from archsim.dram.streams import Direction, RowStream
from archsim.units import transfer_ps

if TYPE_CHECKING:
    from archsim.dram.standard import Standard


@dataclass(frozen=True)
class CommandMemory:
    """A memory of several channels that work alike, at the level of commands.

    Attributes
    ----------
    standard
        The devices of a channel.
    channels
        Channels over which every transfer is spread, burst by burst.
    refreshed
        Whether refreshes take their share of time.
    latency_ps
        Time of a transfer outside the devices: controller and on-chip network.
    bandwidth_bytes_per_s
        Peak of the machine, which no burst exceeds.
    """

    standard: Standard
    channels: int
    refreshed: bool
    latency_ps: int
    bandwidth_bytes_per_s: float

    @property
    def num_buses(self) -> int:
        """Data buses of all channels."""
        return self.channels * self.standard.num_data_buses

    @property
    def burst_ps(self) -> int:
        """Least distance of two bursts on a data bus at the machine's peak bandwidth, ps."""
        moved = self.num_buses * self.standard.burst_bytes
        return transfer_ps(moved, self.bandwidth_bytes_per_s)

    def transfer(self, direction: Direction, num_bytes: int) -> CommandTransfer:
        """Return what moving some bytes means for each data bus.

        Notes
        -----
        A transfer begins at a row boundary of the first channel, in rows of its own, and goes round
        channels, data buses and bank groups burst by burst; it is as long as the bus with most.
        """
        standard = self.standard
        total = max(1, -(-num_bytes // standard.burst_bytes))
        bursts = -(-total // self.num_buses)
        sizes = {level.name: level.size for level in standard.levels}
        groups = min(sizes.get("bankgroup", 1), bursts)
        stream = RowStream(
            direction=direction,
            bursts=bursts,
            columns=sizes["column"],
            groups=groups,
            banks=sizes["bank"] * sizes.get("rank", 1) * sizes.get("sid", 1),
        )
        gaps = Gaps(standard)
        access, name = "RD" if direction == "read" else "WR", gaps.activate
        spacing_ps = max(self.burst_ps, gaps.between(access, access, gaps.above_group))
        step_ps = gaps.between(name, name, gaps.above_group)
        window_ps = gaps.between(name, name, gaps.above_group, window=4)
        rows = stream.num_sets * groups
        opening_ps = rows * max(step_ps, -(-window_ps // 4))
        by_rows = opening_ps > bursts * spacing_ps
        return CommandTransfer(
            memory=self,
            stream=stream,
            total_bursts=total,
            refresh_ps=self._refresh_share_ps(stream, max(opening_ps, bursts * spacing_ps)),
            pace_ps=opening_ps - rows * step_ps if by_rows else None,
        )

    def refresh_cost_ps(self, access: str) -> int:
        """Return for how long a data bus stands still for one all-bank refresh, ps.

        Notes
        -----
        Closing the rows, the refresh, opening them again, less the distance of two bursts; the
        scopes of a channel are refreshed one after another, and the last one counts.
        """
        standard, gaps = self.standard, Gaps(self.standard)
        scope = standard.levels[standard.refresh.scope_level].name
        close_ps = gaps.between(access, "PREab", scope)
        closed_ps = gaps.between("PREab", "REFab", scope)
        open_ps = gaps.between("REFab", gaps.activate, scope) + gaps.between(
            gaps.activate, access, "bank"
        )
        others = (standard.num_data_buses - 1) * (closed_ps + gaps.bus_ps("REFab"))
        near_ps = gaps.between(access, access, gaps.above_group)
        return close_ps + closed_ps + open_ps + others - near_ps

    def _refresh_share_ps(self, stream: RowStream, taken_ps: int) -> int:
        """Return the time of refreshes that fall, on average, into a time, ps."""
        if not self.refreshed:
            return 0
        standard = self.standard
        interval_ps = standard.time_ps(standard.refresh.interval_ticks)
        cost_ps = self.refresh_cost_ps("RD" if stream.direction == "read" else "WR")
        return taken_ps * cost_ps // max(1, interval_ps - cost_ps)


@dataclass(frozen=True, slots=True)
class CommandTransfer:
    """One transfer at the level of commands.

    Attributes
    ----------
    memory
        Where.
    stream
        What the busiest data bus sees.
    total_bursts
        Bursts on all data buses.
    refresh_ps
        Share of refreshes, ps.
    pace_ps
        Where a stream of such transfers is bound by its activations: what four-activation windows
        add to their distances, ps; None where it is bound by its bursts.
    """

    memory: CommandMemory
    stream: RowStream
    total_bursts: int
    refresh_ps: int
    pace_ps: int | None

    @property
    def activations_per_row(self) -> int:
        """Data buses that open a row whenever the busiest one does."""
        return min(self.total_bursts, self.memory.num_buses)

    @property
    def bank_slots(self) -> int:
        """Banks of a data bus."""
        standard = self.memory.standard
        return standard.num_banks // standard.num_data_buses
