"""Read the JSON form of a result back, strictly: each value has the type that was written.

A file that a user hands back may be broken in any way, so nothing is taken on trust and every
complaint names the key.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from archsim.errors import ConfigError
from archsim.mapping import Infeasible
from archsim.results.records import (
    Devices,
    Energy,
    EngineStatistics,
    ErrorBand,
    Fidelity,
    Operator,
    Phase,
    Roofline,
    WhatIf,
)

if TYPE_CHECKING:
    from archsim.mapping import Json

T = TypeVar("T")


def refuse(key: str, wanted: str) -> ConfigError:
    """Return the error for a value of the wrong form."""
    return ConfigError(f"not a result: {wanted} is expected", path=key)


def as_object(key: str, value: Json) -> dict[str, Json]:
    """Return `value` if it is a JSON object."""
    if not isinstance(value, dict):
        raise refuse(key, "an object")
    return value


def as_text(key: str, value: Json) -> str:
    """Return `value` if it is a string."""
    if not isinstance(value, str):
        raise refuse(key, "a string")
    return value


def as_number(key: str, value: Json) -> float:
    """Return `value` if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise refuse(key, "a number")
    return value


def as_integer(key: str, value: Json) -> int:
    """Return `value` if it is an integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise refuse(key, "an integer")
    return value


def as_flag(key: str, value: Json) -> bool:
    """Return `value` if it is true or false."""
    if not isinstance(value, bool):
        raise refuse(key, "true or false")
    return value


def as_texts(key: str, value: Json) -> tuple[str, ...]:
    """Return `value` if it is a list of strings."""
    if not isinstance(value, list):
        raise refuse(key, "a list")
    return tuple(as_text(key, item) for item in value)


def as_map(key: str, value: Json, read: Callable[[str, Json], T]) -> dict[str, T]:
    """Return the object `value` with each of its values read by `read`."""
    return {name: read(f"{key}.{name}", item) for name, item in as_object(key, value).items()}


def as_items(key: str, value: Json, read: Callable[[str, Json], T]) -> tuple[T, ...]:
    """Return the list `value` with each of its items read by `read`."""
    if not isinstance(value, list):
        raise refuse(key, "a list")
    return tuple(read(f"{key}.{number}", item) for number, item in enumerate(value))


def maybe(key: str, value: Json, read: Callable[[str, Json], T]) -> T | None:
    """Return None for null, else what `read` makes of it."""
    return None if value is None else read(key, value)


def read_infeasible(key: str, value: Json) -> Infeasible:
    """Read the record of what did not fit."""
    data = exactly(key, value, ("resource", "need", "have", "unit", "detail"))
    return Infeasible(
        resource=as_text(f"{key}.resource", data["resource"]),
        need=as_integer(f"{key}.need", data["need"]),
        have=as_integer(f"{key}.have", data["have"]),
        unit=as_text(f"{key}.unit", data["unit"]),
        detail=as_text(f"{key}.detail", data["detail"]),
    )


def read_phase(key: str, value: Json) -> Phase:
    """Read one phase; its rate is computed again from its tokens and time."""
    integers = ("num_steps", "num_tokens", "macs", "dram_bytes")
    numbers = ("latency_s", "bound_s", "tokens_per_s")
    data = exactly(key, value, (*integers, *numbers, "energy_j"))
    number = {name: as_number(f"{key}.{name}", data[name]) for name in numbers}
    integer = {name: as_integer(f"{key}.{name}", data[name]) for name in integers}
    return Phase(
        latency_s=number["latency_s"],
        num_steps=integer["num_steps"],
        num_tokens=integer["num_tokens"],
        energy_j=maybe(f"{key}.energy_j", data["energy_j"], as_number),
        macs=integer["macs"],
        dram_bytes=integer["dram_bytes"],
        bound_s=number["bound_s"],
    )


def read_energy(key: str, value: Json) -> Energy:
    """Read the energy split."""
    data = exactly(key, value, ("dynamic", "static", "component"))
    return Energy(
        dynamic=as_number(f"{key}.dynamic", data["dynamic"]),
        static=as_number(f"{key}.static", data["static"]),
        component=as_map(f"{key}.component", data["component"], as_number),
    )


def read_roofline(key: str, value: Json) -> Roofline:
    """Read the roofline position."""
    numbers = (
        "bound_s",
        "compute_s",
        "memory_s",
        "operational_intensity_macs_per_byte",
        "ridge_macs_per_byte",
    )
    data = exactly(key, value, (*numbers, "limited_by"))
    number = {name: as_number(f"{key}.{name}", data[name]) for name in numbers}
    return Roofline(**number, limited_by=as_text(f"{key}.limited_by", data["limited_by"]))


def read_engine(key: str, value: Json) -> EngineStatistics:
    """Read the size and the work of the timing."""
    data = exactly(key, value, ("operations", "simulated", "jumps", "recalls"))
    return EngineStatistics(**as_map(key, dict(data), as_integer))


def read_operator(key: str, value: Json) -> Operator:
    """Read one operator."""
    texts, counts = ("stage", "name", "kind", "limited_by"), ("calls", "launches")
    shares = ("compute", "memory", "power_w")
    data = exactly(key, value, (*texts, *counts, *shares, "time_s"))
    text = {name: as_text(f"{key}.{name}", data[name]) for name in texts}
    count = {name: as_integer(f"{key}.{name}", data[name]) for name in counts}
    share = {name: maybe(f"{key}.{name}", data[name], as_number) for name in shares}
    return Operator(
        stage=text["stage"],
        name=text["name"],
        kind=text["kind"],
        calls=count["calls"],
        launches=count["launches"],
        time_s=as_number(f"{key}.time_s", data["time_s"]),
        limited_by=text["limited_by"],
        compute=share["compute"],
        memory=share["memory"],
        power_w=share["power_w"],
    )


def read_devices(key: str, value: Json) -> Devices:
    """Read what all devices do together."""
    numbers, counts = ("tokens_per_s_per_device", "stage_s"), ("count", "stages")
    shares = ("power_w", "steady_tokens_per_s", "steady_tbt_s")
    data = exactly(key, value, (*numbers, *shares, *counts, "sharing"))
    number = {name: as_number(f"{key}.{name}", data[name]) for name in numbers}
    share = {name: maybe(f"{key}.{name}", data[name], as_number) for name in shares}
    return Devices(
        count=as_integer(f"{key}.count", data["count"]),
        sharing=as_text(f"{key}.sharing", data["sharing"]),
        tokens_per_s_per_device=number["tokens_per_s_per_device"],
        power_w=share["power_w"],
        stages=as_integer(f"{key}.stages", data["stages"]),
        stage_s=number["stage_s"],
        steady_tokens_per_s=share["steady_tokens_per_s"],
        steady_tbt_s=share["steady_tbt_s"],
    )


def read_error_band(key: str, value: Json) -> ErrorBand:
    """Read the expected range."""
    data = exactly(key, value, ("low_s", "high_s", "basis"))
    return ErrorBand(
        low_s=as_number(f"{key}.low_s", data["low_s"]),
        high_s=as_number(f"{key}.high_s", data["high_s"]),
        basis=as_text(f"{key}.basis", data["basis"]),
    )


def read_fidelity(key: str, value: Json) -> Fidelity:
    """Read the rung asked for and the rungs used."""
    data = exactly(key, value, ("requested", "used"))
    return Fidelity(
        requested=as_text(f"{key}.requested", data["requested"]),
        used=as_map(f"{key}.used", data["used"], as_text),
    )


def read_what_if(key: str, value: Json) -> WhatIf:
    """Read one re-simulated change."""
    data = exactly(key, value, ("factor", "gain"))
    return WhatIf(
        factor=as_number(f"{key}.factor", data["factor"]),
        gain=as_number(f"{key}.gain", data["gain"]),
    )


def read_shares(key: str, value: Json) -> dict[str, float]:
    """Read the shares of the critical path of one resource, by cause."""
    return as_map(key, value, as_number)


def exactly(key: str, value: Json, names: tuple[str, ...]) -> dict[str, Json]:
    """Return the object `value` if it has exactly the keys `names`."""
    data = as_object(key, value)
    for name in names:
        if name not in data:
            raise ConfigError(f"not a result: the key '{name}' is missing", path=key or None)
    for name in data:
        if name not in names:
            raise ConfigError(f"not a result: the key '{name}' is unknown", path=key or None)
    return data
