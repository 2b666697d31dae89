"""JSON form and content hash of cascades."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from archsim.errors import WorkloadError
from archsim.numberformat import parse_format
from workloads.einsum import Einsum, Rank, Tensor
from workloads.sparsity import parse_sparsity

if TYPE_CHECKING:
    from workloads.cascade import Cascade

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A value that JSON can carry."""

_Value = TypeVar("_Value")


def cascade_to_json(cascade: Cascade) -> dict[str, Json]:
    """Return a cascade as JSON-able data; einsums are written in their text form."""
    return {"name": cascade.name, **_content(cascade)}


def content_signature(cascade: Cascade) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of all but the cascade's name."""
    text = json.dumps(_content(cascade), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _content(cascade: Cascade) -> dict[str, Json]:
    return {
        "ranks": [
            {
                "name": rank.name,
                "extent": rank.extent,
                "parent": rank.parent,
                "iterative": rank.iterative,
            }
            for rank in cascade.ranks
        ],
        "tensors": [_tensor_to_json(tensor) for tensor in cascade.tensors],
        "einsums": [_einsum_to_json(einsum) for einsum in cascade.einsums],
    }


def _tensor_to_json(tensor: Tensor) -> Json:
    data: dict[str, Json] = {
        "name": tensor.name,
        "ranks": list(tensor.ranks),
        "role": tensor.role,
        "format": str(tensor.format),
    }
    if tensor.sparsity is not None:
        data["sparsity"] = str(tensor.sparsity)
    return data


def _einsum_to_json(einsum: Einsum) -> Json:
    return {
        "name": einsum.name,
        "statement": einsum.statement,
        "reduce": dict(einsum.reduce),
        "section": einsum.section,
        "op_class": einsum.op_class,
        "layer": einsum.layer,
    }


def parts_from_json(
    data: Mapping[str, Json],
) -> tuple[str, tuple[Rank, ...], tuple[Tensor, ...], tuple[Einsum, ...]]:
    """Return name, ranks, tensors and einsums of :func:`cascade_to_json` data.

    Raises
    ------
    WorkloadError
        A key is missing or of the wrong type.
    """
    ranks = tuple(_rank(item) for item in _maps(data, "ranks"))
    extents = {rank.variable: rank.extent for rank in ranks}
    tensors = tuple(
        Tensor(
            _field(item, "name", str),
            tuple(str(rank) for rank in _field(item, "ranks", list)),
            _field(item, "role", str),
            parse_format(_field(item, "format", str)),
            parse_sparsity(_field(item, "sparsity", str)) if "sparsity" in item else None,
        )
        for item in _maps(data, "tensors")
    )
    einsums = tuple(
        Einsum.parse(
            _field(item, "name", str),
            _field(item, "statement", str),
            extents,
            reduce={str(key): str(value) for key, value in _field(item, "reduce", dict).items()},
            section=_field(item, "section", str),
            op_class=_field(item, "op_class", str),
            layer=_field(item, "layer", str),
        )
        for item in _maps(data, "einsums")
    )
    return _field(data, "name", str), ranks, tensors, einsums


def _rank(item: Mapping[str, Json]) -> Rank:
    parent = item.get("parent")
    return Rank(
        _field(item, "name", str),
        _field(item, "extent", int),
        None if parent is None else str(parent),
        _field(item, "iterative", bool),
    )


def _maps(data: Mapping[str, Json], key: str) -> list[dict[str, Json]]:
    items = _field(data, key, list)
    if not all(isinstance(item, dict) for item in items):
        raise WorkloadError("cascade JSON: must be a list of objects", path=key)
    return cast("list[dict[str, Json]]", items)


def _field(data: Mapping[str, Json], key: str, kind: type[_Value]) -> _Value:
    value = data.get(key)
    if not isinstance(value, kind):
        raise WorkloadError(
            "cascade JSON: missing or of the wrong type",
            path=key,
            given=value,
            allowed=kind.__name__,
        )
    return value
