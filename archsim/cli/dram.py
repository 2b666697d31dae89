"""The commands ``dram run``, ``dram check`` and ``dram stream``: one memory at command level."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archsim.cli import dram_check, dram_stream
from archsim.errors import ConfigError

if TYPE_CHECKING:
    from archsim.dram.memory import Memory
    from archsim.dram.patterns import Requests
    from archsim.dram.run import DramRun

commands = typer.Typer(
    help="Simulate one memory command by command, and check command traces.",
    rich_markup_mode=None,
)


@commands.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Print the help if no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@commands.command()
def run(
    config: Annotated[
        str,
        typer.Argument(metavar="CONFIG", help="Standard's id (see list memories) or YAML file."),
    ],
    pattern: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Requests, such as 'random:n=20000,write=50'."),
    ] = None,
    trace_in: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Requests from a trace file instead.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Override a value, e.g. hardware.controller.scheduler=fifo. Repeatable.",
        ),
    ] = None,
    commands_out: Annotated[
        Path | None,
        typer.Option("--commands", metavar="FILE", help="Write every command to a file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Also save it as JSON.")
    ] = None,
) -> int:
    """Run requests through a memory's controllers: bandwidth, latencies, commands, energy."""
    from archsim.cli.output import (
        check_writable,
        json_text,
        print_json,
        print_report,
        write_file,
    )
    from archsim.dram.memory import load_memory
    from archsim.dram.record import run_record

    check_writable(output)
    check_writable(commands_out, "--commands")
    memory = load_memory(config, overrides or [])
    requests = _requests(memory, pattern, trace_in)
    found = memory.run(requests, log_commands=commands_out is not None)
    record = run_record(memory, found, pattern=pattern, trace=trace_in)
    if commands_out is not None:
        write_file(commands_out, _command_text(memory, found))
    if output is not None:
        write_file(output, json_text(record))
    if as_json:
        print_json(record)
    else:
        from archsim.report.dram import render_dram

        print_report(render_dram(record))
    return 0


commands.command(name="check")(dram_check.check)
commands.command(name="stream")(dram_stream.stream)


def _requests(memory: Memory, pattern: str | None, trace: Path | None) -> Requests:
    if (pattern is None) == (trace is None):
        raise ConfigError(
            "either a pattern or a trace is wanted",
            path="--pattern",
            given=None if pattern is None else "both",
            allowed="--pattern PATTERN or --trace-in FILE",
        )
    if pattern is not None:
        return memory.requests_of_pattern(pattern)
    assert trace is not None
    return memory.requests_of_trace(trace)


def _command_text(memory: Memory, found: DramRun) -> str:
    from archsim.dram.record import command_file

    return command_file(memory, found)
