"""Forms of a plain attention cascade that mapper auto chooses from, as task graphs.

Every form is a rewrite of the cascade (:mod:`workloads.rewrites`) with its passes counted anew:

- ``3-pass``: as given, a division for every score;
- ``2-pass``: division deferred, so that exponentials, their sum and the context share a traversal;
- ``1-pass``: a running maximum, sums corrected when it changes;
- ``whole``: division deferred, all keys in one tile, so that no second traversal is needed.

Scores that a later traversal needs are held in the buffer (``held``) or made again (``again``).
The form with one maximum per tile needs no fewer operations than ``1-pass`` and a summary for
every tile besides; it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import WorkloadError
from mappers.auto_graph import Roles, TaskGraph, build_graph, key_rank
from workloads.rewrites import defer_division, one_pass

if TYPE_CHECKING:
    from workloads import Cascade

PROBE_TILE = 2
"""Keys of a tile in the rewritten cascade; the graph does not depend on it."""


@dataclass(frozen=True)
class Form:
    """A rewrite as a task graph.

    Attributes
    ----------
    name
        Name, such as ``2-pass again``.
    graph
        Tasks of a tile.
    single_tile
        Whether all keys have to be in one tile.
    """

    name: str
    graph: TaskGraph
    single_tile: bool = False


def forms(cascade: Cascade, *, multiply_add: bool) -> tuple[Form, ...]:
    """Return the forms of a plain cascade, those with the fewest traversals first.

    Parameters
    ----------
    cascade
        Scores, softmax and context as they are given.
    multiply_add
        Whether the 1D unit multiplies and adds in one operation.
    """
    roles = Roles.of(cascade)
    rank = key_rank(cascade, roles)
    found: list[Form] = []

    def add(name: str, form: Cascade, *, hold: bool = False, single_tile: bool = False) -> None:
        graph = build_graph(
            form, roles, hold=hold, multiply_add=multiply_add, single_tile=single_tile
        )
        found.append(Form(name, graph, single_tile))

    try:
        deferred = defer_division(cascade)
        size = min(PROBE_TILE, cascade.rank(rank).extent)
        add("1-pass", one_pass(cascade, rank, size))
    except WorkloadError:
        deferred = cascade
    add("whole", deferred, single_tile=True)
    for name, form in (("2-pass", deferred), ("3-pass", cascade)):
        if name == "3-pass" or form is not cascade:
            add(f"{name} again", form)
            add(f"{name} held", form, hold=True)
    return tuple(found)
