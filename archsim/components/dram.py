"""Off-chip memory: latency, bandwidth and efficiency (`tile`), and its commands (`command`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from archsim.components.base import ANY_FORMAT, BindContext, BoundComponent, Component, Service
from archsim.config.paths import join_path
from archsim.config.schema import (
    Bandwidth,
    Capacity,
    ConfigModel,
    Duration,
    PositiveFraction,
    PositiveInt,
)
from archsim.cost.table import Figure
from archsim.errors import ConfigError
from archsim.units import PS_PER_S, human_quantity, transfer_ps

if TYPE_CHECKING:
    from archsim.components.systolic_batch import IntLike, Ints
    from archsim.dram.standard import Standard as CommandStandard
    from archsim.dram.transfers import CommandMemory, CommandTransfer

Standard = Literal["hbm2", "hbm2e", "hbm3", "lpddr5", "ddr4", "ddr5", "gddr6"]


ROW_ACTIONS = ("activate", "refresh")
"""What the `command` rung counts beside bytes."""

PEAK_TOLERANCE = 0.02
"""How far the channels' peak may be from the bandwidth: clock periods are whole picoseconds, and
data sheets round their figures (estimate)."""


class CommandLevel(ConfigModel):
    """The devices of a memory, for the `command` rung."""

    standard: str
    """Id of a DRAM standard and speed grade (``archsim list memories``), or its YAML file."""
    channels: PositiveInt
    """Channels of that standard side by side."""
    latency_s: Duration = Field(alias="latency")
    """Time of a transfer outside the devices: controller and on-chip network."""
    refresh: Literal["all-bank", "none"] = "all-bank"
    """Whether refreshes take their share of time."""


class Dram(Component):
    """Configuration of an off-chip memory."""

    kind: Literal["dram"] = "dram"
    standard: Standard
    """Device standard; chooses the rows of the cost table."""
    capacity_bytes: Capacity = Field(alias="capacity")
    """Storage, or unbounded."""
    bandwidth_bytes_per_s: Bandwidth = Field(alias="bandwidth")
    """Peak bandwidth of all channels, shared by reads and writes."""
    efficiency: PositiveFraction = 1.0
    """Fraction of the peak that long streams reach: refresh, turn-arounds and row misses."""
    latency_s: Duration = Field(alias="latency")
    """Time from a request to its first data, added to each transfer."""
    interfaces: PositiveInt = 1
    """Stacks or channels with a PHY and controller each, for area and static power."""
    commands: CommandLevel | None = None
    """Standard, speed grade and channels; without them the memory has no `command` rung."""

    def bind(self, context: BindContext) -> BoundDram:
        """Attach the memory to a machine."""
        return BoundDram(context, self)


@dataclass(frozen=True)
class BoundDram(BoundComponent):
    """An off-chip memory of one machine.

    Attributes
    ----------
    dram
        Its configuration.
    at_commands
        Whether energies are those of single commands (the `command` rung): activations and
        refreshes apart from reads and writes.
    """

    dram: Dram
    at_commands: bool = False
    KIND: ClassVar[str] = "dram"
    OFF_CHIP: ClassVar[bool] = True
    ACTIONS: ClassVar[tuple[str, ...]] = ("read", "write")

    def _check_peak(self, standard: CommandStandard, channels: int) -> None:
        peak = channels * standard.peak_bytes_per_s
        if abs(peak / self.dram.bandwidth_bytes_per_s - 1) > PEAK_TOLERANCE:
            raise ConfigError(
                f"{channels} channels of {standard.name} give "
                f"{human_quantity(peak, 'bandwidth')}, not the memory's bandwidth",
                path=join_path(self.context.prefix, "bandwidth"),
                given=human_quantity(self.dram.bandwidth_bytes_per_s, "bandwidth"),
                allowed=f"within {PEAK_TOLERANCE:.0%}, or other commands (standard, channels)",
            )

    @property
    def command_standard(self) -> CommandStandard:
        """The devices of a channel.

        Raises
        ------
        ConfigError
            The memory names no standard, or one that cannot be loaded.
        """
        if self.dram.commands is None:
            raise ConfigError(
                f"memory {self.name} names no standard for the command rung",
                path=join_path(self.context.prefix, "commands"),
                allowed="{standard: ddr4-3200, channels: 2, latency: 75 ns}; or let tile stand in, "
                "--fidelity-fallback",
            )
        try:
            return _load(self.dram.commands.standard)
        except ConfigError as error:
            raise error.at(path=f"{self.context.prefix}.commands.standard") from None

    @cached_property
    def command_memory(self) -> CommandMemory:
        """The memory at the level of commands.

        Raises
        ------
        ConfigError
            As for :attr:`command_standard`, or its channels do not give the memory's bandwidth.
        """
        from archsim.dram.transfers import CommandMemory

        standard, level = self.command_standard, self.dram.commands
        assert level is not None
        self._check_peak(standard, level.channels)
        return CommandMemory(
            standard,
            level.channels,
            level.refresh != "none",
            round(level.latency_s * PS_PER_S),
            self.dram.bandwidth_bytes_per_s,
        )

    def lower(self, action: str, shape: Mapping[str, int]) -> CommandTransfer:
        """Return the commands behind reading or writing ``shape["bytes"]``.

        Raises
        ------
        ConfigError
            The memory names no standard, or has no such action.
        """
        self._check_action(action, ("read", "write"))
        num_bytes = self._extent(shape, "bytes")
        return self.command_memory.transfer("read" if action == "read" else "write", num_bytes)

    def actions(self) -> tuple[str, ...]:
        """Return the actions that appear in counts; activations and refreshes `at_commands`."""
        return (*self.ACTIONS, *ROW_ACTIONS) if self.at_commands else self.ACTIONS

    @property
    def config(self) -> Dram:
        """The validated configuration."""
        return self.dram

    def capacity_bytes(self) -> int | None:
        """Return the storage in bytes; None if unbounded."""
        return self.dram.capacity_bytes

    def bandwidth_bytes_per_s(self, direction: str) -> float:
        """Return the peak bandwidth, B/s (reads and writes share it)."""
        self._check_action(direction, self.ACTIONS)
        return self.dram.bandwidth_bytes_per_s

    @property
    def latency_ps(self) -> int:
        """Time from request to first data, ps, rounded."""
        return round(self.dram.latency_s * PS_PER_S)

    def service(self, action: str, shape: Mapping[str, int], format: str = ANY_FORMAT) -> Service:
        """Return the cost of reading or writing ``shape["bytes"]``.

        Notes
        -----
        Occupancy is ``ceil(bytes / (bandwidth * efficiency))`` in ps; latency adds the access time.
        """
        self._check_action(action, self.ACTIONS)
        num_bytes = self._extent(shape, "bytes")
        occupancy = transfer_ps(num_bytes, self.sustained_bytes_per_s)
        denominator = f"({self._own_path('bandwidth')} * {self._own_path('efficiency')})"
        expression = f"{num_bytes} * {PS_PER_S} / {denominator}"
        return Service(
            occupancy_ps=occupancy,
            latency_ps=occupancy + self.latency_ps,
            counts={(self.name, action, format): num_bytes} if num_bytes else {},
            occupancy_expr=expression,
            latency_expr=f"{expression} + {self._own_path('latency')} * {PS_PER_S}",
        )

    def occupancy_ps_batch(self, action: str, num_bytes: IntLike) -> Ints:
        """Return the occupancies of reads or writes of int64 byte counts, ps."""
        from archsim.components.memory_batch import transfer_ps_batch

        self._check_action(action, self.ACTIONS)
        return transfer_ps_batch(num_bytes, self.sustained_bytes_per_s)

    @property
    def sustained_bytes_per_s(self) -> float:
        """Bandwidth times efficiency, B/s."""
        return self.dram.bandwidth_bytes_per_s * self.dram.efficiency

    def bound(self, work: Mapping[str, int], format: str = ANY_FORMAT) -> int:
        """Return the time of ``read`` plus ``write`` bytes at the peak bandwidth, ps."""
        del format
        total = sum(self._extent(work, action, 0) for action in self.ACTIONS)
        return transfer_ps(total, self.dram.bandwidth_bytes_per_s)

    def energy_pj(self, action: str, format: str = ANY_FORMAT) -> float:
        """Return the energy of a byte read or written, of an activation or a refresh, pJ.

        Notes
        -----
        A byte's energy holds its share of activation and refresh, unless `at_commands`; then these
        are counted apart, and a byte's is that of its burst inside the device and on the interface.
        Where the machine gives its own energy of a byte, or the standard none of its commands, a
        byte's energy holds all on this rung too.
        """
        if action not in ROW_ACTIONS and not self.at_commands:
            return super().energy_pj(action, format)
        self._check_action(action, self.actions())
        energy = self.command_standard.energy
        if energy is None or {"read", "write"} & {
            key.partition(".")[0] for key in self.config.energy_j
        }:
            return 0.0 if action in ROW_ACTIONS else super().energy_pj(action, format)
        if action == "activate":
            return energy.activate_pj
        if action == "refresh":
            return energy.refresh_all_pj
        burst_pj = energy.read_pj if action == "read" else energy.write_pj
        return (burst_pj + energy.io_pj) / self.command_standard.burst_bytes

    def _energy_figure(self, action: str, format: str) -> Figure:
        return self._figure("energy", action, format, variant=self.dram.standard)

    def _static_parts(self) -> Iterable[float]:
        figure = self._figure("static", "interface", variant=self.dram.standard)
        yield self.dram.interfaces * figure.value

    def _area_parts(self) -> Iterable[float]:
        figure = self._figure("area", "interface", variant=self.dram.standard)
        yield self.dram.interfaces * figure.value


@cache
def _load(name: str) -> CommandStandard:
    from archsim.dram.standard import load_standard

    return load_standard(name)
