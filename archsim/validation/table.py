"""Read measured tables: CSV files with ``#`` comments, every complaint with file and line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from archsim.errors import ConfigError, Location, nearest

MAX_FILE_BYTES = 256 * 2**20
"""Largest table that is read."""

MAX_INTEGER = 2**53
"""Largest whole number that a table may hold: beyond it a double is no longer exact."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes
    ----------
    file, line
        Where it stands.
    cells
        Text by column.
    """

    file: str
    line: int
    cells: dict[str, str]

    def error(self, column: str, message: str, allowed: str) -> ConfigError:
        """Return the error for one cell."""
        return ConfigError(
            message,
            path=column,
            location=Location(self.file, self.line),
            given=self.cells.get(column, ""),
            allowed=allowed,
        )

    def text(self, column: str, allowed: Sequence[str] = ()) -> str:
        """Return a cell, checked against the allowed words if there are any."""
        value = self.cells[column].strip()
        if allowed and value not in allowed:
            raise self.error(column, "is not one of the choices", ", ".join(allowed))
        return value

    def integer(self, column: str, *, minimum: int = 0) -> int:
        """Return a cell as a whole number."""
        allowed = f"a whole number from {minimum} to {MAX_INTEGER}"
        text = self.cells[column].strip()
        if len(text) > 20 or not text.lstrip("-").isascii() or not text.lstrip("-").isdigit():
            raise self.error(column, "must be a whole number", allowed)
        try:
            value = int(text)
        except ValueError:
            raise self.error(column, "must be a whole number", allowed) from None
        if not minimum <= value <= MAX_INTEGER:
            raise self.error(column, "is out of range", allowed)
        return value

    def number(self, column: str, *, minimum: float = 0.0) -> float:
        """Return a cell as a finite number."""
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < minimum:
            raise self.error(column, "must be a number", f"a number of at least {minimum:g}")
        return value


def read_table(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Read the rows of a CSV file that has at least the given columns.

    Lines that start with ``#`` and empty lines are passed over.

    Raises
    ------
    ConfigError
        The file cannot be read, lacks a column, or a row has another number of cells.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(
                "the file is too large",
                location=Location(str(path)),
                allowed=f"at most {MAX_FILE_BYTES} bytes",
            )
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", given=str(path)) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", location=Location(str(path))) from None
    numbered = (
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    )
    header: list[str] | None = None
    for number, line in numbered:
        cells = _split(line, path, number)
        if header is None:
            header = _header(cells, columns, path, number)
            continue
        if len(cells) != len(header):
            raise ConfigError(
                f"a row of {len(header)} cells is expected",
                location=Location(str(path), number),
                given=f"{len(cells)} cells",
            )
        yield Row(str(path), number, dict(zip(header, cells, strict=True)))
    if header is None:
        raise ConfigError(
            "the table is empty", location=Location(str(path)), allowed=", ".join(columns)
        )


def _split(line: str, path: Path, number: int) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise ConfigError(f"is not CSV ({error})", location=Location(str(path), number)) from None


def _header(cells: list[str], columns: Sequence[str], path: Path, number: int) -> list[str]:
    header = [cell.strip() for cell in cells]
    for column in columns:
        if column not in header:
            raise ConfigError(
                f"the column '{column}' is missing",
                location=Location(str(path), number),
                given=",".join(header),
                allowed=columns,
                hint=nearest(column, header),
            )
    if len(set(header)) != len(header):
        raise ConfigError("a column stands twice", location=Location(str(path), number))
    return header
