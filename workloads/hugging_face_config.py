"""Keys of a Hugging Face configuration: read by type, remembered, and reported where wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from archsim.errors import ConfigError, Location

_ACTIVATIONS: Final = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu-tanh",
    "gelu_pytorch_tanh": "gelu-tanh",
    "gelu_fast": "gelu-tanh",
    "silu": "silu",
    "swish": "silu",
}


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The file that keys come from.

    Attributes
    ----------
    name
        What it is called.
    text
        Its text, or empty if the keys come from elsewhere.
    """

    name: str
    text: str = ""

    def place(self, key: str = "") -> Location:
        """Return the line where a key first stands."""
        found = re.search(rf'"{re.escape(key)}"\s*:', self.text) if key else None
        line = None if found is None else self.text.count("\n", 0, found.start()) + 1
        return Location(self.name, line, None)


class ConfigReader:
    """Reads keys of a config file, remembers which, and reports what is missing or wrong.

    Attributes
    ----------
    data, where
        The keys, and the file they are from.
    used
        Keys that were read.
    parts
        Readers of maps within it.
    """

    def __init__(self, data: Mapping[str, object], where: ConfigFile) -> None:
        self.data = data
        self.where = where
        self.used: set[str] = set()
        self.parts: list[ConfigReader] = []

    def fail(self, key: str, message: str, given: object = None, allowed: str = "") -> ConfigError:
        """Return an error about a key."""
        place = self.where.place(key)
        return ConfigError(message, location=place, path=key, given=given, allowed=allowed or None)

    def get(self, key: str, default: object = None) -> object:
        """Return a value of any type."""
        self.used.add(key)
        value = self.data.get(key)
        return default if value is None else value

    def count(self, key: str, default: int | None = None) -> int:
        """Return a whole number; required without a default."""
        value = self.get(key, default)
        if value is None:
            raise self.fail(key, "required key is missing")
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.fail(key, "must be a whole number", value, "0 or more")
        return value

    def number(self, key: str, default: float) -> float:
        """Return a number."""
        value = self.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(key, "must be a number", value)
        return float(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """Return a truth value."""
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise self.fail(key, "must be true or false", value)
        return value

    def activation(self, key: str, default: str) -> str:
        """Return an activation function by our name."""
        value = self.get(key, default)
        if value not in _ACTIVATIONS:
            raise self.fail(key, "unsupported activation", value, ", ".join(_ACTIVATIONS))
        return _ACTIVATIONS[str(value)]

    def only(self, key: str, allowed: object, default: object = None) -> None:
        """Refuse any value but one."""
        value = self.get(key, allowed if default is None else default)
        if value != allowed:
            raise self.fail(key, "unsupported value", value, str(allowed).lower())
