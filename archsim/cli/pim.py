"""The commands ``pim run``, ``pim table`` and ``pim check``: memories that compute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.operations import Outcome

INFEASIBLE: Final = 3
BROKEN: Final = 4
MAX_SHOWN: Final = 20

commands = typer.Typer(
    help="Run products and attention on memories that compute, command by command.",
    rich_markup_mode=None,
)

Config = Annotated[
    str, typer.Argument(metavar="CONFIG", help="Device's id (attacc-bank, aim, …) or YAML file.")
]
Op = Annotated[str, typer.Option("--op", metavar="OP", help="gemv, attention or kv-write.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Override a value, e.g. hardware.timings.nCCDAB=4."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Also save it in a file.")
]


@commands.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Print the help if no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@commands.command()
def run(
    config: Config,
    op: Op,
    rows: Annotated[int | None, typer.Option(help="gemv: rows of the matrix.")] = None,
    inner: Annotated[int | None, typer.Option(help="gemv: elements of the vector.")] = None,
    tokens: Annotated[int | None, typer.Option(help="attention: keys of each head.")] = None,
    head_size: Annotated[int | None, typer.Option(help="attention: elements of a key.")] = None,
    heads: Annotated[int | None, typer.Option(help="attention: query heads.")] = None,
    kv_heads: Annotated[
        int | None, typer.Option(help="attention: key-value heads; all heads if not given.")
    ] = None,
    requests: Annotated[int | None, typer.Option(help="attention: requests alike.")] = None,
    batch: Annotated[int | None, typer.Option(help="gemv: vectors (1).")] = None,
    new_tokens: Annotated[
        int | None, typer.Option(help="kv-write: tokens of each request to write (1).")
    ] = None,
    element_bytes: Annotated[int | None, typer.Option(help="Bytes of an element (2).")] = None,
    overrides: Overrides = None,
    commands_out: Annotated[
        Path | None,
        typer.Option("--commands", metavar="FILE", help="Write every command to a file."),
    ] = None,
    as_json: AsJson = False,
    output: Output = None,
) -> int:
    """Run one operation: cycles, time, bandwidth, commands, energy; exit 3 if it does not fit."""
    from archsim.cli.output import (
        check_writable,
        json_text,
        print_error,
        print_json,
        print_report,
        write_file,
    )
    from archsim.mapping import Infeasible
    from archsim.pim.device import load_device
    from archsim.pim.grid import make_operation
    from archsim.pim.operations import run_operation
    from archsim.pim.record import operation_record

    check_writable(output)
    check_writable(commands_out, "--commands")
    device = load_device(config, overrides or [])
    given = {
        "rows": rows,
        "inner": inner,
        "tokens": tokens,
        "head_size": head_size,
        "heads": heads,
        "kv_heads": kv_heads,
        "requests": requests,
        "element_bytes": element_bytes,
        "batch": batch,
        "new_tokens": new_tokens,
    }
    operation = make_operation(
        op, {key: value for key, value in given.items() if value is not None}
    )
    found = run_operation(device, operation, log_commands=commands_out is not None)
    record = operation_record(device, operation, found)
    if output is not None:
        write_file(output, json_text(record))
    if as_json:
        print_json(record)
    if isinstance(found, Infeasible):
        if not as_json:
            print_error(
                f"infeasible: {found.resource} needs {found.need:,} {found.unit},"
                f" has {found.have:,} ({found.detail})"
            )
        return INFEASIBLE
    if commands_out is not None:
        write_file(commands_out, _command_text(device, found))
    if not as_json:
        from archsim.report.pim import render_pim

        print_report(render_pim(record))
    return 0


def _command_text(device: PimDevice, found: Outcome) -> str:
    from archsim.pim.commands import command_text, trace

    return command_text(device, trace(device, found.stream, found.run))


@commands.command()
def table(
    config: Config,
    op: Op,
    grid: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUES",
            help="An axis: tokens=256,512 or tokens=256:4096:256. Repeatable.",
        ),
    ],
    overrides: Overrides = None,
    output: Output = None,
) -> int:
    """Write a table of times over a grid of shapes, as CSV."""
    from archsim.cli.output import check_writable, write_file
    from archsim.pim.device import load_device
    from archsim.pim.grid import parse_axis, table_rows, table_text

    check_writable(output)
    device = load_device(config, overrides or [])
    axes: dict[str, list[int]] = {}
    for text in grid:
        name, values = parse_axis(text)
        if name in axes:
            raise ConfigError("is given twice", path="--grid", given=name)
        axes[name] = values
    rows = list(table_rows(device, op, axes))
    text = table_text(rows)
    if output is None:
        typer.echo(text, nl=False)
        return 0
    write_file(output, text)
    typer.echo(f"{len(rows):,} rows in {output}")
    return 0


@commands.command()
def batch(
    config: Config,
    lengths: Annotated[
        str,
        typer.Option(metavar="LENGTHS", help="Keys of each request: 4000,2000x3 (three alike)."),
    ],
    head_size: Annotated[int, typer.Option(help="Elements of a key.")],
    heads: Annotated[int, typer.Option(help="Query heads of a request.")],
    kv_heads: Annotated[int | None, typer.Option(help="Key-value heads; all if not given.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> int:
    """Run the decode attention of requests of different lengths; exit 3 if it does not fit."""
    from archsim.cli.output import print_error, print_json
    from archsim.mapping import Infeasible
    from archsim.pim.batch import run_batch
    from archsim.pim.device import load_device
    from archsim.pim.grid import make_operation, parse_lengths
    from archsim.report.layout import percent, quantity

    device = load_device(config, overrides or [])
    tokens = parse_lengths(lengths)
    shape = {"tokens": max(tokens), "head_size": head_size, "heads": heads}
    make_operation("attention", shape | ({} if kv_heads is None else {"kv_heads": kv_heads}))
    found = run_batch(device, tokens, head_size, heads, kv_heads or heads)
    if isinstance(found, Infeasible):
        if as_json:
            print_json({"feasible": False, "infeasible": found.to_json()})
        else:
            print_error(
                f"infeasible: {found.resource} needs {found.need:,} {found.unit},"
                f" has {found.have:,} ({found.detail})"
            )
        return INFEASIBLE
    if as_json:
        print_json(
            {
                "feasible": True,
                "latency_s": found.time_ps * 1e-12,
                "requests": len(tokens),
                "cycles": found.ticks,
                "balance": found.balance,
                "channels": found.channels,
                "busy_channels": found.busy_channels,
                "simulated_channels": found.simulated,
                "stored_bytes": found.stored_bytes,
            }
        )
        return 0
    typer.echo(
        f"{len(tokens):,} requests, {quantity(found.stored_bytes, 'bytes')}:"
        f" {quantity(found.time_ps * 1e-12, 'time')}, {found.ticks:,} cycles"
    )
    typer.echo(
        f"{found.busy_channels} of {found.channels} channels busy,"
        f" {percent(found.balance)} of the longest on average"
    )
    return 0


@commands.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="COMMANDS", help="File of pim run --commands.")],
    config: Annotated[str, typer.Option(metavar="CONFIG", help="Device that it must keep to.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> int:
    """Check a command file against a device's distances and bank states; exit 4 if broken."""
    from archsim.cli.output import print_error, print_json
    from archsim.dram.traces import read_commands
    from archsim.pim.checker import check as check_trace
    from archsim.pim.device import load_device

    standard = load_device(config, overrides or []).standard
    found = read_commands(
        file,
        names=[command.name for command in standard.commands],
        levels=[level.name for level in standard.levels[1:]],
    )
    refreshed = any(item.name == "REFab" for item in found)
    report = check_trace(standard, found, refresh="all-bank" if refreshed else "none")
    compared = sum(report.comparisons.values())
    if as_json:
        print_json(
            {
                "device": standard.name,
                "commands": report.num_commands,
                "comparisons": compared,
                "pass": not report.violations,
                "violations": [
                    {"number": item.number, "rule": item.rule, "text": item.text}
                    for item in report.violations
                ],
            }
        )
    else:
        verdict = f"{len(report.violations)} violations" if report.violations else "no violation"
        typer.echo(
            f"{report.num_commands:,} commands, {compared:,} distances of {standard.name} compared:"
            f" {verdict}"
        )
        for item in report.violations[:MAX_SHOWN]:
            typer.echo(f"command {item.number}: {item.rule}: {item.text}")
    if report.violations:
        print_error(f"{file}: {len(report.violations)} violations of {standard.name}")
        return BROKEN
    return 0
