"""Commands of memories that compute, and what they do to banks."""

from __future__ import annotations

from typing import Final, Literal

from archsim.dram.vocabulary import MEANINGS, Meaning

Placement = Literal["bank", "bankgroup", "buffer"]
"""Where the multiply-accumulate units stand: beside each bank, each bank group, or on the logic die
(one for each pseudo channel)."""

_OPENS_ALL = Meaning(scope="all", opens=True)
_CLOSES_ALL = Meaning(scope="all", closes=True)
_COMPUTES = Meaning(scope="all")

PIM_MEANINGS: Final[dict[str, Meaning]] = {
    **MEANINGS,
    "PRE": Meaning(closes=True),
    "PREA": _CLOSES_ALL,
    "PRESB": _CLOSES_ALL,
    "PREPB": _CLOSES_ALL,
    "ACTAB": _OPENS_ALL,
    "ACTSB": _OPENS_ALL,
    "ACTPB": _OPENS_ALL,
    "ACT16": _OPENS_ALL,
    "MACAB": _COMPUTES,
    "MACSB": _COMPUTES,
    "MACPB": _COMPUTES,
    "MAC16": _COMPUTES,
    "WRGB": _COMPUTES,
    "MVSB": _COMPUTES,
    "MVGB": _COMPUTES,
    "SFM": _COMPUTES,
    "WRMAC16": _COMPUTES,
    "RDMAC16": _COMPUTES,
    "AF16": _COMPUTES,
    "EWMUL16": _COMPUTES,
    "RDCP": _COMPUTES,
    "WRCP": _COMPUTES,
}
"""Commands by name; those for all banks address every bank that their fields leave open (-1)."""

MACS: Final = frozenset({"MACAB", "MACSB", "MACPB", "MAC16"})
"""Commands that read one column of an open row of each bank they address."""
