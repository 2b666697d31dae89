"""Sensitivities: how the makespan moves with each parameter that a duration names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Literal

from archsim.engine.path import Weight
from archsim.engine.slopes import Direction, Slope, slope_along
from archsim.engine.timing import Timing, split
from archsim.expression import Expression
from archsim.program.ir import Program

Lookup = Callable[[str], float]
"""Value of a dotted path, in base units."""

Side = Literal["count", "gain"]

Share = tuple[str, str]
"""Resource and cause of a part of the critical path."""


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Expression:
    return Expression(text)


def gradients(program: Program, lookup: Lookup) -> dict[str, dict[Weight, float]]:
    """Return the derivative of every time that has an expression, by parameter.

    Parameters
    ----------
    program : Program
        A program with expressions.
    lookup : callable
        Value of a dotted path, in base units.

    Returns
    -------
    dict
        Per dotted path, ps per base unit for each time that depends on it.
    """
    known: dict[str, dict[str, float]] = {}
    found: dict[str, dict[Weight, float]] = {}
    tables = (
        ("hold", program.occupancy_exprs),
        ("latency", program.latency_exprs),
        ("delay", program.delay_exprs),
    )
    for kind, texts in tables:
        for number, text in enumerate(texts):
            if text is None:
                continue
            if text not in known:
                known[text] = _parsed(text).gradient(lookup)
            for name, slope in known[text].items():
                if slope:
                    found.setdefault(name, {})[kind, number] = slope
    return dict(sorted(found.items()))


def sensitivities(
    program: Program, timing: Timing, lookup: Lookup, *, side: Side = "count"
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
    side : {"count", "gain"}
        ``count`` sums along the critical path found. ``gain`` is what a small improvement of the
        parameter gains: where two limits tie it is less, as the other stays.

    Returns
    -------
    dict of str to float
        ps per base unit of the path, at the values looked up.

    Notes
    -----
    d(makespan)/d(parameter) is the sum, over the weights on the critical path, of count times
    d(weight)/d(parameter). It is a subgradient: where two limits tie, it lies between the left
    and the right derivative, both of which `archsim.engine.slopes` gives. Durations without an
    expression count as constants. The gain side costs a folded run for each parameter on the
    path, and one for all whose times move alike.
    """
    counts = timing.weight_counts
    known: dict[Direction, Slope | None] = {}
    totals: dict[str, float] = {}
    for name, slopes in gradients(program, lookup).items():
        total = sum(
            (counts[weight] * slope for weight, slope in slopes.items() if weight in counts), 0.0
        )
        if side == "gain" and total:
            total *= _gained(program, timing, name, slopes, lookup, known)
        if any(weight in counts for weight in slopes):
            totals[name] = total
    return totals


def _gained(
    program: Program,
    timing: Timing,
    name: str,
    slopes: Mapping[Weight, float],
    lookup: Lookup,
    known: dict[Direction, Slope | None],
) -> float:
    """Return which part of the slope on the critical path an improvement gains, 0 to 1."""
    counts = timing.weight_counts
    value = lookup(name)
    towards = Direction.of(program, {w: round(slope * value) for w, slope in slopes.items()})
    on_path = towards.sum_over(counts)
    if not on_path:
        return 1.0
    if on_path > 0:
        towards = towards.reversed()
    if towards not in known:
        known[towards] = slope_along(
            program, timing.makespan_ps, towards, simulated=timing.simulated
        )
    slope = known[towards]
    if slope is None:
        return 1.0
    return min(max(float(-slope.change / abs(on_path)), 0.0), 1.0)


def reasons(program: Program, timing: Timing, lookup: Lookup) -> dict[str, dict[Share, float]]:
    """Return through which parts of the critical path each parameter acts.

    Parameters
    ----------
    program, timing, lookup
        As for `sensitivities`.

    Returns
    -------
    dict
        Per dotted path, ps per base unit by resource and cause; sums to the sensitivity on the
        critical path.
    """
    counts = timing.weight_counts
    found: dict[str, dict[Share, float]] = {}
    for name, slopes in gradients(program, lookup).items():
        shares: dict[Share, float] = {}
        for weight, slope in slopes.items():
            for share, part in _parts(program, weight, slope, slopes).items():
                if counts.get(weight) and part:
                    shares[share] = shares.get(share, 0.0) + counts[weight] * part
        if shares:
            found[name] = shares
    return found


def _parts(
    program: Program, weight: Weight, slope: float, slopes: Mapping[Weight, float]
) -> dict[Share, float]:
    """Split the slope of a weight as the attribution splits the weight."""
    kind, number = weight
    parts = split(program, kind, number)
    if len(parts) == 1:
        return {(parts[0][0], parts[0][1]): slope}
    busy, rest = parts
    if not rest[3]:
        return {(busy[0], busy[1]): slope}
    first, last = program.hold_offsets[number], program.hold_offsets[number + 1]
    longest = max(range(first, last), key=lambda h: program.occupancies_ps[h])
    held = slopes.get(("hold", longest), 0.0)
    return {(busy[0], busy[1]): held, (rest[0], rest[1]): slope - held}
