"""The command ``measure``: time operators on the GPU at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(
    help="Measure the hardware at hand.", no_args_is_help=True, rich_markup_mode=None
)


@commands.callback()
def measure() -> None:
    """Measure the hardware at hand."""


@commands.command()
def gpu(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="CSV table; a table there is resumed."),
    ],
    ops: Annotated[
        str, typer.Option(metavar="KIND,KIND", help="Parts of the plan; the default is all.")
    ] = "",
    limit: Annotated[int, typer.Option(min=0, help="Most shapes of this session; 0: all.")] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the order of the shapes.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")] = False,
) -> int:
    """Time operators on the GPU; settings of the card stay as they are."""
    from archsim.cli.output import check_writable, json_text, print_json, print_text
    from archsim.cli.progress import progress_bar
    from archsim.measure.plan import plan
    from archsim.measure.session import measure as run
    from archsim.measure.table import done
    from archsim.measure.torch_device import find_device

    jobs = plan(seed, [kind.strip() for kind in ops.split(",") if kind.strip()])
    check_writable(output)
    known = done(output)
    device = find_device()
    if limit:
        jobs = [job for job in jobs if job.key not in known][:limit]
    settings = device.settings()
    beside = output.with_suffix(".system.json")
    check_writable(beside)
    beside.write_text(json_text(settings), encoding="utf-8")
    with progress_bar(f"measure {device.gpu}") as progress:
        report = run(device, jobs, output, progress)
    record = {
        "gpu": device.gpu,
        "library": device.library,
        "measured": report.measured,
        "known": report.known,
        "dropped": report.dropped,
        "skipped": dict(sorted(report.skipped.items())),
        "system": settings,
    }
    if as_json:
        print_json(record)
        return 0
    print_text(
        f"{device.gpu}, {device.library}: {report.measured} measured, {report.known} known before, "
        f"{report.dropped} dropped because the card drifted\n"
    )
    for reason, count in sorted(report.skipped.items()):
        print_text(f"not measured: {count} x {reason}\n")
    return 0
