"""Off-chip memory as latency, bandwidth and efficiency (the `tile` rung)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from archsim.components.base import ANY_FORMAT, BindContext, BoundComponent, Component, Service
from archsim.config.schema import Bandwidth, Capacity, Duration, PositiveFraction, PositiveInt
from archsim.cost.table import Figure
from archsim.units import PS_PER_S, transfer_ps

if TYPE_CHECKING:
    from archsim.components.systolic_batch import IntLike, Ints

Standard = Literal["hbm2", "hbm2e", "hbm3", "lpddr5", "ddr4", "ddr5", "gddr6"]


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
    """

    dram: Dram
    KIND: ClassVar[str] = "dram"
    OFF_CHIP: ClassVar[bool] = True
    ACTIONS: ClassVar[tuple[str, ...]] = ("read", "write")

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

    def _energy_figure(self, action: str, format: str) -> Figure:
        return self._figure("energy", action, format, variant=self.dram.standard)

    def _static_parts(self) -> Iterable[float]:
        figure = self._figure("static", "interface", variant=self.dram.standard)
        yield self.dram.interfaces * figure.value

    def _area_parts(self) -> Iterable[float]:
        figure = self._figure("area", "interface", variant=self.dram.standard)
        yield self.dram.interfaces * figure.value
