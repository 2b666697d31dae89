"""Multi-banked on-chip buffer: bandwidth is banks times width, conflicts have a closed form."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from archsim.components.base import ANY_FORMAT, BindContext, BoundComponent, Component, Service
from archsim.config.schema import Capacity, NonNegativeInt, PositiveByteSize, PositiveInt
from archsim.cost.table import Figure

if TYPE_CHECKING:
    from archsim.components.systolic_batch import IntLike, Ints

BYTES_PER_MIB = 2**20


def cycles_sram(num_bytes: int, bytes_per_cycle: int) -> int:
    """Cycles to move bytes without bank conflicts: ``ceil(bytes / (banks * width))``."""
    return -(-num_bytes // bytes_per_cycle)


def cycles_sram_strided(words: int, stride_words: int, banks: int) -> int:
    """Cycles to access words at a constant stride when word w lies in bank ``w mod banks``.

    Notes
    -----
    The stride visits ``b = banks / gcd(banks, stride)`` banks in turn, so ``ceil(words / b)``
    cycles: conflict-free for odd strides over a power of two of banks, one bank at worst.
    """
    visited = banks // math.gcd(banks, stride_words)
    return -(-words // visited)


class Sram(Component):
    """Configuration of an on-chip buffer."""

    kind: Literal["sram"] = "sram"
    capacity_bytes: Capacity = Field(alias="capacity")
    """Storage, or unbounded."""
    banks: PositiveInt = 1
    """Banks that work in the same cycle."""
    read_width_bytes: PositiveByteSize = Field(alias="read_width")
    """Bytes that one bank reads in one cycle."""
    write_width_bytes: PositiveByteSize = Field(alias="write_width")
    """Bytes that one bank writes in one cycle."""
    ports: Literal["separate", "shared"] = "separate"
    """separate: reads and writes proceed side by side; shared: one port serves both."""
    access_cycles: NonNegativeInt = 1
    """Cycles from an access to its first data."""

    def bind(self, context: BindContext) -> BoundSram:
        """Attach the buffer to a machine."""
        return BoundSram(context, self)


@dataclass(frozen=True)
class BoundSram(BoundComponent):
    """An on-chip buffer of one machine.

    Attributes
    ----------
    sram
        Its configuration.
    """

    sram: Sram
    KIND: ClassVar[str] = "sram"
    ACTIONS: ClassVar[tuple[str, ...]] = ("read", "write")

    @property
    def config(self) -> Sram:
        """The validated configuration."""
        return self.sram

    def capacity_bytes(self) -> int | None:
        """Return the storage in bytes; None if unbounded."""
        return self.sram.capacity_bytes

    def resources(self) -> dict[str, int]:
        """Return ``<name>.read`` and ``<name>.write``, or ``<name>`` alone with a shared port."""
        return {self.resource(action): 1 for action in self.ACTIONS}

    def resource(self, action: str) -> str:
        """Return the engine resource that a read or a write occupies."""
        self._check_action(action, self.ACTIONS)
        return self.name if self.sram.ports == "shared" else f"{self.name}.{action}"

    def bytes_per_cycle(self, direction: str) -> int:
        """Return the bytes that all banks read or write in one cycle."""
        self._check_action(direction, self.ACTIONS)
        width = self.sram.read_width_bytes if direction == "read" else self.sram.write_width_bytes
        return self.sram.banks * width

    def bandwidth_bytes_per_s(self, direction: str) -> float:
        """Return banks times width over the clock period, B/s."""
        return self.bytes_per_cycle(direction) * 1e12 / self.clock.period_ps

    def service(self, action: str, shape: Mapping[str, int], format: str = ANY_FORMAT) -> Service:
        """Return the cost of reading or writing.

        Parameters
        ----------
        action
            ``read`` or ``write``.
        shape
            ``bytes``; optionally ``stride_words``: the accesses are then single bank words at that
            stride, and conflicts cost :func:`cycles_sram_strided`. Without it the access is dense
            and free of conflicts.
        format
            Number format of the data, for the counts only.
        """
        per_cycle = self.bytes_per_cycle(action)
        num_bytes = self._extent(shape, "bytes")
        if "stride_words" in shape:
            width = per_cycle // self.sram.banks
            words = -(-num_bytes // width)
            stride = self._extent(shape, "stride_words")
            cycles = cycles_sram_strided(words, stride, self.sram.banks)
        else:
            cycles = cycles_sram(num_bytes, per_cycle)
        latency = cycles + (self.sram.access_cycles if cycles else 0)
        return Service(
            occupancy_ps=self._cycles_ps(cycles),
            latency_ps=self._cycles_ps(latency),
            counts={(self.name, action, format): num_bytes} if num_bytes else {},
            occupancy_expr=self._cycles_expr(cycles),
            latency_expr=self._cycles_expr(latency),
        )

    def occupancy_ps_batch(self, action: str, num_bytes: IntLike) -> Ints:
        """Return the occupancies of dense reads or writes of int64 byte counts, ps."""
        from archsim.components.memory_batch import cycles_sram_batch

        return cycles_sram_batch(num_bytes, self.bytes_per_cycle(action)) * self.clock.period_ps

    def bound(self, work: Mapping[str, int], format: str = ANY_FORMAT) -> int:
        """Return the time of ``read`` and ``write`` bytes at full width, ps."""
        del format
        cycles = [
            cycles_sram(self._extent(work, action, 0), self.bytes_per_cycle(action))
            for action in self.ACTIONS
        ]
        return self._cycles_ps(sum(cycles) if self.sram.ports == "shared" else max(cycles))

    def bank_bytes(self) -> int | None:
        """Return the storage of one bank, bytes; None if unbounded."""
        if self.sram.capacity_bytes is None:
            return None
        return self.sram.capacity_bytes // self.sram.banks

    def _energy_figure(self, action: str, format: str) -> Figure:
        return self._figure("energy", action, format, size_bytes=self.bank_bytes())

    def _mebibytes(self) -> float:
        return (self.sram.capacity_bytes or 0) / BYTES_PER_MIB

    def _static_parts(self) -> Iterable[float]:
        yield self._mebibytes() * self._figure("static", "mebibyte").value

    def _area_parts(self) -> Iterable[float]:
        yield self._mebibytes() * self._figure("area", "mebibyte").value
