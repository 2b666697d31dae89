"""Compute-in-memory macros against published silicon.

Every measured point is predicted twice where that is possible: from the macro's structure alone,
and anchored at one energy (and one at a low supply) and one speed of the same chip. Anchors are not
scored. The baseline is the anchored model whose energy follows the square of the supply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from archsim.cim.chip import ChipModel
from archsim.cim.chip_file import SPEED, UNITS, Anchors, Chip, Point, TreeStructure, load_chip
from archsim.errors import ConfigError, NotRunError
from archsim.validation.cim_table import COLUMNS, point_of, read_rows
from archsim.validation.suite import Bar, Item, Outcome

SQUARE: Final = "anchored once, energy by the square of the supply"

NOTES: Final = (
    "uncalibrated: gates of 28 nm scaled to the chip's node and supply, no number of the chip"
    " beside its structure and activity; bars hold where the publication states the activity.",
    "calibrated: anchored at one energy and one at a low supply, and at one speed; bits, registers"
    " and supplies between are predicted. Anchors are not scored.",
    "one constant per point is never used; a chip's anchors are in its file.",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One measured point of one chip."""

    chip: Chip
    point: Point
    name: str
    by: dict[str, str] = field(default_factory=dict)


class CimSuite:
    """Macro models against published silicon."""

    name = "cim"
    title = "compute-in-memory macros against published silicon"

    def run(self, data: Path | None) -> Outcome:
        """Score the packaged chips, a chip's file, a table, or a folder of both."""
        skipped: Counter[str] = Counter()
        cases = list(_cases(data, skipped))
        items: list[Item] = []
        square: list[Item] = []
        for case in cases:
            items += _items(case, skipped)
            square += _square(case)
        return Outcome(
            cases=len(cases),
            items=items,
            skipped=skipped,
            bars=_bars(items),
            groupings=(("regime", "class"), ("chip", "regime"), ("supply", "regime")),
            baselines={SQUARE: square} if square else {},
            details=[
                _detail(chip) for chip in {case.chip.name: case.chip for case in cases}.values()
            ],
            notes=NOTES,
        )


def packaged_chips() -> dict[str, Path]:
    """Return the files of the chips that are installed, by name."""
    from archsim.registry import macros

    return {name: macros.find_yaml(name) for name in macros.yaml_names()}


def _cases(data: Path | None, skipped: Counter[str]) -> Iterator[Case]:
    if data is None:
        for path in packaged_chips().values():
            yield from _chip_cases(load_chip(path), skipped)
        return
    if data.is_dir():
        files = sorted([*data.glob("*.yaml"), *data.glob("cim_*.csv")])
        if not files:
            raise NotRunError(
                f"no *.yaml and no cim_*.csv in {data}; suite 'cim' wants a chip's file or a table"
                " with the columns " + ", ".join(COLUMNS)
            )
    elif data.exists():
        files = [data]
    else:
        raise ConfigError(
            "there is no such file", given=str(data), allowed="a chip's YAML or a table"
        )
    for file in files:
        if file.suffix.lower() == ".csv":
            yield from _table_cases(file, skipped)
        else:
            yield from _chip_cases(load_chip(file), skipped)


def _chip_cases(chip: Chip, skipped: Counter[str]) -> Iterator[Case]:
    for number, point in enumerate(chip.points):
        if point.id in _anchor_names(chip):
            skipped["anchor of the calibration"] += 1
            if not isinstance(chip.structure, TreeStructure):
                continue
        yield _case(chip, point, point.id or f"point {number + 1}")


def _table_cases(path: Path, skipped: Counter[str]) -> Iterator[Case]:
    chips = [load_chip(file) for file in packaged_chips().values()]
    known = {name: chip for chip in chips for name in (chip.name, *chip.aliases)}
    for row in read_rows(path):
        chip = known.get(row.text("system"))
        if chip is None:
            skipped["system without a chip's file"] += 1
            continue
        point = point_of(row)
        if point is None:
            skipped["metric that no macro model predicts"] += 1
            continue
        if any(_same(point, chip.point(name)) for name in _anchor_names(chip)):
            skipped["anchor of the calibration"] += 1
            continue
        yield _case(chip, point, f"{row.text('figure_or_table')} {row.text('case')}")


def _anchor_names(chip: Chip) -> frozenset[str]:
    anchors = chip.anchors
    return frozenset((*anchors.energy, *anchors.output, *anchors.speed))


def _same(point: Point, anchor: Point) -> bool:
    """Whether a row is the anchor itself: the same conditions and number."""
    given = point.model_dump(exclude={"id", "value"}, exclude_none=True)
    have = anchor.model_dump(exclude={"id", "value"}, exclude_none=True)
    agree = all(have.get(key, value) == value for key, value in given.items())
    return agree and abs(point.value / anchor.value - 1.0) < 1e-9


def _case(chip: Chip, point: Point, name: str) -> Case:
    digital = chip.structure.kind in ("tree", "ripple")
    supply = point.supply_v if point.supply_v is not None else chip.technology.supply_v
    by = {
        "chip": chip.name,
        "class": "digital" if digital else "analog",
        "supply": f"{supply:g} V",
        "activity": "stated" if chip.activity.stated else "assumed",
    }
    return Case(chip, point, f"{chip.name} {name}", by)


def _items(case: Case, skipped: Counter[str]) -> Iterator[Item]:
    """Score a point in each regime that its chip has for it."""
    chip, point = case.chip, case.point
    speed = point.metric in SPEED
    anchored = bool(chip.anchors.speed if speed else chip.anchors.energy)
    regimes = []
    if anchored and point.metric != "area_mm2" and point.id not in _anchor_names(chip):
        regimes.append("calibrated")
    if isinstance(chip.structure, TreeStructure) or not anchored:
        regimes.append("uncalibrated")
    for regime in regimes:
        model = ChipModel(chip, anchored=regime == "calibrated")
        try:
            predicted = model.predict(point).value
        except ConfigError as error:
            skipped[f"{chip.name}: {error.message}"] += 1
            continue
        unit = UNITS[point.metric]
        yield Item(
            case.name, point.metric, unit, predicted, point.value, case.by | {"regime": regime}
        )


def _square(case: Case) -> Iterator[Item]:
    """Predict a calibrated energy as a single anchor and the square of the supply would."""
    chip, point = case.chip, case.point
    if len(chip.anchors.energy) < 2 or point.metric in SPEED or point.metric == "area_mm2":
        return
    once = Anchors(energy=chip.anchors.energy[:1], output=chip.anchors.output)
    model = ChipModel(chip.model_copy(update={"anchors": once}), anchored=True)
    predicted = model.predict(point).value
    yield Item(case.name, point.metric, UNITS[point.metric], predicted, point.value, case.by)


def _bars(items: list[Item]) -> list[Bar]:
    """Return the promises that the items at hand can be held to."""
    stated = {"regime": "uncalibrated", "activity": "stated"}
    curve = {"regime": "calibrated", "class": "digital"}
    bars = [
        Bar("tops_per_w", 15.0, "max_ape_percent", stated),
        Bar("clock_mhz", 15.0, "max_ape_percent", stated),
        Bar("energy_fj_per_mac", 7.0, "mape_percent", curve),
        Bar("throughput_gops", 5.0, "mape_percent", curve),
        Bar("latency_us", 5.0, "mape_percent", curve),
    ]
    return [bar for bar in bars if any(_held(item, bar) for item in items)]


def _held(item: Item, bar: Bar) -> bool:
    return item.metric == bar.metric and all(item.by.get(k) == v for k, v in bar.by.items())


def _detail(chip: Chip) -> dict[str, str | bool | float]:
    return {
        "chip": chip.name,
        "structure": chip.structure.kind,
        "node_nm": round(chip.technology.node_m * 1e9, 3),
        "input_toggle": chip.activity.input_toggle,
        "weight_density": chip.activity.weight_density,
        "activity_stated": chip.activity.stated,
        "scope": chip.scope,
    }


SUITE = CimSuite()
"""The suite, as the entry point names it."""
