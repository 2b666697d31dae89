"""DMA engine: descriptors with a set-up time, then a stream at a fixed width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from archsim.components.base import ANY_FORMAT, BindContext, BoundComponent, Component, Service
from archsim.config.schema import NonNegativeInt, PositiveByteSize


def cycles_dma(num_bytes: int, descriptors: int, setup_cycles: int, bytes_per_cycle: int) -> int:
    """Cycles of a transfer: ``descriptors * setup + ceil(bytes / bytes_per_cycle)``."""
    return descriptors * setup_cycles + -(-num_bytes // bytes_per_cycle)


class Dma(Component):
    """Configuration of a DMA engine."""

    kind: Literal["dma"] = "dma"
    width_bytes: PositiveByteSize = Field(alias="width")
    """Bytes moved per cycle."""
    setup_cycles: NonNegativeInt = 0
    """Cycles to start one descriptor."""
    max_descriptor_bytes: PositiveByteSize | None = Field(default=None, alias="max_descriptor")
    """Largest transfer of one descriptor; longer ones take several. Absent: no limit."""

    def bind(self, context: BindContext) -> BoundDma:
        """Attach the engine to a machine."""
        return BoundDma(context, self)


@dataclass(frozen=True)
class BoundDma(BoundComponent):
    """A DMA engine of one machine.

    Attributes
    ----------
    dma
        Its configuration.
    """

    dma: Dma
    KIND: ClassVar[str] = "dma"
    ACTIONS: ClassVar[tuple[str, ...]] = ("transfer",)

    @property
    def config(self) -> Dma:
        """The validated configuration."""
        return self.dma

    def bandwidth_bytes_per_s(self, direction: str = "transfer") -> float:
        """Return width over the clock period, B/s, in every direction."""
        del direction
        return self.dma.width_bytes * 1e12 / self.clock.period_ps

    def service(self, action: str, shape: Mapping[str, int], format: str = ANY_FORMAT) -> Service:
        """Return the cost of moving ``shape["bytes"]`` in ``shape["descriptors"]`` descriptors.

        Without ``descriptors`` there are as many as the largest descriptor asks for, at least one.
        """
        self._check_action(action, self.ACTIONS)
        num_bytes = self._extent(shape, "bytes")
        largest = self.dma.max_descriptor_bytes
        least = -(-num_bytes // largest) if largest is not None else min(num_bytes, 1)
        descriptors = max(least, self._extent(shape, "descriptors", 0))
        cycles = cycles_dma(num_bytes, descriptors, self.dma.setup_cycles, self.dma.width_bytes)
        return Service(
            occupancy_ps=self._cycles_ps(cycles),
            latency_ps=self._cycles_ps(cycles),
            counts={(self.name, action, format): num_bytes} if num_bytes else {},
            occupancy_expr=self._cycles_expr(cycles),
            latency_expr=self._cycles_expr(cycles),
        )

    def bound(self, work: Mapping[str, int], format: str = ANY_FORMAT) -> int:
        """Return the time of ``transfer`` bytes without set-up, ps."""
        del format
        num_bytes = self._extent(work, "transfer", 0)
        return self._cycles_ps(cycles_dma(num_bytes, 0, 0, self.dma.width_bytes))
