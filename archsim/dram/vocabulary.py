"""The commands and hierarchy levels that a DRAM standard may be made of, and what commands do.

A standard's file says which of these commands it has, on which command bus and for how long, and
which distances they keep; what a command does to a bank is the same in every standard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Scope = Literal["bank", "all"]
Access = Literal["", "read", "write"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a command does.

    Attributes
    ----------
    scope
        Whether it addresses one bank, or all banks below a node.
    opens, closes, refreshes
        Its effect on the banks it addresses; an auto-precharging access closes its bank.
    access
        Data direction of a column command, or nothing.
    """

    scope: Scope = "bank"
    opens: bool = False
    closes: bool = False
    refreshes: bool = False
    access: Access = ""


MEANINGS: Final[dict[str, Meaning]] = {
    "ACT": Meaning(opens=True),
    "ACT1": Meaning(),
    "ACT2": Meaning(opens=True),
    "PREpb": Meaning(closes=True),
    "PREab": Meaning(scope="all", closes=True),
    "CAS_RD": Meaning(),
    "CAS_WR": Meaning(),
    "RD": Meaning(access="read"),
    "WR": Meaning(access="write"),
    "RDA": Meaning(access="read", closes=True),
    "WRA": Meaning(access="write", closes=True),
    "REFab": Meaning(scope="all", refreshes=True),
    "REFpb": Meaning(refreshes=True),
    "RFMab": Meaning(scope="all", refreshes=True),
    "RFMpb": Meaning(refreshes=True),
}
"""Commands by name: activate (in one or two parts), precharge, WCK synchronisation, read, write
(plain or with auto-precharge), refresh and refresh management."""

REQUIRED: Final = ("PREpb", "PREab", "RD", "WR", "RDA", "WRA", "REFab")
"""Commands that every standard has, beside ACT or the pair ACT1 and ACT2."""

LEVELS: Final = (
    *("channel", "pseudochannel", "rank", "sid", "bankgroup", "pair", "bank"),
    *("row", "column"),
)
"""Levels of the hierarchy, outermost first; a standard has some of them, always the last three. A
pair is two banks that share a unit which computes."""
