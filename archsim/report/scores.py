"""Validation suites and benches as tables, from their JSON shapes alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from archsim.report.details import Details
from archsim.report.layout import Section, bullets, number, table

if TYPE_CHECKING:
    from rich.table import Table

    from archsim.mapping import Json

STATISTICS = (
    ("MAPE", "mape_percent"),
    ("median", "median_ape_percent"),
    ("p90", "p90_ape_percent"),
    ("worst", "max_ape_percent"),
    ("bias", "bias_percent"),
)
"""Columns of the statistics table, all in percent."""


MAX_GROUPS = 12
"""Groups listed; the JSON form has them all."""

MAX_DETAILS = 12
"""Records of a suite's own that are listed; the JSON form has them all."""


def render_scores(scores: Mapping[str, Json]) -> RenderableType:
    """Return the report of a suite from its JSON object."""
    parts: list[RenderableType] = [
        Text(f"{scores['suite']}: {scores['cases']} cases, {scores['scored']} numbers scored"),
        Text(),
    ]
    details = _records(scores.get("details"))
    claims = bool(details) and "verdict" in details[0]
    if claims:
        parts.append(Section("Claims", _claims(details)))
    else:
        if details:
            parts.append(Section("What was compared", Details(details[:MAX_DETAILS])))
            if len(details) > MAX_DETAILS:
                parts.append(Text(f"… and {len(details) - MAX_DETAILS} more, see --json\n"))
        groups = _records(scores["groups"])
        whole = [group for group in groups if len(_object(group["by"])) == 1]
        parts.append(Section("Error by metric", _groups(whole)))
        rest = sorted((group for group in groups if group not in whole), key=_severity)
        off = [group for group in rest if _severity(group) < 0][:MAX_GROUPS]
        if off:
            parts.append(Section("Groups with the largest errors", _groups(off)))
        parts.append(Section("Bars", _bars(_records(scores["bars"]))))
    worst = _records(scores["worst"])
    if worst and not claims:
        parts.append(Section("Largest errors", _worst(worst)))
    baselines = scores["baselines"]
    if isinstance(baselines, dict) and baselines:
        parts.append(Section("Simpler models on the same cases", _baselines(baselines)))
    skipped = scores["skipped"]
    if isinstance(skipped, dict) and skipped:
        lines = [f"{number} × {reason}" for reason, number in skipped.items()]
        parts.append(Section("Not scored", bullets(lines)))
    notes = scores.get("notes")
    if isinstance(notes, list) and notes:
        parts.append(Section("Notes", bullets([str(note) for note in notes])))
    passed = bool(scores["passed"])
    parts.append(
        Text(
            "every bar holds" if passed else "a bar is missed",
            style="bold green" if passed else "bold red",
        )
    )
    return Group(*parts)


def render_bench(bench: Mapping[str, Json]) -> RenderableType:
    """Return the table of a bench from its JSON object."""
    grid = table("metric", ">value", "unit", "relative to")
    for metric in _records(bench["metrics"]):
        ratios = _object(metric.get("ratio_to")).items()
        grid.add_row(
            str(metric["name"]).replace("_", " "),
            number(metric["value"]),
            str(metric.get("unit") or ""),
            ", ".join(f"{number(ratio)} × {name.replace('_', ' ')}" for name, ratio in ratios),
        )
    exact = bench.get("exact")
    said = "every result was checked to be exact" if exact else "results were not checked"
    return Group(Text(f"{bench['bench']}"), Text(), grid, Text(), Text(said, style="dim"))


def _records(value: Json) -> list[dict[str, Json]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _percentages(stats: dict[str, Json]) -> Iterator[str]:
    for _, key in STATISTICS:
        value = stats.get(key)
        yield f"{value:.3g} %" if isinstance(value, int | float) else "–"


def _severity(group: dict[str, Json]) -> float:
    worst = _object(group["stats"]).get("max_ape_percent")
    return -worst if isinstance(worst, int | float) else 0.0


def _groups(groups: list[dict[str, Json]]) -> Table:
    grid = table("", ">n", *(f">{title}" for title, _ in STATISTICS))
    for group in groups:
        label = ", ".join(str(value) for value in _object(group["by"]).values())
        grid.add_row(label, str(group["n"]), *_percentages(_object(group["stats"])))
    return grid


def _bars(bars: list[dict[str, Json]]) -> Table:
    grid = table("bar", "statistic", ">limit", ">value", "")
    for bar in bars:
        by = ", ".join(str(value) for value in _object(bar["by"]).values())
        holds = bool(bar["pass"])
        grid.add_row(
            f"{bar['metric']} {by}".rstrip(),
            str(bar.get("statistic", "")),
            number(bar["limit"]),
            number(bar["value"]),
            Text("holds" if holds else "missed", style="green" if holds else "red"),
        )
    return grid


def _worst(worst: list[dict[str, Json]]) -> Table:
    grid = table("case", "metric", ">ours", ">reference", ">error %")
    for item in worst:
        error = item["error_percent"]
        grid.add_row(
            str(item["case"]),
            str(item["metric"]),
            number(item["predicted"]),
            number(item["reference"]),
            f"{error:+.3g}" if isinstance(error, int | float) else "–",
        )
    return grid


def _baselines(baselines: dict[str, Json]) -> Table:
    grid = table("model", *(f">{title}" for title, _ in STATISTICS))
    for name, stats in baselines.items():
        grid.add_row(name, *_percentages(_object(stats)))
    return grid


def _claims(claims: list[dict[str, Json]]) -> Table:
    grid = table("claim", ">ours", "source says", "unit", "verdict")
    grid.columns[0].no_wrap = True
    for claim in claims:
        verdict = str(claim["verdict"])
        good = bool(claim["as_expected"])
        style = "dim" if verdict == "quoted" else "green" if good else "bold red"
        if not good:
            verdict += f", expected {claim['expected']}"
        elif claim["status"] == "calibrated":
            verdict += ", calibrated"
        grid.add_row(
            str(claim["id"]),
            number(claim["value"]),
            _expectation(_object(claim["expect"])),
            str(claim["unit"]),
            Text(verdict, style=style),
        )
    return grid


def _expectation(expect: dict[str, Json]) -> str:
    if "value" in expect:
        text = number(expect["value"])
        if expect.get("tolerance_percent"):
            text += f" ± {number(expect['tolerance_percent'])} %"
        elif expect.get("tolerance_abs"):
            text += f" ± {number(expect['tolerance_abs'])}"
        return text
    bounds = [
        f"{sign} {number(expect[key])}"
        for key, sign in (("min", "≥"), ("max", "≤"))
        if key in expect
    ]
    return " and ".join(bounds)
