"""Error bands from rows that no constants were fitted to, and how often they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.config.emit import to_yaml
from archsim.gpu.error_bands import LONG, OWN, SHORT, SHORT_US, STAND_IN, Band
from archsim.validation.gpu_common import LOW_QUALITY
from archsim.validation.gpu_score import Group, constants_for, grouped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsim.gpu.constants import Record
    from archsim.validation.gpu_rows import Measured

PERCENTILES: Final = (0.1, 0.9)
"""Ends of a band."""

FEWEST: Final = 12
"""Rows that a band needs."""

SOURCE: Final = "archsim calibrate gpu --data FOLDER: rows kept out of all fits, and unseen parts"
"""Source of every band that is written."""

Part = tuple[str, str, "NDArray[np.float64]", "NDArray[np.float64]"]
"""Device, family, predicted times and measured over predicted times of some rows of a group."""


def makes_bands(row: Measured) -> bool:
    """Whether a row kept out of fits is in the half that makes bands; the other half tests them."""
    return hashlib.sha256(row.name.encode()).digest()[1] % 2 == 0


def fit_bands(rows: Iterable[Measured], records: Sequence[Record]) -> list[Band]:
    """Return the bands of all families, in both modes and lengths.

    Bands of parts predicted from others are made again without each part, to test them on it.
    """
    groups = [group for group in grouped(rows) if group.device.architecture not in LOW_QUALITY]
    own, unseen = [], []
    for group in groups:
        half = group.held & np.array([makes_bands(row) for row in group.rows])
        if half.any():
            own.append(_part(group, records, frozenset(), half))
        unseen.append(_part(group, records, frozenset({group.first.gpu}), None))
    bands = _bands(OWN, "", own)
    bands += _bands(STAND_IN, "", unseen)
    for gpu in sorted({part[0] for part in unseen}):
        bands += _bands(STAND_IN, gpu, [part for part in unseen if part[0] != gpu])
    return bands


def _part(
    group: Group,
    records: Sequence[Record],
    without: frozenset[str],
    chosen: NDArray[np.bool_] | None,
) -> Part:
    predicted = group.predict(constants_for(group, records, without).values).time_us
    ratio = group.latency_us / predicted
    if chosen is not None:
        predicted, ratio = predicted[chosen], ratio[chosen]
    return group.first.gpu, group.first.family, predicted, ratio


def _bands(mode: str, without: str, parts: Sequence[Part]) -> list[Band]:
    bands = []
    for family in sorted({part[1] for part in parts}):
        mine = [part for part in parts if part[1] == family]
        for length in (SHORT, LONG):
            ratios = [part[3][(part[2] < SHORT_US) == (length == SHORT)] for part in mine]
            rows = sum(ratio.size for ratio in ratios)
            if rows < FEWEST:
                ratios = [part[3] for part in mine]
                rows = sum(ratio.size for ratio in ratios)
            if rows >= FEWEST:
                low, high = (weighted_quantile(ratios, share) for share in PERCENTILES)
                bands.append(
                    Band(
                        family,
                        mode,
                        length,
                        without,
                        float(f"{min(1.0, low):.3g}"),
                        float(f"{max(1.0, high):.3g}"),
                        rows,
                    )
                )
    return bands


def weighted_quantile(groups: Sequence[NDArray[np.float64]], share: float) -> float:
    """Return a quantile of values in groups that weigh as the square root of their number."""
    filled = [group for group in groups if group.size]
    values = np.concatenate(filled)
    weights = np.concatenate([np.full(group.size, 1.0 / np.sqrt(group.size)) for group in filled])
    order = np.argsort(values, kind="stable")
    running = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(running, share * running[-1])])


def write_bands(bands: Sequence[Band], path: Path) -> None:
    """Write bands as YAML."""
    items = [
        {
            "family": band.family,
            "mode": band.mode,
            "length": band.length,
            "without": band.without,
            "low": band.low,
            "high": band.high,
            "rows": band.rows,
        }
        for band in bands
    ]
    path.write_text(to_yaml({"source": SOURCE, "bands": items}), encoding="utf-8")
