"""Tables of operation times over a grid of shapes, for simulators that look latencies up."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError, nearest
from archsim.mapping import Infeasible
from archsim.pim.operations import Attention, Gemv, KvWrite, Operation, run_operation

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice

OPERATIONS: Final[Mapping[str, type[Gemv] | type[Attention] | type[KvWrite]]] = {
    "gemv": Gemv,
    "attention": Attention,
    "kv-write": KvWrite,
}
RESULTS: Final = (
    *("cycles", "time_ns", "bandwidth_bytes_per_s", "utilization", "energy_j", "commands"),
    "infeasible",
)
"""Columns behind those of the shape."""
MAX_POINTS: Final = 1_000_000
MAX_VALUE: Final = 1 << 40
MAX_REQUESTS: Final = 100_000


def make_operation(name: str, values: Mapping[str, int]) -> Operation:
    """Return an operation from its name and its shape.

    Raises
    ------
    ConfigError
        Unknown operation or parameter, one that is missing, or a value out of range.
    """
    kind = OPERATIONS.get(name)
    if kind is None:
        raise ConfigError(
            "is no operation",
            path="--op",
            given=name,
            allowed=OPERATIONS,
            hint=nearest(name, OPERATIONS),
        )
    names = [field.name for field in fields(kind)]
    for key, value in values.items():
        if key not in names:
            raise ConfigError(
                f"is no parameter of {name}", given=key, allowed=names, hint=nearest(key, names)
            )
        if not 1 <= value <= MAX_VALUE:
            raise ConfigError(
                "is out of range", path=_option(key), given=value, allowed=f"1 to {MAX_VALUE}"
            )
    if kind is Gemv:
        return Gemv(
            rows=_wanted(name, values, "rows"),
            inner=_wanted(name, values, "inner"),
            element_bytes=values.get("element_bytes", 2),
            batch=values.get("batch", 1),
        )
    if kind is KvWrite:
        return KvWrite(
            tokens=_wanted(name, values, "tokens"),
            head_size=_wanted(name, values, "head_size"),
            kv_heads=_wanted(name, values, "kv_heads"),
            requests=values.get("requests", 1),
            element_bytes=values.get("element_bytes", 2),
            new_tokens=values.get("new_tokens", 1),
        )
    return _attention(name, values)


def _attention(name: str, values: Mapping[str, int]) -> Attention:
    heads = _wanted(name, values, "heads")
    kv_heads = values.get("kv_heads", heads)
    if heads % kv_heads:
        raise ConfigError(
            "must divide the heads",
            path="--kv-heads",
            given=kv_heads,
            allowed=f"divisors of {heads}",
        )
    return Attention(
        tokens=_wanted(name, values, "tokens"),
        head_size=_wanted(name, values, "head_size"),
        heads=heads,
        kv_heads=kv_heads,
        requests=values.get("requests", 1),
        element_bytes=values.get("element_bytes", 2),
    )


def operation_name(operation: Operation) -> str:
    """Return the name of an operation."""
    return next(name for name, kind in OPERATIONS.items() if isinstance(operation, kind))


def _option(key: str) -> str:
    return "--" + key.replace("_", "-")


def _wanted(name: str, values: Mapping[str, int], key: str) -> int:
    if key not in values:
        raise ConfigError(f"is wanted for {name}", path=_option(key))
    return values[key]


def parse_axis(text: str) -> tuple[str, list[int]]:
    """Return name and values of an axis: ``tokens=256,512`` or ``tokens=256:4096:256``.

    Raises
    ------
    ConfigError
        Not an axis.
    """
    allowed = "NAME=1,2,3 or NAME=FIRST:LAST:STEP"
    name, equals, rest = text.partition("=")
    key = name.strip().replace("-", "_")
    try:
        if ":" in rest:
            first, last, step = (int(part) for part in rest.split(":"))
            if step < 1 or (last - first) // step > MAX_POINTS:
                raise ValueError
            values = list(range(first, last + 1, step))
        else:
            values = [int(part) for part in rest.split(",")]
    except ValueError:
        raise ConfigError("is no axis", path="--grid", given=text, allowed=allowed) from None
    if not (equals and key and values):
        raise ConfigError("is no axis", path="--grid", given=text, allowed=allowed)
    return key, values


def parse_lengths(text: str) -> list[int]:
    """Return the lengths of requests: ``4000,2000x3`` is four of them.

    Raises
    ------
    ConfigError
        Not such a list, or too long.
    """
    found: list[int] = []
    try:
        for part in text.split(","):
            length, times, count = part.partition("x")
            repeat = int(count) if times else 1
            if repeat < 1 or len(found) + repeat > MAX_REQUESTS or int(length) < 1:
                raise ValueError
            found += [int(length)] * repeat
    except ValueError:
        raise ConfigError(
            "is no list of lengths",
            path="--lengths",
            given=text,
            allowed=f"4000,2000x3 and the like, at most {MAX_REQUESTS} requests",
        ) from None
    return found


def table_rows(
    device: PimDevice, name: str, axes: Mapping[str, Sequence[int]]
) -> Iterator[dict[str, object]]:
    """Yield a row for each point of a grid, the last axis fastest.

    Parameters
    ----------
    device
        What runs it.
    name
        Operation.
    axes
        Values of each parameter.

    Raises
    ------
    ConfigError
        A parameter is unknown, missing or out of range, or the grid is too large.
    """
    points = 1
    for values in axes.values():
        points *= len(values)
    if points > MAX_POINTS:
        raise ConfigError(
            "has too many points", path="--grid", given=points, allowed=f"at most {MAX_POINTS}"
        )
    for point in itertools.product(*axes.values()):
        shape = dict(zip(axes, point, strict=True))
        found = run_operation(device, make_operation(name, shape))
        row: dict[str, object] = {"op": name, **shape}
        if isinstance(found, Infeasible):
            text = f"{found.resource} needs {found.need} {found.unit} has {found.have}"
            yield row | dict.fromkeys(RESULTS) | {"infeasible": text}
            continue
        yield row | {
            "cycles": found.ticks,
            "time_ns": found.time_ps / 1000,
            "bandwidth_bytes_per_s": round(found.bandwidth_bytes_per_s),
            "utilization": round(found.utilization, 6),
            "energy_j": sum(found.energy_j.values()) if found.energy_j else None,
            "commands": sum(found.commands.values()),
            "infeasible": None,
        }


def table_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as CSV; what there is not is an empty cell."""
    lines = [",".join(rows[0])] if rows else []
    lines += [
        ",".join("" if value is None else str(value) for value in row.values()) for row in rows
    ]
    return "\n".join(lines) + "\n"
