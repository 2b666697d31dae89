"""Cost tables: energy, area and static power of every component kind, row by row with its source.

A table is a YAML file of groups; a group shares source, mark, node and supply, and holds maps from
``component/action/format`` to a quantity (``component:variant/...`` for a device standard or a
storage size). Energies are for one operation, MAC or byte; areas and static powers for one unit
named by the action (``pe``, ``lane``, ``mebibyte``, ``interface``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from archsim.cost.scaling import area_factor, energy_factor, static_factor
from archsim.errors import ConfigError, nearest

Quantity = Literal["energy", "area", "static"]
Mark = Literal["read", "measured", "derived", "recalled", "estimate"]

UNITS: Mapping[str, str] = {"energy": "pJ", "area": "mm2", "static": "W"}
"""Unit of a row's value by quantity."""

MARKS: tuple[Mark, ...] = ("measured", "read", "derived", "recalled", "estimate")
"""How a value is known, most trusted first."""

ANY_FORMAT = "*"


def picojoules(joules: float) -> float:
    """Return joules as picojoules, rounded to 12 significant digits so that 1.5 pJ reads 1.5."""
    return float(f"{joules * 1e12:.12g}")


def nanometres(metres: float) -> float:
    """Return metres as nanometres, rounded to 12 significant digits so that 7 nm reads 7."""
    return float(f"{metres * 1e9:.12g}")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a cost table.

    Attributes
    ----------
    quantity
        ``energy``, ``area`` or ``static``.
    component, action, format
        What it is the figure of; format ``*`` serves every format that has no row of its own.
    value
        pJ for each operation or byte, mm² or W for each unit.
    source, mark
        Where the value comes from and how it is known.
    node_nm, supply_v
        Technology it holds for; None for figures that do not follow the logic node.
    variant
        Device standard, or empty.
    size_bytes
        Storage that one access reaches into, or None.
    """

    quantity: Quantity
    component: str
    action: str
    format: str
    value: float
    source: str
    mark: Mark
    node_nm: float | None = None
    supply_v: float | None = None
    variant: str = ""
    size_bytes: int | None = None

    @property
    def name(self) -> str:
        """Return the row's key as the YAML writes it, with its quantity and node."""
        variant = f":{self.variant}" if self.variant else ""
        size = f":{self.size_bytes} B" if self.size_bytes is not None else ""
        node = f" at {self.node_nm:g} nm" if self.node_nm is not None else ""
        return f"{self.quantity} {self.component}{variant}{size}/{self.action}/{self.format}{node}"

    def to_json(self) -> dict[str, object]:
        """Return the row with its unit, for reports."""
        return {
            "quantity": self.quantity,
            "component": self.component,
            "action": self.action,
            "format": self.format,
            "variant": self.variant,
            "size_bytes": self.size_bytes,
            "node_nm": self.node_nm,
            "supply_v": self.supply_v,
            "value": self.value,
            "unit": UNITS[self.quantity],
            "source": self.source,
            "mark": self.mark,
        }


@dataclass(frozen=True, slots=True)
class Figure:
    """A row scaled to a technology.

    Attributes
    ----------
    value
        ``row.value * factor``, in the row's unit.
    factor
        Scaling factor; exactly 1 when the technologies agree or the row has no node.
    row
        The row it comes from.
    """

    value: float
    factor: float
    row: Row


@dataclass(frozen=True)
class EnergyTable:
    """A named set of rows with a deterministic rule to choose among them.

    Notes
    -----
    A figure is wanted for a component, action, variant and format at a node and supply. Rows of
    exactly that component, action and variant compete. (1) Rows of the exact format win over rows
    of format ``*``. (2) The nearest node wins, by the ratio of the nodes; a row without a node
    counts as exact. (3) Where rows have sizes: the smallest size that holds the wanted one, else
    the largest. (4) The nearest supply wins; (5) then the more trusted mark; (6) then the earlier
    row.
    """

    name: str
    rows: tuple[Row, ...]

    def find(
        self,
        quantity: str,
        component: str,
        action: str,
        format: str = ANY_FORMAT,
        *,
        node_nm: float,
        supply_v: float,
        variant: str = "",
        size_bytes: int | None = None,
    ) -> Figure:
        """Return the best row for a figure, scaled to the technology.

        Raises
        ------
        ConfigError
            No row fits (the row wanted and the formats that exist are named), or the node or supply
            is outside the scaling law.
        """
        rows = self._index.get((quantity, component, action, variant), ())
        formats = {row.format for row in rows}
        chosen = format if format in formats else ANY_FORMAT
        candidates = [row for row in rows if row.format == chosen]
        if not candidates:
            raise self._missing(quantity, component, action, format, variant, formats)
        row = _choose(candidates, node_nm, supply_v, size_bytes)
        factor = _factor(row, node_nm, supply_v)
        return Figure(row.value * factor, factor, row)

    def lookup(
        self, kind: str, action: str, format: str, node_nm: float, supply_v: float
    ) -> tuple[float, Row]:
        """Return (pJ, row) of one action of a component kind without variants."""
        figure = self.find("energy", kind, action, format, node_nm=node_nm, supply_v=supply_v)
        return figure.value, figure.row

    def with_value(self, row: Row, value: float) -> EnergyTable:
        """Return a table in which one row has another value.

        Raises
        ------
        ConfigError
            The row is not in this table.
        """
        if row not in self.rows:
            raise ConfigError(f"cost table {self.name} has no such row", given=row.name)
        position = self.rows.index(row)
        changed = replace(row, value=value)
        return EnergyTable(self.name, (*self.rows[:position], changed, *self.rows[position + 1 :]))

    def with_rows(self, rows: Iterable[Row]) -> EnergyTable:
        """Return a table in which some rows come first and so win ties."""
        return EnergyTable(self.name, (*rows, *self.rows))

    @cached_property
    def _index(self) -> dict[tuple[str, str, str, str], tuple[Row, ...]]:
        index: dict[tuple[str, str, str, str], list[Row]] = {}
        for row in self.rows:
            key = (row.quantity, row.component, row.action, row.variant)
            index.setdefault(key, []).append(row)
        return {key: tuple(rows) for key, rows in index.items()}

    def _missing(
        self,
        quantity: str,
        component: str,
        action: str,
        format: str,
        variant: str,
        formats: set[str],
    ) -> ConfigError:
        wanted = f"{component}{':' + variant if variant else ''}/{action}/{format}"
        if formats:
            return ConfigError(
                f"cost table {self.name} has no {quantity} of this format",
                given=wanted,
                allowed=sorted(formats),
                hint=nearest(format, formats),
            )
        known = sorted(
            f"{part}{':' + kind if kind else ''}/{act}"
            for what, part, act, kind in self._index
            if what == quantity
        )
        return ConfigError(
            f"cost table {self.name} has no {quantity} row",
            given=wanted,
            allowed=known,
            hint=nearest(wanted, known),
        )


def _choose(rows: list[Row], node_nm: float, supply_v: float, size_bytes: int | None) -> Row:
    def node_distance(row: Row) -> float:
        return 0.0 if row.node_nm is None else abs(math.log(node_nm / row.node_nm))

    best_node = min(node_distance(row) for row in rows)
    rows = [row for row in rows if node_distance(row) == best_node]
    sizes = sorted({row.size_bytes for row in rows if row.size_bytes is not None})
    if sizes:
        holding = [size for size in sizes if size_bytes is not None and size >= size_bytes]
        size = holding[0] if holding else sizes[-1]
        rows = [row for row in rows if row.size_bytes == size]
    return min(
        rows,
        key=lambda row: (
            0.0 if row.supply_v is None else abs(supply_v - row.supply_v),
            MARKS.index(row.mark),
        ),
    )


def _factor(row: Row, node_nm: float, supply_v: float) -> float:
    if row.node_nm is None:
        return 1.0
    if row.quantity == "area":
        return area_factor(row.node_nm, node_nm)
    from_v = supply_v if row.supply_v is None else row.supply_v
    scale = energy_factor if row.quantity == "energy" else static_factor
    return scale(row.node_nm, from_v, node_nm, supply_v)
