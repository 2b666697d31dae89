"""Point-to-point link: bandwidth, latency and energy per bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from archsim.components.base import ANY_FORMAT, BindContext, BoundComponent, Component, Service
from archsim.config.schema import Bandwidth, Duration, Energy
from archsim.cost.table import picojoules
from archsim.units import PS_PER_S, transfer_ps

BITS_PER_BYTE = 8


class Link(Component):
    """Configuration of a link."""

    kind: Literal["link"] = "link"
    bandwidth_bytes_per_s: Bandwidth = Field(alias="bandwidth")
    """Bandwidth of one direction."""
    latency_s: Duration = Field(alias="latency")
    """Time from the first byte sent to the first byte received."""
    energy_per_bit_j: Energy | None = Field(default=None, alias="energy_per_bit")
    """Energy of one bit; absent: the cost table's."""

    def bind(self, context: BindContext) -> BoundLink:
        """Attach the link to a machine."""
        return BoundLink(context, self)


@dataclass(frozen=True)
class BoundLink(BoundComponent):
    """A link of one machine.

    Attributes
    ----------
    link
        Its configuration.
    """

    link: Link
    KIND: ClassVar[str] = "link"
    ACTIONS: ClassVar[tuple[str, ...]] = ("transfer",)

    @property
    def config(self) -> Link:
        """The validated configuration."""
        return self.link

    def bandwidth_bytes_per_s(self, direction: str = "transfer") -> float:
        """Return the bandwidth of one direction, B/s."""
        del direction
        return self.link.bandwidth_bytes_per_s

    def service(self, action: str, shape: Mapping[str, int], format: str = ANY_FORMAT) -> Service:
        """Return the cost of sending ``shape["bytes"]``: occupancy by bandwidth, latency added."""
        self._check_action(action, self.ACTIONS)
        num_bytes = self._extent(shape, "bytes")
        occupancy = transfer_ps(num_bytes, self.link.bandwidth_bytes_per_s)
        expression = f"{num_bytes} * {PS_PER_S} / {self._own_path('bandwidth')}"
        return Service(
            occupancy_ps=occupancy,
            latency_ps=occupancy + round(self.link.latency_s * PS_PER_S),
            counts={(self.name, action, format): num_bytes} if num_bytes else {},
            occupancy_expr=expression,
            latency_expr=f"{expression} + {self._own_path('latency')} * {PS_PER_S}",
        )

    def bound(self, work: Mapping[str, int], format: str = ANY_FORMAT) -> int:
        """Return the time of ``transfer`` bytes at full bandwidth, ps."""
        del format
        return transfer_ps(self._extent(work, "transfer", 0), self.link.bandwidth_bytes_per_s)

    def energy_pj(self, action: str, format: str = ANY_FORMAT) -> float:
        """Return the energy of one byte sent, pJ: eight times the link's own energy per bit."""
        self._check_action(action, self.ACTIONS)
        if self.link.energy_per_bit_j is not None:
            return BITS_PER_BYTE * picojoules(self.link.energy_per_bit_j)
        return super().energy_pj(action, format)
