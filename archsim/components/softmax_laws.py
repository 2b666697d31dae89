"""Cycle laws of an online softmax unit (one pass over tiles of scores), as pure integer functions.

A row of scores comes in tiles of M0 over W lanes, ``B = ceil(M0/W)`` beats each. A full tile takes
one slot for the correction exp(old maximum - new maximum) and B slots for its scores; a slot runs
through the exponent, E multiply-accumulates in sequence, and a slot starts every g cycles (g = 1:
E units a lane, pipelined; g = E: one unit a lane, as in a FuseMax processing element). The next
tile loads meanwhile. Rows follow each other like tiles.

Measured on the register-transfer block `online_softmax`. Batched twins stand in
:mod:`archsim.components.softmax_batch`.

References
----------
N. Nayak et al., "FuseMax: Leveraging Extended Einsums to Optimize Attention Accelerator Design",
MICRO 2024 (one-pass cascade; exponent as six multiply-accumulates).
"""

from __future__ import annotations

from archsim.components.systolic_laws import ceil_div

EXP_STAGES = 6
"""Multiply-accumulates of an exponent: one scaling and five Horner steps (FuseMax, artifact)."""


def cycles_softmax_interval(tile_scores: int, lanes: int, spacing: int = 1) -> int:
    """Cycles between two tiles: ``(B + 1) * g``.

    Parameters
    ----------
    tile_scores, lanes
        Scores of a tile, and how many enter in a cycle.
    spacing
        Cycles between two slots.
    """
    return (ceil_div(tile_scores, lanes) + 1) * spacing


def cycles_softmax(tile_scores: int, lanes: int, tiles: int, spacing: int = 1) -> int:
    """Cycles from the first scores to the finished denominator after `tiles` tiles.

    Notes
    -----
    ``B + (T*(B+1) - 1)*g + E + 1``.
    """
    beats = ceil_div(tile_scores, lanes)
    last_slot = tiles * cycles_softmax_interval(tile_scores, lanes, spacing) - spacing
    return beats + last_slot + EXP_STAGES + 1
