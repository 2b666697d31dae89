"""The commands ``edgecim compare`` and ``edgecim explore``: published beside ours, and spaces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from archsim.mapping import Json

commands = typer.Typer(
    help="Tiles of compute-in-memory macros: published beside ours, and their design spaces.",
    rich_markup_mode=None,
)

Hardware = Annotated[
    str, typer.Option("--hardware", metavar="HW", help="Machine with tiles of macros.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value of it. Repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Also save it as JSON.")
]


@commands.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Print the help if no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@commands.command()
def compare(
    hardware: Hardware = "edgecim",
    overrides: Overrides = None,
    bits: Annotated[int, typer.Option(help="Bits of weights and cache, 4 or 8.")] = 4,
    as_json: AsJson = False,
    output: Output = None,
) -> int:
    """Put published rates and efficiencies beside ours, and say what they would take."""
    from archsim.cli.output import check_writable
    from archsim.edgecim.chip import edge_chip
    from archsim.edgecim.compare import compare as compared
    from archsim.report.edgecim import render_comparison

    check_writable(output)
    record = compared(edge_chip(hardware, tuple(overrides or ())), bits=bits)
    return _finish(record, render_comparison(record), as_json=as_json, output=output)


@commands.command()
def explore(
    hardware: Hardware = "edgecim",
    overrides: Overrides = None,
    model: Annotated[str, typer.Option(help="Model.")] = "llama3.2-3b",
    bits: Annotated[int, typer.Option(help="Bits of weights and cache, 4 or 8.")] = 8,
    space: Annotated[
        str, typer.Option(help="edgecim (3,136,000 designs) or extended.")
    ] = "edgecim",
    sample: Annotated[
        int | None, typer.Option(help="Draw that many designs; without it all are evaluated.")
    ] = None,
    prompt: Annotated[int, typer.Option(help="Tokens of the prompt.")] = 128,
    generated: Annotated[int, typer.Option(help="New tokens.")] = 128,
    head: Annotated[bool, typer.Option("--head", help="Also read the model's head.")] = False,
    with_dram: Annotated[bool, typer.Option("--dram", help="Count DRAM energy too.")] = False,
    alphas: Annotated[str, typer.Option(help="Weights of latency.")] = "0,0.25,0.5,0.75,1",
    seeds: Annotated[int, typer.Option(help="Searches for each alpha.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
    as_json: AsJson = False,
    output: Output = None,
) -> int:
    """Evaluate a design space: optima, Pareto front, and what the genetic search misses."""
    from archsim.cli.output import check_writable
    from archsim.cli.progress import progress_bar
    from archsim.edgecim.chip import edge_chip
    from archsim.edgecim.evaluate import Job
    from archsim.edgecim.exploration import Request, explore_record
    from archsim.edgecim.model_shape import model_shape
    from archsim.report.edgecim import render_exploration
    from workloads import load_model

    check_writable(output)
    job = Job(model_shape(load_model(model)), bits, bits, prompt, generated, head)
    request = Request(space, job, sample, seed, alphas, seeds, with_dram)
    chip = edge_chip(hardware, tuple(overrides or ()))
    with progress_bar("designs") as report:
        record = explore_record(chip, request, report)
    return _finish(record, render_exploration(record), as_json=as_json, output=output)


def _finish(
    record: Mapping[str, Json],
    report: RenderableType,
    *,
    as_json: bool,
    output: Path | None,
) -> int:
    from archsim.cli.output import json_text, print_json, print_report, write_file

    if output is not None:
        write_file(output, json_text(record))
    if as_json:
        print_json(record)
    else:
        print_report(report)
    return 0
