"""How a run of vector einsums is cut into stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads import Einsum


@dataclass(frozen=True, slots=True)
class Plan:
    """A way to cut a run.

    Attributes
    ----------
    name
        ``whole``: all einsums on one tile of rows, reduced ranks whole. ``passes``: reduced ranks
        are walked in tiles, once for every pass that the dependences ask for. ``single``: each
        einsum alone.
    groups
        Einsum names of each stage.
    walk
        Whether reduced ranks are walked in tiles.
    """

    name: str
    groups: tuple[tuple[str, ...], ...]
    walk: bool


def plans(einsums: Sequence[Einsum]) -> tuple[Plan, ...]:
    """Return the plans worth trying, each cut at most once."""
    names = tuple(einsum.name for einsum in einsums)
    found = [Plan("whole", (names,), False)]
    passes = passes_of(einsums)
    if any(einsum.reduce for einsum in einsums):
        found.append(Plan("passes", passes, True))
    single = tuple((name,) for name in names)
    if single != passes or len(found) == 1:
        found.append(Plan("single", single, True))
    return tuple(found)


def passes_of(einsums: Sequence[Einsum]) -> tuple[tuple[str, ...], ...]:
    """Return the einsums by pass over the reduced ranks.

    A pass ends where an einsum needs a completed reduction, or does not walk the same reduced
    ranks as the pass so far. Softmax over a rank gives three: maximum; numerator and denominator;
    division.
    """
    reduced = {variable for einsum in einsums for variable, _ in einsum.reduce}
    groups: list[list[str]] = []
    walked: frozenset[str] = frozenset()
    completed: set[str] = set()
    for einsum in einsums:
        own = frozenset(einsum.extents) & reduced
        if not groups or own != walked or completed & set(einsum.reads()):
            groups.append([])
            walked, completed = own, set()
        groups[-1].append(einsum.name)
        if einsum.reduce:
            completed.add(einsum.output.tensor)
    return tuple(tuple(group) for group in groups)
