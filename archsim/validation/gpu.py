"""GPU operators against measurements: every row predicted, rows never fitted scored apart.

Constants are fitted by ``archsim calibrate gpu`` without the third of all shapes that a hash picks;
a row counts as *unseen* if its shape is in that third, or if no constants were fitted to its kind
of measurement at all (another device, library, version or format), and as *fitted* otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError, NotRunError, nearest
from archsim.validation.gpu_bars import bars_for
from archsim.validation.scoring import statistics
from archsim.validation.suite import Item, Outcome

if TYPE_CHECKING:
    from collections import Counter

    from archsim.gpu.constants import Chosen, Record
    from archsim.gpu.error_bands import Band
    from archsim.mapping import Json
    from archsim.validation.gpu_score import Group

UNSEEN: Final = "time of unseen rows"
FITTED: Final = "time of fitted rows"

ENERGY: Final = "energy of unseen rows"
ENERGY_FITTED: Final = "energy of fitted rows"

ROOFLINE: Final = "roofline"
ROOFLINE_80: Final = "roofline at 80 % + 3 µs"

LONG_US: Final = 50.0
"""Prefill attention above this time has a bar of its own."""

GROUPINGS: Final = (("gpu", "op", "dtype", "source"), ("op",), ("gpu", "op"), ("constants",))
"""Tables of groups that are printed."""

NOTES: Final = (
    "Two libraries or versions that time the same shape on the same GPU differ by 2 to 7 % (GEMM),"
    " 13 % (GEMM of L40S, where L2 hits differ), 20 % (decode attention of two vLLM versions) and"
    " 29 % (prefill attention): below that, a lower error of pooled constants would mean nothing.",
    "Sources that round to 1 µs (vidur) or to 2 µs (attention of B200) bound the error of short"
    " rows from below.",
    "All-reduces of vidur have two populations: messages of 100 to 120 KB take 10 µs or 45 to 60 µs"
    " on the same pair of GPUs. No model of size and ranks alone can be within 50 % of both.",
    "Recorded power is a mean of 100 ms readings; loops of kernels below about 0.5 ms were shorter"
    " than that, and the same traffic then reads 170 or 600 W. Above 0.5 ms the power of GEMM,"
    " decode attention and expert layers on H200 is within 14 %.",
)


@dataclass(frozen=True)
class Scored:
    """What was found for the groups of a data set."""

    items: list[Item] = field(default_factory=list)
    baselines: dict[str, list[Item]] = field(default_factory=dict)
    chosen: dict[tuple[str, ...], Chosen] = field(default_factory=dict)
    bands: Mapping[tuple[str, str, str, str], Band] = field(default_factory=dict)
    unseen: str = ""


@dataclass(frozen=True)
class GpuSuite:
    """Scores GPU operators.

    Attributes
    ----------
    unseen
        Id of a GPU that is predicted without any constants fitted to it; None: use all constants.
    records
        Constants to use; None: those that ship.
    """

    unseen: str | None = None
    records: tuple[Record, ...] | None = None
    name: str = "gpu"
    title: str = "GPU operators against measured times"

    def without(self, gpu: str) -> GpuSuite:
        """Return the suite that scores one GPU without the constants fitted to it.

        Raises
        ------
        ConfigError
            There is no such GPU.
        """
        from archsim.gpu.device import device_names
        from archsim.gpu.naming import gpu_id

        found = gpu_id(gpu)
        if found is None:
            names = device_names()
            raise ConfigError(
                "unknown GPU", path="--unseen", given=gpu, allowed=names, hint=nearest(gpu, names)
            )
        return GpuSuite(found, self.records)

    def run(self, data: Path | None) -> Outcome:
        """Score a file or folder of measurements.

        Raises
        ------
        ConfigError
            Something in the data is broken; file and line are named.
        NotRunError
            No data were given, or none is about the unseen GPU.
        """
        from archsim.gpu.constants import shipped_records
        from archsim.gpu.error_bands import shipped_bands
        from archsim.validation.gpu_rows import read_measurements
        from archsim.validation.gpu_score import constants_for, grouped

        reading = read_measurements(data)
        rows = reading.measured
        skipped: Counter[str] = reading.skipped
        if self.unseen is not None:
            others = sum(row.gpu != self.unseen for row in rows)
            rows = [row for row in rows if row.gpu == self.unseen]
            if not rows:
                raise NotRunError(f"{data} holds no row of {self.unseen} that can be scored")
            skipped[f"not of {self.unseen}"] += others
        records = shipped_records() if self.records is None else self.records
        without = frozenset({self.unseen} if self.unseen else ())
        scored = Scored(bands=shipped_bands(), unseen=self.unseen or "")
        for group in grouped(rows):
            _score(group, constants_for(group, records, without), scored)
            _score_energy(group, records, without, scored)
        return Outcome(
            cases=reading.rows,
            items=scored.items,
            skipped=skipped,
            bars=bars_for(scored.items, unseen=self.unseen is not None),
            groupings=GROUPINGS,
            baselines=scored.baselines,
            details=summary(scored.items, scored.baselines, scored.chosen),
            notes=(*coverage(scored.items), *NOTES),
        )


def _score(group: Group, chosen: Chosen, scored: Scored) -> None:
    """Predict one group and add its items."""
    estimate = group.predict(chosen.values)
    for item in _items(group, chosen, estimate.time_us.tolist(), scored):
        scored.items.append(item)
    roofline = estimate.roofline_us.tolist()
    for item, bound in zip(scored.items[-len(roofline) :], roofline, strict=True):
        if item.metric == UNSEEN:
            simpler = {ROOFLINE: bound, ROOFLINE_80: bound / 0.8 + 3}
            for name, value in simpler.items():
                for label in (f"{name}, all", f"{name}, {item.by['op']}"):
                    scored.baselines.setdefault(label, []).append(_instead(item, value))
    scored.chosen[group.first.group] = chosen


def summary(
    items: Sequence[Item],
    baselines: Mapping[str, Sequence[Item]],
    chosen: Mapping[tuple[str, ...], Chosen],
) -> list[dict[str, Json]]:
    """Return one record for each GPU, operator, format and source: errors on unseen rows.

    Beside ours stands the error of the roofline at 80 % with 3 µs added, and where constants were
    not fitted to the very kind of row, which ones stood in.
    """
    simple = _by_kind(baselines.get(f"{ROOFLINE_80}, all", ()))
    stand_in = {(key[0], key[2], key[3]): found for key, found in chosen.items()}
    records: list[dict[str, Json]] = []
    for kind, members in _by_kind(item for item in items if item.metric == UNSEEN).items():
        gpu, op, dtype, source = kind
        ours, other = statistics(members), statistics(simple.get(kind, ()))
        found = stand_in.get((gpu, dtype, source))
        named = found.said if found is not None and found.origin != "fitted" else "its own"
        records.append(
            {
                **{"gpu": gpu, "op": op, "dtype": dtype, "source": source, "n": len(members)},
                "MAPE": _rounded(ours.mape_percent),
                "median": _rounded(ours.median_ape_percent),
                "p90": _rounded(ours.p90_ape_percent),
                "bias": _rounded(ours.bias_percent),
                "roofline_80": _rounded(other.mape_percent),
                "in_band": _rounded(in_band_percent(members)),
                "constants": named,
            }
        )
    return sorted(records, key=lambda record: -int(str(record["n"])))


IN_BAND: Final = "inside"
OUT_OF_BAND: Final = "outside"


def in_band_percent(items: Iterable[Item]) -> float | None:
    """Return the share of measured times inside the error band, of rows that made no band."""
    found = [item.by.get("band") for item in items]
    inside, outside = found.count(IN_BAND), found.count(OUT_OF_BAND)
    return 100 * inside / (inside + outside) if inside + outside else None


def coverage(items: Iterable[Item]) -> tuple[str, ...]:
    """Return a sentence on how many measured times lie inside their error bands."""
    tested = [item for item in items if item.by.get("band")]
    share = in_band_percent(tested)
    if share is None:
        return ()
    return (
        f"{share:.0f} % of {len(tested)} measured times lie inside the error band of their"
        " prediction, made from other rows to hold 80 %.",
    )


def _by_kind(items: Iterable[Item]) -> dict[tuple[str, ...], list[Item]]:
    kinds: dict[tuple[str, ...], list[Item]] = {}
    for item in items:
        key = tuple(item.by[name] for name in ("gpu", "op", "dtype", "source"))
        kinds.setdefault(key, []).append(item)
    return {key: kinds[key] for key in sorted(kinds)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _score_energy(
    group: Group, records: tuple[Record, ...], without: frozenset[str], scored: Scored
) -> None:
    """Add the energy of the rows that recorded power: predicted power times predicted time."""
    from archsim.validation.gpu_energy import energy_constants, metered, read_power
    from archsim.validation.gpu_score import constants_for

    chosen = metered(group)
    if not chosen.any():
        return
    estimate = group.predict(constants_for(group, records, without).values)
    constants = energy_constants(group, records, without)
    power = read_power(group, estimate, estimate.time_us, constants.values)
    for number in chosen.nonzero()[0].tolist():
        row = group.rows[number]
        seen = constants.origin == "fitted" and not row.held
        scored.items.append(
            Item(
                case=row.name,
                metric=ENERGY_FITTED if seen else ENERGY,
                unit="µJ",
                predicted=float(power[number] * estimate.time_us[number]),
                reference=row.power_w * row.latency_us,
                by={"gpu": row.gpu, "op": row.op, "dtype": row.dtype, "source": row.source},
            )
        )


def _instead(item: Item, predicted: float) -> Item:
    return Item(item.case, item.metric, item.unit, predicted, item.reference, item.by)


def _items(group: Group, chosen: Chosen, predicted: list[float], scored: Scored) -> Iterator[Item]:
    from archsim.gpu.error_bands import bands_for
    from archsim.validation.gpu_bands import makes_bands

    bands = bands_for(group.first.family, chosen.origin, scored.bands, scored.unseen)
    for row, time_us in zip(group.rows, predicted, strict=True):
        seen = chosen.origin == "fitted" and not row.held
        made = chosen.origin == "fitted" and makes_bands(row)
        low, high = bands.around(time_us)
        inside = low * time_us <= row.latency_us <= high * time_us
        yield Item(
            case=row.name,
            metric=FITTED if seen else UNSEEN,
            unit="µs",
            predicted=time_us,
            reference=row.latency_us,
            by={
                "gpu": row.gpu,
                "op": row.op,
                "dtype": row.dtype,
                "source": row.source,
                "family": row.family,
                "length": "long" if row.latency_us > LONG_US else "short",
                "constants": chosen.origin,
                "band": "" if seen or made else IN_BAND if inside else OUT_OF_BAND,
            },
        )


SUITE = GpuSuite()
"""The suite, as the entry point names it."""
