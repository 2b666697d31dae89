"""Options of the attention mappers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from archsim.mapping import Json

INTERLEAVE = "interleave"


def interleaved(options: Mapping[str, Json], *, default: bool = True) -> bool:
    """Return whether tiles overlap on the units.

    Raises
    ------
    ConfigError
        The option is neither true nor false.
    """
    value = options.get(INTERLEAVE, default)
    if not isinstance(value, bool):
        raise ConfigError(
            "must be true or false",
            path=f"options.{INTERLEAVE}",
            given=value,
            allowed="true, false",
        )
    return value
