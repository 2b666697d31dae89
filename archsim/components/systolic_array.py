"""Systolic array: a rows x columns grid of processing elements, one or several in lock-step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, cast

from pydantic import Field

from archsim.components.base import (
    ANY_FORMAT,
    BindContext,
    BoundComponent,
    Component,
    Service,
    base_format,
)
from archsim.components.systolic_laws import (
    ArrayLaw,
    Dataflow,
    Drain,
    WeightLoad,
    bound_gemm,
    buffer_words,
    cycles_gemm,
    cycles_gemm_steady,
)
from archsim.config.schema import FormatName, PositiveInt, Whole
from archsim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from archsim.components.systolic_batch import IntLike, Ints

HeldAction = Literal["add", "mul", "max", "exp", "div"]
"""Operations on a value that a processing element holds."""


class SystolicArray(Component):
    """Configuration of a systolic array."""

    kind: Literal["systolic-array"] = "systolic-array"
    rows: PositiveInt
    """Processing elements along the first axis."""
    columns: PositiveInt
    """Processing elements along the second axis."""
    count: PositiveInt = 1
    """Identical arrays that work in lock-step on independent folds."""
    dataflow: Dataflow = "weight"
    """The operand that stays in the array: output, weight (right-hand side) or input."""
    weight_load: WeightLoad = "serial"
    """serial: the stationary operand loads before each fold; shadow: behind the previous fold."""
    drain: Drain = "serial"
    """serial: results leave after each fold; overlapped: behind the next (output dataflow)."""
    output_register: Annotated[int, Whole(0, 1)] = 0
    """Registers at the output edge, cycles of latency."""
    macs_per_cycle: dict[FormatName, PositiveInt] = Field(
        default_factory=lambda: {"bf16": 1}, min_length=1
    )
    """MACs of one processing element per cycle, by number format; others are not supported."""
    accumulator: FormatName = "fp32"
    """Number format of partial sums."""
    cycles_per_operation: dict[HeldAction, PositiveInt] = Field(default_factory=dict)
    """Cycles of what each processing element can do to a value that it holds; none: MACs only."""

    def law(self) -> ArrayLaw:
        """Return the timing parameters without the rest of the configuration."""
        return ArrayLaw(
            rows=self.rows,
            columns=self.columns,
            count=self.count,
            dataflow=self.dataflow,
            weight_load=self.weight_load,
            drain=self.drain,
            output_register=self.output_register,
        )

    def bind(self, context: BindContext) -> BoundSystolicArray:
        """Attach the array to a machine."""
        return BoundSystolicArray(context, self, self.law())


@dataclass(frozen=True)
class BoundSystolicArray(BoundComponent):
    """A systolic array of one machine.

    Attributes
    ----------
    array
        Its configuration.
    law
        Its timing parameters.
    """

    array: SystolicArray
    law: ArrayLaw
    KIND: ClassVar[str] = "systolic-array"
    ACTIONS: ClassVar[tuple[str, ...]] = ("mac",)

    @property
    def config(self) -> SystolicArray:
        """The validated configuration."""
        return self.array

    def actions(self) -> tuple[str, ...]:
        """Return MACs and the operations that the processing elements have besides."""
        return (*self.ACTIONS, *self.array.cycles_per_operation)

    @property
    def formats(self) -> tuple[str, ...]:
        """Number formats that the processing elements can multiply."""
        return tuple(self.array.macs_per_cycle)

    def macs_per_cycle(self, format: str) -> int:
        """Return the MACs of one PE in one cycle.

        Raises
        ------
        ConfigError
            The format is not supported; the supported ones are named.
        """
        name = base_format(format)
        if name not in self.array.macs_per_cycle:
            raise ConfigError(
                "number format is not supported by the array",
                path=f"{self.context.prefix}.macs_per_cycle",
                given=format,
                allowed=self.formats,
                hint=nearest(name, self.formats),
            )
        return self.array.macs_per_cycle[name]

    def gemm_cycles(self, m: int, n: int, k: int, format: str = "bf16", *, batch: int = 1) -> int:
        """Return the cycles of a GEMM ``[m, k] x [k, n]`` alone on the array, fill to drain.

        A GEMM larger than the array runs in folds. To hold the lhs instead of the rhs, swap `m` and
        `n` (the transposed product).
        """
        rate = self.macs_per_cycle(format)
        return cycles_gemm(self.law, m, n, k, batch=batch, macs_per_cycle=rate)

    def gemm_cycles_steady(
        self, m: int, n: int, k: int, format: str = "bf16", *, batch: int = 1
    ) -> int:
        """Return the cycles a GEMM keeps the next one out: rounds of folds times their interval."""
        rate = self.macs_per_cycle(format)
        return cycles_gemm_steady(self.law, m, n, k, batch=batch, macs_per_cycle=rate)

    def gemm_cycles_lower_bound(
        self, m: int, n: int, k: int, format: str = "bf16", *, batch: int = 1
    ) -> int:
        """Return MACs over the peak rate, rounded up: more PEs never raise it."""
        rate = self.macs_per_cycle(format)
        return bound_gemm(self.law, m, n, k, batch=batch, macs_per_cycle=rate)

    def gemm_cycles_batch(
        self, m: IntLike, n: IntLike, k: IntLike, format: str = "bf16", *, batch: IntLike = 1
    ) -> Ints:
        """Return :meth:`gemm_cycles` for int64 arrays of shapes that broadcast."""
        from archsim.components import systolic_batch

        rate = self.macs_per_cycle(format)
        return systolic_batch.cycles_gemm_batch(self.law, m, n, k, batch=batch, macs_per_cycle=rate)

    def gemm_cycles_steady_batch(
        self, m: IntLike, n: IntLike, k: IntLike, format: str = "bf16", *, batch: IntLike = 1
    ) -> Ints:
        """Return :meth:`gemm_cycles_steady` for int64 arrays of shapes that broadcast."""
        from archsim.components import systolic_batch

        rate = self.macs_per_cycle(format)
        return systolic_batch.cycles_gemm_steady_batch(
            self.law, m, n, k, batch=batch, macs_per_cycle=rate
        )

    def gemm_cycles_lower_bound_batch(
        self, m: IntLike, n: IntLike, k: IntLike, format: str = "bf16", *, batch: IntLike = 1
    ) -> Ints:
        """Return :meth:`gemm_cycles_lower_bound` for int64 arrays of shapes that broadcast."""
        from archsim.components import systolic_batch

        rate = self.macs_per_cycle(format)
        return systolic_batch.bound_gemm_batch(self.law, m, n, k, batch=batch, macs_per_cycle=rate)

    def buffer_words(self, m: int, n: int, k: int, format: str = "bf16") -> tuple[int, int, int]:
        """Return the words a GEMM moves to and from its buffer: (lhs reads, rhs reads, writes).

        Writes of weight and input dataflow are partial sums, one set for each fold of `k`.
        """
        return buffer_words(self.law, m, n, k, macs_per_cycle=self.macs_per_cycle(format))

    def service(self, action: str, shape: Mapping[str, int], format: str) -> Service:
        """Return the cost of a GEMM on the array.

        Parameters
        ----------
        action
            ``mac``.
        shape
            ``m``, ``n``, ``k`` (each at least 1) and optionally ``batch``.
        format
            Number format of the operands.

        Returns
        -------
        Service
            Occupancy: :meth:`gemm_cycles_steady`; latency:
            :meth:`gemm_cycles`; counts: ``batch * m * n * k`` MACs.
        """
        self._check_action(action, self.ACTIONS)
        m, n, k, batch = (
            self._extent(shape, key, default)
            for key, default in (("m", None), ("n", None), ("k", None), ("batch", 1))
        )
        if 0 in (m, n, k, batch):
            raise ConfigError(
                "a GEMM extent is zero",
                path=self.context.prefix,
                given=f"batch={batch} m={m} n={n} k={k}",
                allowed="extents ≥ 1",
            )
        occupancy = self.gemm_cycles_steady(m, n, k, format, batch=batch)
        latency = self.gemm_cycles(m, n, k, format, batch=batch)
        return Service(
            occupancy_ps=self._cycles_ps(occupancy),
            latency_ps=self._cycles_ps(latency),
            counts={(self.name, "mac", base_format(format)): batch * m * n * k},
            occupancy_expr=self._cycles_expr(occupancy),
            latency_expr=self._cycles_expr(latency),
        )

    def held_product(self, rows: int, columns: int, depth: int, format: str) -> Service:
        """Return the cost of `depth` MACs for every value of a tile that the array holds.

        The tile is the result (scores that stay for what follows) or an operand (weights of a sum
        down the columns). Tiles follow one another without a gap; the last results leave at the
        edge `rows` cycles after the last MAC.

        Parameters
        ----------
        rows, columns
            Tile, at most the array; with several arrays their columns stand side by side.
        depth
            MACs of each processing element.
        format
            Number format of the operands.
        """
        cycles = -(-depth // self.macs_per_cycle(format))
        counts = {"mac": rows * columns * depth}
        return self._held(rows, columns, cycles, self.law.rows, counts, format)

    def held_operations(
        self, rows: int, columns: int, operations: Mapping[str, int], format: str
    ) -> Service:
        """Return the cost of operations on every value of a tile that the array holds.

        Parameters
        ----------
        rows, columns
            Tile, at most the array.
        operations
            Operations on each value, by action.
        format
            Number format of the values.

        Raises
        ------
        ConfigError
            The processing elements have no such operation; those they have are named.
        """
        cycles = sum(self._held_cycles(action) * n for action, n in operations.items())
        counts = {action: rows * columns * n for action, n in operations.items()}
        return self._held(rows, columns, cycles, 0, counts, format)

    def held_reduction(self, rows: int, columns: int, action: str, format: str) -> Service:
        """Return the cost of reducing a held tile down its columns, one value for each.

        The wave down a column takes one operation in each row and leaves the array free behind it;
        results arrive at the edge after `rows` cycles.
        """
        cycles = self._held_cycles(action)
        return self._held(rows, columns, cycles, self.law.rows, {action: rows * columns}, format)

    def _held_cycles(self, action: str) -> int:
        self._check_action(action, tuple(self.array.cycles_per_operation))
        return self.array.cycles_per_operation[cast("HeldAction", action)]

    def _held(
        self,
        rows: int,
        columns: int,
        cycles: int,
        drain: int,
        counts: Mapping[str, int],
        format: str,
    ) -> Service:
        law = self.law
        if not (0 < rows <= law.rows and 0 < columns <= law.columns * law.count):
            raise ConfigError(
                "a held tile is larger than the array",
                path=self.context.prefix,
                given=f"{rows} x {columns}",
                allowed=f"at most {law.rows} x {law.columns * law.count}",
            )
        number = base_format(format)
        return Service(
            occupancy_ps=self._cycles_ps(cycles),
            latency_ps=self._cycles_ps(cycles + drain),
            counts={(self.name, action, number): count for action, count in counts.items()},
            occupancy_expr=self._cycles_expr(cycles),
            latency_expr=self._cycles_expr(cycles + drain),
        )

    def peak_macs_per_s(self, format: str) -> float:
        """Return all PEs times their MACs per cycle times the rate of the integer-ps clock, 1/s."""
        per_cycle = self.law.rows * self.law.columns * self.law.count * self.macs_per_cycle(format)
        return per_cycle * 1e12 / self.clock.period_ps

    def bound(self, work: Mapping[str, int], format: str = "bf16") -> int:
        """Return the time of ``work["mac"]`` MACs at the peak rate, ps, rounded up to a cycle."""
        per_cycle = self.law.rows * self.law.columns * self.law.count * self.macs_per_cycle(format)
        return self._cycles_ps(-(-self._extent(work, "mac", 0) // per_cycle))

    def _num_pes(self) -> int:
        return self.law.rows * self.law.columns * self.law.count

    def _static_parts(self) -> Iterable[float]:
        yield self._num_pes() * self._figure("static", "pe", ANY_FORMAT).value

    def _area_parts(self) -> Iterable[float]:
        yield self._num_pes() * self._figure("area", "pe", ANY_FORMAT).value
