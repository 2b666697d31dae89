"""Comparisons and explorations of tiles of macros as tables, from their JSON shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any, cast

from rich.console import Group, RenderableType
from rich.text import Text

from archsim.report.layout import Section, bullets, facts, table

if TYPE_CHECKING:
    from archsim.mapping import Json

SIGNS = {"value": "", "above": ">", "below": "<"}
"""Mark of a published bound."""

HEADS = (("head_off", "without head"), ("head_on", "with head"))


def render_comparison(record: Mapping[str, Json]) -> RenderableType:
    """Return published beside predicted: rates, efficiencies, what the means imply, devices."""
    rows = cast("list[dict[str, Any]]", record["models"])
    bits = rows[0]["bits"]
    parts: list[RenderableType] = [
        Text(f"{record['machine']} · INT{bits} weights and cache · 128 prompt + 128 new tokens"),
        Text(),
        Section("Tokens/s", _rates(rows, record)),
        Section(
            "Tokens/J, INT4 published without saying whether DRAM counts", _joules(rows, record)
        )
        if bits == 4
        else Section("Tokens/J", _joules(rows, record)),
    ]
    if "implied" in record:
        parts.append(Section("What the published means imply", _implied(record)))
        parts.append(Section("Edge devices, as quoted", _devices(record)))
    parts.append(Section("Energy of a token with head, mJ", _energies(rows)))
    parts.append(Section("Energy of a MAC by part of its macro", _mac_parts(record)))
    parts.append(Section("Share of time by what sets the pace, with head", _limits(rows)))
    real = cast("dict[str, Any]", record["real"])
    balance = cast("dict[str, Any]", record["balance"])
    low, high = real["lpddr5x_pj_per_bit"]
    share = real["assumed_bytes_per_s"] / real["peak_bytes_per_s"]
    parts.append(
        bullets(
            [
                f"DRAM: {_giga(real['assumed_bytes_per_s'])} GB/s, {share:.0%} of the peak of "
                f"{_giga(real['peak_bytes_per_s'])} GB/s; bus between clusters: "
                f"{_giga(real['bus_bytes_per_s'])} GB/s at a clock that is an estimate",
                f"DRAM energy: {real['assumed_pj_per_bit']:.3g} pJ/bit, never tuned; LPDDR5X takes "
                f"{low:g} to {high:g} pJ/bit with its interface",
                f"balance: {balance['needed_macros']:.0f} macros written at a time, "
                f"{balance['update_bits_per_cycle']} bits a cycle each at "
                f"{balance['clock_hz'] / 1e6:.0f} MHz, take all that the memory gives; "
                f"{balance['active_macros']} are",
                "the 3.65 tokens/J quoted for the Orin Nano are its rate over a 15 W rating, DRAM "
                "included, not a measurement",
                "chip energy rests on estimates (the machine's file marks them)",
            ]
        )
    )
    return Group(*parts)


def _rates(rows: list[dict[str, Any]], record: Mapping[str, Json]) -> RenderableType:
    grid = table("model", ">without head", ">with head", ">published", ">error without")
    for row in rows:
        own = row.get("published", {}).get("tokens_per_s")
        rates = [row[key]["tokens_per_s"] for key, _ in HEADS]
        grid.add_row(row["model"], *(f"{rate:.1f}" for rate in rates), *_beside(own, rates[0]))
    mean = cast("dict[str, Any]", record["mean"])
    published = cast("dict[str, Any]", record.get("published_mean", {}))
    own = {"value": published["tokens_per_s"], "kind": "value"} if published else None
    rates = [mean[key]["tokens_per_s"] for key, _ in HEADS]
    grid.add_row("mean", *(f"{rate:.1f}" for rate in rates), *_beside(own, rates[0]))
    return grid


def _joules(rows: list[dict[str, Any]], record: Mapping[str, Json]) -> RenderableType:
    grid = table("model", ">chip, no head", ">chip, head", ">with DRAM", ">and head", ">published")
    mean = cast("dict[str, Any]", record["mean"])
    published = cast("dict[str, Any]", record.get("published_mean", {}))
    last = {"model": "mean", **mean}
    if published:
        value = {"value": published["tokens_per_j"], "kind": "value"}
        last["published"] = {"tokens_per_j": value}
    for row in [*rows, last]:
        own = row.get("published", {}).get("tokens_per_j")
        chip = [f"{row[key]['chip_tokens_per_j']:.1f}" for key, _ in HEADS]
        both = [f"{row[key]['tokens_per_j']:.1f}" for key, _ in HEADS]
        grid.add_row(row["model"], *chip, *both, _beside(own, 1.0)[0])
    return grid


def _implied(record: Mapping[str, Json]) -> RenderableType:
    implied = cast("dict[str, Any]", record["implied"])
    real = cast("dict[str, Any]", record["real"])
    low, high = real["lpddr5x_pj_per_bit"]
    grid = table(
        "if the head is", ">bandwidth", ">of the peak", ">energy of a bit", "LPDDR5X alone"
    )
    for key, name in (("head_off", "not read"), ("head_on", "read")):
        one = implied[key]
        grid.add_row(
            name,
            f"{_giga(one['bytes_per_s'])} GB/s",
            f"{one['bytes_per_s'] / real['peak_bytes_per_s']:.0%}",
            f"{one['pj_per_bit']:.2f} pJ",
            f"{low:g} to {high:g} pJ",
        )
    return grid


def _energies(rows: list[dict[str, Any]]) -> RenderableType:
    names = list(rows[0]["head_on"]["energy_j"])
    grid = table(">model", *(f">{name.replace('weight_', '')}" for name in names))
    for row in rows:
        energies = row["head_on"]["energy_j"]
        grid.add_row(row["model"], *(f"{1e3 * energies[name]:.2f}" for name in names))
    return grid


def _mac_parts(record: Mapping[str, Json]) -> RenderableType:
    parts = cast("dict[str, float]", record["mac_pj"])
    shown = {name: value for name, value in parts.items() if value}
    grid = table(*(f">{name}" for name in (*shown, "together")))
    values = [*shown.values(), sum(shown.values())]
    grid.add_row(*(f"{1e3 * value:.1f} fJ" for value in values))
    return grid


def _limits(rows: list[dict[str, Any]]) -> RenderableType:
    shares = [row["head_on"]["limits"] for row in rows]
    names = [name for name in shares[0] if any(share[name] for share in shares)]
    grid = table(">model", *(f">{name.replace('_', ' ')}" for name in names))
    for row in rows:
        grid.add_row(row["model"], *(f"{row['head_on']['limits'][name]:.1%}" for name in names))
    return grid


def _devices(record: Mapping[str, Json]) -> RenderableType:
    grid = table(">device", ">model", ">tokens/s", ">ours, no head", ">with head", "from")
    for item in cast("list[dict[str, Any]]", record["devices"]):
        grid.add_row(
            item["device"],
            item["model"],
            f"{item['tokens_per_s']:g}",
            *(f"{item['ratio'][key]:.2f}×" for key, _ in HEADS),
            item["source"],
        )
    return grid


def render_exploration(record: Mapping[str, Json]) -> RenderableType:
    """Return an exploration: optima by alpha, regret of the search, spreads, and the front."""
    job = cast("dict[str, Any]", record["job"])
    pairs = [
        ("space", str(record["space"])),
        ("designs", f"{record['evaluated']:,} of {record['size']:,}"),
        ("model", f"{job['model']}, INT{job['bits']}, {'with' if job['head'] else 'without'} head"),
        ("tokens", f"{job['prompt']} prompt + {job['generated']} new"),
    ]
    best = table("alpha", ">latency", ">chip energy", ">area", "design")
    own = table("alpha", ">cost over the optimum", ">designs that are better")
    found = table("alpha", ">mean regret", ">worst", ">latency spread", ">energy spread")
    close = table("alpha", ">designs", ">latency spread", ">energy spread")
    for row in cast("list[dict[str, Any]]", record["alphas"]):
        best.add_row(f"{row['alpha']:g}", *_point(row["optimum"]))
        near, published = row["near"], row["published"]
        own.add_row(f"{row['alpha']:g}", f"{published['regret']:.2%}", f"{published['better']:,}")
        regrets = [run["regret"] for run in row["runs"]]
        found.add_row(
            f"{row['alpha']:g}",
            f"{fmean(regrets):.3%}",
            f"{max(regrets):.3%}",
            f"{row['latency_spread']:.2%}",
            f"{row['energy_spread']:.2%}",
        )
        close.add_row(
            f"{row['alpha']:g}",
            f"{near['designs']:,}",
            f"{near['latency_spread']:.2%}",
            f"{near['energy_spread']:.2%}",
        )
    seeds = len(cast("list[dict[str, Any]]", record["alphas"])[0]["runs"])
    front = cast("dict[str, Any]", record["front"])
    ends = table("of the front", ">latency", ">chip energy", ">area", "design")
    for name in ("fastest", "thriftiest", "smallest", "balanced"):
        ends.add_row(name, *_point(front[name]))
    return Group(
        facts(pairs),
        Text(),
        Section("Optima of latency^alpha energy^(1-alpha)", best),
        Section("The published optimum, here", own),
        Section(f"Genetic search, {seeds} seeds", found),
        Section("Designs within 1 % of each optimum", close),
        Section(f"Front of latency, chip energy and area: {front['size']} designs", ends),
        bullets(
            [
                f"design: {', '.join(cast('list[str]', record['choices']))}",
                "regret: cost over the lowest of all designs evaluated; below zero where only "
                "some were drawn and the search found a better one",
            ]
        ),
    )


def _point(point: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return (
        f"{point['latency_s']:.4f} s",
        f"{point['chip_j']:.4f} J",
        f"{point['area_mm2']:.2f} mm2",
        " ".join(str(value) for value in point["design"].values()),
    )


def _beside(published: Mapping[str, Any] | None, ours: float) -> tuple[str, str]:
    """Return a published number as text, and our error where it is a value."""
    if published is None:
        return "–", "–"
    text = f"{SIGNS[published['kind']]}{published['value']:g}"
    error = f"{ours / published['value'] - 1:+.1%}" if published["kind"] == "value" else "–"
    return text, error


def _giga(value: float) -> str:
    return f"{value / 1e9:.1f}"
