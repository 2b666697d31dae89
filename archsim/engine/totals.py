"""Sums over the instances of a run, by name: what every kind of timing offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.program import Program


def instances_by_operation(program: Program, counts: Sequence[int]) -> Mapping[str, int]:
    """Return the instances of each operation from counts by operation number."""
    return dict(zip(program.ops, counts, strict=True))


def busy_by_resource(program: Program, counts: Sequence[int]) -> Mapping[str, int]:
    """Return the time in ps for which each shared resource was held, summed over its servers.

    Parameters
    ----------
    program
        What ran.
    counts
        Instances by operation number.
    """
    busy = [0] * len(program.resources)
    for op, count in enumerate(counts):
        for resource, occupancy_ps in program.holds(op):
            busy[resource] += count * occupancy_ps
    named = zip(program.resources, busy, program.private, strict=True)
    return {name: ps for name, ps, private in named if not private}
