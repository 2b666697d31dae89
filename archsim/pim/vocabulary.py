"""Commands of memories that compute, and what they do to banks."""

from __future__ import annotations

from typing import Final, Literal

from archsim.dram.vocabulary import LEVELS, MEANINGS, Meaning

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
    "ACT4": _OPENS_ALL,
    "ACT16": _OPENS_ALL,
    "MACAB": _COMPUTES,
    "MACSB": _COMPUTES,
    "MACPB": _COMPUTES,
    "MAC16": _COMPUTES,
    "MAC": Meaning(),
    "WRGB": _COMPUTES,
    "WRAB": _COMPUTES,
    "MVSB": _COMPUTES,
    "MVGB": _COMPUTES,
    "SFM": _COMPUTES,
    "WRMAC16": _COMPUTES,
    "RDMAC16": _COMPUTES,
    "AF16": _COMPUTES,
    "EWMUL16": _COMPUTES,
    "RDAF16": _COMPUTES,
    "TMOD": _COMPUTES,
    "RDCP": Meaning(),
    "WRCP": Meaning(),
}
"""Commands by name; those for all banks address every bank that their fields leave open (-1)."""

MACS: Final = frozenset({"MACAB", "MACSB", "MACPB", "MAC16", "MAC"})
"""Commands that read one column of an open row of each bank they address."""

ROW_USERS: Final = MACS | {"WRAB", "EWMUL16", "RDCP", "WRCP"}
"""Commands beside ordinary reads and writes that need the row they address open."""

_EVERYWHERE = frozenset(LEVELS)
_SPANS: Final = {
    **dict.fromkeys(("PREA", "ACTAB", "MACAB", "ACT16", "MAC16", "AF16", "EWMUL16"), _EVERYWHERE),
    **dict.fromkeys(("WRMAC16", "RDMAC16", "RDAF16", "TMOD"), _EVERYWHERE),
    **dict.fromkeys(("ACTSB", "MACSB", "PRESB"), _EVERYWHERE - {"bank"}),
    "ACT4": frozenset({"pseudochannel", "bank"}),
    "REFab": _EVERYWHERE - {"pseudochannel"},
}


def default_spans(name: str) -> frozenset[str]:
    """Return the levels of which a command addresses every node, unless a device says otherwise.

    Commands for one bank span nothing; other commands that compute are for all pseudo channels.
    """
    found = _SPANS.get(name)
    if found is not None:
        return found
    all_banks = PIM_MEANINGS[name].scope == "all"
    return frozenset({"pseudochannel"}) if all_banks else frozenset()
