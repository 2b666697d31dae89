"""Options of a job, checked: lengths from a file, a limit with a unit."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Final

from archsim.config.schema import Duration
from archsim.errors import ConfigError
from archsim.pim.systems import MAX_BATCH
from archsim.pim.systems_place import GRID
from archsim.pim.systems_run import Job

MAX_TOKENS: Final = GRID[-1]
"""Longest request at its end."""


SPREADS: Final = ("equal", "exponential")
"""How prompts of a batch differ."""
CONTEXT: Final = 2048
NEW_TOKENS: Final = 128
"""Prompt and new tokens where nothing is said."""


def job_options(
    *,
    batch: int | None = None,
    context: int = CONTEXT,
    new_tokens: int = NEW_TOKENS,
    slo: str | float | None = None,
    requests: Path | None = None,
    continuous: bool = False,
    spread: str = "equal",
) -> Job:
    """Return a job of checked options.

    Parameters
    ----------
    batch, context, new_tokens
        As of :class:`~archsim.pim.systems_run.Job`.
    slo
        A time such as ``30ms``, or seconds.
    requests
        CSV with a column ``tokens``.
    continuous
        Whether requests join and leave one by one.
    spread
        ``equal`` or ``exponential`` prompts.

    Raises
    ------
    ConfigError
        A number out of range, options that exclude each other, or a bad file.
    """
    for option, value, least, most in (
        ("--batch", batch, 1, MAX_BATCH),
        ("--context", context, 0, MAX_TOKENS),
        ("--new-tokens", new_tokens, 1, MAX_TOKENS),
    ):
        if value is not None and not least <= value <= most:
            raise ConfigError(
                "is out of range", path=option, given=value, allowed=f"{least} to {most}"
            )
    if requests is not None and batch is not None:
        raise ConfigError(
            "excludes --batch: the file has a row for each request", path="--requests"
        )
    limit = None if slo is None else _limit(slo)
    lengths = None if requests is None else read_lengths(requests)
    longest = new_tokens + (context if lengths is None else max(lengths))
    if longest > MAX_TOKENS:
        raise ConfigError(
            "prompt and new tokens are too long",
            given=longest,
            allowed=f"at most {MAX_TOKENS}",
        )
    if continuous and lengths is not None:
        raise ConfigError("excludes --requests: all requests are alike", path="--continuous")
    if spread not in SPREADS:
        raise ConfigError("is no spread", path="--spread", given=spread, allowed=SPREADS)
    if spread != "equal" and (continuous or lengths is not None):
        raise ConfigError("excludes --continuous and --requests", path="--spread", given=spread)
    return Job(context, new_tokens, batch, limit, lengths, continuous, spread)


def _limit(slo: str | float) -> float:
    from pydantic import TypeAdapter, ValidationError

    try:
        found = float(TypeAdapter(Duration).validate_python(slo))
    except (ValidationError, ConfigError):
        found = 0.0
    if found <= 0:
        raise ConfigError("is no time", path="--slo", given=slo, allowed="such as 30 ms")
    return found


def read_lengths(path: Path) -> tuple[int, ...]:
    """Return the prompts of requests, one a row, in the order of the file.

    Parameters
    ----------
    path
        CSV with a column ``tokens``; other columns are ignored.

    Raises
    ------
    ConfigError
        The file cannot be read, lacks the column, is empty, or a row has no whole number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError("cannot be read", given=str(path), hint=str(error)) from None
    if rows and "tokens" not in rows[0]:
        raise ConfigError(
            f"{path} has no column 'tokens'", given=", ".join(str(key) for key in rows[0])
        )
    found = []
    for number, row in enumerate(rows, 2):
        text = (row["tokens"] or "").strip()
        if not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_TOKENS:
            raise ConfigError(
                f"{path}, line {number}: is no number of tokens",
                given=text or "nothing",
                allowed=f"1 to {MAX_TOKENS}",
            )
        found.append(int(text))
    if not found:
        raise ConfigError(f"{path} has no requests", given="0 rows", allowed="one a row")
    return tuple(found)
