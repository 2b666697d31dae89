"""Errors that a user can meet, each with one line that says what to change.

Every error raised on purpose derives from :class:`ArchsimError` and knows the exit code of the
command line (2 bad input, 5 not run). Messages about input have one shape::

    edge.yaml:12:11: hardware.components.array.rows: must be at least 1; given 0; allowed: …
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

MAX_SHOWN_CHARACTERS = 80
"""Longest piece of user input repeated in a message."""

MAX_SHOWN_NAMES = 24
"""Most names listed after ``allowed:``."""

MAX_CANDIDATES = 2000
"""Most names compared in the search for the nearest."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in an input: a file (or ``--set``), with line and column counted from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [self.file, self.line, self.column]
        return ":".join(str(part) for part in parts if part is not None)


class ArchsimError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is that of the command line."""

    exit_code = 2

    @property
    def kind(self) -> str:
        """Short stable name of the error class, such as ``config`` or ``workload``."""
        return type(self).__name__.removesuffix("Error").lower()

    def to_json(self) -> dict[str, object]:
        """Return the error as JSON-able data with the keys ``error`` and ``message``."""
        return {"error": self.kind, "message": str(self), "exit_code": self.exit_code}


class ConfigError(ArchsimError):
    """Input that cannot be used: a file, a ``--set``, an option, a name.

    Parameters
    ----------
    message : str
        What is wrong, in a few words, without the value and without the place.
    path : str, optional
        Dotted path with its root, ``hardware.components.array.rows``.
    location : Location, optional
        File, line and column.
    given : object, optional
        The value that was met. ``None`` means that there is nothing to show.
    allowed : str or iterable of str, optional
        What would be right: a phrase, or the legal names.
    hint : str, optional
        The nearest legal name (as :func:`nearest` returns it); printed as "did you mean 'rows'?".
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        location: Location | None = None,
        given: object = None,
        allowed: str | Iterable[str] | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = message
        self.path = path
        self.location = location
        self.given = given
        self.allowed = _allowed_text(allowed)
        self.hint = hint
        super().__init__(self._render())

    def _render(self) -> str:
        where = [str(part) for part in (self.location, self.path) if part]
        text = ": ".join([*where, self.message])
        if self.given is not None:
            text += f"; given {show(self.given)}"
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        if self.hint is not None:
            text += f"; did you mean {show(self.hint)}?"
        return _printable(text)

    def at(self, *, path: str | None = None, location: Location | None = None) -> ConfigError:
        """Return the same error with the place filled in where it was not yet known."""
        return type(self)(
            self.message,
            path=self.path or path,
            location=self.location or location,
            given=self.given,
            allowed=self.allowed,
            hint=self.hint,
        )

    def to_json(self) -> dict[str, object]:
        """Return the error as JSON-able data: the base keys and each part that is known."""
        result = super().to_json()
        parts: dict[str, object] = {
            "path": self.path,
            "given": None if self.given is None else show(self.given),
            "allowed": self.allowed,
            "hint": self.hint,
        }
        if self.location is not None:
            parts["file"] = self.location.file
            parts["line"] = self.location.line
            parts["column"] = self.location.column
        result.update({key: value for key, value in parts.items() if value is not None})
        return result


class WorkloadError(ConfigError):
    """A workload that cannot be built: an unknown model, an impossible shape."""


class MappingError(ArchsimError):
    """A mapper that broke its contract, or an operation for which no mapper exists."""


class SimulationError(ArchsimError):
    """A program that cannot be run."""


class TimeOverflowError(SimulationError):
    """Simulated time left the 64-bit picosecond range (about 106 days)."""


class OperationBudgetError(SimulationError):
    """More operations would have to be simulated than the stated budget."""


class NotRunError(ArchsimError):
    """Something needed is missing: a tool, a device, an extra or a data set; says which."""

    exit_code = 5


def show(value: object) -> str:
    """Return a short, printable, one-line form of a value from user input."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _shorten(repr(value))
    if isinstance(value, dict):
        return "a map" if value else "an empty map"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, int):
        # str() of an integer beyond 4300 digits is an error in Python.
        bits = value.bit_length()
        return str(value) if bits <= 256 else f"an integer of {bits} bits"
    return _shorten(str(value))


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """Return the allowed name most like ``name``, or None when nothing is near.

    Equal up to case, ``-`` and ``_`` wins; otherwise difflib's ratio decides, 0.6 and above.
    """
    if len(name) > MAX_SHOWN_CHARACTERS:
        return None
    # A ratio of 0.6 is out of reach when one text is 7/3 as long as the other.
    likely = (item for item in allowed if 3 * len(item) <= 7 * len(name) <= 17 * len(item))
    candidates = list(itertools.islice(likely, MAX_CANDIDATES))
    folded = {_fold(candidate): candidate for candidate in reversed(candidates)}
    if _fold(name) in folded:
        return folded[_fold(name)]
    close = difflib.get_close_matches(_fold(name), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def _printable(text: str) -> str:
    """Return text with every character that does not print (line breaks too) escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _fold(name: str) -> str:
    return name.casefold().replace("_", "-")


def _shorten(text: str) -> str:
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    return f"{text[: MAX_SHOWN_CHARACTERS - 1]}…"


def _allowed_text(allowed: str | Iterable[str] | None) -> str | None:
    if allowed is None or isinstance(allowed, str):
        return allowed or None
    names = list(allowed)
    shown = ", ".join(names[:MAX_SHOWN_NAMES])
    rest = len(names) - MAX_SHOWN_NAMES
    return f"{shown}, … ({rest} more)" if rest > 0 else shown or "nothing"
