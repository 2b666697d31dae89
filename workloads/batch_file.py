"""Requests of a mixed batch, as they are typed or read from a file.

A text lists ``NEW`` or ``NEW+HISTORY`` between commas, with ``COUNTx`` before it for several alike:
``512, 128+512, 8x1+2000`` is a prompt of 512 tokens, a later chunk of 128, and eight decode steps.
A CSV file has the columns ``new`` and optionally ``history`` and ``count``; a JSON file is a list
of objects with the same keys, or of lists ``[new, history]``. A CSV file with the column
``tokens``, as systems with computing memories take it, lists the cached tokens of decode steps.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from archsim.errors import ConfigError, Location, WorkloadError, nearest

Pairs = tuple[tuple[int, int], ...]
"""``(new positions, history)`` of each request."""

MAX_REQUESTS: Final = 2**16
"""Most requests of one batch."""

COLUMNS: Final = ("new", "history", "count")
"""Columns of a file; history is 0 and count 1 where they are missing."""

PATH: Final = "options.requests"

_ITEM: Final = re.compile(r"(?:(\d{1,10})x)?(\d{1,10})(?:\+(\d{1,10}))?")
_LIST: Final = re.compile(r"[\d\sx+,]*")


def batch_requests(text: str) -> Pairs:
    """Return the requests of a list, or of the file of that name.

    Raises
    ------
    ConfigError
        Neither a list nor a file that can be read, with file and line.

    Examples
    --------
    >>> batch_requests("512, 2x1+2000")
    ((512, 0), (1, 2000), (1, 2000))
    """
    if _LIST.fullmatch(text):
        return parse_batch(text)
    return read_batch(text)


def parse_batch(text: str) -> Pairs:
    """Return the requests that a text lists; WorkloadError where it does not."""
    pairs: list[tuple[int, int]] = []
    for part in text.split(","):
        found = _ITEM.fullmatch(part.strip())
        if found is None:
            raise WorkloadError(
                "is not a request",
                path=PATH,
                given=part.strip(),
                allowed="NEW, NEW+HISTORY or COUNTxNEW+HISTORY, e.g. 512, 8x1+2000",
            )
        count, new, history = (int(word or 0) for word in found.groups())
        count = count if found[1] else 1
        pairs += _alike(count, new, history, len(pairs), None)
    return tuple(pairs)


def read_batch(path: str | Path) -> Pairs:
    """Return the requests of a CSV or JSON file.

    Raises
    ------
    ConfigError
        A file that cannot be read, unknown columns, or a bad row, with file and line.
    """
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".json"):
        raise WorkloadError(
            "is neither a list of requests nor a file of them",
            path=PATH,
            given=str(path),
            allowed="a list such as 512, 8x1+2000, or a .csv or .json file",
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text") from error
    rows = _json_rows(path, text) if path.suffix.lower() == ".json" else _csv_rows(path, text)
    pairs: list[tuple[int, int]] = []
    for place, row in rows:
        if row.get("new") in (None, ""):
            raise WorkloadError("a request has new positions", location=place, path="new")
        new, history, count = (
            _whole(place, name, least if row.get(name) in (None, "") else row[name], least)
            for name, least in zip(COLUMNS, (1, 0, 1), strict=True)
        )
        pairs += _alike(count, new, history, len(pairs), place)
    if not pairs:
        raise WorkloadError("a batch has at least one request", location=_at(path, 1))
    return tuple(pairs)


def _at(path: Path, line: int) -> Location:
    return Location(str(path), line, None)


def _alike(
    count: int, new: int, history: int, before: int, place: Location | None
) -> list[tuple[int, int]]:
    if not 1 <= count <= MAX_REQUESTS - before:
        raise WorkloadError(
            "a batch has too many requests or a count of none",
            location=place,
            path=PATH,
            given=before + count,
            allowed=f"1 to {MAX_REQUESTS}",
        )
    return [(new, history)] * count


def _whole(place: Location, name: str, given: object, least: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise WorkloadError("must be a whole number", location=place, path=name, given=given)
    digits = str(given).strip()
    if not re.fullmatch(r"\d{1,10}", digits) or int(digits) < least:
        raise WorkloadError(
            f"must be a whole number of at least {least}", location=place, path=name, given=given
        )
    return int(digits)


def _known(place: Location, names: list[str]) -> None:
    for name in names:
        if name not in COLUMNS:
            raise WorkloadError(
                "unknown key of a request",
                location=place,
                given=name,
                allowed=COLUMNS,
                hint=nearest(name, COLUMNS),
            )


def _csv_rows(path: Path, text: str) -> Iterator[tuple[Location, Mapping[str, object]]]:
    reader = csv.reader(io.StringIO(text))
    names = [name.strip() for name in next(reader, [])]
    if "tokens" in names and "new" not in names:
        yield from _decode_rows(path, reader, names.index("tokens"))
        return
    if "new" not in names:
        raise WorkloadError(
            "a batch needs the column new",
            location=_at(path, 1),
            given=",".join(names),
            allowed=f"{', '.join(COLUMNS)}; or tokens",
        )
    _known(_at(path, 1), names)
    for cells in reader:
        place = _at(path, reader.line_num)
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            raise WorkloadError(
                "a row has another number of columns than the first", location=place, given=cells
            )
        yield place, {name: cell.strip() for name, cell in zip(names, cells, strict=True)}


def _decode_rows(
    path: Path, reader: Iterable[list[str]], column: int
) -> Iterator[tuple[Location, Mapping[str, object]]]:
    """Yield a decode step for each row: one new position after the tokens that it gives."""
    for line, cells in enumerate(reader, start=2):
        if any(cell.strip() for cell in cells):
            tokens = cells[column].strip() if column < len(cells) else ""
            place = _at(path, line)
            yield place, {"new": 1, "history": _whole(place, "tokens", tokens, 0)}


def _json_rows(path: Path, text: str) -> Iterator[tuple[Location, Mapping[str, object]]]:
    """Yield the items of a list one by one, each with the line it begins in."""
    decoder, end = json.JSONDecoder(), text.find("[") + 1
    if not end or text[: end - 1].strip():
        raise WorkloadError("a batch is a list of requests", location=_at(path, 1))
    while True:
        end += len(text[end:]) - len(text[end:].lstrip(" \t\r\n,"))
        place = _at(path, text.count("\n", 0, end) + 1)
        if text[end : end + 1] == "]" and not text[end + 1 :].strip():
            return
        try:
            item, end = decoder.raw_decode(text, end)
        except (ValueError, RecursionError) as error:
            raise WorkloadError("is not a JSON list", location=place) from error
        if isinstance(item, list) and 1 <= len(item) <= 2:
            item = dict(zip(COLUMNS, [*item, 0][:2], strict=False))
        if not isinstance(item, dict):
            raise WorkloadError(
                "must be an object or a list of new positions and history",
                location=place,
                given=json.dumps(item),
            )
        _known(place, list(item))
        yield place, item
