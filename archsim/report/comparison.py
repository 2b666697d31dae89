"""Several runs of one workload side by side, and plain listings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from archsim.report.layout import bullets, count, quantity, table
from archsim.report.run import amount, sizes, subject

if TYPE_CHECKING:
    from archsim.results import Result


def render_comparison(results: Sequence[Result]) -> RenderableType:
    """Return a table with one row per result; speeds are relative to the first that runs."""
    reference_s = next((result.latency_s for result in results if result.latency_s), None)
    areas = any(result.area_mm2 is not None for result in results)
    chosen = [result.mapper.get("attention", "") for result in results]
    mappers = len(set(chosen) - {""}) > 1
    several = len({result.subject("hardware") for result in results}) > 1 or not mappers
    areas = areas and not mappers
    columns = [*(["machine"] if several else []), *(["attention"] if mappers else [])]
    columns += [">latency", ">speed", *([">DRAM", ">array"] if mappers else [">tokens/s"])]
    grid = table(*columns, ">energy", *([">area"] if areas else []), "limited by")
    grid.columns[0].no_wrap = True
    refused = []
    for result, mapper in zip(results, chosen, strict=True):
        name = result.subject("hardware")
        first = [*([name] if several else []), *([mapper] if mappers else [])]
        if result.infeasible is not None:
            bad = result.infeasible
            refused.append(
                f"{name}: {bad.resource} needs {_amount(bad.need, bad.unit)},"
                f" has {_amount(bad.have, bad.unit)}{': ' + bad.detail if bad.detail else ''}"
            )
            blanks = ["–"] * (len(grid.columns) - 1 - len(first))
            grid.add_row(*first, *blanks, "does not fit", style="red")
            continue
        speed = reference_s / result.latency_s if reference_s and result.latency_s else None
        row = [
            *first,
            quantity(result.latency_s, "time"),
            "–" if speed is None else f"{speed:.2f}×",
            *(_traffic(result) if mappers else [count(result.tokens_per_s)]),
            quantity(result.energy_j, "energy"),
        ]
        if areas:
            row.append(quantity(result.area_mm2, "area"))
        grid.add_row(*row, (result.bottleneck or "–").replace(":", " "))
    parts: list[RenderableType] = []
    title = [*([] if several else [results[0].subject("hardware")]), *subject(results[0])]
    for words, style in ((title, "bold cyan"), (sizes(results[0]), "")):
        parts.append(Text(" · ".join(words), style=style))
    parts += [Text(), grid]
    if refused:
        parts += [Text(), *(Text(line, style="red") for line in refused)]
    notes = dict.fromkeys(note for result in results for note in result.assumptions)
    if notes:
        parts += [Text(), bullets(list(notes), style="dim")]
    return Group(*parts)


def render_listing(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> RenderableType:
    """Return a plain table; a leading ``>`` on a column's name aligns it to the right.

    Names, in the first column, are never broken over two lines.
    """
    grid = table(*columns)
    if grid.columns:
        grid.columns[0].no_wrap = True
    for row in rows:
        grid.add_row(*row)
    return grid


def _traffic(result: Result) -> list[str]:
    """Return memory traffic and how long the array is occupied."""
    array = max((share for name, share in result.busy.items() if name == "array"), default=None)
    busy = "–" if array is None else f"{array:.1%}"
    return [quantity(result.dram_bytes, "bytes"), busy]


def _amount(value: int, unit: str) -> str:
    return amount(value, unit).partition(" (")[0]
