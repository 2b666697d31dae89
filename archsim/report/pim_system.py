"""A job on a system with computing memories, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from rich.console import Group
from rich.text import Text

from archsim.report.layout import Bar, bullets, facts, percent, quantity, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.mapping import Json

Record = Mapping[str, "Json"]


def render_system(name: str, model: str, record: Record) -> RenderableType:
    """Return the report of a feasible record of ``archsim pim system``."""
    parts: list[RenderableType] = [Text(f"{name}, {model}", style="bold"), Text()]
    parts += [facts(_facts(record)), Text(), _parts(record), Text(), _energy(record)]
    base = cast("Record | None", record.get("baseline"))
    if base is not None and base["feasible"]:
        parts += [Text(), _compared(name, record, base)]
    return Group(*parts, Text(), bullets(cast("list[str]", record["assumptions"])))


def _number(record: Record, key: str) -> float:
    return cast("float", record[key])


def _facts(record: Record) -> list[tuple[str, str]]:
    largest = record["largest_batch"]
    batch = f"{record['batch']:,}" + ("" if largest is None else f" of at most {largest:,}")
    stages = cast("int", record["stages"])
    busy = cast("Mapping[str, float]", record["busy"])
    stored = quantity(_number(record, "stored_bytes"), "bytes")
    return [
        ("requests", batch + (f" in each of {stages} stages" if stages > 1 else "")),
        ("tokens/s", f"{_number(record, 'tokens_per_s'):,.1f}"),
        ("with prompts", f"{_number(record, 'served_tokens_per_s'):,.1f}"),
        ("between tokens", quantity(_number(record, "tbt_s"), "time")),
        ("last token", quantity(_number(record, "slowest_tbt_s"), "time")),
        ("first token", quantity(_number(record, "ttft_s"), "time")),
        ("stored", f"{stored} of {quantity(_number(record, 'capacity_bytes'), 'bytes')}"),
        ("energy a token", quantity(_number(record, "energy_j"), "energy")),
        ("slowest channel", f"{_number(record, 'imbalance'):.3f} of the mean"),
        ("busy", ", ".join(f"{side} {percent(share)}" for side, share in busy.items() if share)),
        ("hidden", quantity(_number(record, "hidden_s"), "time")),
    ]


def _parts(record: Record) -> RenderableType:
    grid = table("part of a step", "on", ">time", ">share", "")
    where = cast("Mapping[str, str]", record["where"])
    shares = cast("Mapping[str, float]", record["breakdown"])
    for part, seconds in cast("Mapping[str, float]", record["parts_s"]).items():
        if seconds:
            place = where.get(part, "link" if part in ("vectors", "collectives") else "")
            share = shares[part]
            grid.add_row(part, place, quantity(seconds, "time"), percent(share), Bar(share))
    for side, seconds in cast("Mapping[str, float]", record["idle_s"]).items():
        if side != "link" and cast("Mapping[str, float]", record["busy"])[side]:
            grid.add_row(f"{side} idle", "", quantity(seconds, "time"), "", "")
    return grid


def _energy(record: Record) -> RenderableType:
    grid = table("energy of a token", ">")
    found = cast("Mapping[str, Json]", record["energy"])
    for part, joules in cast("Mapping[str, float]", found["component"]).items():
        if joules:
            grid.add_row(part, quantity(joules, "energy"))
    static = cast("float", found["static"])
    if static:
        grid.add_row("idle, standby, refresh", quantity(static, "energy"))
    return grid


def _compared(name: str, record: Record, base: Record) -> RenderableType:
    grid = table("", f">{name}", f">{base['system']}", ">better by")
    ratio = cast("Mapping[str, float]", record["ratio"])
    for label, key, factor in (
        ("requests", "batch", "batch"),
        ("tokens/s", "tokens_per_s", "tokens_per_s"),
        ("with prompts", "served_tokens_per_s", "served_tokens_per_s"),
    ):
        ours, theirs = (f"{_number(one, key):,.4g}" for one in (record, base))
        grid.add_row(label, ours, theirs, f"{ratio[factor]:.3g}")
    for label, key, factor, unit in (
        ("between tokens", "tbt_s", "tbt", "time"),
        ("energy a token", "energy_j", "energy", "energy"),
    ):
        ours, theirs = (
            quantity(_number(one, key), "time" if unit == "time" else "energy")
            for one in (record, base)
        )
        grid.add_row(label, ours, theirs, f"{ratio[factor]:.3g}")
    return grid
