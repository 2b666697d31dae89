"""Frozen configuration models, and one clear error when data does not fit them.

Convention: the attribute carries the unit, the YAML key does not::

    class Dram(ConfigModel):
        bandwidth_bytes_per_s: Bandwidth = Field(alias="bandwidth")

Sequence fields are tuples. Cross-field rules are pydantic validators that raise ``ValueError`` with
a sentence naming both fields.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from archsim.config.leaves import (
    FROM_YAML,
    LEAF_ERROR,
    UNBOUNDED,
    Area,
    Bandwidth,
    ByteSize,
    Capacity,
    Choice,
    Current,
    Duration,
    Energy,
    Format,
    FormatName,
    Fraction01,
    Frequency,
    Identifier,
    Leaf,
    Length,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveByteSize,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
    Power,
    Quantity,
    Real,
    Voltage,
    Whole,
)
from archsim.config.paths import item_segments, join_path
from archsim.errors import ConfigError, Location, nearest

__all__ = [
    "UNBOUNDED",
    "Area",
    "Bandwidth",
    "ByteSize",
    "Capacity",
    "Choice",
    "ConfigModel",
    "Current",
    "Duration",
    "Energy",
    "Format",
    "FormatName",
    "Fraction01",
    "Frequency",
    "Identifier",
    "Leaf",
    "Length",
    "NonNegativeFloat",
    "NonNegativeInt",
    "PositiveByteSize",
    "PositiveFloat",
    "PositiveFraction",
    "PositiveInt",
    "Power",
    "Quantity",
    "Real",
    "Voltage",
    "Whole",
    "dump_model",
    "key_paths",
    "validate_model",
]

Model = TypeVar("Model", bound="ConfigModel")

_ATTRIBUTE_KEY = "archsim_attribute_key"


class ConfigModel(BaseModel):
    """Base of every configuration model: frozen, strict, no unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        populate_by_name=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _only_yaml_keys(cls, data: object, info: ValidationInfo) -> object:
        """Refuse attribute names in files: ``latency_s: 3`` would slip past the unit check."""
        if info.context is FROM_YAML and isinstance(data, dict):
            for name, field in cls.model_fields.items():
                if field.alias not in (None, name) and name in data:
                    raise PydanticCustomError(_ATTRIBUTE_KEY, "{key}", {"key": name})
        return data


class Locator(Protocol):
    """What error reporting needs of a document: where values and keys stand."""

    def location(self, path: str) -> Location | None:
        """Return the place of the value at a path, or of its nearest enclosing map."""

    def key_location(self, path: str) -> Location | None:
        """Return the place of the key at a path, or of the nearest enclosing map."""


def validate_model(
    cls: type[Model], data: object, document: Locator | None = None, path: str = ""
) -> Model:
    """Build a model from plain data of a document.

    Parameters
    ----------
    cls : type
        The model.
    data : object
        Plain data, as in ``Document.data``.
    document : Document, optional
        Gives file, line and column to errors.
    path : str
        Dotted path of ``data`` with its root, ``hardware.components.array``.

    Raises
    ------
    ConfigError
        The first thing wrong, in the order: unknown keys, then everything else as it stands in
        the file. Says where, what was given, what is allowed, and the nearest legal key.
    """
    try:
        return cls.model_validate(_tuples(data), context=FROM_YAML)
    except ValidationError as error:
        details = error.errors(include_url=False)
    except ConfigError as error:
        raise error.at(path=path, location=document.location(path) if document else None) from None
    reports = [_report(cls, detail, data, document, path) for detail in details]
    raise min(reports, key=_urgency)


def dump_model(instance: ConfigModel) -> dict[str, object]:
    """Return the YAML-able data of a model: YAML keys, quantities as strings, nothing that is None.

    ``validate_model(type(x), dump_model(x)) == x``: every number survives to the bit.
    """
    dumped: dict[str, object] = instance.model_dump(mode="json", by_alias=True)
    return {key: _without_none(value) for key, value in dumped.items() if value is not None}


def key_paths(cls: type[BaseModel], path: str) -> frozenset[str]:
    """Return the dotted paths of all keys a model may have, nested models included.

    For ``apply_overrides(known=…)``: a key that the file leaves at its default may be set too.
    """
    paths: set[str] = set()
    for name, field in cls.model_fields.items():
        child = join_path(path, field.alias or name)
        paths.add(child)
        nested = _model_in(field.annotation)
        if nested is not None and nested is not cls:
            paths |= key_paths(nested, child)
    return frozenset(paths)


def _tuples(data: object) -> object:
    if isinstance(data, dict):
        return {key: _tuples(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return tuple(_tuples(value) for value in data)
    return data


def _without_none(data: object) -> object:
    if isinstance(data, dict):
        return {key: _without_none(value) for key, value in data.items() if value is not None}
    if isinstance(data, list):
        return [_without_none(value) for value in data]
    return data


def _urgency(report: ConfigError) -> tuple[int, int, int]:
    unknown_key_first = 0 if report.message.startswith("unknown key") else 1
    location = report.location
    if location is None:
        return unknown_key_first, 0, 0
    return unknown_key_first, location.line or 0, location.column or 0


def _report(
    cls: type[ConfigModel],
    detail: ErrorDetails,
    data: object,
    document: Locator | None,
    path: str,
) -> ConfigError:
    """Turn one pydantic error into ours."""
    loc = detail["loc"]
    kind = detail["type"]
    context = detail.get("ctx", {})
    if kind == _ATTRIBUTE_KEY:
        loc = (*loc, str(context["key"]))
    is_key = kind in ("extra_forbidden", _ATTRIBUTE_KEY)
    full_path = _walk_path(data, loc, path, may_lack_last=is_key or kind == "missing")
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        full_path = join_path(full_path, context["discriminator"].strip("'"))
    location = None
    if document is not None:
        location = document.key_location(full_path) if is_key else document.location(full_path)
    if is_key:
        allowed = _keys_at(cls, loc[:-1])
        return ConfigError(
            "unknown key",
            path=full_path,
            location=location,
            allowed=allowed,
            hint=nearest(str(loc[-1]), allowed or ()),
        )
    given: object = detail["input"]
    hint: str | None = None
    allowed_text: str | None = None
    if kind == LEAF_ERROR:
        message, allowed_text, hint = context["message"], context["allowed"], context["hint"]
    else:
        message, allowed_text = _phrase(kind, detail["msg"], context)
    if kind in ("missing", "union_tag_not_found"):
        given = None
    elif kind == "union_tag_invalid":
        given = context["tag"]
    elif given is None and not message.startswith("is empty"):
        message += " (it is empty)"
    if kind in ("literal_error", "union_tag_invalid") and isinstance(given, str):
        hint = nearest(given, _quoted_words(allowed_text or ""))
    if kind == "value_error":
        given = None
    return ConfigError(
        message, path=full_path, location=location, given=given, allowed=allowed_text, hint=hint
    )


_TYPE_PHRASE = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be finite",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a map",
    "model_type": "must be a map",
    "model_attributes_type": "must be a map",
    "missing": "required key is missing",
    "string_too_short": "is too short",
    "too_short": "has too few items",
    "too_long": "has too many items",
    "literal_error": "is not one of the choices",
    "union_tag_invalid": "is not one of the kinds",
    "union_tag_not_found": "required key is missing",
}

_BOUND_PHRASE = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def _phrase(kind: str, message: str, context: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return message and allowed text for an error that pydantic's own types raised."""
    if kind == "value_error":
        return str(context["error"]), None
    if kind in _BOUND_PHRASE:
        key, words = _BOUND_PHRASE[kind]
        return f"must be {words} {context[key]}", None
    if kind in _TYPE_PHRASE:
        allowed = context.get("expected") or context.get("expected_tags")
        if allowed is None and "min_length" in context:
            allowed = f"at least {context['min_length']}"
        if allowed is None and "max_length" in context:
            allowed = f"at most {context['max_length']}"
        return _TYPE_PHRASE[kind], allowed
    return message[:1].lower() + message[1:], None


def _quoted_words(text: str) -> list[str]:
    return text.split("'")[1::2]


def _walk_path(data: object, loc: tuple[int | str, ...], path: str, *, may_lack_last: bool) -> str:
    """Return the dotted path of a pydantic location, skipping tags of unions."""
    for position, step in enumerate(loc):
        if isinstance(data, dict):
            if step not in data and not (may_lack_last and position == len(loc) - 1):
                continue
            path = join_path(path, str(step))
            data = data.get(step)
        elif isinstance(data, list | tuple) and isinstance(step, int) and step < len(data):
            path = join_path(path, item_segments(data)[step])
            data = data[step]
    return path


def _keys_at(cls: type[ConfigModel], loc: tuple[int | str, ...]) -> list[str] | None:
    """Return the YAML keys of the model that a pydantic location points into."""
    current: object = cls
    for step in loc:
        current = _descend(current, step)
    model = _model_in(current)
    if model is None:
        return None
    return [field.alias or name for name, field in model.model_fields.items()]


def _descend(annotation: object, step: int | str) -> object:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if step in (name, field.alias):
                return field.annotation
        return None
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return _descend(arguments[0], step)
    if origin in (Union, types.UnionType):
        return next((a for a in arguments if _matches_tag(a, step)), None) or next(
            (found for a in arguments if (found := _descend(a, step)) is not None), None
        )
    if origin is dict:
        return arguments[1] if step != "[key]" else arguments[0]
    if origin in (tuple, list) and arguments:
        return arguments[0]
    return None


def _matches_tag(annotation: object, tag: int | str) -> bool:
    model = _model_in(annotation)
    field = model.model_fields.get("kind") if model is not None else None
    return field is not None and tag in get_args(field.annotation)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the only model of an annotation such as ``X``, ``X | None`` or Annotated[X, …]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    origin = get_origin(annotation)
    if origin is typing.Annotated or origin in (Union, types.UnionType):
        found = [model for a in get_args(annotation) if (model := _model_in(a)) is not None]
        return found[0] if len(found) == 1 else None
    return None
