"""From words to an exit code: every error a user can cause becomes one clear message."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

import typer

from archsim.cli.output import ReaderGoneError, print_error, print_json
from archsim.errors import ArchsimError

INTERRUPTED = 130


class _ClickError(Protocol):
    """What we use of typer's own errors about words it cannot parse."""

    exit_code: int

    def format_message(self) -> str:
        """Return the message without ``Error:`` in front."""


# typer exports BadParameter but not the base class of all its usage errors.
USAGE_ERRORS = cast(
    "type[Exception]",
    next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"),
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the words of a command line and return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    wants_json = "--json" in words
    try:
        with _tolerant_streams():
            return _invoke(words, wants_json=wants_json)
    except ReaderGoneError:
        _close_stdout()
        return 0


def _invoke(words: list[str], *, wants_json: bool) -> int:
    from archsim.cli.app import app

    try:
        code = app(words, prog_name="archsim", standalone_mode=False)
        sys.stdout.flush()
    except USAGE_ERRORS as error:
        usage = cast("_ClickError", error)
        return _refuse("usage", usage.format_message(), usage.exit_code, wants_json=wants_json)
    except ArchsimError as error:
        parts = error.to_json()
        record = {"kind": parts.pop("error"), **parts}
        return _report(record, str(error), error.exit_code, wants_json=wants_json)
    except (KeyboardInterrupt, typer.Abort):
        return _refuse("interrupted", "interrupted", INTERRUPTED, wants_json=wants_json)
    except (BrokenPipeError, SystemExit):
        # typer turns a broken pipe under its own help text into an exit.
        raise ReaderGoneError from None
    except OSError as error:
        if error.filename is None:
            print_error(f"standard output: {error.strerror or error}")
            _close_stdout()
            return 2
        message = f"{error.filename}: {error.strerror or error}"
        return _refuse("file", message, 2, wants_json=wants_json)
    except (MemoryError, RecursionError) as error:
        message = f"the input asks for more than this machine has ({type(error).__name__})"
        return _refuse("limit", message, 2, wants_json=wants_json)
    if code == INTERRUPTED:  # typer made an exit of the interrupt
        return _refuse("interrupted", "interrupted", INTERRUPTED, wants_json=wants_json)
    return code if isinstance(code, int) else 0


def _refuse(kind: str, message: str, exit_code: int, *, wants_json: bool) -> int:
    record: dict[str, object] = {"kind": kind, "message": message, "exit_code": exit_code}
    return _report(record, message, exit_code, wants_json=wants_json)


def _report(record: dict[str, object], message: str, exit_code: int, *, wants_json: bool) -> int:
    if wants_json:
        print_json({"error": record})
    print_error(message)
    return exit_code


@contextmanager
def _tolerant_streams() -> Iterator[None]:
    """Let a stream that cannot encode a character show it escaped instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    yield


def _close_stdout() -> None:
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
