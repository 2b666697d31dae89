"""Attention of a mixed batch on a GPU: one call for the requests of all lengths.

Serving libraries hand prompts, chunks and decode steps of one pass to one attention call each for
prefill and decode, with a table of lengths: requests are no cuts of tensors, and nothing is copied.
Groups of equal requests are timed one by one; all but the first of a kind are charged what they
take beyond a smallest call, as the launch is shared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mappers.gpu_kernel import Call
    from workloads import Cascade

REQUEST: Final = re.compile(r"request_(\d+)_")
"""Beginning of the names of einsums that belong to one group of requests."""

ATTENTION_CLASSES: Final = frozenset({"attention", "softmax"})
"""Operation classes of an attention's einsums."""

VIEW: Final = re.compile(r"request_\d+_(queries|[a-z]+_cache|cache|result)$")
"""Names of einsums that only cut a group out of the batch, or put it back."""

SMALLEST: Final = {"batch": 1.0, "q_len": 1.0, "kv_len": 1.0}

SAID: Final = (
    "requests of all lengths are one call for prefill and one for decode: groups of equal ones are "
    "added up, the launch counts once"
)


def blocks(cascade: Cascade) -> Sequence[Sequence[str]]:
    """Return the einsums of all requests as one run, if they are attention and views alone."""
    names = [einsum.name for einsum in cascade.einsums if REQUEST.match(einsum.name)]
    if not names:
        return []
    able = all(
        einsum.op_class in ATTENTION_CLASSES or VIEW.match(einsum.name)
        for einsum in cascade.einsums
        if einsum.name in set(names)
    )
    order = [einsum.name for einsum in cascade.einsums]
    first = order.index(names[0])
    return [names] if able and order[first : first + len(names)] == names else []


def parts(cascade: Cascade) -> list[Cascade]:
    """Return the attention of each group of requests; the cascade itself if it is of one."""
    found: dict[str, list[str]] = {}
    for einsum in cascade.einsums:
        match = REQUEST.match(einsum.name)
        if match is not None and einsum.op_class in ATTENTION_CLASSES:
            found.setdefault(match[1], []).append(einsum.name)
    if not found:
        return [cascade]
    return [cascade.subset(names, names[0]) for names in found.values()]


def together(calls: Sequence[Call]) -> list[Call]:
    """Return calls of which all but the first of a kind are charged only their own work."""
    seen: set[tuple[str, str]] = set()
    made = []
    for call in calls:
        kind = (call.op, call.dtype)
        smallest = {name: value for name, value in SMALLEST.items() if name in call.shape}
        made.append(replace(call, less=smallest, launches=0) if kind in seen else call)
        seen.add(kind)
    return made
