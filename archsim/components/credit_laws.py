"""Cycle laws of a link with credits, as pure integer functions.

The sender holds one credit for each place in the receiver's queue of `depth` items. An item takes
`data_latency` cycles on the wires and one into the queue; a credit takes `credit_latency` cycles
back and one into the counter. Measured on the register-transfer block `credit_link` with a receiver
that always takes. Batched twins stand in :mod:`archsim.components.credit_batch`.
"""

from __future__ import annotations


def cycles_credit_latency(data_latency: int) -> int:
    """Cycles from an item taken to the same item offered at the far end: ``DataLat + 1``."""
    return data_latency + 1


def cycles_credit_round_trip(data_latency: int, credit_latency: int) -> int:
    """Cycles from a credit spent to the same credit spent again: ``DataLat + CreditLat + 2``."""
    return data_latency + credit_latency + 2


def cycles_credit_accept(depth: int, data_latency: int, credit_latency: int, item: int) -> int:
    """Edge on which item `item` (from 0) is taken, the first one on edge 0.

    Notes
    -----
    ``floor(q/Depth) * max(RTT, Depth) + q mod Depth``.
    """
    window = max(cycles_credit_round_trip(data_latency, credit_latency), depth)
    return item // depth * window + item % depth


def cycles_credit_stream(depth: int, data_latency: int, credit_latency: int, items: int) -> int:
    """Cycles from the first item taken to the last of `items` items offered at the far end."""
    last = cycles_credit_accept(depth, data_latency, credit_latency, items - 1)
    return last + cycles_credit_latency(data_latency)
