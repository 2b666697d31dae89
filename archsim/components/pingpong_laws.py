"""Cycle laws of a buffer of two banks, one written while the other one is read.

The writer fills a bank one word a cycle; the reader holds a full bank for Tc cycles and hands it
back, and the writer may use it from the next cycle. Measured on the register-transfer block
`pingpong_buf`: the change of banks costs no cycle. Batched twins stand in
:mod:`archsim.components.pingpong_batch`.
"""

from __future__ import annotations


def cycles_pingpong_interval(depth: int, hold: int) -> int:
    """Cycles between two banks handed back: ``max(D, Tc)``.

    Parameters
    ----------
    depth
        Words of a bank, written one a cycle.
    hold
        Cycles for which the reader holds a bank.
    """
    return max(depth, hold)


def cycles_pingpong(depth: int, hold: int, banks: int) -> int:
    """Cycles from the first word written to the hand-back of the last of `banks` banks.

    Notes
    -----
    ``D + (T-1)*max(D, Tc) + Tc - 1``, both ends as edges.
    """
    return depth + (banks - 1) * cycles_pingpong_interval(depth, hold) + hold - 1
