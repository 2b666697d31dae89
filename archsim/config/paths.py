"""Dotted paths: one address per value, the same in files, ``--set``, errors and sensitivities.

A path is a root (``hardware``, ``workload``, ``mapper``, ``options``) and segments joined by dots.
A segment that is no plain word is written ``["llama3.1-8b"]``. Items of a list are addressed by
their ``name`` where they have one of their own, else by their index from 0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from archsim.errors import ConfigError

ROOTS = ("hardware", "workload", "mapper", "options")
"""First words that an override may start with."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_STEP = re.compile(r'(?:(?:^|\.)(?P<plain>[A-Za-z0-9_-]+))|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]')


def join_path(parent: str, segment: str) -> str:
    """Return the path of a child; ``parent`` may be empty."""
    if _PLAIN.fullmatch(segment):
        return f"{parent}.{segment}" if parent else segment
    escaped = segment.replace("\\", "\\\\").replace('"', '\\"')
    return f'{parent}["{escaped}"]'


def split_path(path: str) -> tuple[str, ...]:
    """Return the segments of a dotted path, the root first.

    Raises
    ------
    ConfigError
        An empty segment, or characters outside quotes that no segment may have.
    """
    segments: list[str] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            break
        quoted = match["quoted"]
        segments.append(match["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
    if position != len(path) or not segments:
        raise ConfigError(
            "is not a dotted path", given=path, allowed="words of [A-Za-z0-9_-] joined by dots"
        )
    return tuple(segments)


def item_segments(items: Sequence[object]) -> list[str]:
    """Return the path segment of each item of a list: its ``name`` if unique, else its index."""
    names = [item.get("name") if isinstance(item, Mapping) else None for item in items]
    texts = [name if isinstance(name, str) and name else None for name in names]
    counts = Counter(texts)
    return [
        text if text is not None and counts[text] == 1 and not text.isdecimal() else str(index)
        for index, text in enumerate(texts)
    ]
