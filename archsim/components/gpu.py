"""Parts of a GPU: its multiprocessors, its second-level cache and its link to other GPUs.

They hold data-sheet numbers. How long an operator takes is the business of :mod:`archsim.gpu`,
which reads them; the services here are plain rates, the bounds that no operator can beat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from archsim.components.base import (
    ANY_FORMAT,
    BindContext,
    BoundComponent,
    Component,
    Service,
    base_format,
)
from archsim.config.schema import (
    Bandwidth,
    Duration,
    PositiveByteSize,
    PositiveFloat,
    PositiveInt,
    Power,
)
from archsim.errors import ConfigError, nearest
from archsim.units import PS_PER_S, transfer_ps

Architecture = Literal[
    "pascal",
    "volta",
    "turing",
    "ampere",
    "ampere-rtx",
    "ada",
    "hopper",
    "blackwell",
    "blackwell-rtx",
    "cdna1",
    "cdna2",
    "cdna3",
    "tpu-v6",
]
"""Families whose fitted constants are kept apart; the suffix ``-rtx`` marks the dies without HBM of
an architecture that has both."""


class GpuSm(Component):
    """Configuration of the multiprocessors of a GPU (compute units, on AMD parts)."""

    kind: Literal["gpu-sm"] = "gpu-sm"
    architecture: Architecture
    """Family; chooses tiles and fitted constants."""
    count: PositiveInt
    """Multiprocessors in use."""
    matrix_flops_per_cycle: dict[str, PositiveInt] = Field(min_length=1)
    """Dense operations a cycle of one multiprocessor's matrix units, by number format, a fused
    multiply-add being two. Formats without matrix units run at the vector rate."""
    vector_flops_per_cycle: dict[str, PositiveInt] = Field(min_length=1)
    """The same of its vector lanes."""
    special_per_cycle: PositiveInt
    """Exponentials, reciprocals and square roots that it starts a cycle."""
    shared_memory_bytes: PositiveByteSize = Field(alias="shared_memory")
    """Scratchpad of one multiprocessor that kernels can use."""
    power_cap_w: Power = Field(alias="power_cap")
    """Board power limit."""
    idle_power_w: Power = Field(alias="idle_power")
    """Board power with clocks up and nothing running."""
    launch_gap_s: Duration = Field(alias="launch_gap")
    """Time of the host to launch one kernel of a stream of them."""
    graph_gap_s: Duration = Field(alias="graph_gap")
    """Time between two kernels of one graph."""

    def bind(self, context: BindContext) -> BoundGpuSm:
        """Attach the multiprocessors to a machine."""
        return BoundGpuSm(context, self)


@dataclass(frozen=True)
class BoundGpuSm(BoundComponent):
    """The multiprocessors of one machine.

    Attributes
    ----------
    sm
        Their configuration.
    """

    sm: GpuSm
    KIND: ClassVar[str] = "gpu-sm"
    NARROWS: ClassVar[bool] = True
    ACTIONS: ClassVar[tuple[str, ...]] = ("mac", "add", "mul", "max", "exp", "div", "issue")
    """``issue`` stands for what the board draws beside counted actions: instructions, registers,
    shared memory, leakage that grows with the load; one count is 1 pJ."""

    @property
    def config(self) -> GpuSm:
        """The validated configuration."""
        return self.sm

    @property
    def formats(self) -> tuple[str, ...]:
        """Number formats that it multiplies."""
        return tuple({**self.sm.matrix_flops_per_cycle, **self.sm.vector_flops_per_cycle})

    def flops_per_cycle(self, format: str) -> int:
        """Return the best rate of one multiprocessor in a format, operations a cycle.

        Raises
        ------
        ConfigError
            The part has no such format; the ones it has are named.
        """
        rates = [
            table[format]
            for table in (self.sm.matrix_flops_per_cycle, self.sm.vector_flops_per_cycle)
            if format in table
        ]
        if not rates:
            raise ConfigError(
                "the GPU does not compute in this format",
                path=f"{self.context.prefix}.matrix_flops_per_cycle",
                given=format,
                allowed=self.formats,
                hint=nearest(format, self.formats),
            )
        return max(rates)

    def peak_macs_per_s(self, format: str) -> float:
        """Return the peak rate of multiply-accumulates at the boost clock, 1/s."""
        per_cycle = self.flops_per_cycle(base_format(format)) * self.sm.count / 2
        return per_cycle * PS_PER_S / self.clock.period_ps

    def service(self, action: str, shape: Mapping[str, int], format: str) -> Service:
        """Return the cost of ``shape["operations"]`` spread over all multiprocessors."""
        self._check_action(action, self.ACTIONS)
        count = self._extent(shape, "operations")
        number = base_format(format)
        if action == "mac":
            per_cycle = self.flops_per_cycle(number) * self.sm.count // 2
        elif action in ("exp", "div"):
            per_cycle = self.sm.special_per_cycle * self.sm.count
        else:
            per_cycle = self._vector_rate(number) * self.sm.count // 2
        cycles = -(-count // max(1, per_cycle))
        counts = {(self.name, action, number): count} if count else {}
        return Service(
            self._cycles_ps(cycles),
            self._cycles_ps(cycles),
            counts,
            self._cycles_expr(cycles),
            self._cycles_expr(cycles),
        )

    def bound(self, work: Mapping[str, int], format: str = ANY_FORMAT) -> int:
        """Return the time of ``mac`` work at the peak rate, ps."""
        count = self._extent(work, "mac", 0)
        if not count:
            return 0
        per_cycle = self.flops_per_cycle(base_format(format)) * self.sm.count // 2
        return self._cycles_ps(-(-count // per_cycle))

    def static_w(self) -> float:
        """Return the idle power of the board, W."""
        return self.sm.static_power_w or self.sm.idle_power_w

    def _vector_rate(self, format: str) -> int:
        rates = self.sm.vector_flops_per_cycle
        return rates.get(format, rates.get("fp32", max(rates.values())))


class GpuL2(Component):
    """Configuration of the cache that all multiprocessors share."""

    kind: Literal["gpu-l2"] = "gpu-l2"
    capacity_bytes: PositiveByteSize = Field(alias="capacity")
    """Storage."""
    bytes_per_cycle: PositiveFloat
    """Bytes that all its slices together deliver a cycle."""
    partitions: PositiveInt = 1
    """Halves that keep copies of what the other half holds when all multiprocessors read it."""
    latency_s: Duration = Field(alias="latency")
    """Time of a hit."""

    def bind(self, context: BindContext) -> BoundGpuL2:
        """Attach the cache to a machine."""
        return BoundGpuL2(context, self)


@dataclass(frozen=True)
class BoundGpuL2(BoundComponent):
    """The shared cache of one machine.

    Attributes
    ----------
    l2
        Its configuration.
    """

    l2: GpuL2
    KIND: ClassVar[str] = "gpu-l2"
    MANAGED: ClassVar[bool] = False
    ACTIONS: ClassVar[tuple[str, ...]] = ("read", "write")

    @property
    def config(self) -> GpuL2:
        """The validated configuration."""
        return self.l2

    def capacity_bytes(self) -> int:
        """Return the storage, bytes."""
        return self.l2.capacity_bytes

    def bandwidth_bytes_per_s(self, direction: str) -> float:
        """Return the peak bandwidth, B/s; reads and writes share it."""
        self._check_action(direction, self.ACTIONS)
        return self.l2.bytes_per_cycle * PS_PER_S / self.clock.period_ps

    def service(self, action: str, shape: Mapping[str, int], format: str = ANY_FORMAT) -> Service:
        """Return the cost of reading or writing ``shape["bytes"]``."""
        return _streamed(self, action, shape, format, self.l2.latency_s)


class GpuLink(Component):
    """Configuration of a GPU's link to the other GPUs of its node, and of its way out of it."""

    kind: Literal["gpu-link"] = "gpu-link"
    bandwidth_bytes_per_s: Bandwidth = Field(alias="bandwidth")
    """Bandwidth of one direction, all lanes together."""
    latency_s: Duration = Field(alias="latency")
    """Time from the first byte sent to the first byte received."""
    topology: Literal["switch", "ring", "mesh", "host"]
    """How the GPUs of a node are joined; ``host`` is the peripheral bus."""
    reduces_in_switch: bool = False
    """Whether the switch adds up what it passes on."""
    domain: PositiveInt = 8
    """GPUs that the link joins; more of them talk over the network."""
    network_bytes_per_s: Bandwidth | None = Field(default=None, alias="network_bandwidth")
    """One direction of the network adapter of each GPU; None: there is none."""

    def bind(self, context: BindContext) -> BoundGpuLink:
        """Attach the link to a machine."""
        return BoundGpuLink(context, self)


@dataclass(frozen=True)
class BoundGpuLink(BoundComponent):
    """The link of one machine.

    Attributes
    ----------
    link
        Its configuration.
    """

    link: GpuLink
    KIND: ClassVar[str] = "gpu-link"
    ACTIONS: ClassVar[tuple[str, ...]] = ("transfer",)

    @property
    def config(self) -> GpuLink:
        """The validated configuration."""
        return self.link

    def bandwidth_bytes_per_s(self, direction: str = "transfer") -> float:
        """Return the bandwidth of one direction, B/s."""
        del direction
        return self.link.bandwidth_bytes_per_s

    def service(self, action: str, shape: Mapping[str, int], format: str = ANY_FORMAT) -> Service:
        """Return the cost of sending ``shape["bytes"]`` one way."""
        return _streamed(self, action, shape, format, self.link.latency_s)


def _streamed(
    part: BoundGpuL2 | BoundGpuLink,
    action: str,
    shape: Mapping[str, int],
    format: str,
    latency_s: float,
) -> Service:
    """Bytes over bandwidth, and the access time once."""
    part._check_action(action, part.ACTIONS)
    count = part._extent(shape, "bytes")
    occupancy = transfer_ps(count, part.bandwidth_bytes_per_s(action))
    counts = {(part.name, action, format): count} if count else {}
    return Service(occupancy, occupancy + round(latency_s * PS_PER_S), counts)
