"""The command ``figure``: a picture and the tables it was drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archsim.cli.output import (
    check_writable,
    print_error,
    print_json,
    print_text,
    write_bytes,
    write_file,
)
from archsim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from archsim.figures.figure import FigureData


def figure(name: str, output: Path | None, data: Path | None, seed: int, *, as_json: bool) -> int:
    """Draw a figure; return the exit code.

    Without `output` the tables alone are printed.

    Raises
    ------
    ConfigError
        Unknown figure, unknown kind of picture, or data that cannot be read.
    """
    from archsim.figures.figure import FigureRequest, load_figure

    chosen = load_figure(name)
    kind = _kind(output)
    found = chosen.data(FigureRequest(data=data, seed=seed))
    written: list[str] = []
    if output is not None:
        from archsim.figures.rendering import render

        write_bytes(output, render(chosen, found, kind))
        written = [str(output), *_write_tables(output, found)]
    if as_json:
        tables = {
            title: {"columns": list(table.columns), "rows": [list(row) for row in table.rows]}
            for title, table in found.tables.items()
        }
        print_json({"figure": name, "tables": tables, "notes": list(found.notes), "files": written})
        return 0
    if output is None:
        _print_tables(found)
    else:
        print_text("".join(f"{file}\n" for file in written))
    for note in found.notes:
        print_error(f"note: {note}")
    return 0


def _kind(output: Path | None) -> str:
    from archsim.figures.figure import FORMATS

    check_writable(output)
    kind = "" if output is None else output.suffix.lower().removeprefix(".")
    if output is not None and kind not in FORMATS:
        endings = [f".{each}" for each in FORMATS]
        hint = nearest(output.suffix, endings)
        raise ConfigError(
            "unknown kind of picture", path="-o", given=output.name, allowed=endings, hint=hint
        )
    return kind


def _write_tables(output: Path, data: FigureData) -> list[str]:
    """Write each table beside the picture; the only one needs no name of its own."""
    from archsim.figures.rendering import csv_text

    files = []
    for title, table in data.tables.items():
        stem = output.stem if len(data.tables) == 1 else f"{output.stem}-{title}"
        file = output.with_name(f"{stem}.csv")
        write_file(file, csv_text(table))
        files.append(str(file))
    return files


def _print_tables(data: FigureData) -> None:
    from archsim.figures.rendering import csv_text

    for title, table in data.tables.items():
        heading = f"# {title}\n" if len(data.tables) > 1 else ""
        print_text(heading + csv_text(table))
