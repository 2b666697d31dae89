"""What makes a machine impossible although each of its parts is valid, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archsim import registry
from archsim.components.base import Technology
from archsim.config.document import load_document
from archsim.config.paths import join_path
from archsim.cost.loader import DOCUMENT_KIND, load_table, read_table
from archsim.cost.scaling import relative_area, relative_energy
from archsim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from archsim.components.base import BoundComponent
    from archsim.config.document import Document
    from archsim.cost.table import EnergyTable
    from archsim.machine_config import MachineConfig

ROOT = "hardware"

SINGLE_KINDS = ("systolic-array", "vector-unit")
"""Kinds of component of which a machine has one at most."""


def problem(
    message: str,
    path: str,
    given: object,
    document: Document | None,
    allowed: str | Sequence[str] | None = None,
) -> ConfigError:
    """Return an error about the value at a path, with its place and the nearest allowed name."""
    names = () if allowed is None or isinstance(allowed, str) else tuple(allowed)
    return ConfigError(
        message,
        path=path,
        location=document.location(path) if document else None,
        given=given,
        allowed=names or allowed,
        hint=nearest(given, names) if isinstance(given, str) and names else None,
    )


def technology_of(config: MachineConfig, document: Document | None) -> Technology:
    """Return the technology of a machine.

    Raises
    ------
    ConfigError
        Costs cannot be scaled to its node and supply.
    """
    technology = Technology.of(config.technology.node_m, config.technology.supply_v)
    key = "node"
    try:
        relative_area(technology.node_nm)
        key = "supply"
        relative_energy(technology.node_nm, technology.supply_v)
    except ConfigError as error:
        raise _located(error, f"{ROOT}.technology.{key}", document) from None
    return technology


def cost_table(config: MachineConfig, document: Document | None) -> tuple[EnergyTable, str]:
    """Return the cost table that a machine names, and what names it in a resolved description.

    A shipped table is named by its id. A file, looked up beside the hardware file that names it,
    becomes its own text: the description holds everything that it depends on.

    Raises
    ------
    ConfigError
        There is none of that name, or something is wrong in it.
    """
    name, path = config.energy_table, f"{ROOT}.energy_table"
    try:
        if "\n" in name:
            return read_table(name), name
        if not name.endswith((".yaml", ".yml")):
            return load_table(name), name
        location = document.location(path) if document else None
        folder = Path(location.file).parent if location else Path()
        text = load_document(folder / name, kind=DOCUMENT_KIND).to_yaml()
        return read_table(text), text
    except ConfigError as error:
        raise _located(error, path, document) from None


def check_levels(
    config: MachineConfig, components: Mapping[str, BoundComponent], document: Document | None
) -> None:
    """Refuse levels that are no component, no memory, or named twice."""
    for number, level in enumerate(config.levels):
        path = f"{ROOT}.levels[{number}]"
        if level not in components:
            names = sorted(components)
            raise problem("no component of that name", path, level, document, names)
        actions = components[level].actions()
        if "read" not in actions or "write" not in actions:
            stores = sorted(
                name
                for name, item in components.items()
                if {"read", "write"} <= set(item.actions())
            )
            raise problem("is not a memory", path, level, document, stores)
    if len(set(config.levels)) != len(config.levels):
        given = ", ".join(config.levels)
        allowed = "each level once, the outermost first"
        raise problem("names a level twice", f"{ROOT}.levels", given, document, allowed)


def check_clocks(components: Mapping[str, BoundComponent], document: Document | None) -> None:
    """Refuse an off-chip memory in the clock domain of logic: one would drag the other along."""
    logic = {item.config.clock for item in components.values() if not item.OFF_CHIP}
    for name, item in components.items():
        if item.OFF_CHIP and item.config.clock in logic:
            path = join_path(f"{ROOT}.components", name) + ".clock"
            allowed = "a clock domain of its own, not shared with logic"
            raise problem(
                "memory and logic share a clock", path, item.config.clock, document, allowed
            )


def check_costs(components: Mapping[str, BoundComponent], document: Document | None) -> None:
    """Refuse components for whose area or static power the cost table has no row."""
    for item in components.values():
        try:
            item.static_w()
            item.area_mm2()
        except ConfigError as error:
            raise _located(error, item.context.prefix, document) from None


def check_units(components: Mapping[str, BoundComponent], document: Document | None) -> None:
    """Refuse two units of a kind of which mappers use one."""
    for kind in SINGLE_KINDS:
        names = [name for name, item in components.items() if kind == item.KIND]
        if len(names) > 1:
            path = join_path(f"{ROOT}.components", names[1])
            allowed = f"one ({names[0]}); equal units side by side are one component with count"
            raise problem(f"a second component of kind {kind}", path, names[1], document, allowed)


def check_mappers(config: MachineConfig, document: Document | None) -> None:
    """Refuse default mappers that do not exist or do not serve the class they stand for."""
    for name, choice in config.mappers.items():
        path = join_path(f"{ROOT}.mappers", name)
        try:
            mapper = registry.mappers.get(choice)
        except ConfigError as error:
            raise _located(error, path, document) from None
        classes = sorted(getattr(mapper, "classes", ()))
        if classes and name not in classes:
            raise problem(
                f"mapper {choice} does not serve this class", path, name, document, classes
            )


def _located(error: ConfigError, path: str, document: Document | None) -> ConfigError:
    return error.at(path=path, location=document.location(path) if document else None)
