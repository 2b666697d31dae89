"""Where the command line writes: standard output, standard error, and whole files or none."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType

Data: TypeAlias = "Mapping[str, object] | Sequence[object]"

MAX_MESSAGE_CHARACTERS: Final = 600
"""Longest error message; the middle of a longer one is left out."""

MIN_WIDTH: Final = 60
"""Narrowest report; a narrower terminal wraps it."""


class ReaderGoneError(Exception):
    """Nobody reads standard output any more (``archsim … | head``)."""


def print_text(text: str) -> None:
    """Write text to standard output as it is.

    Raises
    ------
    ReaderGoneError
        Its reader has closed it.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGoneError from None


def print_json(data: Data) -> None:
    """Write one JSON document to standard output."""
    print_text(json_text(data))


def json_text(data: Data) -> str:
    """Return an indented JSON document, keys in the order given."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def print_error(message: str) -> None:
    """Write one line to standard error."""
    line = " ".join(message.split())
    line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    if len(line) > MAX_MESSAGE_CHARACTERS:
        half = MAX_MESSAGE_CHARACTERS // 2
        line = f"{line[:half]} … {line[-half:]}"
    sys.stderr.write(f"archsim: {line}\n")


def print_report(renderable: RenderableType) -> None:
    """Write a rich renderable to standard output: plain unless it is a terminal with colour."""
    from archsim.report.layout import to_text

    is_terminal = sys.stdout.isatty()
    color = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    width = max(MIN_WIDTH, shutil.get_terminal_size().columns)
    encoding = sys.stdout.encoding or "utf-8"
    print_text(to_text(renderable, width=width, color=color, encoding=encoding))


def check_writable(path: Path | None, option: str = "-o") -> None:
    """Refuse an output path before any work is done for it.

    Raises
    ------
    ConfigError
        The folder does not exist, the path is a folder itself, or it looks like an option.
    """
    if path is None:
        return
    if str(path).startswith("-"):
        raise ConfigError(
            "needs the name of a file", path=option, given=str(path), allowed="a file, ./-x for -x"
        )
    if path.is_dir():
        raise ConfigError("is a folder", path=option, given=str(path), allowed="a file")
    if not path.absolute().parent.is_dir():
        raise ConfigError(
            "there is no such folder", path=option, given=str(path.parent), allowed="a folder"
        )


def write_file(path: Path, text: str) -> None:
    """Write a text so that a reader sees the old file or the new one, never half of it."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes so that a reader sees the old file or the new one, never half of it."""
    target = path.resolve()
    if target.exists() and not target.is_file():
        # A pipe or a device such as /dev/stdout cannot be replaced.
        target.write_bytes(content)
        return
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
