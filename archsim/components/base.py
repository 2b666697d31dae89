"""What every component offers: a validated configuration, bound to clocks and cost tables.

A component is described by a frozen configuration model (:class:`Component`). Binding it to a
machine's clocks, technology and cost table gives a :class:`BoundComponent`, which answers how long
an action occupies it, when the result is there, and what that costs. No component knows a mapper, a
workload or the engine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from pydantic import Field

from archsim.config.paths import join_path
from archsim.config.schema import Area, ConfigModel, Energy, Identifier, Power
from archsim.cost.table import EnergyTable, Figure, nanometres, picojoules
from archsim.errors import ConfigError, nearest
from archsim.units import PS_PER_S

ANY_FORMAT = "*"
"""Format of actions whose cost does not depend on the number format (bytes moved)."""

CountKey = tuple[str, str, str]
"""(component name, action, number format) of an action count."""


class Clock(NamedTuple):
    """A clock domain: its frequency in Hz and its integer period in ps."""

    frequency_hz: float
    period_ps: int


@dataclass(frozen=True, slots=True)
class Technology:
    """The process of the logic: node in nm and supply in V."""

    node_nm: float
    supply_v: float

    @classmethod
    def of(cls, node_m: float, supply_v: float) -> Technology:
        """Return the technology of a node in metres, as configuration models hold it."""
        return cls(nanometres(node_m), supply_v)


@dataclass(frozen=True, slots=True)
class BindContext:
    """What a component gets from its machine.

    Attributes
    ----------
    name
        Name of the component in the machine; prefix of its engine resources.
    clocks
        All clock domains of the machine.
    technology
        Node and supply, for scaling costs.
    energy_table
        The machine's cost table.
    path
        Dotted path of the component for expressions and errors; empty stands for
        ``hardware.components.<name>``.
    neighbours
        Descriptions of the machine's components by name, for those whose size follows another's.
    """

    name: str
    clocks: Mapping[str, Clock]
    technology: Technology
    energy_table: EnergyTable
    path: str = ""
    neighbours: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Dotted path of the component's configuration."""
        return self.path or join_path("hardware.components", self.name)


@dataclass(frozen=True, slots=True)
class Service:
    """The cost of one action.

    Attributes
    ----------
    occupancy_ps
        Time for which the resource is kept from the next action, ps.
    latency_ps
        Time from start to result, ps.
    counts
        Actions by (component, action, format): operations, MACs or bytes.
    occupancy_expr, latency_expr
        The two times as unrounded expressions over dotted configuration paths, ps.
    """

    occupancy_ps: int
    latency_ps: int
    counts: Mapping[CountKey, int]
    occupancy_expr: str | None = None
    latency_expr: str | None = None


class Component(ConfigModel):
    """Configuration shared by all kinds of component."""

    kind: str
    """Component kind, the id of its plug-in."""
    clock: Identifier
    """Clock domain it runs in."""
    energy_j: dict[str, Energy] = Field(default_factory=dict, alias="energy")
    """Energies that replace the cost table's, by action or action.format, per operation or byte."""
    static_power_w: Power | None = Field(default=None, alias="static_power")
    """Static power that replaces the cost table's."""
    area_mm2: Area | None = Field(default=None, alias="area")
    """Area that replaces the cost table's."""

    @abstractmethod
    def bind(self, context: BindContext) -> BoundComponent:
        """Attach the component to a machine.

        Raises
        ------
        ConfigError
            The clock domain does not exist, or an energy is given for an action that the component
            does not have.
        """


@dataclass(frozen=True)
class BoundComponent(ABC):
    """A component of one machine.

    Attributes
    ----------
    context
        Name, clocks, technology and cost table.
    """

    context: BindContext
    KIND: ClassVar[str] = ""
    ACTIONS: ClassVar[tuple[str, ...]] = ()
    OFF_CHIP: ClassVar[bool] = False
    """Whether it is another chip, which never shares a clock domain with the logic."""
    MANAGED: ClassVar[bool] = True
    """Of a memory: whether mappers place tensors in it; False for a cache that fills itself."""
    BESIDE: ClassVar[bool] = False
    """Whether its units multiply beside the processor, at the same time."""
    NARROWS: ClassVar[bool] = False
    """Whether its libraries quantise the wider operand of a product, to multiply in the narrower
    format."""

    def __post_init__(self) -> None:
        clocks = self.context.clocks
        if self.config.clock not in clocks:
            raise ConfigError(
                "unknown clock domain",
                path=f"{self.context.prefix}.clock",
                given=self.config.clock,
                allowed=sorted(clocks),
                hint=nearest(self.config.clock, clocks),
            )
        known = set(self.actions())
        for key in self.config.energy_j:
            if key.partition(".")[0] not in known:
                raise ConfigError(
                    "energy of an action that this component does not have",
                    path=f"{self.context.prefix}.energy.{key}",
                    given=key,
                    allowed=sorted(known),
                    hint=nearest(key.partition(".")[0], known),
                )

    @property
    @abstractmethod
    def config(self) -> Component:
        """The validated configuration."""

    @abstractmethod
    def service(self, action: str, shape: Mapping[str, int], format: str) -> Service:
        """Return occupancy, latency and counts of one action of a shape.

        Raises
        ------
        ConfigError
            The component has no such action, the shape lacks an extent or has a negative one, or
            the number format is not supported (the supported ones are named).
        """

    @property
    def name(self) -> str:
        """Name of the component in its machine."""
        return self.context.name

    @property
    def clock(self) -> Clock:
        """Clock domain of the component."""
        return self.context.clocks[self.config.clock]

    def actions(self) -> tuple[str, ...]:
        """Return the actions that appear in counts and have an energy."""
        return self.ACTIONS

    def resources(self) -> dict[str, int]:
        """Return the engine resources of the component: name to capacity."""
        return {self.name: 1}

    def resource(self, action: str) -> str:
        """Return the engine resource that an action occupies."""
        self._check_action(action, self.actions())
        return self.name

    def capacity_bytes(self) -> int | None:
        """Return the storage of the component in bytes; None if it is unbounded or has none."""
        return None

    def peak_macs_per_s(self, format: str) -> float:
        """Return the peak rate of multiply-accumulates in a number format, 1/s."""
        del format
        return 0.0

    def bandwidth_bytes_per_s(self, direction: str) -> float:
        """Return the peak bandwidth in a direction (``read``, ``write`` or ``transfer``), B/s."""
        del direction
        return 0.0

    def inner_bytes_per_s(self, memory: str) -> float:
        """Return the bandwidth at which units inside a memory read it, B/s; 0 for other parts."""
        del memory
        return 0.0

    def bound(self, work: Mapping[str, int], format: str = ANY_FORMAT) -> int:
        """Return a lower bound on the time for some work, ps: never above the occupancy of it."""
        del work, format
        return 0

    def energy_pj(self, action: str, format: str = ANY_FORMAT) -> float:
        """Return the energy of one action (an operation, a MAC or a byte), pJ.

        The component's own `energy:` wins over the cost table, ``action.format`` over ``action``.

        Raises
        ------
        ConfigError
            No such action, or no row for it in the cost table.
        """
        self._check_action(action, self.actions())
        for key in (f"{action}.{format}", action):
            if key in self.config.energy_j:
                return picojoules(self.config.energy_j[key])
        return self._energy_figure(action, format).value

    def static_w(self) -> float:
        """Return the static power, W."""
        if self.config.static_power_w is not None:
            return self.config.static_power_w
        return sum(self._static_parts())

    def area_mm2(self) -> float:
        """Return the silicon area on the accelerator's die, mm²."""
        if self.config.area_mm2 is not None:
            return self.config.area_mm2
        return sum(self._area_parts())

    def _static_parts(self) -> Iterable[float]:
        return ()

    def _area_parts(self) -> Iterable[float]:
        return ()

    def _energy_figure(self, action: str, format: str) -> Figure:
        return self._figure("energy", action, format)

    def _figure(
        self,
        quantity: str,
        action: str,
        format: str = ANY_FORMAT,
        *,
        variant: str = "",
        size_bytes: int | None = None,
    ) -> Figure:
        """Look a figure up in the cost table, scaled to the machine's technology."""
        return self.context.energy_table.find(
            quantity,
            self.KIND,
            action,
            format,
            node_nm=self.context.technology.node_nm,
            supply_v=self.context.technology.supply_v,
            variant=variant,
            size_bytes=size_bytes,
        )

    def _check_action(self, action: str, known: Iterable[str]) -> None:
        names = tuple(known)
        if action not in names:
            raise ConfigError(
                f"component kind {self.KIND} has no such action",
                path=self.context.prefix,
                given=action,
                allowed=names,
                hint=nearest(action, names),
            )

    def _extent(self, shape: Mapping[str, int], key: str, default: int | None = None) -> int:
        """Read one extent of a shape: not negative, and there unless a default is given."""
        value = shape.get(key, default)
        if value is None or value < 0:
            raise ConfigError(
                f"shape of an action needs {key!r}",
                path=self.context.prefix,
                given="nothing" if value is None else value,
                allowed=f"{key} as an integer ≥ 0",
            )
        return int(value)

    def _cycles_ps(self, cycles: int) -> int:
        return cycles * self.clock.period_ps

    def _cycles_expr(self, cycles: int) -> str:
        return f"{cycles} * {PS_PER_S} / {{{join_path('hardware.clocks', self.config.clock)}}}"

    def _own_path(self, key: str) -> str:
        return f"{{{self.context.prefix}.{key}}}"


def base_format(format: str) -> str:
    """Return a number format without its group and scale: ``int4:g128:fp16`` gives ``int4``."""
    return format.partition(":")[0]
