"""Linear lower bounds on what transfers and ports cost, for vectorised bounds of candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mappers.work import Work

Floats: TypeAlias = NDArray[np.floating[Any]]
Ints: TypeAlias = NDArray[np.int64]

PROBE_BYTES = 1 << 40
"""Size at which rates are measured: large enough that rounding and set-up vanish."""

SMALL_PROBES = (1, 1 << 10, 1 << 20)
"""Sizes at which the fixed part of a latency is measured, bytes."""

MARGIN = 1.0 - 1e-9
"""Factor on a measured rate; covers the rounding of one probe (1 ps in its occupancy)."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Lower bounds that are linear in the bytes (or operations) of one piece of work.

    Attributes
    ----------
    ps_per_unit
        Occupancy of each resource, ps per byte or operation.
    least_latency_ps
        Latency of the smallest piece.
    fixed_latency_ps
        Least excess of the latency over the longest occupancy.

    Notes
    -----
    True lower bounds if doing work in one piece never takes longer than doing it in several (then
    occupancy over size is least in the limit of large sizes) and if latency exceeds the longest
    occupancy by at least what it does at the probed sizes.
    """

    ps_per_unit: Mapping[str, float]
    least_latency_ps: float
    fixed_latency_ps: float

    def latency_ps(self, size: Floats, count: Floats | Ints | float = 1.0) -> Floats:
        """Return the sum of the latencies of `count` pieces of `size` units in all, ps."""
        linear = count * self.fixed_latency_ps + self.slowest * size
        return np.asarray(np.maximum(count * self.least_latency_ps, linear), dtype=np.float64)

    @property
    def slowest(self) -> float:
        """Occupancy of the slowest resource, ps per unit."""
        return max(self.ps_per_unit.values(), default=0.0)


NOTHING = Rate({}, 0.0, 0.0)
"""The rate of a tensor that is not moved."""


def measure(work_of: Callable[[int], Work]) -> Rate:
    """Return the rate of a kind of work.

    Parameters
    ----------
    work_of
        Returns the work of a size (bytes or operations).
    """
    large = work_of(PROBE_BYTES)
    rates = {name: ps / PROBE_BYTES * MARGIN for name, ps in large.occupancies.items()}
    small = [work_of(size) for size in SMALL_PROBES]
    excess = (work.latency_ps - max(work.occupancies.values(), default=0) for work in small)
    return Rate(rates, float(small[0].latency_ps), float(max(min(excess), 0)))
