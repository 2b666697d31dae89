"""Machines: a validated hardware description bound to clocks, technology and cost tables.

A machine is built from one YAML document. It knows its components and its memory levels, and what
a transfer between two levels holds; it knows no workload.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

from archsim import registry
from archsim.components.base import BindContext, BoundComponent, Clock, Component
from archsim.components.systolic_array import BoundSystolicArray
from archsim.components.vector_unit import BoundVectorUnit
from archsim.config.document import Document, load_document
from archsim.config.hashing import content_hash
from archsim.config.overrides import apply_overrides
from archsim.config.paths import join_path
from archsim.config.schema import ConfigModel, dump_model, key_paths, validate_model
from archsim.errors import ConfigError, nearest
from archsim.machine_checks import (
    check_clocks,
    check_costs,
    check_levels,
    check_mappers,
    check_units,
    cost_table,
    problem,
    technology_of,
)
from archsim.machine_config import MachineConfig
from archsim.mapping import Json
from archsim.units import period_ps

ROOT = "hardware"
LINK_KIND = "link"
"""Component kind of a link whose file names none."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A resource that a transfer keeps, for how long in ps, and the unrounded expression."""

    resource: str
    occupancy_ps: int
    expr: str | None


@dataclass(frozen=True, slots=True)
class Transfer:
    """What moving some bytes between two levels costs.

    Attributes
    ----------
    holds
        Resources kept at the same time: source port, link, target port.
    latency_ps
        From start until all bytes have arrived.
    counts
        Bytes by (component, action, format).
    latency_expr
        The latency as an unrounded expression, ps.
    """

    holds: tuple[Hold, ...]
    latency_ps: int
    counts: Mapping[tuple[str, str, str], int]
    latency_expr: str | None


Kind = TypeVar("Kind", bound=BoundComponent)


@dataclass(frozen=True, eq=False)
class Machine:
    """A machine: what it is made of, and what its parts take and cost.

    Attributes
    ----------
    config
        The validated description.
    components
        Bound components by name, links included.
    links
        Name of the link that serves transfers from one level to another.
    document
        The description with places and sources; None if built from plain data.
    """

    config: MachineConfig
    components: Mapping[str, BoundComponent]
    links: Mapping[tuple[str, str], str]
    document: Document | None = None

    @property
    def name(self) -> str:
        """Id of the machine."""
        return self.config.name

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the memory levels, outermost first."""
        return self.config.levels

    @property
    def outermost(self) -> str:
        """The level farthest from the compute units, where weights live."""
        return self.levels[0]

    @property
    def innermost(self) -> str:
        """The level that feeds the compute units."""
        return self.levels[-1]

    def component(self, name: str) -> BoundComponent:
        """Return a component by name.

        Raises
        ------
        ConfigError
            There is none of that name; the nearest is named.
        """
        if name not in self.components:
            raise ConfigError(
                f"machine {self.name} has no such component",
                path="hardware.components",
                given=name,
                allowed=sorted(self.components),
                hint=nearest(name, self.components),
            )
        return self.components[name]

    @cached_property
    def array(self) -> BoundSystolicArray | None:
        """The array that multiplies matrices, or None."""
        return self._only(BoundSystolicArray)

    @cached_property
    def vector(self) -> BoundVectorUnit | None:
        """The vector unit, or None."""
        return self._only(BoundVectorUnit)

    def _only(self, kind: type[Kind]) -> Kind | None:
        return next((item for item in self.components.values() if isinstance(item, kind)), None)

    def capacity_bytes(self, level: str) -> int | None:
        """Return the capacity of a level in bytes; None if it is unbounded."""
        return self.component(level).capacity_bytes()

    def transfer(self, source: str, target: str, num_bytes: int, format_name: str) -> Transfer:
        """Return the cost of moving bytes from one level to another.

        Parameters
        ----------
        source, target
            Names of levels.
        num_bytes
            Bytes to move.
        format_name
            Number format of the values, for the counts.

        Notes
        -----
        The parts work as a pipeline: all are held for their own time from the same start, and the
        last byte arrives after the longest of them plus the access times of all.
        """
        services = []
        parts = [(source, "read"), (target, "write")]
        if (source, target) in self.links:
            parts.insert(1, (self.links[source, target], "transfer"))
        for name, action in parts:
            component = self.component(name)
            service = component.service(action, {"bytes": num_bytes}, format_name)
            services.append((component.resource(action), service))
        longest = max((service for _, service in services), key=lambda item: item.occupancy_ps)
        access_ps = sum(service.latency_ps - service.occupancy_ps for _, service in services)
        terms = [
            f"(({service.latency_expr}) - ({service.occupancy_expr}))"
            for _, service in services
            if service.latency_expr is not None and service.occupancy_expr is not None
        ]
        latency_expr = f"({longest.occupancy_expr}) + {' + '.join(terms)}"
        counts: dict[tuple[str, str, str], int] = {}
        for _, service in services:
            for key, count in service.counts.items():
                counts[key] = counts.get(key, 0) + count
        return Transfer(
            holds=tuple(
                Hold(resource, service.occupancy_ps, service.occupancy_expr)
                for resource, service in services
            ),
            latency_ps=longest.occupancy_ps + access_ps,
            counts=counts,
            latency_expr=latency_expr if len(terms) == len(services) else None,
        )

    def static_w(self) -> dict[str, float]:
        """Return the static power of each component, W."""
        return {name: item.static_w() for name, item in self.components.items()}

    def area_mm2(self) -> float:
        """Return the area of all components on the die, mm²."""
        return sum(item.area_mm2() for item in self.components.values())

    def value(self, path: str) -> float:
        """Return the number at a dotted path, in base units.

        Raises
        ------
        ConfigError
            There is no number at that path.
        """
        root, section, name, *keys = [*path.split("."), "", ""][: max(3, path.count(".") + 1)]
        found: object = None
        if root == ROOT and section == "clocks" and not keys:
            found = self.config.clocks_hz.get(name)
        elif root == ROOT and section in ("components", "links") and name in self.components:
            found = self.components[name].config
            for key in keys:
                found = _attribute(found, key)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise ConfigError("there is no number at this path", given=path)
        return float(found)

    def peak_macs_per_s(self, number: str) -> tuple[str, float]:
        """Return the fastest unit for MACs in a format and its rate, 1/s; ("", 0.0) without one."""
        rates = {
            name: item.peak_macs_per_s(number)
            for name, item in self.components.items()
            if number in getattr(item, "formats", (number,))
        }
        name = max(rates, key=lambda key: (rates[key], key), default="")
        return (name, rates[name]) if name and rates[name] > 0 else ("", 0.0)

    @property
    def cache_level(self) -> str:
        """Memory of keys and values: that of units that compute there, else the outermost level."""
        memories = [
            memory
            for item in self.components.values()
            if item.BESIDE and (memory := getattr(item.config, "memory", None)) is not None
        ]
        return str(memories[0]) if memories else self.outermost

    def beside_macs_per_s(self, unit: str, number: str) -> float:
        """Return the peak rate of all that multiplies beside a unit, at the same time, 1/s."""
        rates: dict[bool, list[float]] = {False: [0.0], True: [0.0]}
        for name, item in self.components.items():
            if name != unit and number in getattr(item, "formats", (number,)):
                rates[item.BESIDE].append(item.peak_macs_per_s(number))
        inside = bool(unit) and self.component(unit).BESIDE
        return sum(rates[True]) + (max(rates[False]) if inside else 0.0)

    def to_config(self) -> dict[str, Json]:
        """Return the resolved description; built from it, a machine equals this one."""
        data = dump_model(self.config)
        for name in ("source", "precision"):
            data.pop(name, None)
        links = {}
        for (source, target), name in self.links.items():
            links[name] = {
                "from": source,
                "to": target,
                **dump_model(self.components[name].config),
            }
        names = [name for name in self.components if name not in links]
        data["components"] = {name: dump_model(self.components[name].config) for name in names}
        data["links"] = links
        return cast("dict[str, Json]", data)

    @cached_property
    def content_hash(self) -> str:
        """Hash of the resolved description."""
        return content_hash(self.to_config())


def _attribute(model: object, key: str) -> object:
    """Return what a model or a map has under a YAML key."""
    if isinstance(model, Mapping):
        return model.get(key)
    if isinstance(model, ConfigModel):
        for name, item in type(model).model_fields.items():
            if (item.alias or name) == key:
                return getattr(model, name)
    return None


def load_hardware(source: Path | str, *, overrides: Sequence[str] = ()) -> Machine:
    """Load a machine from a registered id, a YAML file or a YAML text.

    Parameters
    ----------
    source
        Id, path or text.
    overrides
        ``hardware.path=value`` texts, laid over the file in order.

    Raises
    ------
    ConfigError
        Anything wrong in the file or the overrides.
    """
    document = load_document(source, kind=ROOT)
    if overrides:
        document = apply_overrides(document, overrides, known=_known_paths(document.data))
    return build_machine(document.data, document)


def build_machine(data: Mapping[str, object], document: Document | None = None) -> Machine:
    """Build a machine from plain data, as :meth:`Machine.to_config` returns it.

    Raises
    ------
    ConfigError
        Anything wrong in the data; located if a document is given.
    """
    config = validate_model(MachineConfig, data, document, ROOT)
    clocks = {name: Clock(hz, period_ps(hz)) for name, hz in config.clocks_hz.items()}
    table, named = cost_table(config, document)
    config = config.model_copy(update={"energy_table": named})
    technology = technology_of(config, document)
    context = BindContext("", clocks, technology, table, neighbours=config.components)
    components: dict[str, BoundComponent] = {}
    for name, item in config.components.items():
        components[name] = _bound(name, item, f"{ROOT}.components", context, document)
    links: dict[tuple[str, str], str] = {}
    check_levels(config, components, document)
    for name, item in config.links.items():
        ends, rest = _link_ends(name, item, config.levels, document)
        path = join_path(f"{ROOT}.links", name)
        if name in components:
            raise problem("a component has this name already", path, name, document)
        if ends in links:
            raise problem(f"link {links[ends]} has these ends already", path, name, document)
        links[ends] = name
        components[name] = _bound(name, rest, f"{ROOT}.links", context, document)
    check_clocks(components, document)
    check_units(components, document)
    check_costs(components, document)
    check_mappers(config, document)
    return Machine(config, components, links, document)


def _bound(
    name: str,
    data: Mapping[str, object],
    parent: str,
    context: BindContext,
    document: Document | None,
) -> BoundComponent:
    path = join_path(parent, name)
    kind = data.get("kind")
    if not isinstance(kind, str):
        names = registry.components.names()
        raise problem("a component needs a kind", f"{path}.kind", kind, document, names)
    location = document.location(f"{path}.kind") if document else None
    try:
        model = registry.components.get(kind)
    except ConfigError as error:
        raise error.at(path=f"{path}.kind", location=location) from None
    if not (isinstance(model, type) and issubclass(model, Component)):
        raise problem("is registered, but is no Component", f"{path}.kind", kind, document)
    config = validate_model(model, data, document, path)
    try:
        return config.bind(dataclasses.replace(context, name=name, path=path))
    except ConfigError as error:
        where = error.path or path
        raise error.at(path=path, location=document.location(where) if document else None) from None


def _link_ends(
    name: str, data: Mapping[str, object], levels: Sequence[str], document: Document | None
) -> tuple[tuple[str, str], dict[str, object]]:
    path = join_path(f"{ROOT}.links", name)
    rest = {key: value for key, value in data.items() if key not in ("from", "to")}
    rest.setdefault("kind", LINK_KIND)
    ends = []
    for key in ("from", "to"):
        end = data.get(key)
        if end not in levels:
            raise problem("must be a level", f"{path}.{key}", end, document, levels)
        ends.append(str(end))
    if ends[0] == ends[1]:
        others = [level for level in levels if level != ends[0]]
        raise problem("a link needs two different ends", f"{path}.to", ends[1], document, others)
    return (ends[0], ends[1]), rest


def _known_paths(data: Mapping[str, object]) -> frozenset[str]:
    """Return the paths that may be overridden although the file leaves them at their default."""
    known = set(key_paths(MachineConfig, ROOT))
    components = data.get("components")
    if isinstance(components, Mapping):
        for name, item in components.items():
            kind = item.get("kind") if isinstance(item, Mapping) else None
            if isinstance(kind, str) and kind in registry.components.names():
                model = registry.components.get(kind)
                if isinstance(model, type) and issubclass(model, Component):
                    known |= key_paths(model, join_path(f"{ROOT}.components", str(name)))
    return frozenset(known)
