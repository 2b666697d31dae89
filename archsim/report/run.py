"""The report of one run: what came out, where the time and the energy went, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Group, RenderableType
from rich.text import Text

from archsim.report.layout import (
    Bar,
    Section,
    Sections,
    bullets,
    count,
    facts,
    percent,
    quantity,
    table,
)
from archsim.units import Dimension, human_quantity

if TYPE_CHECKING:
    from rich.table import Table

    from archsim.mapping import Infeasible, Json
    from archsim.results import Devices, Operator, Phase, Result

MAX_PATH_ROWS = 10
"""Rows of the critical-path table; the rest is summed up in one line."""

MAX_OPERATORS = 12
"""Rows of the table of operators."""

MAX_SENSITIVITIES = 8
"""Rows of the table of what would help."""

_UNIT_DIMENSION: dict[str, Dimension] = {"B": "bytes", "s": "time", "J": "energy", "W": "power"}


def render_result(result: Result) -> RenderableType:
    """Return the report of a run as a rich renderable.

    Nothing is computed here but ratios of the result's own numbers.
    """
    parts: list[RenderableType] = [*_header(result), Text()]
    if result.infeasible is not None:
        parts.append(_infeasible(result.infeasible))
    else:
        parts += [facts(_totals(result)), *_band(result), Text()]
        parts.append(Sections(_sections(result)))
    if result.assumptions:
        parts.append(Section("Assumptions", bullets(result.assumptions)))
    if result.warnings:
        parts.append(Section("Warnings", bullets(result.warnings, style="yellow")))
    parts.append(Text(_footer(result), style="dim"))
    return Group(*parts)


def _header(result: Result) -> list[Text]:
    title = " · ".join([result.subject("hardware"), *subject(result)])
    lines = [
        Text(title, style="bold cyan"),
        Text(" · ".join(sizes(result))),
        Text(f"fidelity {_fidelity(result)}"),
    ]
    mappers = sorted(result.mapper.items())
    if mappers:
        lines.append(Text("mapper " + " ".join(f"{name}={used}" for name, used in mappers)))
    return [line for line in lines if line.plain]


def subject(result: Result) -> list[str]:
    """Return the model and the phase of a run."""
    return [text for text in (result.subject("workload"), _chosen(result, "phase")) if text]


def sizes(result: Result) -> list[str]:
    """Return batch, context, new tokens and number formats of a run, in words."""
    words = [
        f"{label} {_chosen(result, key)}"
        for key, label in (("batch", "batch"), ("context", "context"))
        if _chosen(result, key)
    ]
    if _chosen(result, "phase") == "mixed":
        words = [f"requests {_chosen(result, 'batch')}", f"positions {_chosen(result, 'context')}"]
    if _chosen(result, "phase") == "generate":
        words.append(f"new tokens {_chosen(result, 'new_tokens')}")
    words += [f"{word} {_chosen(result, key)}" for key, word in _EXTRAS.items() if _on(result, key)]
    if _on(result, "dequantise"):
        words.append("dequantised")
    precision = _chosen(result, "precision")
    return [*words, precision] if precision else words


_EXTRAS: Final = {
    "history": "history",
    "draft_tokens": "drafts",
    "adapters": "adapters",
    "sparsity": "sparsity",
    "sampled": "sampled of",
}
"""Options of a workload that are named where they are in use, and how."""


def _on(result: Result, key: str) -> bool:
    return _chosen(result, key) not in ("", "0", "False")


def _chosen(result: Result, key: str) -> str:
    """Return a choice about the workload as text; empty if the configuration has none."""
    workload = result.config.get("workload")
    value: Json = workload.get(key) if isinstance(workload, dict) else None
    return "" if value is None else str(value)


def _fidelity(result: Result) -> str:
    requested = result.fidelity.requested
    other = {name: used for name, used in result.fidelity.used.items() if used != requested}
    if not other:
        return requested
    exceptions = ", ".join(f"{name} at {used}" for name, used in sorted(other.items()))
    return f"{requested} ({exceptions})"


def _infeasible(bad: Infeasible) -> RenderableType:
    over = bad.need / bad.have if bad.have else None
    lines: list[RenderableType] = [
        Text("Does not run on this machine", style="bold red"),
        facts(
            [
                ("what ran out", bad.resource),
                ("needed", amount(bad.need, bad.unit)),
                ("available", amount(bad.have, bad.unit)),
                ("short of", amount(bad.need - bad.have, bad.unit)),
            ]
        ),
    ]
    if bad.detail:
        lines.append(Text(bad.detail))
    if over is not None:
        lines.append(Text(f"It needs {over:.3g} times what there is."))
    return Group(*lines, Text())


def amount(value: int, unit: str) -> str:
    """Return a need or a have for a reader, with the exact number where that says more."""
    dimension = _UNIT_DIMENSION.get(unit)
    if dimension is None:
        return f"{value} {unit}".rstrip()
    if dimension != "bytes":
        return human_quantity(value, dimension)
    for step, prefix in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= step:
            return f"{value / step:.4g} {prefix} ({value} B)"
    return f"{value} B"


def _totals(result: Result) -> list[tuple[str, str]]:
    speed, cost = _speed(result), _cost(result)
    longest = max(len(speed), len(cost))
    blank = ("", "")
    return [
        *speed,
        *([blank] * (longest - len(speed))),
        *cost,
        *([blank] * (longest - len(cost))),
    ]


def _of_each(result: Result) -> str:
    """Return what marks sums that are those of one of several devices."""
    return " of each" if result.devices is not None and result.devices.count > 1 else ""


def _speed(result: Result) -> list[tuple[str, str]]:
    rate = "tokens/s" if "decode" in result.phases else "prompt tokens/s"
    if "mixed" in result.phases:
        rate = "positions/s"
    each = _of_each(result)
    rows = [
        ("latency", quantity(result.latency_s, "time")),
        ("first token", quantity(result.ttft_s, "time")),
        ("between tokens", quantity(result.tbt_s, "time")),
        (rate, count(result.tokens_per_s)),
        (f"useful MACs{each}", count(result.macs)),
        (f"DRAM traffic{each}", quantity(result.dram_bytes, "bytes")),
    ]
    return [row for row in rows if row[1] != "–"]


def _band(result: Result) -> list[Text]:
    band = result.error_band
    if band is None:
        return []
    ends = f"{quantity(band.low_s, 'time')} … {quantity(band.high_s, 'time')}"
    return [Text(f"latency expected within {ends} ({band.basis})")]


def _cost(result: Result) -> list[tuple[str, str]]:
    devices = 1 if result.devices is None else result.devices.count
    each = _of_each(result)
    rows = [(f"energy{each}", quantity(result.energy_j, "energy"))]
    if result.energy is not None:
        rows += [
            ("  dynamic", quantity(result.energy.dynamic, "energy")),
            ("  static", quantity(result.energy.static, "energy")),
        ]
    for name, phase in sorted(result.phases.items()):
        if phase.num_tokens and phase.energy_j is not None:
            token = {"decode": "new token", "mixed": "position"}.get(name, "prompt token")
            rows.append(
                (
                    f"energy per {token}",
                    quantity(devices * phase.energy_j / phase.num_tokens, "energy"),
                )
            )
    rows += [(f"mean power{each}", quantity(result.power_w, "power"))]
    if result.area_mm2 is not None:
        rows.append((f"area{each}", quantity(result.area_mm2, "area")))
    return [row for row in rows if row[1] != "–"]


def _sections(result: Result) -> list[Section]:
    latency_s = result.latency_s or 0.0
    sections = []
    if len(result.phases) > 1:
        sections.append(Section("Phases", _phases(result.phases)))
    if result.roofline is not None:
        sections.append(Section("Roofline", _roofline(result)))
    if result.devices is not None:
        sections.append(Section("All devices", _devices(result.devices, len(result.phases) == 1)))
    if result.operators:
        sections.append(Section("Operators", _operators(result.operators, latency_s)))
    if result.critical_path:
        sections.append(Section("Critical path", _critical_path(result, latency_s)))
    if result.breakdown:
        sections.append(Section("Time by layer type", _shares(result.breakdown, latency_s, "time")))
    if result.busy or result.utilization:
        sections.append(Section("Resources", _resources(result)))
    if result.bytes:
        sections.append(Section("Bytes by memory level", _bytes(result)))
    if result.energy is not None and result.energy.component and result.energy_j:
        shares = {name: part / result.energy_j for name, part in result.energy.component.items()}
        sections.append(Section("Energy by component", _shares(shares, result.energy_j, "energy")))
    if result.sensitivities or result.what_if:
        sections.append(Section("What would help", _what_helps(result)))
    return sections


def _phases(phases: Mapping[str, Phase]) -> Table:
    grid = table("", ">latency", ">steps", ">tokens/s", ">energy", ">MACs", ">DRAM", ">over bound")
    for name, phase in sorted(phases.items(), reverse=True):
        over = phase.latency_s / phase.bound_s if phase.bound_s else None
        grid.add_row(
            name,
            quantity(phase.latency_s, "time"),
            str(phase.num_steps),
            count(phase.tokens_per_s),
            quantity(phase.energy_j, "energy"),
            count(phase.macs),
            quantity(phase.dram_bytes, "bytes"),
            "–" if over is None else f"{over:.2f}×",
        )
    return grid


def _roofline(result: Result) -> RenderableType:
    roof, latency_s = result.roofline, result.latency_s
    if roof is None or latency_s is None:
        return Text()
    intensity, ridge = roof.operational_intensity_macs_per_byte, roof.ridge_macs_per_byte
    side = "memory" if intensity < ridge else "compute"
    gap = latency_s / roof.bound_s if roof.bound_s else None
    several = sum(phase.num_steps for phase in result.phases.values()) > 1
    lines = [
        f"bound {quantity(roof.bound_s, 'time')}{', summed over steps' if several else ''},"
        f" {'mostly ' if several else ''}set by {_spaced(roof.limited_by)}"
        f" (compute {quantity(roof.compute_s, 'time')}, memory {quantity(roof.memory_s, 'time')})",
        f"intensity {intensity:.4g} MAC/B, ridge {ridge:.4g} MAC/B: on the {side} side",
    ]
    if gap is not None:
        reached = f"this run takes {gap:.2f} times the bound"
        lines.append(reached if gap > 1.0005 else "this run is the bound")
    return Group(*(Text(line) for line in lines))


def _spaced(name: str) -> str:
    """Return ``resource:cause`` as words."""
    return name.replace(":", " ")


def _devices(devices: Devices, one_phase: bool) -> RenderableType:
    rows = [
        ("devices", f"{devices.count} ({devices.sharing})"),
        ("tokens/s of each", count(devices.tokens_per_s_per_device)),
        ("power of all", quantity(devices.power_w, "power")),
    ]
    rate = devices.tokens_per_s_per_device * devices.count
    if one_phase and devices.power_w is not None and rate:
        rows.append(("energy per token", quantity(devices.power_w / rate, "energy")))
    if devices.stages > 1:
        rows += [
            ("slowest stage", quantity(devices.stage_s, "time")),
            ("tokens/s, pipeline full", _steady(devices.steady_tokens_per_s)),
            ("between tokens then", quantity(devices.steady_tbt_s, "time")),
        ]
    return facts([row for row in rows if row[1] != "–"])


def _steady(rate: float | None) -> str:
    return "caches do not fit" if rate is None else count(rate)


def _operators(operators: Sequence[Operator], latency_s: float) -> RenderableType:
    """Return the operators that took longest, and what launches cost."""
    columns = ("", ">calls", ">time", ">share", "bound by", ">of MACs", ">of DRAM", ">power")
    grid = table(*columns)
    for item in operators[:MAX_OPERATORS]:
        grid.add_row(
            item.name,
            str(item.calls),
            quantity(item.time_s, "time"),
            percent(item.time_s / latency_s),
            item.limited_by,
            "–" if item.compute is None else percent(item.compute),
            "–" if item.memory is None else percent(item.memory),
            quantity(item.power_w, "power"),
        )
    rest = operators[MAX_OPERATORS:]
    launches = sum(item.launches for item in operators)
    bound_s = sum(item.time_s for item in operators if item.limited_by == "launch")
    bound = percent(bound_s / latency_s)
    parts = [f"{launches} kernels; {bound} of the time is bound by launches"] if launches else []
    if rest:
        other_s = sum(item.time_s for item in rest)
        others = "1 other operator takes" if len(rest) == 1 else f"{len(rest)} other operators take"
        parts.insert(0, f"{others} {percent(other_s / latency_s)}")
    return Group(grid, Text("; ".join(parts))) if parts else grid


def _critical_path(result: Result, latency_s: float) -> Table:
    rows = [
        (resource, cause, share)
        for resource, causes in result.critical_path.items()
        for cause, share in causes.items()
        if share > 0
    ]
    rows.sort(key=lambda row: (-row[2], row[0], row[1]))
    grid = table("waiting for", "because of", ">share", ">time", "")
    for resource, cause, share in rows[:MAX_PATH_ROWS]:
        grid.add_row(
            resource, cause, percent(share), quantity(share * latency_s, "time"), Bar(share, "red")
        )
    rest = sum(row[2] for row in rows[MAX_PATH_ROWS:])
    if rest:
        grid.add_row(
            f"{len(rows) - MAX_PATH_ROWS} others",
            "",
            percent(rest),
            quantity(rest * latency_s, "time"),
            Bar(rest, "red"),
        )
    return grid


def _shares(shares: Mapping[str, float], total: float, dimension: Dimension) -> Table:
    grid = table("", ">share", f">{dimension}", "")
    for name, share in sorted(shares.items(), key=lambda item: (-item[1], item[0])):
        grid.add_row(name, percent(share), quantity(share * total, dimension), Bar(share))
    return grid


def _resources(result: Result) -> Table:
    """Return a row per resource; the ports of a component stand below it."""
    grid = table("", ">busy", "", ">useful")
    busiest: dict[str, float] = {}
    for name, share in (*result.busy.items(), *result.utilization.items()):
        owner = name.partition(".")[0]
        busiest[owner] = max(share, busiest.get(owner, 0.0))
    names = sorted(
        {*result.busy, *result.utilization},
        key=lambda name: (-busiest[name.partition(".")[0]], name),
    )
    for name in names:
        busy, useful = result.busy.get(name), result.utilization.get(name)
        grid.add_row(
            name,
            "–" if busy is None else percent(busy),
            "" if busy is None else Bar(busy, "green"),
            "–" if useful is None else percent(useful),
        )
    return grid


def _bytes(result: Result) -> Table:
    largest = max(result.bytes.values()) or 1
    hardware = result.config.get("hardware")
    levels = hardware.get("levels") if isinstance(hardware, dict) else None
    order = levels if isinstance(levels, list) else []
    inward = sorted(
        result.bytes, key=lambda name: (order.index(name) if name in order else 99, name)
    )
    latency_s = result.latency_s
    grid = table("", ">bytes", ">mean rate", "")
    for name in inward:
        moved = result.bytes[name]
        rate = moved / latency_s if latency_s else None
        grid.add_row(
            name,
            quantity(moved, "bytes"),
            quantity(rate, "bandwidth"),
            Bar(moved / largest, "magenta"),
        )
    return grid


def _what_helps(result: Result) -> Table:
    grid = table("parameter", ">change", ">latency", "")
    ranked = sorted(result.sensitivities.items(), key=lambda item: (-abs(item[1]), item[0]))
    for path, elasticity in ranked[:MAX_SENSITIVITIES]:
        gain = 1.0 - 1.1**-elasticity
        grid.add_row(path, "10 % better", _fall(gain), Bar(gain / 0.1, "yellow", 12))
    for path, change in sorted(result.what_if.items(), key=lambda item: (-item[1].gain, item[0])):
        gain = 1.0 - 1.0 / change.gain if change.gain else 0.0
        grid.add_row(path, f"× {change.factor:g}", _fall(gain), Bar(gain, "yellow", 12))
    return grid


def _fall(gain: float) -> str:
    text = percent(abs(gain))
    return text if text.startswith("<") else f"{'+' if gain < 0 else '-'}{text}"


def _footer(result: Result) -> str:
    parts = [f"archsim {result.version}", f"configuration {result.config_hash}"]
    if result.seed:
        parts.append(f"seed {result.seed}")
    engine = result.engine
    if engine is not None and engine.operations:
        parts.append(f"{engine.simulated} of {count(engine.operations)} operations simulated")
    return " · ".join(parts)
