"""How far predictions are off: bands in which measured times of operators like these lay.

A band is a pair of factors. Eight of ten measured times lie between prediction × low and prediction
× high: the 10th and 90th percentile of measured over predicted, of rows that no constants were
fitted to. Where a part has constants of its own those are rows kept out of fits; where others stand
in, they are rows of parts predicted from the constants of all other parts, and the band is wider.
Groups of rows (part, operator, format, source) weigh as the square root of their number.
``archsim calibrate gpu`` writes the bands; half of the rows kept out make them and the other half
tests them, which ``archsim validate gpu`` prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, cast

from archsim.config.document import load_document
from archsim.errors import ConfigError
from archsim.gpu.constants import BANDS, FOLDER

FILE: Final = FOLDER / BANDS
"""The bands that ship."""

OWN: Final = "own"
STAND_IN: Final = "stand-in"
"""Modes: constants fitted to the part, constants of others."""

SHORT_US: Final = 20.0
"""Predicted time below which an operator counts as short."""

SHORT: Final = "short"
LONG: Final = "long"


@dataclass(frozen=True, slots=True)
class Band:
    """Factors around a prediction.

    Attributes
    ----------
    family, mode, length
        Operators that it is for: their family; :data:`OWN` or :data:`STAND_IN`; ``short`` or
        ``long``.
    without
        Id of a device whose rows were left out of it; empty for none.
    low, high
        Measured over predicted time: 10th and 90th percentile.
    rows
        Rows that it rests on.
    """

    family: str
    mode: str
    length: str
    without: str
    low: float
    high: float
    rows: int

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is found by."""
        return self.family, self.mode, self.length, self.without


UNKNOWN: Final = (0.5, 2.0)
"""Factors where nothing like it was measured (estimate)."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Bands of one kind of operator on one part, by predicted length.

    Attributes
    ----------
    short, long
        Factors for operators below and from :data:`SHORT_US`.
    said
        What they rest on, in words.
    """

    short: tuple[float, float]
    long: tuple[float, float]
    said: str

    def around(self, time_us: float) -> tuple[float, float]:
        """Return the factors for a predicted time."""
        return self.short if time_us < SHORT_US else self.long


def mode_of(origin: str) -> str:
    """Return the mode of constants with an origin (``fitted``, ``nearest`` or ``default``)."""
    return OWN if origin == "fitted" else STAND_IN


def bands_for(
    family: str, origin: str, bands: Mapping[tuple[str, str, str, str], Band], without: str = ""
) -> Bands:
    """Return the bands for operators of a family predicted with constants of an origin.

    Parameters
    ----------
    family
        Operator family.
    origin
        Origin of the constants.
    bands
        All bands, by key.
    without
        Device whose rows must not be among those that the band rests on.
    """
    mode = mode_of(origin) if origin != "default" else STAND_IN
    found: list[tuple[float, float]] = []
    rows = 0
    for length in (SHORT, LONG):
        whole = bands.get((family, mode, length, ""))
        band = bands.get((family, mode, length, without), whole) if mode == STAND_IN else whole
        found.append((band.low, band.high) if band else UNKNOWN)
        rows += band.rows if band else 0
    if not rows:
        return Bands(found[0], found[1], "nothing like it was measured: an estimate")
    seen = "kept out of fits" if mode == OWN else "of parts predicted from other parts"
    return Bands(found[0], found[1], f"10th to 90th percentile of {rows} rows {seen}")


@cache
def shipped_bands() -> Mapping[tuple[str, str, str, str], Band]:
    """Return the bands that ship, by key."""
    return by_key(read_bands(FILE))


def by_key(bands: Iterable[Band]) -> dict[tuple[str, str, str, str], Band]:
    """Return bands by their key."""
    return {band.key: band for band in bands}


def read_bands(path: Path) -> list[Band]:
    """Read a file of bands.

    Raises
    ------
    ConfigError
        It is no list of bands.
    """
    items = load_document(path, kind="constants", sources=False).data.get("bands")
    if not isinstance(items, list | tuple):
        raise ConfigError("must be a list", path="bands", given=str(path))
    return [_band(cast("Mapping[str, object]", item)) for item in items]


def _band(item: Mapping[str, object]) -> Band:
    return Band(
        family=str(item["family"]),
        mode=str(item["mode"]),
        length=str(item["length"]),
        without=str(item["without"]),
        low=float(cast("float", item["low"])),
        high=float(cast("float", item["high"])),
        rows=int(cast("int", item["rows"])),
    )
