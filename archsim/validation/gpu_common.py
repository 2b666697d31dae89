"""Fit the constants that all measured parts share: those of a part that nobody measured.

Laws take from the data sheet what differs between parts (multiprocessors, clocks, bandwidths,
capacities, power limit); what remains is nearly the same everywhere. One record for each family,
and format and variant where they matter, is fitted to all devices and sources together, each group
with the same weight however many rows it has; and once more without each device, so that a device
can be predicted as if it had never been seen.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from archsim.gpu.constants import ANY, KERNEL, WARP_GROUPS, WARP_LEVEL
from archsim.gpu.families import FAMILIES
from archsim.validation.gpu_rows import format_key
from archsim.validation.gpu_score import Group, timing_of
from archsim.validation.gpu_search import search

MOST_ROWS: Final = 160
"""Rows of one group that are looked at, those with the lowest hashes of their names."""

TRIAL_ROUNDS: Final = 4
ROUNDS: Final = 10
"""Sweeps of the searches for a policy and from there."""

POLICY_GAIN: Final = 0.003
"""Loss that a policy must save to replace one that stands before it."""

LOW_QUALITY: Final = frozenset({"tpu-v6"})
"""Architectures whose rows tell nothing about others."""


def common_keys(group: Group) -> list[tuple[str, str, str, str]]:
    """Return family, architecture, format and variant of the common records of a group."""
    family = FAMILIES[group.first.family]
    left_out = group.device.architecture in LOW_QUALITY or timing_of(group.first) != KERNEL
    if family.common is None or left_out:
        return []
    form = format_key(group.first) if "format" in family.common else ANY
    variant = group.first.variant if "variant" in family.common else ANY
    likes = [ANY]
    if "instruction" in family.common and group.device.architecture not in WARP_GROUPS:
        likes.append(WARP_LEVEL)
    return [(family.name, like, form, variant) for like in likes]


def thinned(group: Group) -> Group:
    """Return a group with its fitted rows alone, and no more of them than :data:`MOST_ROWS`."""
    free = np.flatnonzero(~group.held).tolist()
    free.sort(key=lambda index: hashlib.sha256(group.rows[index].name.encode()).digest())
    chosen = np.array(sorted(free[:MOST_ROWS]), dtype=np.int64)
    return replace(
        group,
        rows=tuple(group.rows[index] for index in chosen),
        shape={name: values[chosen] for name, values in group.shape.items()},
        latency_us=group.latency_us[chosen],
        held=np.zeros(chosen.size, dtype=np.bool_),
    )


def fit_common(family_name: str, form: str, groups: Sequence[Group]) -> dict[str, float]:
    """Fit one record to groups of equal weight.

    The loss is the mean over the groups of the mean absolute logarithm of predicted over measured,
    and a prior around the starts, as for single records.
    """
    family = FAMILIES[family_name]
    centre = family.defaults("" if form == ANY else form)
    free = [item for item in family.parameters if item.step > 0]

    def loss(constants: Mapping[str, float]) -> float:
        away = sum(
            (math.log(constants[item.name] / centre[item.name]) / math.log(item.high / item.low))
            ** 2
            for item in free
        )
        return error_of(groups, constants) + family.prior * away

    trials = [{**centre, **choice} for choice in family.choices]
    if len(trials) > 1:
        found = [search(loss, free, trial, TRIAL_ROUNDS) for trial in trials]
        least = min(trial[1] for trial in found)
        trials = [next(trial[0] for trial in found if trial[1] <= least + POLICY_GAIN)]
    return search(loss, free, trials[0], ROUNDS)[0]


def error_of(groups: Sequence[Group], constants: Mapping[str, float]) -> float:
    """Return the mean over the groups of the mean absolute logarithm of predicted over measured."""
    errors = [
        float(np.mean(np.abs(np.log(group.predict(constants).time_us / group.latency_us))))
        for group in groups
    ]
    return sum(errors) / len(errors)
