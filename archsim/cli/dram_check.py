"""The command ``dram check``: an independent look at a command trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.dram.checker import Report
    from archsim.dram.checker_refresh import RefreshCheck
    from archsim.dram.standard import Standard
    from archsim.dram.traces import Command

BROKEN: Final = 4
MAX_SHOWN: Final = 20
"""Violations shown to people; ``--json`` has them all."""

REFRESH: Final = ("auto", "none", "all-bank", "per-bank")


def check(
    commands: Annotated[
        Path, typer.Argument(metavar="COMMANDS", help="Command trace: clock,NAME,field,… lines.")
    ],
    config: Annotated[
        str, typer.Option(metavar="CONFIG", help="Standard that it must keep to: id or YAML file.")
    ],
    refresh: Annotated[
        str,
        typer.Option(help="Refreshes owed: none, all-bank, per-bank; auto: as the trace has them."),
    ] = "auto",
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Override a value, e.g. hardware.timings.nRAS=40."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")] = False,
) -> int:
    """Check a command trace against the constraint table of a standard; exit 4 if it breaks it."""
    from archsim.cli.output import print_error, print_json, print_report
    from archsim.dram.checker import check as check_trace
    from archsim.dram.standard import load_standard
    from archsim.dram.traces import read_commands

    standard = load_standard(config, overrides or [])
    trace = read_commands(
        commands,
        names=[command.name for command in standard.commands],
        levels=[level.name for level in standard.levels[1:]],
    )
    report = check_trace(standard, trace, refresh=_refresh(refresh, trace))
    if as_json:
        print_json(_record(report, standard))
    else:
        print_report(_rendered(report, standard))
    if report.violations:
        print_error(f"{commands}: {len(report.violations)} violations of {standard.name}")
        return BROKEN
    return 0


def _refresh(word: str, trace: list[Command]) -> RefreshCheck:
    names = {item.name for item in trace}
    if word == "none" or (word == "auto" and not names & {"REFab", "REFpb"}):
        return "none"
    if word == "all-bank" or (word == "auto" and "REFab" in names):
        return "all-bank"
    if word in ("per-bank", "auto"):
        return "per-bank"
    raise ConfigError("unknown refresh obligation", path="--refresh", given=word, allowed=REFRESH)


def _record(report: Report, standard: Standard) -> dict[str, object]:
    return {
        "standard": standard.name,
        "commands": report.num_commands,
        "comparisons": sum(report.comparisons.values()),
        "pass": not report.violations,
        "violations": [
            {
                "number": item.number,
                "clock": None if item.command is None else item.command.clock,
                "channel": None if item.command is None else item.command.channel,
                "name": None if item.command is None else item.command.name,
                "fields": None if item.command is None else list(item.command.fields),
                "rule": item.rule,
                "text": item.text,
            }
            for item in report.violations
        ],
        "rules": [
            {
                "rule": row.rule,
                "level": standard.levels[row.level].name,
                "gap": row.formula,
                "ticks": row.nominal_ticks,
                "applied": report.comparisons.get(number, 0),
                "tight": report.tight.get(number, 0),
            }
            for number, row in enumerate(standard.constraints)
        ],
    }


def _rendered(report: Report, standard: Standard) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from archsim.report.layout import table

    names = [command.name for command in standard.commands]
    grid = table("rule", "level", "after", "next", ">ticks", ">applied", ">tight")
    for number, row in enumerate(standard.constraints):
        applied = report.comparisons.get(number, 0)
        if applied:
            level = standard.levels[row.level].name
            pairs = [
                " ".join(names[index] for index in which) for which in (row.previous, row.following)
            ]
            numbers = (row.nominal_ticks, applied, report.tight.get(number, 0))
            grid.add_row(row.rule, level, *pairs, *(f"{value:,}" for value in numbers))
    total = sum(report.comparisons.values())
    head = f"{report.num_commands:,} commands, {total:,} distances of {standard.name} compared"
    verdict = f"{len(report.violations)} violations" if report.violations else "no violation"
    lines: list[RenderableType] = [Text(f"{head}: {verdict}"), Text(), grid]
    for item in report.violations[:MAX_SHOWN]:
        where = f"command {item.number}"
        if item.command is not None:
            fields = ",".join(map(str, item.command.fields))
            where += f" ({item.command.clock},{item.command.name},{fields})"
        lines.append(Text(f"{where}: {item.rule}: {item.text}", style="red"))
    if len(report.violations) > MAX_SHOWN:
        lines.append(Text(f"… and {len(report.violations) - MAX_SHOWN} more (--json has all)"))
    return Group(*lines)
