"""The commands ``model show`` and ``model diff``: what a model computes, without a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

commands = typer.Typer(
    help="Show what a model computes, or what tells two models apart.",
    rich_markup_mode=None,
)

Model = Annotated[
    str, typer.Argument(metavar="NAME", help="Id, YAML file, or Hugging Face config.json.")
]
Phase = Annotated[str, typer.Option(help="prefill, decode or generate.")]
Batch = Annotated[int, typer.Option(help="Sequences side by side.")]
Context = Annotated[
    int, typer.Option(help="Prompt length; for decode the KV length before the new token.")
]
NewTokens = Annotated[int, typer.Option(help="New tokens per sequence.")]
Precision = Annotated[str, typer.Option(help="Number formats, e.g. weights=int8,act=bf16,kv=fp8.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value, e.g. workload.layers=2."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")]


@commands.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Print the help if no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@commands.command()
def show(
    name: Model,
    phase: Phase = "prefill",
    batch: Batch = 1,
    context: Context = 1024,
    new_tokens: NewTokens = 1,
    requests: Annotated[
        str | None,
        typer.Option(metavar="LIST|FILE", help="Mixed batch in place of a phase, as for run."),
    ] = None,
    precision: Precision = "",
    dequantise: Annotated[
        bool, typer.Option("--dequantise", help="Scale weights and caches by einsums.")
    ] = False,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> int:
    """Show a model's layers, einsums and ranks."""
    from archsim.cli.output import print_json, print_report
    from archsim.report.model_page import render_workload
    from workloads import load_mixed, load_model, load_workload, summarise
    from workloads.batch_file import batch_requests

    settings = tuple(overrides or ())
    if requests is not None:
        model, pairs = load_model(name, overrides=settings), batch_requests(requests)
        workload = load_mixed(model, pairs, precision=precision, dequantise=dequantise)
    else:
        workload = load_workload(
            name,
            phase=phase,
            batch=batch,
            context=context,
            new_tokens=new_tokens,
            precision=precision,
            dequantise=dequantise,
            overrides=settings,
        )
    if as_json:
        print_json(summarise(workload))
    else:
        print_report(render_workload(workload))
    return 0


@commands.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="Model.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Model.")],
    phase: Phase = "prefill",
    batch: Batch = 1,
    context: Context = 1024,
    as_json: AsJson = False,
) -> int:
    """Show in what two models differ: description, counts, einsums."""
    from archsim.cli.output import print_json, print_report
    from archsim.report.model_diff import render_differences
    from workloads import load_workload
    from workloads.summary import compare_workloads

    pair = [load_workload(n, phase=phase, batch=batch, context=context) for n in (first, second)]
    found = compare_workloads(*pair)
    if as_json:
        print_json(found)
    else:
        print_report(render_differences([workload.name for workload in pair], found))
    return 0


def imported_model(path: Path, model: str | None) -> str:
    """Return the name under which the model of a Hugging Face configuration is loaded.

    Raises
    ------
    ConfigError
        A model is named as well, or there is no such file.
    """
    from archsim.errors import ConfigError

    if model is not None:
        raise ConfigError(
            "takes the place of a model", path="--hf-config", given=model, allowed="one of the two"
        )
    found = path / "config.json" if path.is_dir() else path
    if found.suffix != ".json" or not found.is_file():
        raise ConfigError(
            "there is no such file", path="--hf-config", given=str(path), allowed="a config.json"
        )
    return str(found)
