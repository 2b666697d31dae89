"""The commands ``trace show``, ``fit`` and ``generate``: request traces, recorded and synthetic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(
    help="Describe a request trace, fit a profile to it, or generate one.",
    rich_markup_mode=None,
)

Trace = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="Trace: BurstGPT, Azure, Mooncake, Vidur or archsim columns."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")]


@commands.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Print the help if no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@commands.command()
def show(file: Trace, as_json: AsJson = False) -> int:
    """Show how requests arrive and how long they are."""
    from archsim.cli.output import print_json, print_report
    from archsim.report.trace import render_requests
    from workloads.traces.request_summary import summarise_requests
    from workloads.traces.requests import read_requests

    record = summarise_requests(read_requests(file))
    if as_json:
        print_json(record)
    else:
        print_report(render_requests(file.name, record))
    return 0


@commands.command()
def fit(
    file: Trace,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Save the profile, YAML.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Fit a synthetic trace: rate, burstiness over time scales, lengths."""
    from archsim.cli.output import check_writable, print_json, print_report, write_file
    from archsim.report.trace import render_requests
    from workloads.traces.request_fit import fit_requests
    from workloads.traces.request_profile_file import profile_text
    from workloads.traces.request_summary import summarise_fit
    from workloads.traces.requests import read_requests

    check_writable(output)
    requests = read_requests(file)
    found = fit_requests(requests)
    if output is not None:
        source = f"fitted to {file.name}, {len(requests)} requests"
        write_file(output, profile_text(found.profile, name=file.stem, source=source))
    record = summarise_fit(requests, found)
    if as_json:
        print_json(record)
    else:
        print_report(render_requests(file.name, record))
    return 0


@commands.command()
def generate(
    profile: Annotated[
        str, typer.Argument(metavar="PROFILE", help="Name of a fitted profile, or its YAML file.")
    ],
    count: Annotated[int, typer.Option("-n", "--count", help="Requests.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Save it there instead.")
    ] = None,
) -> int:
    """Generate a synthetic trace as CSV."""
    from archsim.cli.output import check_writable, print_text, write_file
    from archsim.errors import ConfigError
    from workloads.traces.request_generators import generate_requests
    from workloads.traces.request_profile_file import find_profile
    from workloads.traces.requests import requests_text

    check_writable(output)
    if seed < 0:
        raise ConfigError("must not be negative", path="--seed", given=seed)
    text = requests_text(generate_requests(find_profile(profile), count, seed=seed))
    if output is None:
        print_text(text.rstrip("\n"))
    else:
        write_file(output, text)
    return 0
