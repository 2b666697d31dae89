"""Cycle laws of a digital bit-serial compute-in-memory macro, as pure integer functions.

The macro holds R rows of weights in one or two planes. A vector of R inputs of XB bits is used
most significant digit first, `b` bits a step, and of every digit only `A` rows at a time; a step
takes a cycle. An adder tree of D registers and one accumulator register follow.

Each law is measured on the register-transfer block `cim_macro`. Batched twins stand in
:mod:`archsim.components.cim_batch`.

References
----------
Y. Chih et al., "An 89 TOPS/W and 16.3 TOPS/mm2 all-digital SRAM-based full-precision
compute-in-memory macro", ISSCC 2021, 16.4 (bit-serial inputs, adder tree, accumulator); CIM-Tuner
(2025) for writing one weight plane behind another.
"""

from __future__ import annotations

from archsim.components.systolic_laws import ceil_div


def cycles_cim_steps(
    rows: int, input_bits: int, bits_per_cycle: int = 1, active_rows: int | None = None
) -> int:
    """Cycles for which a vector occupies the macro, and between two vectors: ``n``.

    Parameters
    ----------
    rows
        Weight rows.
    input_bits, bits_per_cycle
        Bits of an input, and of the digit used in a step.
    active_rows
        Rows that add in one step; all of them if None.

    Notes
    -----
    ``n = ceil(XB/b) * ceil(R/A)``.
    """
    groups = 1 if active_rows is None else ceil_div(rows, active_rows)
    return ceil_div(input_bits, bits_per_cycle) * groups


def cycles_cim_latency(steps: int, tree_stages: int) -> int:
    """Cycles from taking a vector to its result: ``n + D + 1``."""
    return steps + tree_stages + 1


def cycles_cim_interval(rows: int, steps: int, vectors: int, planes: int) -> int:
    """Cycles between two weight sets that `vectors` vectors use each.

    Parameters
    ----------
    rows
        Weight rows, written one a cycle.
    steps
        Cycles a vector occupies the macro.
    vectors
        Vectors for each set of weights.
    planes
        1, or 2 to write a set while the other one is used.

    Notes
    -----
    One plane: ``R + V*n``. Two planes: ``max(R, V*n)``, with no cycle lost at the change.
    """
    if planes == 1:
        return rows + vectors * steps
    return max(rows, vectors * steps)


def cycles_cim_sets(
    rows: int, steps: int, tree_stages: int, vectors: int, sets: int, planes: int
) -> int:
    """Cycles from the first weight row to the last result of `sets` sets of weights.

    Notes
    -----
    ``R + (S-1)*interval + (V-1)*n + n + D + 1``.
    """
    before = rows + (sets - 1) * cycles_cim_interval(rows, steps, vectors, planes)
    return before + (vectors - 1) * steps + cycles_cim_latency(steps, tree_stages)
