"""The commands and their options: words in, one call of the module that does the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archsim.cli import calibrate as calibrate_commands
from archsim.cli import cascade as cascade_commands
from archsim.cli import dram as dram_commands
from archsim.cli import edgecim as edgecim_commands
from archsim.cli import measure as measure_commands
from archsim.cli import model as model_commands
from archsim.cli import pim as pim_commands
from archsim.cli import pim_system as pim_system_command
from archsim.cli import routing as routing_commands
from archsim.cli import rtl as rtl_commands
from archsim.cli import trace as trace_commands

app = typer.Typer(
    name="archsim",
    help="Simulate transformer inference on an accelerator: latency, energy, and what limits it.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.add_typer(cascade_commands.commands, name="cascade")
app.add_typer(model_commands.commands, name="model")
app.add_typer(trace_commands.commands, name="trace")
app.add_typer(routing_commands.commands, name="routing")
app.add_typer(calibrate_commands.commands, name="calibrate")
app.add_typer(measure_commands.commands, name="measure")
app.add_typer(rtl_commands.commands, name="rtl")
app.add_typer(dram_commands.commands, name="dram")
pim_commands.commands.command(name="system")(pim_system_command.system)
pim_commands.commands.command(name="product")(pim_system_command.product)
app.add_typer(pim_commands.commands, name="pim")
app.add_typer(edgecim_commands.commands, name="edgecim")

Phase = Annotated[str | None, typer.Option(help="prefill, decode, generate or mixed.")]
Batch = Annotated[int | None, typer.Option(help="Sequences side by side.")]
Context = Annotated[
    int | None,
    typer.Option(help="Prompt length; for decode the KV length before the new token."),
]
NewTokens = Annotated[int | None, typer.Option(help="New tokens per sequence.")]
Requests = Annotated[
    str | None,
    typer.Option(
        metavar="LIST|FILE",
        help="Mixed batch: NEW+HISTORY of each request, e.g. '512, 8x1+2000', or a CSV or JSON.",
    ),
]
Mappers = Annotated[
    list[str] | None,
    typer.Option("--mapper", metavar="CLASS=ID", help="Mapper of a class; a bare ID: attention."),
]
Fidelity = Annotated[str, typer.Option(help="roofline, analytic, tile or command.")]
Fallback = Annotated[
    bool,
    typer.Option("--fidelity-fallback", help="Let a lower rung stand in where one is missing."),
]
Precision = Annotated[
    str | None, typer.Option(help="Number formats, e.g. weights=int8,act=bf16,kv=fp8.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override a value, e.g. hardware.components.dram.bandwidth='800 GB/s'. Repeatable.",
    ),
]
IgnoreCapacity = Annotated[
    bool, typer.Option("--ignore-capacity", help="Run although it does not fit.")
]
Slack = Annotated[
    float, typer.Option(help="Fraction of time that a mapper may give up to move fewer bytes.")
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Parallel = Annotated[
    str, typer.Option(metavar="tp=N,pp=N,ep=N", help="Devices that share layers, stages, experts.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV on standard output.")]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="Also save it, as JSON or CSV."),
]


def _version(wanted: bool) -> None:
    if wanted:
        from archsim.cli.information import print_version

        print_version()
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_version, help="Show the version."),
    ] = False,
) -> None:
    """Print the help if no command is given."""
    del version
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def run(
    hardware: Annotated[
        str | None, typer.Argument(metavar="HW", help="Id (see list hardware) or YAML file.")
    ] = None,
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Id (see list models) or YAML file.")
    ] = None,
    phase: Phase = None,
    batch: Batch = None,
    context: Context = None,
    new_tokens: NewTokens = None,
    requests: Requests = None,
    mapper: Mappers = None,
    fidelity: Fidelity = "tile",
    fidelity_fallback: Fallback = False,
    precision: Precision = None,
    overrides: Overrides = None,
    ignore_capacity: IgnoreCapacity = False,
    slack: Slack = 0.0,
    seed: Seed = 0,
    parallel: Parallel = "",
    repeat: Annotated[
        Path | None,
        typer.Option("--from", metavar="RESULT", help="Run a saved result's configuration again."),
    ] = None,
    hf_config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Hugging Face config.json to run in place of MODEL."),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Say why, and run again with larger arrays and buffers."),
    ] = False,
    perfetto: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a timeline for a trace-event viewer."),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(metavar="T0:T1", help="Part of the timeline in full, e.g. 0ms:2ms."),
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    output: Output = None,
) -> int:
    """Simulate a model on a machine and say what limits it."""
    from archsim.cli import simulation

    chosen = simulation.Choices(
        phase=phase,
        batch=batch,
        context=context,
        new_tokens=new_tokens,
        requests=requests,
        mapper=mapper,
        fidelity=fidelity,
        fidelity_fallback=fidelity_fallback,
        precision=precision,
        overrides=overrides,
        ignore_capacity=ignore_capacity,
        slack=slack,
        seed=seed,
        parallel=parallel,
    )
    printing = simulation.Printing(as_json, as_csv, output, explain, perfetto, window)
    if hf_config is not None:
        from archsim.cli.model import imported_model

        model = imported_model(hf_config, model)
    if repeat is not None:
        return simulation.run_again(repeat, [hardware, model], chosen, printing)
    return simulation.run_once(hardware, model, chosen, printing)


@app.command()
def compare(
    names: Annotated[
        list[str], typer.Argument(metavar="HW1 HW2 … MODEL", help="Machines, then one model.")
    ],
    phase: Phase = None,
    batch: Batch = None,
    context: Context = None,
    new_tokens: NewTokens = None,
    requests: Requests = None,
    mapper: Mappers = None,
    fidelity: Fidelity = "tile",
    fidelity_fallback: Fallback = False,
    precision: Precision = None,
    overrides: Overrides = None,
    ignore_capacity: IgnoreCapacity = False,
    slack: Slack = 0.0,
    seed: Seed = 0,
    parallel: Parallel = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    output: Output = None,
) -> int:
    """Simulate one model on several machines, side by side."""
    from archsim.cli import simulation

    chosen = simulation.Choices(
        phase=phase,
        batch=batch,
        context=context,
        new_tokens=new_tokens,
        requests=requests,
        mapper=mapper,
        fidelity=fidelity,
        fidelity_fallback=fidelity_fallback,
        precision=precision,
        overrides=overrides,
        ignore_capacity=ignore_capacity,
        slack=slack,
        seed=seed,
        parallel=parallel,
    )
    printing = simulation.Printing(as_json=as_json, as_csv=as_csv, output=output)
    return simulation.compare(names, chosen, printing)


@app.command()
def check(
    file: Annotated[
        Path, typer.Argument(help="Hardware, memory, model or claims YAML, or a result.")
    ],
    as_json: AsJson = False,
) -> int:
    """Check a file and count its numbers without a source."""
    from archsim.cli import files

    return files.check(file, as_json=as_json)


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Machine, model or memory: id or YAML file.")
    ],
    overrides: Overrides = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Also save it as YAML (--json: JSON)."),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Show a resolved machine or model with the source of each number."""
    from archsim.cli import files

    return files.show(name, overrides or [], output=output, as_json=as_json)


@app.command()
def schema(
    what: Annotated[
        str, typer.Argument(metavar="KIND", help="hardware, memory, workload, claims, result.")
    ],
    as_json: AsJson = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Also save it.")
    ] = None,
) -> int:
    """Print the JSON Schema of a kind of file (always JSON)."""
    from archsim.cli import files

    del as_json
    return files.schema(what, output=output)


@app.command(name="list")
def list_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="hardware, memories, models, mappers, components, suites, benches, figures, pim,"
            " systems.",
        ),
    ],
    as_json: AsJson = False,
) -> int:
    """List what is installed."""
    from archsim.cli import information

    return information.listing(what, as_json=as_json)


@app.command()
def validate(
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="See list suites.")],
    data: Annotated[
        Path | None, typer.Option(metavar="FILE_OR_DIR", help="Score these cases instead.")
    ] = None,
    unseen: Annotated[
        str | None,
        typer.Option(metavar="GPU", help="Suite gpu: one GPU, without constants fitted to it."),
    ] = None,
    as_json: AsJson = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Also save it as JSON.")
    ] = None,
) -> int:
    """Score predictions against measured numbers."""
    from archsim.cli import scoring

    return scoring.validate(suite, data, unseen=unseen, output=output, as_json=as_json)


@app.command()
def figure(
    name: Annotated[str, typer.Argument(metavar="NAME", help="See list figures.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Picture: .pdf, .png or .svg."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE_OR_DIR", help="Published points to draw beside.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> int:
    """Draw a figure and write its data as CSV beside it; without -o print the data."""
    from archsim.cli import figures

    return figures.figure(name, output, data, seed, as_json=as_json)


@app.command()
def bench(
    name: Annotated[str, typer.Argument(metavar="NAME", help="See list benches.")],
    as_json: AsJson = False,
) -> int:
    """Measure our own speed, in CPU seconds."""
    from archsim.cli import scoring

    return scoring.bench(name, as_json=as_json)


@app.command()
def warmup(as_json: AsJson = False) -> int:
    """Compile the engine's kernels ahead of time."""
    from archsim.cli import scoring

    return scoring.warmup(as_json=as_json)
