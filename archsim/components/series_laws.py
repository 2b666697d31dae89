"""Cycles of functions that are made of additions and multiplications.

An ASIC beside computing memories has adders and multipliers and nothing else: exponentials are
Taylor series by Horner's rule, divisions Newton-Raphson reciprocals, reciprocal roots the same
iteration from a first guess made of the exponent's bits. Additions and multiplications of a
function do not overlap.

Source: shared reference on PIM-GPT (arXiv 2310.09385): Taylor series and Newton-Raphson are read
second-hand, six terms and three iterations are recalled.
"""

from __future__ import annotations


def cycles_series(additions: int, multiplications: int, adders: int, multipliers: int) -> int:
    """Cycles of some additions and multiplications: ``ceil(a / A) + ceil(m / M)``.

    Parameters
    ----------
    additions, multiplications
        Operations.
    adders, multipliers
        Units, each of which starts one a cycle.
    """
    return -(-additions // adders) - (-multiplications // multipliers)


def cycles_exponential(count: int, terms: int, adders: int, multipliers: int) -> int:
    """Cycles of exponentials by a Taylor series: a multiplication and an addition a term."""
    return cycles_series(count * terms, count * terms, adders, multipliers)


def cycles_reciprocal(count: int, iterations: int, adders: int, multipliers: int) -> int:
    """Cycles of reciprocals by ``x (2 - d x)``: two multiplications and an addition each time."""
    return cycles_series(count * iterations, 2 * count * iterations, adders, multipliers)


def cycles_division(count: int, iterations: int, adders: int, multipliers: int) -> int:
    """Cycles of divisions: a reciprocal and a multiplication."""
    return cycles_series(count * iterations, count * (2 * iterations + 1), adders, multipliers)
