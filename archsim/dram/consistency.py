"""What the numbers of a standard must keep among each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from archsim.expression import Expression

if TYPE_CHECKING:
    from archsim.dram.standard import Level
    from archsim.errors import ConfigError

ROUNDING: Final = 1
"""Cycles by which a sum of two timings may exceed a third that stands for it: each is rounded up to
whole cycles on its own, so published tables hold tRC < tRAS + tRP by one cycle."""

RULES: Final = (
    *((name, "1", 0) for name in ("nBL", "nCL", "nCWL", "nRP", "nRCD", "nRCDRD", "nRCDWR")),
    ("nRTW", "nCL + nBL - nCWL", 0),
    ("nRAS", "nRCD + nRTP", ROUNDING),
    ("nRAS", "nRCDRD + nRTP", ROUNDING),
    ("nRAS", "nRCDWR", 0),
    ("nRC", "nRAS", 0),
    ("nRC", "nRAS + nRP", ROUNDING),
    ("nCCD_S", "nBL", 0),
    ("nCCD_L", "nCCD_S", 0),
    ("nCCD_L_WR", "nCCD_S_WR", 0),
    ("nRRD_L", "nRRD_S", 0),
    ("nFAW", "nRRD_S", 0),
    ("nWTR_L", "nWTR_S", 0),
    ("nRPab", "nRP", 0),
    ("nRFC", "nRFCpb", 0),
    ("nRFC", "nRP", 0),
    ("nREFI", "nRFC + 1", 0),
)
"""(timing, what it must at least be, cycles of tolerance); a rule whose names a standard lacks does
not apply."""


class Refusal(Protocol):
    """Makes an error about a key."""

    def __call__(self, message: str, key: str, given: object, allowed: str = "") -> ConfigError:
        """Return the error."""


def check_timings(timings: Mapping[str, int], refuse: Refusal) -> None:
    """Refuse timings (cycles) that contradict each other.

    Raises
    ------
    ConfigError
        Names the timing, its value and the least that it may be.
    """
    for name, least, tolerance in RULES:
        expression = Expression(least)
        if not ({name} | expression.names()) <= set(timings):
            continue
        bound = int(expression.evaluate(lambda item: float(timings[item])))
        if timings[name] < bound - tolerance:
            raise refuse(
                f"is less than {least}" + (f" = {bound}" if least != str(bound) else ""),
                f"timings.{name}",
                timings[name],
                f"at least {bound - tolerance}",
            )


def check_organisation(levels: Sequence[Level], refuse: Refusal) -> None:
    """Refuse sizes that address bits cannot select.

    Raises
    ------
    ConfigError
        A size that is no power of two.
    """
    for level in levels:
        if level.size & (level.size - 1):
            key = {"row": "rows", "column": "columns"}.get(level.name, f"levels.{level.name}")
            raise refuse("must be a power of two", f"organisation.{key}", level.size)
