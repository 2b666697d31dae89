"""Fit the constants of every (architecture, library, version, format) that has measurements."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.config.emit import to_yaml
from archsim.gpu.constants import Record
from archsim.gpu.families import FAMILIES
from archsim.gpu.naming import library_of
from archsim.validation.gpu_common import common_keys, fit_common, thinned
from archsim.validation.gpu_energy import fit_energy
from archsim.validation.gpu_rows import Measured, format_key
from archsim.validation.gpu_score import Group, constants_for, grouped, timing_of
from archsim.validation.gpu_search import search

if TYPE_CHECKING:
    from archsim.mapping import Json

FEWEST_ROWS: Final = 4
"""Fewest rows that get constants of their own at all, held near those of other measurements."""

FEW_ROWS: Final = 100
"""Rows below which the prior weighs more."""

SIGNIFICANT: Final = 4
"""Digits kept of a fitted constant."""

SOURCE: Final = "fitted by archsim calibrate gpu --data FOLDER to two thirds of the measured shapes"
"""Source of every constant that is written."""

POLICY_GAIN: Final = 0.004
"""Loss that a policy must save to replace one that stands before it."""

TRIAL_ROUNDS: Final = 6
"""Sweeps of the search that compares policies."""


@dataclass(frozen=True, slots=True)
class Fit:
    """One fitted record and how well it does on the shapes that were kept out.

    Attributes
    ----------
    record
        The constants.
    held_rows
        Number of rows kept out.
    fitted_mape_percent, held_mape_percent
        Mean absolute error of time on both kinds of rows; None without any, and for energy.
    """

    record: Record
    held_rows: int
    fitted_mape_percent: float | None
    held_mape_percent: float | None


def record_key(group: Group) -> tuple[str, ...]:
    """Return the key of the record that a group belongs to."""
    row = group.first
    library, version = library_of(row.source)
    return (
        row.family, group.device.architecture, library, version, format_key(row), row.variant,
    )  # fmt: skip


def calibrate(rows: Iterable[Measured]) -> list[Fit]:
    """Fit constants to all rows that are not held out.

    First come the constants that all parts share, then those of each architecture and library;
    groups with few rows are held near the nearest of the others. Records of several devices are
    fitted again without each of them, for predictions of a device unseen.
    """
    members: dict[tuple[str, ...], list[Group]] = {}
    for group in grouped(rows):
        members.setdefault(record_key(group), []).append(group)
    groups = [group for key in sorted(members) for group in members[key]]
    fits = common_fits(groups)
    many = [key for key in sorted(members) if _is_enough(key, members[key])]
    few = [key for key in sorted(members) if key not in many and _rows(members[key]) >= FEWEST_ROWS]
    for key in many:
        fits += [
            fit_record(key, part) for part in without_each(members[key]) if _is_enough(key, part)
        ]
    records = tuple(fit.record for fit in fits)
    fits += [fit_near(key, members[key], records) for key in few]
    powers = fit_energy(groups, [fit.record for fit in fits])
    return fits + [Fit(record, 0, None, None) for record in powers]


def without_each(groups: list[Group]) -> list[list[Group]]:
    """Return the groups, and the groups without each of their devices where there are several."""
    gpus = sorted({group.first.gpu for group in groups})
    parts = [[group for group in groups if group.first.gpu != left] for left in gpus]
    return [groups, *(part for part in parts if part)]


def common_fits(groups: Sequence[Group]) -> list[Fit]:
    """Fit the constants that all parts share, and for each part those that all others share."""
    members: dict[tuple[str, str, str, str], list[Group]] = {}
    for group in groups:
        for key in common_keys(group):
            if not group.held.all():
                members.setdefault(key, []).append(group)
    fits: list[Fit] = []
    for family, like, form, variant in sorted(members):
        parts = without_each(members[family, like, form, variant])
        if len(parts) == 1:
            continue
        for part in parts:
            constants = fit_common(family, form, [thinned(group) for group in part])
            fits.append(_fit((family, like, "", "", form, variant), part, constants))
    return fits


def _is_enough(key: tuple[str, ...], groups: Sequence[Group]) -> bool:
    return _rows(groups) >= FAMILIES[key[0]].fewest_rows


def _rows(groups: Sequence[Group]) -> int:
    return sum(int((~group.held).sum()) for group in groups)


def fit_near(key: tuple[str, ...], groups: list[Group], records: tuple[Record, ...]) -> Fit:
    """Fit few rows: a prior holds every constant near that of the nearest other measurements.

    Policies stay those of the nearest: few rows do not show what they cost elsewhere.
    """
    start = dict(constants_for(groups[0], records).values)
    names = {item.name for item in FAMILIES[key[0]].parameters}
    starts = [choice for choice in FAMILIES[key[0]].choices if set(choice) <= names]
    trials = [start, *({**start, **choice} for choice in starts)]
    return _fit(key, groups, _search(key, groups, trials, start))


def fit_record(key: tuple[str, ...], groups: list[Group]) -> Fit:
    """Fit one record: the best policy by a short search, then a long one from there."""
    family = FAMILIES[key[0]]
    start = family.defaults(key[4])
    return _fit(key, groups, _search(key, groups, [{**start, **c} for c in family.choices], start))


def _search(
    key: tuple[str, ...],
    groups: list[Group],
    trials: list[dict[str, float]],
    centre: Mapping[str, float],
) -> dict[str, float]:
    """Return the best constants from several starts; the prior stands around `centre`."""
    free = [item for item in FAMILIES[key[0]].parameters if item.step > 0]
    weight = FAMILIES[key[0]].prior * (1 + FEW_ROWS / _rows(groups))

    def loss(constants: Mapping[str, float]) -> float:
        away = sum(
            (math.log(constants[item.name] / centre[item.name]) / math.log(item.high / item.low))
            ** 2
            for item in free
        )
        return _loss(groups, constants) + weight * away

    if len(trials) > 1:
        found = [search(loss, free, trial, TRIAL_ROUNDS) for trial in trials]
        least = min(trial[1] for trial in found)
        trials = [next(trial[0] for trial in found if trial[1] <= least + POLICY_GAIN)]
    return search(loss, free, trials[0])[0]


def _loss(groups: Sequence[Group], constants: Mapping[str, float]) -> float:
    """Return the mean absolute logarithm of predicted over measured, on rows not held out."""
    errors = [
        np.abs(np.log(group.predict(constants, "fitted").time_us / group.latency_us[~group.held]))
        for group in groups
        if not group.held.all()
    ]
    return float(np.mean(np.concatenate(errors)))


def _fit(key: tuple[str, ...], groups: list[Group], constants: Mapping[str, float]) -> Fit:
    rounded = {name: float(f"{value:.{SIGNIFICANT}g}") for name, value in constants.items()}
    fitted, held = _errors(groups, rounded)
    record = Record(
        family=key[0],
        architecture=key[1],
        library=key[2],
        version=key[3],
        format=key[4],
        variant=key[5],
        gpus=tuple(sorted({group.first.gpu for group in groups})),
        rows=len(fitted),
        values=rounded,
        timing=timing_of(groups[0].first),
    )
    return Fit(
        record=record,
        held_rows=len(held),
        fitted_mape_percent=100 * float(np.mean(fitted)),
        held_mape_percent=100 * float(np.mean(held)) if held else None,
    )


def _errors(groups: list[Group], constants: Mapping[str, float]) -> tuple[list[float], list[float]]:
    """Return the absolute relative errors on fitted and on held-out rows."""
    fitted: list[float] = []
    held: list[float] = []
    for group in groups:
        error = np.abs(group.predict(constants).time_us / group.latency_us - 1)
        fitted += error[~group.held].tolist()
        held += error[group.held].tolist()
    return fitted, held


def leave_one_out(rows: Iterable[Measured], records: Sequence[Record]) -> list[dict[str, Json]]:
    """Predict every GPU from constants that no row of it was fitted to.

    Returns
    -------
    list of dict
        For each GPU, operator, format and source: rows, mean absolute and signed error in percent,
        and which constants stood in.
    """
    found: list[dict[str, Json]] = []
    for group in grouped(rows):
        row = group.first
        chosen = constants_for(group, records, frozenset({row.gpu}))
        error = group.predict(chosen.values).time_us / group.latency_us - 1
        found.append(
            {
                **{"gpu": row.gpu, "op": row.op, "dtype": row.dtype, "source": row.source},
                "variant": row.variant,
                "rows": len(group.rows),
                "mape_percent": 100 * float(np.mean(np.abs(error))),
                "median_ape_percent": 100 * float(np.median(np.abs(error))),
                "bias_percent": 100 * float(np.mean(error)),
                "constants": chosen.said,
            }
        )
    return found


def write_records(records: Sequence[Record], folder: Path) -> None:
    """Write one YAML file of constants for each family into a folder."""
    for name in sorted({record.family for record in records}):
        items = [
            {
                "family": record.family,
                "architecture": record.architecture,
                "library": record.library,
                "version": record.version,
                "format": record.format,
                "variant": record.variant,
                "gpus": list(record.gpus),
                "rows": record.rows,
                "timing": record.timing,
                "values": dict(record.values),
            }
            for record in records
            if record.family == name
        ]
        text = to_yaml({"source": SOURCE, "records": items})
        (folder / f"{name.replace('_', '-')}.yaml").write_text(text, encoding="utf-8")
