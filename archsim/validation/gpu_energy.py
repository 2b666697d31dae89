"""Fit and score board power: rows that recorded it, kernels long enough for the meter to see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.gpu.constants import Chosen, Record, Request, choose
from archsim.gpu.energy import FAMILY, PARAMETERS, default_constants, power_w, reading_w
from archsim.validation.gpu_score import constants_for
from archsim.validation.gpu_search import search

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsim.gpu.family import Estimate
    from archsim.validation.gpu_score import Group

SHORTEST_US: Final = 20.0
"""Kernels below this are neither fitted nor scored: the meter averages over 100 ms, and the timed
loop of a short kernel is shorter than that."""

FEWEST: Final = 30
"""Rows that a fit needs."""


def metered(group: Group) -> NDArray[np.bool_]:
    """Return which rows of a group have a power that means something."""
    power = np.array([row.power_w for row in group.rows])
    metered_rows: NDArray[np.bool_] = (power > 0) & (group.latency_us >= SHORTEST_US)
    return metered_rows


def fit_energy(groups: Iterable[Group], records: Sequence[Record]) -> list[Record]:
    """Fit the energy constants of every architecture and operator family with recorded power.

    The loss is the mean absolute relative error of power at the measured time, on rows that are
    not held out.
    """
    members: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        if (metered(group) & ~group.held).any():
            key = group.device.architecture, group.first.family
            members.setdefault(key, []).append(group)
    return [
        record
        for key in sorted(members)
        if (record := _fit(key, members[key], records)) is not None
    ]


def _fit(key: tuple[str, str], groups: list[Group], records: Sequence[Record]) -> Record | None:
    work = []
    for group in groups:
        estimate = group.predict(constants_for(group, records).values)
        chosen = metered(group) & ~group.held
        work.append((group, estimate, chosen, np.array([row.power_w for row in group.rows])))
    count = sum(int(chosen.sum()) for _, _, chosen, _ in work)
    if count < FEWEST:
        return None

    def loss(constants: Mapping[str, float]) -> float:
        errors = []
        for group, estimate, chosen, power in work:
            seen = read_power(group, estimate, group.latency_us, constants)
            errors.append(np.abs(seen / power - 1)[chosen])
        return float(np.mean(np.concatenate(errors)))

    constants, _ = search(loss, PARAMETERS, default_constants())
    return Record(
        family=FAMILY,
        architecture=key[0],
        library="",
        version="",
        format="16bit",
        variant=key[1],
        gpus=tuple(sorted({group.first.gpu for group in groups})),
        rows=count,
        values={name: float(f"{value:.4g}") for name, value in constants.items()},
    )


def read_power(
    group: Group,
    estimate: Estimate,
    time_us: NDArray[np.float64],
    constants: Mapping[str, float],
) -> NDArray[np.float64]:
    """Return the power that the meter reads for the rows of a group, W."""
    drawn = power_w(
        group.device,
        group.first.dtype,
        time_us,
        flops=estimate.flops,
        l2_bytes=estimate.l2_bytes,
        dram_bytes=estimate.dram_bytes,
        constants=constants,
    )
    return reading_w(group.device, drawn, time_us, constants)


def energy_constants(
    group: Group, records: Sequence[Record], without: frozenset[str] = frozenset()
) -> Chosen:
    """Return the energy constants of a group."""
    request = Request(
        family=FAMILY,
        architecture=group.device.architecture,
        variant=group.first.family,
        device=group.first.gpu,
        without=without,
    )
    return choose(request, tuple(records), default_constants())
