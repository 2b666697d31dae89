"""Vector work beside a memory that computes: as elsewhere, and what ranks send around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archsim.mapping import Infeasible
from mappers.pim_collective import behind_lookup
from mappers.pim_mapping import Placed
from mappers.vector import VectorMapper

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import FragmentMapping, Json, MapContext
    from workloads import Cascade


class PimVectorMapper:
    """Maps a run of einsums that are no product onto the vector unit; see the module.

    Attributes
    ----------
    id, classes, options
        Registry name, mapper classes served and options taken.
    """

    id: str = "pim-vector"
    classes: frozenset[str] = frozenset({"vector"})
    options: frozenset[str] = frozenset({"parallel"})

    def supports(self, cascade: Cascade, machine: Machine) -> str | None:
        """Return None if the fragment can be mapped, else why not."""
        return VectorMapper().supports(cascade, machine)

    def map(
        self,
        cascade: Cascade,
        machine: Machine,
        options: Mapping[str, Json],
        context: MapContext,
    ) -> FragmentMapping | Infeasible:
        """Map the fragment."""
        found = VectorMapper().map(cascade, machine, {}, context)
        after = behind_lookup(machine, cascade, options)
        if isinstance(found, Infeasible) or not after:
            return found
        return Placed(found, (), self.id, after)
