"""Request traces: when requests arrive, how long they are; and readers of published traces.

Formats are told apart by their columns:

============ ============================================================================
``burstgpt`` CSV ``Timestamp`` (s), ``Model``, ``Request tokens``, ``Response tokens``, …;
             rows without response tokens are failures and left out (BurstGPT v1.2)
``azure``    CSV ``TIMESTAMP`` (date and time), ``ContextTokens``, ``GeneratedTokens``,
             optionally ``NumImages`` (Azure LLM inference traces 2023, 2024; LMM 2025)
``mooncake`` JSON lines ``timestamp`` (ms), ``input_length``, ``output_length``, ``hash_ids``
             (Mooncake, FAST 2025)
``vidur``    CSV ``arrived_at`` (s), ``num_prefill_tokens``, ``num_decode_tokens``; arrival
             may be missing (Vidur, Sarathi-Serve)
``archsim``  CSV ``arrival_s``, ``prompt``, ``output``, and optionally ``session``, ``adapter``,
             ``images``, ``hash_ids`` (with spaces between them)
============ ============================================================================
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from archsim.errors import ConfigError, Location


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes
    ----------
    arrival_s
        Time since the trace began, s.
    prompt, output
        Tokens read and made, each at least 1.
    session
        Conversation it belongs to, or empty.
    adapter
        LoRA adapter, or empty.
    hash_ids
        Ids of the prompt's blocks; equal ids are equal prefixes.
    images
        Images in the prompt.
    """

    arrival_s: float
    prompt: int
    output: int
    session: str = ""
    adapter: str = ""
    hash_ids: tuple[int, ...] = ()
    images: int = 0


Row = Mapping[str, str]


def read_requests(path: str | Path) -> tuple[Request, ...]:
    """Read a request trace in any of the formats of this module's text.

    Arrival times are counted from the first request.

    Raises
    ------
    ConfigError
        Unknown columns, a bad value or a row out of order, with file and line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text") from error
    rows = _json_rows(path, text) if text.lstrip().startswith("{") else _csv_rows(path, text)
    requests: list[Request] = []
    begin = 0.0
    for line, request in rows:
        if not requests:
            begin = request.arrival_s
        elif request.arrival_s - begin < requests[-1].arrival_s:
            raise _error(path, line, "row out of order: arrivals must not go back")
        requests.append(_shifted(request, begin))
    if not requests:
        raise _error(path, 1, "a request trace has at least one request")
    return tuple(requests)


def _shifted(request: Request, begin: float) -> Request:
    return Request(
        request.arrival_s - begin,
        request.prompt,
        request.output,
        request.session,
        request.adapter,
        request.hash_ids,
        request.images,
    )


def _error(path: Path, line: int, message: str, given: object = None) -> ConfigError:
    shown = None if given is None else str(given)
    return ConfigError(message, location=Location(str(path), line, None), given=shown)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Request]]:
    reader = csv.DictReader(io.StringIO(text))
    columns = set(reader.fieldnames or ())
    able = [convert for wanted, convert in _FORMATS if set(wanted) <= columns]
    if not able:
        allowed = [", ".join(wanted) for wanted, _ in _FORMATS]
        raise ConfigError(
            "not the columns of a known request trace",
            location=Location(str(path), 1, None),
            given=", ".join(sorted(columns)),
            allowed=allowed,
        )
    for row in reader:
        yield from _converted(path, reader.line_num, able[0], row)


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, Request]]:
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise _error(path, line, "is not JSON") from error
        if not isinstance(row, dict):
            raise _error(path, line, "must be a JSON object")
        yield from _converted(path, line, _mooncake, row)


def _converted(
    path: Path,
    line: int,
    convert: Callable[[Row], Request | None],
    row: Row,
) -> Iterable[tuple[int, Request]]:
    try:
        request = convert(row)
    except (KeyError, TypeError, ValueError) as error:
        raise _error(path, line, f"bad row: {error}", dict(row)) from error
    return [] if request is None else [(line, request)]


def _tokens(text: object) -> int:
    number = float(str(text))
    if not number.is_integer() or not 1 <= number < 2**31:
        raise ValueError(f"a request has at least one token of each kind, not {text}")
    return int(number)


def _seconds(text: object) -> float:
    number = float(str(text))
    if not math.isfinite(number):
        raise ValueError(f"{text} is no time")
    return number


def _burstgpt(row: Row) -> Request | None:
    if float(row["Response tokens"]) == 0:
        return None
    return Request(
        _seconds(row["Timestamp"]),
        _tokens(row["Request tokens"]),
        _tokens(row["Response tokens"]),
        session=row.get("Session ID") or "",
    )


def _azure(row: Row) -> Request:
    # Seven decimals, as the traces print them, are more than Python's dates hold.
    whole, _, fraction = row["TIMESTAMP"].partition(".")
    digits = fraction.partition("+")[0] or "0"
    stamp = datetime.fromisoformat(whole).timestamp() + float(f"0.{digits}")
    images = int(row.get("NumImages") or 0)
    prompt, output = _tokens(row["ContextTokens"]), _tokens(row["GeneratedTokens"])
    return Request(stamp, prompt, output, images=images)


def _mooncake(row: Mapping[str, object]) -> Request:
    blocks = row.get("hash_ids") or []
    if not isinstance(blocks, list):
        raise TypeError("hash_ids must be a list")
    return Request(
        _seconds(row["timestamp"]) / 1e3,
        _tokens(row["input_length"]),
        _tokens(row["output_length"]),
        hash_ids=tuple(int(block) for block in blocks),
    )


def _vidur(row: Row) -> Request:
    return Request(
        _seconds(row.get("arrived_at") or 0.0),
        _tokens(row["num_prefill_tokens"]),
        _tokens(row["num_decode_tokens"]),
    )


def _native(row: Row) -> Request:
    return Request(
        _seconds(row["arrival_s"]),
        _tokens(row["prompt"]),
        _tokens(row["output"]),
        session=row.get("session") or "",
        adapter=row.get("adapter") or "",
        hash_ids=tuple(int(block) for block in (row.get("hash_ids") or "").split()),
        images=int(row.get("images") or 0),
    )


_FORMATS: Final[tuple[tuple[tuple[str, ...], Callable[[Row], Request | None]], ...]] = (
    (("Timestamp", "Request tokens", "Response tokens"), _burstgpt),
    (("TIMESTAMP", "ContextTokens", "GeneratedTokens"), _azure),
    (("num_prefill_tokens", "num_decode_tokens"), _vidur),
    (("arrival_s", "prompt", "output"), _native),
)


def requests_text(requests: Iterable[Request]) -> str:
    """Return a trace as CSV in archsim's own columns; :func:`read_requests` reads it back."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["arrival_s", "prompt", "output", "session", "adapter", "images", "hash_ids"])
    for item in requests:
        blocks = " ".join(str(block) for block in item.hash_ids)
        words = (item.session, item.adapter, item.images, blocks)
        writer.writerow([repr(item.arrival_s), item.prompt, item.output, *words])
    return text.getvalue()


def write_requests(requests: Iterable[Request], path: str | Path) -> None:
    """Write a trace in archsim's own columns."""
    Path(path).write_text(requests_text(requests), encoding="utf-8")
