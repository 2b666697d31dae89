"""Families of ranks: a rank, the levels it is split into, and how an access traverses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.access import Access
    from workloads.cascade import Cascade
    from workloads.einsum import Einsum


@dataclass(frozen=True, slots=True)
class RankFamily:
    """A rank that is no level of another one, with all levels it is split into.

    Attributes
    ----------
    root
        Name of the rank.
    extent
        Its coordinates.
    leaves
        Innermost levels in the order of their declaration; the root alone if it is not split.
    covers
        For every rank variable of the family, the leaves that it traverses.
    iterative
        The leaf that counts iterations, or None.
    """

    root: str
    extent: int
    leaves: tuple[str, ...]
    covers: Mapping[str, frozenset[str]]
    iterative: str | None

    def traversed(self, variables: Iterable[str]) -> frozenset[str]:
        """Return the leaves that some rank variables traverse."""
        found: frozenset[str] = frozenset()
        for variable in variables:
            found |= self.covers.get(variable, frozenset())
        return found

    def reach(self, access: Access) -> frozenset[str]:
        """Return the leaves that an access traverses; variables of filters and gathers not."""
        return self.traversed(variable for index in access.indices for variable, _ in index.terms)

    def gathered(self, access: Access, ranks: tuple[str, ...]) -> frozenset[str]:
        """Return the leaves that an access traverses by picking elements of this rank by value.

        Parameters
        ----------
        access
            The access.
        ranks
            Ranks of its tensor.
        """
        return self.traversed(
            variable
            for index, rank in zip(access.indices, ranks, strict=True)
            if index.gather is not None and rank.lower() in self.covers
            for variable in index.gather.variables()
        )

    def is_whole(self, leaves: frozenset[str]) -> bool:
        """Whether these are all leaves: a full fiber is traversed, no summary."""
        return leaves == frozenset(self.leaves)

    def space(self, einsum: Einsum) -> frozenset[str]:
        """Return the leaves in the iteration space of an einsum."""
        return self.traversed(variable for variable, _ in einsum.space)


def rank_families(cascade: Cascade) -> tuple[RankFamily, ...]:
    """Return the families of a cascade's ranks, in the order of their roots."""
    children: dict[str, list[str]] = {}
    for rank in cascade.ranks:
        if rank.parent is not None:
            children.setdefault(rank.parent, []).append(rank.name)

    def leaves_of(name: str) -> tuple[str, ...]:
        below = children.get(name)
        return (name,) if not below else tuple(leaf for sub in below for leaf in leaves_of(sub))

    def members(name: str) -> list[str]:
        return [name, *(item for sub in children.get(name, ()) for item in members(sub))]

    families = []
    for rank in cascade.ranks:
        if rank.parent is not None:
            continue
        leaves = leaves_of(rank.name)
        covers = {
            cascade.rank(name).variable: frozenset(leaves_of(name)) for name in members(rank.name)
        }
        iterative = next((leaf for leaf in leaves if cascade.rank(leaf).iterative), None)
        families.append(RankFamily(rank.name, rank.extent, leaves, covers, iterative))
    return tuple(families)
