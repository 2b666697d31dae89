"""The command ``dram stream``: in-order patterns through the max-plus engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.dram.memory import Memory
    from archsim.dram.streams_record import StreamRecord


def stream(
    config: Annotated[
        str,
        typer.Argument(metavar="CONFIG", help="Standard's id (see list memories) or YAML file."),
    ],
    pattern: Annotated[
        str,
        typer.Option(
            metavar="PATTERN", help="stream, stride:step=column or stride:step=row; n, write=100."
        ),
    ] = "stream",
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Override a value, e.g. hardware.controller.refresh=none. Repeatable.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")] = False,
) -> int:
    """Time an in-order pattern of any length, exactly, beside the controller's time if short."""
    from archsim.cli.output import print_json, print_report
    from archsim.dram.memory import load_memory
    from archsim.dram.streams_record import run_stream

    memory = load_memory(config, overrides or [])
    record = run_stream(memory, pattern)
    if as_json:
        print_json({"standard": memory.standard.name, **record.to_json_object()})
    else:
        print_report(_rendered(memory, record))
    return 0


def _rendered(memory: Memory, record: StreamRecord) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from archsim.report.layout import facts, percent, quantity, table

    share = record.achieved_bytes_per_s / record.peak_bytes_per_s
    rows = [
        ("time", quantity(record.time_s, "time")),
        ("ticks", f"{record.ticks:,}"),
        ("controller", _compared(record)),
        (
            "bandwidth",
            f"{quantity(record.achieved_bytes_per_s, 'bandwidth')} of "
            f"{quantity(record.peak_bytes_per_s, 'bandwidth')}, {percent(share)} of the peak",
        ),
        ("refreshes", f"{record.refreshes:,} of each scope"),
        ("engine", f"{record.simulated:,} of {record.operations:,} commands simulated"),
    ]
    causes = table("the time goes into", ">share")
    for name, value in sorted(record.causes.items(), key=lambda item: -item[1]):
        causes.add_row(name, percent(value))
    limits = table("closed form", ">limit", "", "why")
    for name, value, unit, formula in record.limits:
        shown = (percent(value), "of the peak") if unit == "fraction" else (f"{value:.4g}", unit)
        limits.add_row(name, *shown, formula)
    head = Text(memory.standard.name, style="bold")
    head += Text(f"  {memory.channels} × channel, {record.requests:,} requests")
    return Group(head, Text(), facts(rows), Text(), causes, Text(), limits)


def _compared(record: StreamRecord) -> str:
    if record.event_ticks is None:
        return "not run: too long to serve request by request"
    difference = record.ticks / record.event_ticks - 1
    shown = "the same" if not difference else f"{difference:+.3%} here"
    return f"{record.event_ticks:,} ticks, {shown}"
