"""Programs as JSON-able data, with a version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from archsim.errors import SimulationError
from archsim.program.ir import Program, Trip
from archsim.program.validity import check

VERSION = 1
"""Version of the data written by `to_json`."""

_PLAIN = (
    "resources",
    "capacities",
    "private",
    "ops",
    "latencies_ps",
    "causes",
    "latency_exprs",
    "hold_offsets",
    "hold_resources",
    "occupancies_ps",
    "occupancy_exprs",
    "constraint_offsets",
    "sources",
    "backs",
    "delays_ps",
    "from_result",
    "scopes",
    "delay_exprs",
    "delay_causes",
    "loops",
    "tape_kinds",
    "tape_args",
    "warnings",
)


def to_json(program: Program) -> dict[str, object]:
    """Return the program as data that JSON can carry."""
    data: dict[str, object] = {"version": VERSION, "name": program.name}
    for key in _PLAIN:
        data[key] = list(getattr(program, key))
    data["tags"] = [dict(tags) for tags in program.tags]
    data["counts"] = [[[*key, n] for key, n in counts.items()] for counts in program.counts]
    data["trips"] = [[t.base, t.slope, t.loop, list(t.values)] for t in program.trips]
    return data


def from_json(data: Mapping[str, object]) -> Program:
    """Read what `to_json` wrote.

    Raises
    ------
    SimulationError
        The data is not a program of this version.
    """
    if data.get("version") != VERSION:
        raise SimulationError(f"program data has version {data.get('version')!r}, not {VERSION}")
    missing = [key for key in (*_PLAIN, "name", "tags", "counts", "trips") if key not in data]
    if missing:
        raise SimulationError(f"program data lacks {', '.join(missing)}")
    try:
        program = _read(data)
    except (TypeError, ValueError, IndexError) as error:
        raise SimulationError(f"the data is not a program: {error}") from error
    check(program)
    return program


def _read(data: Mapping[str, object]) -> Program:
    fields: dict[str, Any] = {key: tuple(cast("list[object]", data[key])) for key in _PLAIN}
    fields["name"] = data["name"]
    fields["tags"] = tuple(cast("list[dict[str, str]]", data["tags"]))
    fields["counts"] = tuple(
        {(row[0], row[1], row[2]): row[3] for row in rows}
        for rows in cast("list[list[list[object]]]", data["counts"])
    )
    fields["trips"] = tuple(
        Trip(row[0], row[1], row[2], tuple(row[3]))
        for row in cast("list[tuple[int, int, int, list[int]]]", data["trips"])
    )
    return Program(**fields)


def dumps(program: Program) -> str:
    """Return the program as one JSON text, the same for equal programs."""
    return json.dumps(to_json(program), separators=(",", ":"), sort_keys=True)
