"""What tells two models apart, for people: sizes in a table, then the einsums stage by stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from archsim.report.layout import bullets, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.mapping import Json

Differences = Mapping[str, Mapping[str, Mapping[str, "Json"]]]


def render_differences(names: Sequence[str], found: Differences) -> RenderableType:
    """Return the report of what :func:`workloads.summary.compare_workloads` finds."""
    if not any(found.values()):
        return Text(f"{names[0]} and {names[1]} do not differ")
    parts: list[RenderableType] = []
    grid = table("", *(f">{name}" for name in names))
    for part in ("description", "counts"):
        for key, values in found[part].items():
            grid.add_row(key, *(_text(values[side]) for side in ("a", "b")))
    if grid.row_count:
        parts += [grid, Text()]
    lines = list(_einsums(names, found["einsums"]))
    if lines:
        parts += [Text("Einsums", style="bold"), bullets(lines)]
    return Group(*parts)


def _einsums(names: Sequence[str], einsums: Mapping[str, Mapping[str, Json]]) -> Iterator[str]:
    for stage in dict.fromkeys(key.partition("/")[0] for key in einsums):
        pairs = {
            key.partition("/")[2]: pair
            for key, pair in einsums.items()
            if key.partition("/")[0] == stage
        }
        for name, side, other in (*zip(names, ("a", "b"), ("b", "a"), strict=True),):
            alone = [key for key, pair in pairs.items() if pair[other] is None and pair[side]]
            if alone:
                yield f"{stage}, only in {name}: {', '.join(alone)}"
        for key, pair in pairs.items():
            if None not in pair.values():
                yield f"{stage}, {key}: {pair['a']} against {pair['b']}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.10g}"
    return "–" if value is None else str(value)
