"""What a run returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PathShare:
    """A part of the makespan, by what the critical path spent it on.

    Parameters
    ----------
    resource : str
        The resource that was busy, or empty for a stated delay or a private resource.
    cause : str
        What the time was spent on.
    op : str
        The operation whose time it was.
    tags : mapping of str to str
        Labels of that operation.
    ps : int
        Time in ps; negative only for negative delays.
    """

    resource: str
    cause: str
    op: str
    tags: Mapping[str, str]
    ps: int


@dataclass(frozen=True)
class Timing:
    """Result of a run: times in ps, exact."""

    makespan_ps: int
    num_instances: Mapping[str, int]
    busy_ps: Mapping[str, int]
    simulated: int
    jumps: int
    attribution: tuple[PathShare, ...]
