"""Options of the attention mappers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from archsim.mapping import Json

INTERLEAVE = "interleave"
BUFFERING = "buffering"

BUFFERINGS = ("double", "single")
"""Room for keys and values: what overlapping tiles need, or one tile as in the FuseMax paper."""


def single_tile(options: Mapping[str, Json]) -> bool:
    """Return whether row blocks are chosen beside one tile of keys and values.

    Raises
    ------
    ConfigError
        The option is no word that it knows.
    """
    value = options.get(BUFFERING, BUFFERINGS[0])
    if value not in BUFFERINGS:
        raise ConfigError(
            "is no buffering", path=f"options.{BUFFERING}", given=value, allowed=BUFFERINGS
        )
    return value == BUFFERINGS[1]


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
