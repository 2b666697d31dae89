"""What ``dram run`` shows to people; every number is one of its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from rich.console import Group
from rich.text import Text

from archsim.report.layout import bullets, count, facts, percent, quantity, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Numbers = Mapping[str, float]


def render_dram(record: Mapping[str, object]) -> RenderableType:
    """Return the report of one memory run."""
    own = cast("Mapping[str, object]", record["dram"])
    parts: list[RenderableType] = [
        Text(str(own["standard"]), style="bold")
        + Text(f"  {own['channels']} × channel, {cast('int', own['requests']):,} requests"),
        Text(),
        facts(_totals(record, own)),
        Text(),
        _latencies(own),
        Text(),
        _counts(own),
    ]
    if record["energy"] is not None:
        parts += [Text(), _energy(cast("Mapping[str, object]", record["energy"]))]
    limits = cast("list[Mapping[str, object]]", record.get("limits") or [])
    if limits:
        parts += [Text(), _limits(limits)]
    warnings = cast("list[str]", record["warnings"])
    if warnings:
        parts += [Text(), bullets(warnings)]
    return Group(*parts)


def _totals(record: Mapping[str, object], own: Mapping[str, object]) -> list[tuple[str, str]]:
    achieved = cast("float", own["achieved_bytes_per_s"])
    peak = cast("float", own["peak_bytes_per_s"])
    share = cast("Numbers", record["utilization"])["dram"]
    rows = [
        ("time", f"{quantity(cast('float', record['latency_s']), 'time')}"),
        ("cycles", f"{cast('int', own['cycles']):,} of the command clock"),
        (
            "bandwidth",
            f"{quantity(achieved, 'bandwidth')} of {quantity(peak, 'bandwidth')},"
            f" {percent(share)} of the peak",
        ),
        ("rows open", percent(cast("float", own["row_open_fraction"]))),
    ]
    if record["energy_j"] is not None:
        energy = quantity(cast("float", record["energy_j"]), "energy")
        per_bit = cast("float", own["energy_pj_per_bit"])
        power = quantity(cast("float", record["power_w"]), "power")
        rows.append(("energy", f"{energy}, {per_bit:.3g} pJ a bit, {power} on average"))
    return rows


def _latencies(own: Mapping[str, object]) -> Table:
    grid = table("latency", ">mean", ">min", ">p50", ">p90", ">p99", ">max")
    for name in ("read_latency", "write_latency", "response_latency"):
        values = cast("Numbers | None", own[name])
        if values is not None:
            cells = [quantity(value / 1e9, "time") for value in values.values()]
            grid.add_row(name.partition("_")[0], *cells)
    return grid


def _counts(own: Mapping[str, object]) -> Table:
    grid = table("requests", ">number", "commands", ">number")
    rows = [(name, value) for name, value in cast("Numbers", own["rows"]).items()]
    commands = [(name, value) for name, value in cast("Numbers", own["commands"]).items() if value]
    for place in range(max(len(rows), len(commands))):
        left = rows[place] if place < len(rows) else ("", None)
        right = commands[place] if place < len(commands) else ("", None)
        grid.add_row(
            left[0],
            "" if left[1] is None else count(left[1]),
            right[0],
            "" if right[1] is None else count(right[1]),
        )
    return grid


def _energy(energy: Mapping[str, object]) -> Table:
    parts = cast("Numbers", energy["component"])
    total = sum(parts.values())
    grid = table("energy", ">amount", ">share")
    for name, joules in parts.items():
        grid.add_row(
            name.replace("_", " "),
            quantity(joules, "energy"),
            percent(joules / total) if total else "",
        )
    return grid


def _limits(limits: list[Mapping[str, object]]) -> Table:
    grid = table("closed form", ">limit", "", "why")
    for row in limits:
        value, unit = cast("float", row["value"]), str(row["unit"])
        shown = (percent(value), "of the peak") if unit == "fraction" else (f"{value:.4g}", unit)
        grid.add_row(str(row["name"]), *shown, str(row["formula"]))
    return grid
