"""Vector unit: lanes that apply one operation each per issue, and reduce along a rank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from archsim.components.base import (
    BindContext,
    BoundComponent,
    Component,
    Service,
    base_format,
)
from archsim.config.schema import NonNegativeInt, PositiveInt
from archsim.errors import ConfigError, nearest

VectorAction = Literal["add", "mul", "mac", "max", "compare", "exp", "div", "compute_other"]
REDUCTIONS: tuple[str, ...] = ("add", "mul", "max", "compare", "compute_other")
"""Actions that can reduce a rank."""


def cycles_vector(count: int, lanes: int, cycles_per_operation: int) -> int:
    """Cycles of one element-wise operation over some elements: ``ceil(count/lanes) * cycles``."""
    return -(-count // lanes) * cycles_per_operation


def cycles_reduce(count: int, results: int, lanes: int, cycles_per_operation: int) -> int:
    """Cycles to reduce some elements to fewer results.

    Parameters
    ----------
    count
        Elements read, at least `results`.
    results
        Results written, each from ``ceil(count/results)`` elements.
    lanes
        Lanes of the unit.
    cycles_per_operation
        Issue cycles of one operation.

    Notes
    -----
    With at least as many results as lanes, each lane reduces whole rows one element at a time:
    ``ceil(results/lanes) * e`` operations, e elements a result. With fewer, ``g = lanes //
    results`` lanes share a row, capped at e: each folds its part, ``ceil(e/g)``, then a tree over
    the g partial results takes ``ceil(log2 g)`` further operations (rows work side by side).
    """
    if count == 0 or results == 0:
        return 0
    per_result = -(-count // results)
    share = min(lanes // results, per_result)
    if share <= 1:
        return -(-results // lanes) * per_result * cycles_per_operation
    tree = (share - 1).bit_length()
    return (-(-per_result // share) + tree) * cycles_per_operation


class VectorUnit(Component):
    """Configuration of a vector unit."""

    kind: Literal["vector-unit"] = "vector-unit"
    lanes: PositiveInt
    """Elements that start one operation together."""
    cycles_per_operation: dict[VectorAction, PositiveInt] = Field(min_length=1)
    """Issue cycles of each operation on a lane; operations not listed are not supported."""
    pipeline_cycles: NonNegativeInt = 0
    """Cycles from the last issue to its result."""

    def bind(self, context: BindContext) -> BoundVectorUnit:
        """Attach the unit to a machine."""
        return BoundVectorUnit(context, self)


@dataclass(frozen=True)
class BoundVectorUnit(BoundComponent):
    """A vector unit of one machine.

    Attributes
    ----------
    unit
        Its configuration.
    """

    unit: VectorUnit
    KIND: ClassVar[str] = "vector-unit"

    @property
    def config(self) -> VectorUnit:
        """The validated configuration."""
        return self.unit

    def actions(self) -> tuple[str, ...]:
        """Return the operations that the unit supports."""
        return tuple(self.unit.cycles_per_operation)

    def cycles(self, operations: Mapping[str, int]) -> int:
        """Return the issue cycles of some operations (counts by action), one kind after the other.

        Raises
        ------
        ConfigError
            An operation that the unit does not support.
        """
        return sum(
            cycles_vector(self._extent(operations, action), self.unit.lanes, self._rate(action))
            for action in operations
        )

    def service(self, action: str, shape: Mapping[str, int], format: str) -> Service:
        """Return the cost of vector work.

        Parameters
        ----------
        action
            ``elementwise``: operation counts by action in `shape`; or ``reduce``: one operation
            count (elements read) and ``results``.
        shape
            Such as ``{"add": 4096, "exp": 4096}``, or ``{"max": 4096, "results": 32}``.
        format
            Number format of the elements.
        """
        self._check_action(action, ("elementwise", "reduce"))
        operations = {key: self._extent(shape, key) for key in shape if key != "results"}
        if action == "elementwise" and "results" not in shape:
            cycles = self.cycles(operations)
        else:
            cycles = self._reduce_cycles(operations, self._extent(shape, "results"))
        latency = cycles + (self.unit.pipeline_cycles if cycles else 0)
        number = base_format(format)
        return Service(
            occupancy_ps=self._cycles_ps(cycles),
            latency_ps=self._cycles_ps(latency),
            counts={(self.name, key, number): value for key, value in operations.items() if value},
            occupancy_expr=self._cycles_expr(cycles),
            latency_expr=self._cycles_expr(latency),
        )

    def peak_macs_per_s(self, format: str) -> float:
        """Return the rate of ``mac`` operations over all lanes, 1/s; 0 if there is none."""
        del format
        cycles = self.unit.cycles_per_operation.get("mac")
        if cycles is None:
            return 0.0
        return self.unit.lanes / cycles * 1e12 / self.clock.period_ps

    def bound(self, work: Mapping[str, int], format: str = "*") -> int:
        """Return the time of operations spread over all lanes without a remainder, ps."""
        del format
        total = sum(self._extent(work, action) * self._rate(action) for action in work)
        return self._cycles_ps(-(-total // self.unit.lanes))

    def _rate(self, action: str) -> int:
        for known, cycles in self.unit.cycles_per_operation.items():
            if known == action:
                return cycles
        raise ConfigError(
            "the vector unit has no such operation",
            path=f"{self.context.prefix}.cycles_per_operation",
            given=action,
            allowed=self.actions(),
            hint=nearest(action, self.actions()),
        )

    def _reduce_cycles(self, operations: Mapping[str, int], results: int) -> int:
        if len(operations) != 1 or next(iter(operations)) not in REDUCTIONS:
            raise ConfigError(
                "a reduction needs one operation and its results",
                path=self.context.prefix,
                given=", ".join(operations) or "no operation",
                allowed=[action for action in REDUCTIONS if action in self.actions()],
            )
        ((action, count),) = operations.items()
        return cycles_reduce(count, results, self.unit.lanes, self._rate(action))

    def _static_parts(self) -> Iterable[float]:
        yield self.unit.lanes * self._figure("static", "lane").value

    def _area_parts(self) -> Iterable[float]:
        yield self.unit.lanes * self._figure("area", "lane").value
