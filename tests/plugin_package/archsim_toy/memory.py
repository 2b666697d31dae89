"""A toy memory: one byte in so many picoseconds, at a cost of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from archsim.components.base import ANY_FORMAT, BindContext, BoundComponent, Component, Service
from archsim.config.schema import Energy, PositiveByteSize, PositiveInt
from archsim.cost.table import picojoules


class ToyMemory(Component):
    """Configuration of a toy memory."""

    kind: Literal["toy-memory"] = "toy-memory"
    capacity_size_bytes: PositiveByteSize = Field(alias="capacity")
    """Room."""
    ps_per_byte: PositiveInt
    """Time of a byte, either way."""
    energy_per_byte_j: Energy = Field(alias="energy_per_byte")
    """Energy of a byte, either way."""

    def bind(self, context: BindContext) -> BoundToyMemory:
        """Attach the memory to a machine."""
        return BoundToyMemory(context, self)


@dataclass(frozen=True)
class BoundToyMemory(BoundComponent):
    """A toy memory of one machine."""

    memory: ToyMemory
    KIND: ClassVar[str] = "toy-memory"
    ACTIONS: ClassVar[tuple[str, ...]] = ("read", "write")
    OFF_CHIP: ClassVar[bool] = True

    @property
    def config(self) -> ToyMemory:
        """The validated configuration."""
        return self.memory

    def capacity_bytes(self) -> int:
        """Return its room in bytes."""
        return self.memory.capacity_size_bytes

    def bandwidth_bytes_per_s(self, direction: str) -> float:
        """Return its rate in B/s, equal in both directions."""
        del direction
        return 1e12 / self.memory.ps_per_byte

    def service(self, action: str, shape: Mapping[str, int], format: str = ANY_FORMAT) -> Service:
        """Return the cost of moving ``shape["bytes"]``."""
        self._check_action(action, self.ACTIONS)
        num_bytes = self._extent(shape, "bytes")
        time_ps = num_bytes * self.memory.ps_per_byte
        expression = f"{num_bytes} * {self._own_path('ps_per_byte')}"
        counts = {(self.name, action, format): num_bytes}
        return Service(time_ps, time_ps, counts, expression, expression)

    def energy_pj(self, action: str, format: str = ANY_FORMAT) -> float:
        """Return the energy of a byte in pJ; the cost table is not asked."""
        del action, format
        return picojoules(self.memory.energy_per_byte_j)

    def _static_parts(self) -> Iterable[float]:
        return (0.25,)
