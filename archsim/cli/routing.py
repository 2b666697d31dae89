"""The commands ``routing show`` and ``routing generate``: which experts tokens choose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(
    help="Describe a trace of expert routing, or generate one.", rich_markup_mode=None
)

MOST_CHOICES = 2_000_000
"""Most tokens times layers that are generated."""


@commands.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Print the help if no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@commands.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Routing trace, CSV or Parquet.")],
    experts: Annotated[int, typer.Option(help="Experts of a layer; 0: as the trace has.")] = 0,
    slots: Annotated[int, typer.Option(help="Experts that a cache holds; 0: a quarter.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")] = False,
) -> int:
    """Show, for every layer, reuse between neighbours, hit rates of caches, and coverage."""
    from archsim.cli.output import print_json, print_report
    from archsim.report.trace import render_routing
    from workloads.traces.routing_files import read_routing
    from workloads.traces.routing_summary import summarise_routing

    record = summarise_routing(read_routing(file), experts=experts, slots=slots)
    if as_json:
        print_json(record)
    else:
        print_report(render_routing(file.name, record))
    return 0


@commands.command()
def generate(
    profile: Annotated[
        str, typer.Argument(metavar="PROFILE", help="mixtral, deepseek-v2-lite or qwen3-30b-a3b.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where to; .csv or .parquet.")
    ],
    tokens: Annotated[int, typer.Option("-n", "--tokens", help="Tokens.")] = 1000,
    layers: Annotated[int, typer.Option(help="Layers.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
) -> int:
    """Generate a synthetic trace with a calibrated profile."""
    from archsim.cli.output import check_writable
    from archsim.errors import ConfigError
    from workloads.traces.routing import calibrated, generate_routing
    from workloads.traces.routing_files import write_routing

    check_writable(output)
    if seed < 0:
        raise ConfigError("must not be negative", path="--seed", given=seed)
    if tokens * layers > MOST_CHOICES:
        raise ConfigError(
            "is too much for one file",
            path="--tokens",
            given=tokens * layers,
            allowed=f"at most {MOST_CHOICES} tokens times layers",
        )
    trace = generate_routing(calibrated(profile), tokens=tokens, layers=layers, seed=seed)
    write_routing(trace, output)
    return 0
