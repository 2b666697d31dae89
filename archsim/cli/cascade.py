"""The commands ``cascade list`` and ``cascade analyze``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from workloads.cascade_file import LoadedCascade
    from workloads.passes import PassAnalysis

commands = typer.Typer(
    help="Show cascades of einsums: what they read how often, and why.",
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")]


@commands.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Print the help if no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@commands.command(name="list")
def list_(as_json: AsJson = False) -> int:
    """List the packaged cascades."""
    from archsim.cli.output import print_json, print_report
    from archsim.report.comparison import render_listing
    from workloads.cascade_file import cascade_names, load_cascade
    from workloads.passes import analyze_passes

    found = {name: analyze_passes(load_cascade(name).cascade).passes for name in cascade_names()}
    if as_json:
        print_json({"cascades": [{"name": name, "passes": p} for name, p in found.items()]})
        return 0
    rows = [
        [name, " ".join(f"{rank}:{count}" for rank, count in passes.items() if count > 1) or "1"]
        for name, passes in found.items()
    ]
    print_report(render_listing(("cascade", "passes (1 where not named)"), rows))
    return 0


@commands.command()
def analyze(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Packaged cascade (cascade list) or YAML file.")
    ],
    hardware: Annotated[
        str | None,
        typer.Option(metavar="HW", help="Machine to check the binding and held fibers against."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Print ranks, tensors, live footprint, and the passes over each rank with what forces them."""
    from archsim.cli.output import print_json, print_report, print_text
    from archsim.report.cascade import analysis_record, render_analysis
    from workloads.cascade_file import load_cascade
    from workloads.passes import analyze_passes

    loaded = load_cascade(name)
    analysis = analyze_passes(loaded.cascade)
    fits = _fits(loaded, analysis, hardware) if hardware else []
    if as_json:
        record = analysis_record(loaded.cascade, analysis)
        if hardware:
            record["on"] = {"hardware": hardware, "rows_on_chip": dict(fits)}
        print_json(record)
        return 0
    print_report(render_analysis(loaded.cascade, analysis))
    for rank, rows in fits:
        print_text(f"on {hardware}: {_rows(rows)} of the fibers held along {rank} fit on chip\n")
    return 0


def _rows(rows: int | None) -> str:
    return "any number" if rows is None else f"{rows:,}"


def _fits(
    loaded: LoadedCascade, analysis: PassAnalysis, hardware: str
) -> list[tuple[str, int | None]]:
    """Check the binding and return how many held fibers the innermost level has room for."""
    from archsim.machine import load_hardware

    machine = load_hardware(hardware)
    units = [name for name in machine.components if name not in machine.levels]
    loaded.check_binding(units, machine.name)
    capacity = machine.capacity_bytes(machine.innermost)
    return [
        (item.rank, None if capacity is None else capacity // item.fiber_bytes)
        for item in analysis.ranks
        if item.fiber_bytes
    ]
