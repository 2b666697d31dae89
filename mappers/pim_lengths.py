"""Lengths of keys that the positions of a prompt see, as few that stand for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mappers.attention_problem import AttentionProblem
    from workloads import Cascade

DIGITS: Final = "0123456789"

SAMPLES: Final = 16
"""Most lengths of a prompt that are timed."""


def extent(cascade: Cascade, einsum: str, letter: str) -> int:
    """Return the extent of a variable of an einsum, 1 without it.

    Parameters
    ----------
    cascade, einsum
        Where.
    letter
        ``b`` for requests, ``p`` for new positions; groups of a mixed batch number theirs.
    """
    extents = cascade.einsum(einsum).extents
    return next((n for name, n in extents.items() if name.rstrip(DIGITS) == letter), 1)


def weighted_lengths(problem: AttentionProblem) -> list[tuple[int, int]]:
    """Return (keys, query positions) that stand for all positions of an attention.

    Without a mask all positions see all keys. With one, positions are cut into equal runs, each of
    which has the mean length of its positions, rounded up.
    """
    mask = problem.mask
    if mask is None:
        return [(problem.keys, 1)]
    found: dict[int, int] = {}
    runs = min(SAMPLES, problem.queries)
    for run in range(runs):
        first, stop = run * problem.queries // runs, (run + 1) * problem.queries // runs
        ends = [problem.visible_keys(at, at) for at in (first, stop - 1)]
        total = sum(stop - start for start, stop in ends)
        keys = max(1, -(-total // 2))
        found[keys] = found.get(keys, 0) + stop - first
    return sorted(found.items())
