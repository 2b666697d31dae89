"""The result of a calibration as tables, from its JSON shape alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from rich.console import Group, RenderableType
from rich.text import Text

from archsim.report.layout import Section, table

if TYPE_CHECKING:
    from archsim.mapping import Json


def render_calibration(record: Mapping[str, Json]) -> RenderableType:
    """Return the report of a calibration: errors of each record, then of each unseen GPU."""
    records = cast("list[dict[str, Json]]", record["records"])
    grid = table("constants", "for", ">rows", ">error", ">held out", ">error there")
    for item in records:
        names = (item["architecture"], item["library"], item["version"], item["format"])
        label = " ".join(str(name) for name in (*names, item["variant"]) if name)
        grid.add_row(
            str(item["family"]),
            label,
            str(item["rows"]),
            _percent(item["fitted_mape_percent"]),
            str(item["held_rows"]),
            _percent(item["held_mape_percent"]),
        )
    parts: list[RenderableType] = [
        Text(f"{len(records)} sets of constants"),
        Text(),
        Section("Mean absolute error", grid),
    ]
    across = cast("list[dict[str, Json]]", record["across"])
    if across:
        other = table("GPU", "operator", "dtype", "source", ">rows", ">error", "from")
        for item in across:
            other.add_row(
                *(str(item[key]) for key in ("gpu", "op", "dtype", "source", "rows")),
                _percent(item["mape_percent"]),
                str(item["constants"]),
            )
        parts.append(Section("Each GPU without its own constants", other))
    return Group(*parts)


def _percent(value: Json) -> str:
    return f"{value:.1f} %" if isinstance(value, int | float) else "–"
