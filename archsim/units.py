"""Quantities with units: text to numbers in base units and back, without rounding surprises.

Base units are Hz, s, B, B/s, J, W, mm², V, m and A. ``kB MB GB`` are powers of 1000,
``KiB MiB GiB`` powers of 1024, ``b`` and ``bit`` an eighth of a byte. A number and its unit are
multiplied as exact fractions and rounded once, so ``parse_quantity`` is correctly rounded and
``parse_quantity(format_quantity(x)) == x`` for every finite x.

Engine time is in integer picoseconds; :func:`period_ps` and :func:`transfer_ps` are the only two
places where a frequency or a bandwidth becomes picoseconds.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Literal, get_args

from archsim.errors import ConfigError, nearest

PS_PER_S = 10**12
"""Picoseconds in a second."""

Dimension = Literal[
    "frequency",
    "time",
    "bytes",
    "bandwidth",
    "energy",
    "power",
    "area",
    "voltage",
    "length",
    "current",
]
"""Names of the dimensions a quantity can have."""

DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)

DIMENSION_PHRASE: dict[Dimension, str] = {
    "frequency": "a frequency",
    "time": "a time",
    "bytes": "a size in bytes",
    "bandwidth": "a bandwidth",
    "energy": "an energy",
    "power": "a power",
    "area": "an area",
    "voltage": "a voltage",
    "length": "a length",
    "current": "a current",
}

EXAMPLE: dict[Dimension, str] = {
    "frequency": "940 MHz",
    "time": "13.75 ns",
    "bytes": "16 MiB",
    "bandwidth": "614 GB/s",
    "energy": "3.2 pJ",
    "power": "175 W",
    "area": "400 mm2",
    "voltage": "0.75 V",
    "length": "7 nm",
    "current": "20 mA",
}

MAX_QUANTITY_CHARACTERS = 64
_MAX_EXPONENT = 400
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
_QUANTITY = re.compile(rf"({_NUMBER})\s*([^\s0-9.+-]\S*)?")
_METRIC = {
    "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
    "c": -2, "m": -3, "u": -6, "µ": -6, "μ": -6, "n": -9, "p": -12, "f": -15, "a": -18,
}  # fmt: skip
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_MICRO = ("µ", "μ")  # U+00B5 and U+03BC look alike; both are read, "u" is written
# dimension: (unit symbol, further prefixes accepted, prefixes used when formatting, ascending)
_SIMPLE: dict[Dimension, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "frequency": ("Hz", (), ("", "k", "M", "G", "T")),
    "time": ("s", _MICRO, ("f", "p", "n", "u", "m", "")),
    "energy": ("J", _MICRO, ("a", "f", "p", "n", "u", "m", "", "k")),
    "power": ("W", _MICRO, ("p", "n", "u", "m", "", "k", "M")),
    "voltage": ("V", _MICRO, ("u", "m", "", "k")),
    "length": ("m", ("c", *_MICRO), ("p", "n", "u", "m", "")),
    "current": ("A", _MICRO, ("p", "n", "u", "m", "")),
}
_AREA_EXPONENTS = {"mm": 0, "cm": 2, "m": 6, "um": -6, "µm": -6, "μm": -6, "nm": -12}
_WHY_NOT = {
    "KB": "'KB' is ambiguous: write kB for 1000 bytes or KiB for 1024",
    "KB/s": "'KB/s' is ambiguous: write kB/s for 1000 bytes or KiB/s for 1024",
}


@cache
def _units(dimension: Dimension) -> dict[str, Fraction]:
    """Return every accepted unit of a dimension with its factor to the base unit."""
    if dimension == "area":
        return {
            f"{unit}{square}": Fraction(10) ** exponent
            for unit, exponent in _AREA_EXPONENTS.items()
            for square in ("2", "²", "^2")
        }
    if dimension == "bytes":
        metric = {prefix: Fraction(10) ** _METRIC[prefix] for prefix in ("", *"kMGTPE")}
        scales = metric | {prefix: Fraction(2) ** power for prefix, power in _BINARY.items()}
        symbols = {"B": Fraction(1), "b": Fraction(1, 8), "bit": Fraction(1, 8)}
        return {p + s: scales[p] * symbols[s] for s in symbols for p in scales}
    if dimension == "bandwidth":
        return {f"{unit}/s": factor for unit, factor in _units("bytes").items()}
    symbol, further, shown = _SIMPLE[dimension]
    return {prefix + symbol: Fraction(10) ** _METRIC[prefix] for prefix in (*shown, *further)}


def unit_names(dimension: Dimension) -> tuple[str, ...]:
    """Return every accepted unit of a dimension."""
    return tuple(_units(dimension))


def _checked_dimension(dimension: str) -> Dimension:
    for known in DIMENSIONS:
        if known == dimension:
            return known
    raise ConfigError(
        "unknown dimension",
        given=dimension,
        allowed=DIMENSIONS,
        hint=nearest(dimension, DIMENSIONS),
    )


def _split(text: str) -> tuple[Fraction, str] | None:
    """Split "940 MHz" into its exact number and its unit ("" if none); None if it is neither."""
    stripped = text.strip(" ")
    if len(stripped) > MAX_QUANTITY_CHARACTERS:
        return None
    match = _QUANTITY.fullmatch(stripped)
    if match is None:
        return None
    number = Decimal(match[1])
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _MAX_EXPONENT:
        return None
    return Fraction(number), match[2] or ""


def dimension_of(text: str) -> Dimension | None:
    """Return the dimension of a quantity such as "940 MHz", or None if it has no known unit."""
    parts = _split(text)
    if parts is None:
        return None
    return next((d for d in DIMENSIONS if parts[1] in _units(d)), None)


def _to_float(value: Fraction, text: str) -> float:
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if math.isinf(result) or (result == 0.0 and value != 0):
        raise ConfigError("the number is outside the range of a 64-bit float", given=text)
    return result


def parse_quantity(text: str, dimension: Dimension) -> float:
    """Read a quantity with its unit.

    Parameters
    ----------
    text : str
        A number and a unit, with or without a space: ``"940 MHz"``, ``"16MiB"``, ``"1e-9 s"``.
    dimension : str
        One of :data:`DIMENSIONS`.

    Returns
    -------
    float
        The value in the base unit of the dimension, correctly rounded. May be negative.

    Raises
    ------
    ConfigError
        No number, no unit, an unknown unit, or a unit of another dimension (both are named).

    Examples
    --------
    >>> parse_quantity("614 GB/s", "bandwidth")
    614000000000.0
    >>> parse_quantity("16 MiB", "bytes")
    16777216.0
    """
    dimension = _checked_dimension(dimension)
    wanted = DIMENSION_PHRASE[dimension]
    allowed = f"{wanted} with its unit, such as '{EXAMPLE[dimension]}'"
    parts = _split(text)
    if parts is None:
        raise ConfigError("is not a number with a unit", given=text, allowed=allowed)
    number, unit = parts
    if not unit:
        raise ConfigError(f"the unit is missing: {wanted} is wanted", given=text, allowed=allowed)
    factor = _units(dimension).get(unit)
    if factor is not None:
        return _to_float(number * factor, text)
    other = dimension_of(text)
    if other is not None:
        raise ConfigError(
            f"is {DIMENSION_PHRASE[other]}, but {wanted} is wanted", given=text, allowed=allowed
        )
    raise ConfigError(
        _WHY_NOT.get(unit, "unknown unit"),
        given=text,
        allowed=allowed,
        hint=None if unit in _WHY_NOT else nearest(unit, _units(dimension)),
    )


def parse_any_quantity(text: str) -> tuple[float, Dimension] | None:
    """Read a quantity of whatever dimension its unit has; None if the text is no quantity."""
    dimension = dimension_of(text)
    if dimension is None:
        return None
    return parse_quantity(text, dimension), dimension


def _formatting_units(dimension: Dimension) -> list[tuple[str, int]]:
    """Return (unit, decimal exponent), smallest first, among which formatting chooses."""
    if dimension == "area":
        return [("nm2", -12), ("um2", -6), ("mm2", 0)]
    if dimension in ("bytes", "bandwidth"):
        tail = "B/s" if dimension == "bandwidth" else "B"
        return [(prefix + tail, _METRIC[prefix]) for prefix in ("", *"kMGTPE")]
    symbol, _, shown = _SIMPLE[dimension]
    return [(prefix + symbol, _METRIC[prefix]) for prefix in shown]


def _decimal_text(number: Decimal) -> str:
    """Return the shortest of the plain and the scientific form, without trailing zeros."""
    plain = format(number, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    scientific = str(number.normalize()).replace("E+", "e").replace("E", "e")
    return plain if len(plain) <= len(scientific) + 8 else scientific


def format_quantity(value: float, dimension: Dimension) -> str:
    """Return the canonical text of a value in base units; parsing it gives the value exactly.

    Sizes that are whole multiples of a power of 1024 are written so when that is shorter
    (``"16 MiB"``); everything else uses powers of 1000.

    Raises
    ------
    ConfigError
        The value is infinite or not a number.
    """
    dimension = _checked_dimension(dimension)
    if not math.isfinite(value):
        raise ConfigError(f"{DIMENSION_PHRASE[dimension]} must be finite", given=value)
    exact = Decimal(value) if isinstance(value, int) else Decimal(repr(float(value)))
    candidates = [_metric_text(exact, dimension)]
    if dimension in ("bytes", "bandwidth") and value == int(value) and value != 0:
        tail = "/s" if dimension == "bandwidth" else ""
        for prefix, power in _BINARY.items():
            if int(value) % 2**power == 0:
                candidates.append(f"{int(value) // 2**power} {prefix}B{tail}")
    return min(candidates, key=lambda text: (len(text.split(" ")[0]), text))


def _metric_text(exact: Decimal, dimension: Dimension) -> str:
    units = _formatting_units(dimension)
    if exact == 0:
        unit = next(unit for unit, exponent in units if exponent == 0)
        return f"0 {unit}"
    magnitude = exact.adjusted()
    unit, exponent = next((item for item in reversed(units) if item[1] <= magnitude), units[0])
    return f"{_decimal_text(exact.scaleb(-exponent))} {unit}"


def human_quantity(value: float, dimension: Dimension, digits: int = 4) -> str:
    """Return a value in base units rounded to a few significant digits, for reports.

    Whole multiples of a power of 1024 bytes keep the binary unit.

    Examples
    --------
    >>> human_quantity(0.0123456, "time")
    '12.35 ms'
    """
    if not math.isfinite(value):
        return str(value)
    if dimension == "bytes" and value == int(value):
        exact = format_quantity(value, dimension)
        if exact.endswith("iB") and len(exact.split(" ")[0]) <= digits:
            return exact
    return _metric_text(Decimal(f"{value:.{digits - 1}e}"), _checked_dimension(dimension))


def period_ps(frequency_hz: float) -> int:
    """Return the integer period of a clock: ``round(1e12 / f)`` picoseconds, ties to even.

    Raises
    ------
    ConfigError
        The frequency is not positive and finite, or its period rounds to 0 ps.
    """
    if not (math.isfinite(frequency_hz) and frequency_hz > 0):
        raise ConfigError("a frequency must be positive and finite", given=frequency_hz)
    period = round(PS_PER_S / Fraction(frequency_hz))
    if period == 0:
        raise ConfigError(
            "the clock period rounds to 0 ps",
            given=format_quantity(frequency_hz, "frequency"),
            allowed="a frequency below 2 THz",
        )
    return period


def transfer_ps(num_bytes: int, bytes_per_s: float) -> int:
    """Return the time to move some bytes: ``ceil(num_bytes · 1e12 / bytes_per_s)``, exactly.

    Integer arithmetic on the binary value of ``bytes_per_s``: no rounding before the ceiling.

    Raises
    ------
    ConfigError
        Negative bytes, or a bandwidth that is not positive and finite.
    """
    if num_bytes < 0:
        raise ConfigError("a transfer cannot be negative", given=num_bytes)
    if not (math.isfinite(bytes_per_s) and bytes_per_s > 0):
        raise ConfigError("a bandwidth must be positive and finite", given=bytes_per_s)
    numerator, denominator = float(bytes_per_s).as_integer_ratio()
    return -(-int(num_bytes) * PS_PER_S * denominator // numerator)
