"""Tables that send tokens to experts and back, made from the router's choices (numpy)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Tables = dict[str, "NDArray[np.int64]"]


def dispatch_tables(choices: ArrayLike, experts: int, capacity: int | None = None) -> Tables:
    """Return the inputs SEQ, POS, SLOT and KEEP of :mod:`workloads.layers.experts`.

    Slots are sorted by expert, the busiest expert first, then by position. The cascade's experts
    are numbered in that order too: ``ORDER[i]`` is the model's expert that the cascade calls i.

    Parameters
    ----------
    choices
        Experts of every token (B P K), the tensor XI of the router.
    experts
        Number of experts, X.
    capacity
        Most tokens that one expert takes; the first come stay. None: no limit.

    Returns
    -------
    dict
        SEQ, POS (slots), SLOT, KEEP (B P K), ORDER (X), LOADS (tokens of each visited expert).
    """
    chosen = np.asarray(choices, dtype=np.int64)
    pairs = chosen.reshape(-1)
    kept = np.ones(pairs.shape, dtype=bool)
    loads = np.bincount(pairs, minlength=experts)
    if capacity is not None:
        for expert in np.flatnonzero(loads > capacity):
            kept[np.flatnonzero(pairs == expert)[capacity:]] = False
        loads = np.minimum(loads, capacity)
    order = np.argsort(-loads, kind="stable")
    place = np.empty(experts, dtype=np.int64)
    place[order] = np.arange(experts)
    members = np.flatnonzero(kept)
    by_expert = members[np.argsort(place[pairs[members]], kind="stable")]
    slots = np.zeros(pairs.shape, dtype=np.int64)
    slots[by_expert] = np.arange(len(by_expert))
    sequence, position, _ = np.unravel_index(by_expert, chosen.shape)
    return {
        "SEQ": sequence.astype(np.int64),
        "POS": position.astype(np.int64),
        "SLOT": slots.reshape(chosen.shape),
        "KEEP": kept.reshape(chosen.shape).astype(np.int64),
        "ORDER": order.astype(np.int64),
        "LOADS": loads[order][loads[order] > 0].astype(np.int64),
    }
