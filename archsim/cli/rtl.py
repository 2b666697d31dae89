"""The commands ``rtl list`` and ``rtl wave``: the register-transfer blocks, for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from rtl_ref.harness.blocks import Block

commands = typer.Typer(
    help="Show the register-transfer reference blocks at work (source checkout only).",
    rich_markup_mode=None,
)

MAX_CYCLES = 200
"""Widest timing diagram; wider ones are unreadable, and the waveform has everything."""

AsJson = Annotated[bool, typer.Option("--json", help="Only JSON on standard output.")]


@commands.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Print the help if no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@commands.command(name="list")
def list_(
    block: Annotated[
        str | None, typer.Argument(metavar="BLOCK", help="Only the cases of this block.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """List the blocks and their cases."""
    from archsim.cli.output import print_json, print_report
    from archsim.report.comparison import render_listing

    reader = _harness("blocks")
    names = reader.block_names()
    if block is not None:
        names = (_known(block, names, "BLOCK"),)
    found = [reader.load_block(name) for name in names]
    if as_json:
        print_json({"blocks": {each.name: _cases(each) for each in found}})
        return 0
    rows = [
        [each.name, case, ", ".join(f"{key} {value}" for key, value in inputs.items())]
        for each in found
        for case, inputs in _cases(each).items()
    ]
    print_report(render_listing(("block", "case", "inputs"), rows))
    return 0


@commands.command()
def wave(
    block: Annotated[str, typer.Argument(metavar="BLOCK", help="See rtl list.")],
    case: Annotated[str, typer.Argument(metavar="CASE", help="See rtl list BLOCK.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FOLDER", help="Where the two files go."),
    ] = Path(),
    cycles: Annotated[
        int, typer.Option(min=1, max=MAX_CYCLES, help="How many cycles to draw at most.")
    ] = 40,
    as_json: AsJson = False,
) -> int:
    """Simulate one case: the waveform (FST) and a timing diagram of its first cycles (PNG)."""
    import shutil
    import tempfile

    from archsim.cli.output import print_json, print_text
    from archsim.errors import NotRunError

    _check_folder(output)
    reader, runner = _harness("blocks"), _harness("runner")
    _known(block, reader.block_names(), "BLOCK")
    chosen = reader.load_block(block)
    _known(case, chosen.case_names(), "CASE")
    missing = runner.missing_tool()
    if missing is not None:
        raise NotRunError(f"the case was not run: {missing}")
    with tempfile.TemporaryDirectory(prefix="archsim-rtl-") as folder:
        try:
            trace = _harness("trace").trace_case(chosen, case, Path(folder))
        except RuntimeError as error:
            raise NotRunError(f"block {block} did not finish {case}: {error}") from None
        picture = _harness("waveform").draw(trace, cycles=cycles)
        output.mkdir(exist_ok=True)
        files = [output / f"{block}-{case}.{kind}" for kind in ("fst", "png")]
        shutil.copyfile(trace.waveform, files[0])
        files[1].write_bytes(picture)
    if as_json:
        record = {"block": block, "case": case, "law": trace.law, "measured": trace.measured}
        print_json({**record, "files": [str(file) for file in files]})
    else:
        print_text(f"{block} {case}: {trace.measured} cycles measured, {trace.law} by the law\n")
        print_text("".join(f"{file}\n" for file in files))
    return 0


def _harness(module: str) -> ModuleType:
    """Return a module of the blocks' harness, or say what is missing."""
    from importlib import import_module

    from archsim.validation.rtl import CHECKOUT, load_blocks

    load_blocks(CHECKOUT)
    return import_module(f"rtl_ref.harness.{module}")


def _cases(block: Block) -> dict[str, dict[str, object]]:
    """Return the inputs of each case of a block."""
    return {
        name: block.configs[config].cases[index]
        for name, (config, index) in block.case_names().items()
    }


def _known(name: str, allowed: Iterable[str], what: str) -> str:
    from archsim.errors import ConfigError, nearest

    names = list(allowed)
    if name not in names:
        hint = nearest(name, names)
        raise ConfigError("is not there", path=what, given=name, allowed=names, hint=hint)
    return name


def _check_folder(folder: Path) -> None:
    from archsim.errors import ConfigError

    if str(folder).startswith("-"):
        raise ConfigError(
            "needs a folder", path="-o", given=str(folder), allowed="a folder, ./-x for -x"
        )
    if not (folder.is_dir() or (folder.absolute().parent.is_dir() and not folder.exists())):
        raise ConfigError(
            "there is no such folder", path="-o", given=str(folder), allowed="a folder or a new one"
        )
