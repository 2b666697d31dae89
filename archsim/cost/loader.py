"""Cost tables from YAML: one file per table, shipped in ``hw_configs/technology``."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import Field

from archsim.config.document import Document, load_document
from archsim.config.paths import join_path
from archsim.config.schema import (
    Area,
    Choice,
    ConfigModel,
    Energy,
    Identifier,
    Length,
    Power,
    Voltage,
    validate_model,
)
from archsim.cost.table import MARKS, EnergyTable, Mark, Quantity, Row, nanometres, picojoules
from archsim.errors import ConfigError, nearest
from archsim.units import dimension_of, parse_quantity

DOCUMENT_KIND = "technology"


class TableGroup(ConfigModel):
    """Rows that share mark, node and supply; their ``source`` is provenance of the document."""

    mark: Annotated[Mark, Choice(MARKS)]
    """How the values are known."""
    node_m: Length | None = Field(default=None, alias="node")
    """Technology node the values hold for; absent: they do not follow the logic node."""
    supply_v: Voltage | None = Field(default=None, alias="supply")
    """Supply the values hold for; absent: they are not scaled with the supply."""
    energy_j: dict[str, Energy] = Field(default_factory=dict, alias="energy")
    """Energy of one operation, MAC or byte, by component/action/format."""
    area_mm2: dict[str, Area] = Field(default_factory=dict, alias="area")
    """Area of one unit, by component/unit/format."""
    static_w: dict[str, Power] = Field(default_factory=dict, alias="static")
    """Static power of one unit, by component/unit/format."""


class TableFile(ConfigModel):
    """A cost table as it is written."""

    name: Identifier
    """Name that a machine's energy_table gives."""
    groups: dict[str, TableGroup] = Field(min_length=1)
    """Groups of rows, in order of preference where all else is equal."""


def table_names() -> tuple[str, ...]:
    """Return the names of the shipped tables, sorted."""
    return tuple(sorted(_shipped()))


@cache
def load_table(name: str) -> EnergyTable:
    """Load a shipped cost table by name; :func:`read_table` reads any other.

    Raises
    ------
    ConfigError
        An unknown name; the nearest is named.
    """
    files = _shipped()
    if name not in files:
        raise ConfigError(
            "unknown cost table", given=name, allowed=sorted(files), hint=nearest(name, files)
        )
    return read_table(files[name])


def read_table(source: Path | str) -> EnergyTable:
    """Read a cost table from a file, or from YAML text with a line break.

    Raises
    ------
    ConfigError
        Anything wrong in the text, a key that is not ``component/action/format``, two rows of one
        key at one node and supply, or a row without a source.
    """
    document = load_document(source, kind=DOCUMENT_KIND)
    table = validate_model(TableFile, _without_source(document), document, DOCUMENT_KIND)
    rows: list[Row] = []
    for name, group in table.groups.items():
        path = join_path(join_path(DOCUMENT_KIND, "groups"), name)
        rows.extend(_group_rows(document, path, group))
    _refuse_duplicates(document, rows)
    return EnergyTable(table.name, tuple(rows))


def _without_source(document: Document) -> dict[str, object]:
    return {key: value for key, value in document.data.items() if key != "source"}


def _shipped() -> dict[str, Path]:
    folder = Path(str(resources.files("hw_configs"))) / "technology"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _group_rows(document: Document, path: str, group: TableGroup) -> list[Row]:
    quantities: tuple[tuple[Quantity, dict[str, float]], ...] = (
        ("energy", {key: picojoules(value) for key, value in group.energy_j.items()}),
        ("area", group.area_mm2),
        ("static", group.static_w),
    )
    rows: list[Row] = []
    for quantity, values in quantities:
        for key, value in values.items():
            row_path = join_path(join_path(path, quantity), key)
            component, variant, size_bytes, action, format = _split_key(document, row_path, key)
            source = document.sources.get(row_path)
            if source is None:
                raise ConfigError(
                    "a row needs a source",
                    path=row_path,
                    location=document.location(row_path),
                    allowed="paper and table, data sheet, 'measured' or 'estimate'",
                )
            row = Row(
                quantity=quantity,
                component=component,
                action=action,
                format=format,
                value=value,
                source=source,
                mark=group.mark,
                node_nm=None if group.node_m is None else nanometres(group.node_m),
                supply_v=group.supply_v,
                variant=variant,
                size_bytes=size_bytes,
            )
            rows.append(row)
    return rows


def _split_key(document: Document, path: str, key: str) -> tuple[str, str, int | None, str, str]:
    """Split ``component[:variant]/action/format``; a variant with a byte unit is a storage size."""
    parts = key.split("/")
    component, _, variant = parts[0].partition(":")
    if len(parts) != 3 or not all((component, *parts[1:])):
        raise ConfigError(
            "is not the key of a cost row",
            path=path,
            location=document.key_location(path),
            given=key,
            allowed="component/action/format, such as vector-unit/add/fp32 or dram:hbm3/read/*",
        )
    if dimension_of(variant) == "bytes":
        return component, "", int(parse_quantity(variant, "bytes")), parts[1], parts[2]
    return component, variant, None, parts[1], parts[2]


def _refuse_duplicates(document: Document, rows: list[Row]) -> None:
    seen: set[tuple[object, ...]] = set()
    for row in rows:
        key = (
            row.quantity,
            row.component,
            row.variant,
            row.size_bytes,
            row.action,
            row.format,
            row.node_nm,
            row.supply_v,
        )
        if key in seen:
            raise ConfigError(
                "two rows have one key",
                path=DOCUMENT_KIND,
                location=document.location(DOCUMENT_KIND),
                given=row.name,
            )
        seen.add(key)
