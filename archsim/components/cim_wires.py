"""Buses and buffers between the memory and tiles of compute-in-memory macros.

Their lengths and copies follow from the tiles that they serve, so each names the tiles' component.

References
----------
EdgeCIM, arXiv:2604.11512v1, Section III-B (read): buses between clusters, between tiles and within
a tile; a buffer in each cluster and a global one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from pydantic import Field

from archsim.components.base import ANY_FORMAT, BindContext, BoundComponent, Component, Service
from archsim.components.cim_macro import span_mm, wire_mm2
from archsim.components.cim_tiles import BoundCimTiles, CimTiles
from archsim.components.systolic_laws import ceil_div
from archsim.config.schema import (
    Area,
    Capacity,
    Energy,
    Identifier,
    Length,
    PositiveInt,
    Power,
    validate_model,
)
from archsim.cost.table import picojoules
from archsim.errors import ConfigError, nearest
from archsim.units import PS_PER_S

BITS_PER_BYTE = 8


def tiles_beside(context: BindContext, name: str) -> BoundCimTiles:
    """Return the tiles that a component names.

    Raises
    ------
    ConfigError
        The machine has no such tiles.
    """
    data = context.neighbours.get(name)
    if data is None or data.get("kind") != "cim-tiles":
        known = [key for key, item in context.neighbours.items() if item.get("kind") == "cim-tiles"]
        raise ConfigError(
            "must name tiles of this machine",
            path=f"{context.prefix}.tiles",
            given=name,
            allowed=known,
            hint=nearest(name, known),
        )
    path = f"hardware.components.{name}"
    tiles = validate_model(CimTiles, data, None, path)
    inner = BindContext(name, context.clocks, context.technology, context.energy_table, path)
    return tiles.bind(inner)


class CimBus(Component):
    """Configuration of one level of buses."""

    kind: Literal["cim-bus"] = "cim-bus"
    tiles: Identifier
    """Component of the tiles that it serves."""
    span: Literal["chip", "cluster", "tile"]
    """What it runs over: between clusters, between a cluster's tiles, within a tile."""
    width: PositiveInt
    """Bits of a cycle."""
    energy_per_bit_mm_j: Energy = Field(alias="energy_per_bit_mm")
    """Energy of a bit over a millimetre."""
    pitch_m: Length = Field(alias="pitch")
    """Pitch of a wire, as far as it takes area."""
    static_per_mm2_w: Power = Field(alias="static_per_mm2")
    """Leakage of a square millimetre."""

    def bind(self, context: BindContext) -> BoundCimBus:
        """Attach the buses to a machine."""
        return BoundCimBus(context, self)


@dataclass(frozen=True)
class BoundCimBus(BoundComponent):
    """One level of buses of one machine; all buses of a level work side by side.

    Attributes
    ----------
    bus
        Their configuration.
    """

    bus: CimBus
    KIND: ClassVar[str] = "cim-bus"
    ACTIONS: ClassVar[tuple[str, ...]] = ("transfer",)

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.array

    @property
    def config(self) -> CimBus:
        """The validated configuration."""
        return self.bus

    @cached_property
    def array(self) -> BoundCimTiles:
        """The tiles that it serves."""
        return tiles_beside(self.context, self.bus.tiles)

    @property
    def copies(self) -> int:
        """Buses of this level."""
        tiles = self.array.clusters * self.array.active_tiles * self.array.tiles.tile_sets
        return {"chip": 1, "cluster": self.array.clusters, "tile": tiles}[self.bus.span]

    @property
    def length_mm(self) -> float:
        """Length of one bus, mm."""
        macros = self.array.macros / self.copies
        return span_mm(macros * self.array.silicon.macro_mm2(self.array.tiles.macro))

    def bandwidth_bytes_per_s(self, direction: str = "transfer") -> float:
        """Return the bandwidth of one bus, B/s."""
        del direction
        return self.bus.width / BITS_PER_BYTE * PS_PER_S / self.clock.period_ps

    def service(self, action: str, shape: Mapping[str, int], format: str = ANY_FORMAT) -> Service:
        """Return the cost of sending ``shape["bytes"]`` over each bus, ``total`` over all."""
        self._check_action(action, self.ACTIONS)
        num_bytes = self._extent(shape, "bytes")
        total = self._extent(shape, "total", num_bytes)
        ps = self._cycles_ps(ceil_div(BITS_PER_BYTE * num_bytes, self.bus.width))
        expression = (
            f"{BITS_PER_BYTE * num_bytes} * {self._cycles_expr(1)} / {self._own_path('width')}"
        )
        return Service(
            occupancy_ps=ps,
            latency_ps=ps,
            counts={(self.name, action, format): total} if total else {},
            occupancy_expr=expression,
            latency_expr=expression,
        )

    def energy_pj(self, action: str, format: str = ANY_FORMAT) -> float:
        """Return the energy of one byte over one bus, pJ."""
        self._check_action(action, self.ACTIONS)
        if action in self.bus.energy_j:
            return picojoules(self.bus.energy_j[action])
        del format
        return BITS_PER_BYTE * picojoules(self.bus.energy_per_bit_mm_j) * self.length_mm

    def _static_parts(self) -> Iterable[float]:
        yield self.bus.static_per_mm2_w * self.area_mm2()

    def _area_parts(self) -> Iterable[float]:
        pitch_um = self.bus.pitch_m * 1e6
        yield self.copies * wire_mm2(float(self.bus.width), self.length_mm, pitch_um)


class CimBuffer(Component):
    """Configuration of the global buffer, or of the buffers of all clusters."""

    kind: Literal["cim-buffer"] = "cim-buffer"
    tiles: Identifier
    """Component of the tiles that it serves."""
    span: Literal["chip", "cluster"]
    """Whether there is one, or one in each cluster."""
    capacity_bytes: Capacity = Field(alias="capacity")
    """Storage of each."""
    width: PositiveInt
    """Bits that a cycle reads or writes."""
    energy_per_bit_j: Energy = Field(alias="energy_per_bit")
    """Energy of reading or writing a bit."""
    area_per_bit_mm2: Area = Field(alias="area_per_bit")
    """Area of a bit with its periphery."""
    static_per_mm2_w: Power = Field(alias="static_per_mm2")
    """Leakage of a square millimetre."""

    def bind(self, context: BindContext) -> BoundCimBuffer:
        """Attach the buffers to a machine."""
        return BoundCimBuffer(context, self)


@dataclass(frozen=True)
class BoundCimBuffer(BoundComponent):
    """Buffers of one machine.

    Attributes
    ----------
    buffer
        Their configuration.
    """

    buffer: CimBuffer
    KIND: ClassVar[str] = "cim-buffer"
    ACTIONS: ClassVar[tuple[str, ...]] = ("read", "write")

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.copies

    @property
    def config(self) -> CimBuffer:
        """The validated configuration."""
        return self.buffer

    @cached_property
    def copies(self) -> int:
        """Buffers of this kind."""
        tiles = tiles_beside(self.context, self.buffer.tiles)
        return tiles.clusters if self.buffer.span == "cluster" else 1

    def resources(self) -> dict[str, int]:
        """Return the ports of all buffers: ``<name>.read`` and ``<name>.write``."""
        return {self.resource(action): 1 for action in self.ACTIONS}

    def resource(self, action: str) -> str:
        """Return the port that an action takes."""
        self._check_action(action, self.ACTIONS)
        return f"{self.name}.{action}"

    def capacity_bytes(self) -> int | None:
        """Return the storage of one buffer, bytes; None if unbounded."""
        return self.buffer.capacity_bytes

    def bandwidth_bytes_per_s(self, direction: str) -> float:
        """Return the bandwidth of one buffer in a direction, B/s."""
        self._check_action(direction, self.ACTIONS)
        return self.buffer.width / BITS_PER_BYTE * PS_PER_S / self.clock.period_ps

    def service(self, action: str, shape: Mapping[str, int], format: str = ANY_FORMAT) -> Service:
        """Return the cost of reading or writing ``shape["bytes"]``."""
        self._check_action(action, self.ACTIONS)
        num_bytes = self._extent(shape, "bytes")
        cycles = ceil_div(BITS_PER_BYTE * num_bytes, self.buffer.width)
        return Service(
            occupancy_ps=self._cycles_ps(cycles),
            latency_ps=self._cycles_ps(cycles),
            counts={(self.name, action, format): num_bytes} if num_bytes else {},
            occupancy_expr=self._cycles_expr(cycles),
            latency_expr=self._cycles_expr(cycles),
        )

    def energy_pj(self, action: str, format: str = ANY_FORMAT) -> float:
        """Return the energy of a byte read or written, pJ."""
        self._check_action(action, self.ACTIONS)
        if action in self.buffer.energy_j:
            return picojoules(self.buffer.energy_j[action])
        del format
        return BITS_PER_BYTE * picojoules(self.buffer.energy_per_bit_j)

    def _static_parts(self) -> Iterable[float]:
        yield self.buffer.static_per_mm2_w * self.area_mm2()

    def _area_parts(self) -> Iterable[float]:
        bits = BITS_PER_BYTE * (self.buffer.capacity_bytes or 0)
        yield self.copies * bits * self.buffer.area_per_bit_mm2
