"""Read measured points of published macros from a table: one row a number, conditions in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from archsim.cim.chip_file import Point
from archsim.validation.table import Row, read_table

COLUMNS: Final = ("system", "figure_or_table", "case", "metric", "value")
"""Columns that a table must have; others are ignored."""

METRICS: Final[dict[str, tuple[str, float]]] = {
    "energy_fJ_per_MAC": ("energy_fj_per_mac", 1.0),
    "energy_pJ_per_MVM_activation": ("energy_pj_per_activation", 1.0),
    "throughput_GOPS": ("throughput_gops", 1.0),
    "TOPS": ("throughput_gops", 1e3),
    "latency_us": ("latency_us", 1.0),
    "TOPS_per_W": ("tops_per_w", 1.0),
    "TOPS_per_mm2": ("tops_per_mm2", 1.0),
    "clock_MHz": ("clock_mhz", 1.0),
    "area_mm2": ("area_mm2", 1.0),
}
"""Metric words of tables: our metric and the factor into its unit. ``(…)`` behind one is a note."""

_CONDITIONS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (r"in=w=(\d+)b", ("input_bits", "weight_bits")),
    (r"(?<!w=)in=(\d+)b", ("input_bits",)),
    (r"w=(\d+)b", ("weight_bits",)),
    (r"out=(\d+)b", ("output_bits",)),
    (r"regs_per_col=(\d+)", ("register_rows",)),
    (r"avg output=([\d.]+)", ("average_output",)),
    (r"([\d.]+) ?V", ("supply",)),
)


def conditions(case: str) -> dict[str, float]:
    """Return the conditions that a case's words state, by the key of a point.

    Examples
    --------
    >>> conditions("in=w=4b;regs_per_col=2;0.8V;bit-pipelined")
    {'input_bits': 4, 'weight_bits': 4, 'register_rows': 2, 'supply': 0.8, 'bit_pipelined': True}
    """
    found: dict[str, float] = {}
    for word in (part.strip() for part in case.split(";")):
        for pattern, keys in _CONDITIONS:
            match = re.fullmatch(pattern, word)
            if match:
                number = float(match.group(1))
                value = int(number) if number.is_integer() and "supply" not in keys else number
                found |= dict.fromkeys(keys, value)
        pair = re.fullmatch(r"(\d+)b/(\d+)b", word)
        if pair:
            found |= {"input_bits": int(pair.group(1)), "weight_bits": int(pair.group(2))}
        if word in ("bit-pipelined", "not bit-pipelined"):
            found["bit_pipelined"] = word == "bit-pipelined"
    return found


def point_of(row: Row) -> Point | None:
    """Return the point of a row; None if its metric is none of ours."""
    words = row.text("metric").partition(" (")[0]
    if words not in METRICS:
        return None
    metric, factor = METRICS[words]
    found = conditions(row.text("case"))
    supply = found.pop("supply", None)
    value = row.number("value") * factor
    if value <= 0.0:
        raise row.error("value", "must be positive", "a number above 0")
    data = {"metric": metric, "value": value, **found, "supply_v": supply}
    return Point.model_validate(data)


def read_rows(path: Path) -> list[Row]:
    """Read a table's rows.

    Raises
    ------
    ConfigError
        As :func:`~archsim.validation.table.read_table`.
    """
    return list(read_table(path, COLUMNS))
