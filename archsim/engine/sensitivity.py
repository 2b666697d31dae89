"""Sensitivities: how the makespan moves with each parameter that a duration names."""

from __future__ import annotations

from collections.abc import Callable

from archsim.engine.timing import Timing
from archsim.program.ir import Program


def _expression(program: Program, kind: str, number: int) -> str | None:
    if kind == "hold":
        return program.occupancy_exprs[number]
    if kind == "latency":
        return program.latency_exprs[number]
    return program.delay_exprs[number]


def sensitivities(
    program: Program, timing: Timing, lookup: Callable[[str], float]
) -> dict[str, float]:
    """Return the derivative of the makespan in every dotted path that its durations name.

    Parameters
    ----------
    program : Program
        The program that was run; its expressions give times in ps.
    timing : Timing
        Its result, with the path kept.
    lookup : callable
        Value of a dotted path, in base units.

    Returns
    -------
    dict of str to float
        ps per base unit of the path, at the values looked up.

    Notes
    -----
    d(makespan)/d(parameter) is the sum, over the weights on the critical path, of count times
    d(weight)/d(parameter). It is a subgradient: where two limits tie, it lies between the left
    and the right derivative. Durations without an expression count as constants.
    """
    from archsim.expression import Expression

    counts: dict[str, int] = {}
    for (kind, number), count in timing.weight_counts.items():
        text = _expression(program, kind, number)
        if text is not None:
            counts[text] = counts.get(text, 0) + count
    totals: dict[str, float] = {}
    for text, count in sorted(counts.items()):
        expression = Expression(text)
        for name in sorted(expression.names()):
            slope = expression.derivative(name, lookup)
            totals[name] = totals.get(name, 0.0) + count * slope
    return totals
