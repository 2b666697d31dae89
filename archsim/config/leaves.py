"""Leaf types of configuration models: quantities with units, bounded numbers, ids, formats.

Each is an annotation that pydantic understands. A YAML value must carry its unit
(``bandwidth: 614 GB/s``); in Python the attribute holds the number in base units and a number is
accepted as it is. Leaves check themselves, so that every refusal says what is allowed.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from archsim.errors import ConfigError, nearest
from archsim.numberformat import FORMATS, NumberFormat, parse_format
from archsim.units import (
    DIMENSION_PHRASE,
    EXAMPLE,
    Dimension,
    format_quantity,
    parse_quantity,
    unit_names,
)

LEAF_ERROR = "archsim_leaf"
"""Type of the pydantic errors that leaves raise; their context holds message, allowed, hint."""

FROM_YAML = {"archsim_from_yaml": True}
"""Validation context of data from a file, where a quantity without its unit is refused."""

MAX_COUNT = 2**31
MAX_BYTES = 2**53
UNBOUNDED = "unbounded"


class Leaf(ABC):
    """Base of leaf annotations: checks a value, writes it back, describes it as JSON Schema."""

    @abstractmethod
    def _check(self, value: object) -> object:
        """Return the value to store, or raise ConfigError."""

    def _check_yaml(self, value: object) -> object:
        """Check a value that came from a file."""
        return self._check(value)

    def _dump(self, value: object) -> object:
        """Return the YAML form of a stored value."""
        return value

    @abstractmethod
    def _json_schema(self) -> dict[str, object]:
        """Return the JSON Schema of the YAML form."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self._dump, when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        return self._json_schema()

    def _validate(self, value: object, info: core_schema.ValidationInfo) -> object:
        try:
            return self._check_yaml(value) if info.context is FROM_YAML else self._check(value)
        except ConfigError as error:
            context = {"message": error.message, "allowed": error.allowed, "hint": error.hint}
            raise PydanticCustomError(LEAF_ERROR, "{message}", context) from error


def _check_bounds(
    value: float, low: float, high: float, *, exclusive: bool, allowed: str, text: object
) -> None:
    if not math.isfinite(value):
        raise ConfigError("must be finite", allowed=allowed, given=text)
    if value < low or (exclusive and value == low):
        word = "more than" if exclusive else "at least"
        raise ConfigError(f"must be {word} {low:g}", allowed=allowed, given=text)
    if value > high:
        raise ConfigError("is too large", allowed=allowed, given=text)


@dataclass(frozen=True)
class Quantity(Leaf):
    """A number with a unit: stored as a number in base units, written as a quantity string.

    Attributes
    ----------
    dimension : str
        Dimension of the unit.
    maximum : float
        Largest legal value, base units.
    positive : bool
        Whether zero is refused; negative values always are.
    whole : bool
        Whether the value is stored as an int and must be whole.
    may_be_unbounded : bool
        Whether the word ``unbounded`` is legal; it is stored as None.
    """

    dimension: Dimension
    maximum: float
    positive: bool = False
    whole: bool = False
    may_be_unbounded: bool = False

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        phrase = f"{DIMENSION_PHRASE[self.dimension]} with its unit, such as "
        phrase += f"'{EXAMPLE[self.dimension]}', {'above' if self.positive else 'from'} 0 "
        phrase += f"up to {format_quantity(self.maximum, self.dimension)}"
        return f"{phrase}, or '{UNBOUNDED}'" if self.may_be_unbounded else phrase

    def _check_yaml(self, value: object) -> float | None:
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            phrase = DIMENSION_PHRASE[self.dimension]
            problem = "is empty" if value is None else "the unit is missing"
            raise ConfigError(f"{problem}: {phrase} is wanted", allowed=self.allowed, given=value)
        return self._check(value)

    def _check(self, value: object) -> float | None:
        if self.may_be_unbounded and (value is None or value == UNBOUNDED):
            return None
        if isinstance(value, str):
            number = parse_quantity(value, self.dimension)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(
                f"must be {DIMENSION_PHRASE[self.dimension]}", allowed=self.allowed, given=value
            )
        else:
            number = value
        _check_bounds(
            number, 0, self.maximum, exclusive=self.positive, allowed=self.allowed, text=value
        )
        if not self.whole:
            return float(number)
        if number != int(number):
            raise ConfigError("must be a whole number of bytes", allowed=self.allowed, given=value)
        return int(number)

    def _dump(self, value: object) -> str:
        if isinstance(value, int | float):
            return format_quantity(value, self.dimension)
        return UNBOUNDED

    def _json_schema(self) -> dict[str, object]:
        units = "|".join(re.escape(unit) for unit in unit_names(self.dimension))
        pattern = rf"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)? *({units})$"
        text: dict[str, object] = {"type": "string", "pattern": pattern}
        if self.may_be_unbounded:
            text = {"anyOf": [text, {"const": UNBOUNDED}]}
        return {**text, "x-dimension": self.dimension, "examples": [EXAMPLE[self.dimension]]}


@dataclass(frozen=True)
class Whole(Leaf):
    """A whole number between bounds, both included."""

    minimum: int
    maximum: int

    def _check(self, value: object) -> int:
        allowed = f"a whole number from {self.minimum} to {self.maximum}"
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError("must be a whole number", allowed=allowed, given=value)
        if value < self.minimum:
            raise ConfigError(f"must be at least {self.minimum}", allowed=allowed, given=value)
        if value > self.maximum:
            raise ConfigError(f"must be at most {self.maximum}", allowed=allowed, given=value)
        return value

    def _json_schema(self) -> dict[str, object]:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True)
class Real(Leaf):
    """A number without a unit between bounds."""

    minimum: float
    maximum: float
    positive: bool = False

    def _check(self, value: object) -> float:
        low = f"above {self.minimum:g}" if self.positive else f"from {self.minimum:g}"
        allowed = f"a number {low} up to {self.maximum:g}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError("must be a number without a unit", allowed=allowed, given=value)
        _check_bounds(
            value, self.minimum, self.maximum, exclusive=self.positive, allowed=allowed, text=value
        )
        return float(value)

    def _json_schema(self) -> dict[str, object]:
        low = "exclusiveMinimum" if self.positive else "minimum"
        return {"type": "number", low: self.minimum, "maximum": self.maximum}


@dataclass(frozen=True)
class IdentifierLeaf(Leaf):
    """A lower-case id, ``[a-z0-9.-]`` with a letter or digit first, at most 64 characters."""

    def _check(self, value: object) -> str:
        allowed = "a lower-case id of letters, digits, '.' and '-', such as 'tpu-v4i'"
        if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,63}", value):
            raise ConfigError("is not an id", allowed=allowed, given=value)
        return value

    def _json_schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": "^[a-z0-9][a-z0-9.-]{0,63}$"}


@dataclass(frozen=True)
class FormatLeaf(Leaf):
    """A number format, stored as an object or (``as_name``) as its canonical name."""

    as_name: bool = False

    def _check(self, value: object) -> NumberFormat | str:
        if isinstance(value, str):
            parsed = parse_format(value)
            return parsed.name if self.as_name else parsed
        if isinstance(value, NumberFormat) and not self.as_name:
            return value
        raise ConfigError(
            "must be a number format", allowed="such as 'bf16' or 'int4:g128:fp16'", given=value
        )

    def _dump(self, value: object) -> str:
        return str(value)

    def _json_schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": FORMAT_PATTERN, "examples": ["bf16", "int4:g128:fp16"]}


@dataclass(frozen=True)
class Choice(Leaf):
    """One of a few words; the refusal names the nearest."""

    words: tuple[str, ...]

    def _check(self, value: object) -> str:
        if isinstance(value, str) and value in self.words:
            return value
        hint = nearest(value, self.words) if isinstance(value, str) else None
        raise ConfigError("is not one of the choices", allowed=self.words, given=value, hint=hint)

    def _json_schema(self) -> dict[str, object]:
        return {"enum": list(self.words)}


_NAMED = "|".join(FORMATS)
FORMAT_PATTERN = f"^({_NAMED})(:g[1-9][0-9]{{0,6}}:({_NAMED})(:({_NAMED}))?)?$"

# The largest values are far above any machine; they keep later integer arithmetic in 64 bits.
Frequency = Annotated[float, Quantity("frequency", 1e12, positive=True)]
Duration = Annotated[float, Quantity("time", 1e6)]
ByteSize = Annotated[int, Quantity("bytes", MAX_BYTES, whole=True)]
PositiveByteSize = Annotated[int, Quantity("bytes", MAX_BYTES, whole=True, positive=True)]
Capacity = Annotated[
    int | None,
    Quantity("bytes", MAX_BYTES, whole=True, positive=True, may_be_unbounded=True),
]
Bandwidth = Annotated[float, Quantity("bandwidth", 1e18, positive=True)]
Energy = Annotated[float, Quantity("energy", 1e3)]
Power = Annotated[float, Quantity("power", 1e9)]
Area = Annotated[float, Quantity("area", 1e9)]
Voltage = Annotated[float, Quantity("voltage", 1e3, positive=True)]
Length = Annotated[float, Quantity("length", 1e3, positive=True)]
Current = Annotated[float, Quantity("current", 1e6)]

PositiveInt = Annotated[int, Whole(1, MAX_COUNT)]
NonNegativeInt = Annotated[int, Whole(0, MAX_COUNT)]
PositiveFloat = Annotated[float, Real(0, 1e18, positive=True)]
NonNegativeFloat = Annotated[float, Real(0, 1e18)]
Fraction01 = Annotated[float, Real(0, 1)]
PositiveFraction = Annotated[float, Real(0, 1, positive=True)]
Identifier = Annotated[str, IdentifierLeaf()]
Format = Annotated[NumberFormat, FormatLeaf()]
FormatName = Annotated[str, FormatLeaf(as_name=True)]
