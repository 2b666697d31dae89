"""Einsums as a user writes them in a cascade file: statement, symbolic extents, reduction.

``GM[p] = QK[m,p] (max over m)``: the reduction stands behind the statement, sums need none.
``AV[f,p] = RNV[f,M1,p] / RD[M1,p]``: a rank's name inside brackets stands for its extent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_REDUCTION = re.compile(r"\((?P<operation>[a-z_]+) over (?P<variables>[a-z0-9_, ]+)\)\s*$")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class EinsumText:
    """A statement in the notation of :mod:`workloads.notation`, with its reductions."""

    statement: str
    reduce: Mapping[str, str]


def read_einsum(text: str, extents: Mapping[str, int]) -> EinsumText:
    """Return the statement and the reductions of an einsum.

    Parameters
    ----------
    text
        What the user wrote.
    extents
        Extent of every rank, by name.
    """
    reduce: dict[str, str] = {}
    match = _REDUCTION.search(text)
    if match is not None:
        text = text[: match.start()]
        variables = match["variables"].replace(",", " ").split()
        reduce = dict.fromkeys(variables, match["operation"])
    return EinsumText(_with_extents(text.strip(), extents), reduce)


def _with_extents(text: str, extents: Mapping[str, int]) -> str:
    """Return the text with the names of ranks inside brackets replaced by their extents."""
    words = _WORD.findall(text)
    depth = 0
    written = []
    for position, word in enumerate(words):
        depth += (word == "[") - (word == "]")
        is_tensor = words[position + 1 : position + 2] == ["["]
        written.append(str(extents[word]) if depth and word in extents and not is_tensor else word)
    return "".join(written)
