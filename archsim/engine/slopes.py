"""One-sided derivatives of the makespan: exact at ties, where counting on one path is not.

The makespan is the largest sum of weights over paths, so it is convex and piecewise linear in the
weights. Where several paths tie it has a kink: lowering a weight gains what the path with the
fewest of it loses, raising it costs what the path with the most of it does. Both follow from runs
of the same program with other times: with weights T*w + u the makespan is T*M + d, where d is the
derivative in the direction u, if T exceeds what any two paths differ by in the sum of u.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from archsim.engine.path import Weight
from archsim.engine.run import run_program
from archsim.errors import OperationBudgetError
from archsim.program.ir import Program

SCALED_BITS = 59
"""Scaled times stay below this many bits, so that what is added does not reach 61."""

MIN_SCALE_BITS = 8
"""Longer programs leave fewer bits to scale times by than are worth having."""

GROWTH = 16
"""A run with other times may simulate this many times more operations (4 were seen, over random
programs: measured) and `SPARE_OPS` besides."""

SPARE_OPS = 20_000


@dataclass(frozen=True, slots=True)
class Direction:
    """A direction in which times change: per hold, operation and wait, in ps."""

    occupancies: tuple[int, ...]
    latencies: tuple[int, ...]
    delays: tuple[int, ...]

    @classmethod
    def of(cls, program: Program, weights: Mapping[Weight, int]) -> Direction:
        """Return the direction that changes the given weights and no other."""

        def column(kind: str, size: int) -> tuple[int, ...]:
            return tuple(weights.get((kind, number), 0) for number in range(size))

        return cls(
            column("hold", len(program.occupancies_ps)),
            column("latency", len(program.latencies_ps)),
            column("delay", len(program.delays_ps)),
        )

    def sum_over(self, counts: Mapping[Weight, int]) -> int:
        """Return the derivative along this direction on the path with these counts."""
        columns = {"hold": self.occupancies, "latency": self.latencies, "delay": self.delays}
        return sum(count * columns[kind][number] for (kind, number), count in counts.items())

    def reversed(self) -> Direction:
        """Return the opposite direction."""
        columns = (self.occupancies, self.latencies, self.delays)
        return Direction(*(tuple(-step for step in column) for column in columns))


@dataclass(frozen=True, slots=True)
class Slope:
    """How the makespan changes when times move in a direction.

    Attributes
    ----------
    change
        Change of the makespan per unit of the direction, ps.
    step
        Units of the direction over which the change was taken.
    is_derivative
        Whether the step is proved to be small enough for the derivative; else `change` is the
        exact mean over the step, which by convexity is no less than the derivative.
    """

    change: Fraction
    step: Fraction
    is_derivative: bool


def slope_along(
    program: Program, makespan_ps: int, direction: Direction, *, simulated: int = 0
) -> Slope | None:
    """Return the derivative of the makespan along a direction (one-sided).

    Parameters
    ----------
    program : Program
        What was run.
    makespan_ps : int
        Its makespan.
    direction : Direction
        How its times move.
    simulated : int
        Operations that its run simulated, to judge what is too much work.

    Returns
    -------
    Slope or None
        None where the program is too long to scale its times, or its perturbed run too much work.

    Notes
    -----
    The left derivative in a weight is minus the slope along the reversed direction.
    """
    times = (program.occupancies_ps, program.latencies_ps, program.delays_ps)
    longest = max(makespan_ps, *(abs(time) for column in times for time in column))
    bits = SCALED_BITS - longest.bit_length() - 1
    if bits < MIN_SCALE_BITS:
        return None
    scale = 1 << bits

    def moved(times: tuple[int, ...], steps: tuple[int, ...], low: int | None) -> list[int]:
        scaled = [scale * time + step for time, step in zip(times, steps, strict=True)]
        return scaled if low is None else [max(time, low) for time in scaled]

    perturbed = program.with_times(
        occupancies_ps=moved(program.occupancies_ps, direction.occupancies, 0),
        latencies_ps=moved(program.latencies_ps, direction.latencies, 0),
        delays_ps=moved(program.delays_ps, direction.delays, None),
    )
    limit = GROWTH * simulated + SPARE_OPS
    try:
        after_ps = run_program(perturbed, path=False, max_ops=limit).makespan_ps
    except OperationBudgetError:
        return None
    return Slope(
        change=Fraction(after_ps - scale * makespan_ps),
        step=Fraction(1, scale),
        is_derivative=scale > _spread(program, makespan_ps, direction),
    )


def _spread(program: Program, makespan_ps: int, direction: Direction) -> float:
    """Return a bound on how much the sums of the direction over two paths can differ.

    No path is longer than the makespan, so with weights w >= 0 the sum of u over one is at most
    the makespan times the largest |u| / w.
    """
    columns = (
        (program.occupancies_ps, direction.occupancies),
        (program.latencies_ps, direction.latencies),
        (program.delays_ps, direction.delays),
    )
    largest = 0.0
    for times, steps in columns:
        for time, step in zip(times, steps, strict=True):
            if time < 0 or (step and not time):
                return float("inf")
            if step:
                largest = max(largest, abs(step) / time)
    return 2 * largest * makespan_ps
