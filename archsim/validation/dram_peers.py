"""The memories of the recorded simulators: standard, changes to it, and controller, by row.

Ramulator 2.1's settings are those of its exact policy, which is the controller's default. DRAMsim3
ran with the same timings but its own policies; its rows are predicted with ours, so what differs is
policy and shows as error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from archsim.dram.controller import ControllerConfig
from archsim.dram.standard import Standard, load_standard

if TYPE_CHECKING:
    from archsim.validation.table import Row

RAMULATOR: Final = "ramulator2.1"
MATCHED: Final = "dramsim3-matched"
NATIVE: Final = "dramsim3-native"
SIMULATORS: Final = (RAMULATOR, MATCHED, NATIVE)

STANDARDS: Final = {
    "DDR3": "ddr3-1600",
    "DDR4": "ddr4-3200",
    "DDR4nat": "ddr4-3200",
    "DDR5": "ddr5-4800-ramulator",
    "LPDDR5": "lpddr5-6400",
    "GDDR6": "gddr6-14000-ramulator",
    "HBM2": "hbm2-2000-ramulator",
    "HBM3": "hbm3-6400",
    "HBM3_8hi": "hbm3-6400-8hi",
}
"""Names of the recorded devices and our standards."""

MAPS: Final = {
    "A": "robaracoch",
    "B": "bank-group-interleave",
    "ini": "row channel rank bank bankgroup column",
}
"""Recorded address maps: A keeps a stream in a bank for a row, B changes bank group each access,
and that of DRAMsim3's DDR4 files keeps it in a row (rochrababgco)."""

SCHEDULERS: Final = {"FRFCFS": "fr-fcfs", "FRFCFSRowHit": "fr-fcfs-row-hit", "default": "fr-fcfs"}

CHANGES: Final[dict[str, dict[str, object]]] = {
    "DDR4": {},
    "DDR4nat": {"organisation.levels.rank": 2, "timings.nRFC": 560, "timings.nCS": 1},
    "DDR5": {
        **{f"commands.{name}.cycles": 1 for name in ("ACT", "RD", "WR", "RDA", "WRA")},
        **{"timings.nRP": 33, "timings.nRAS": 78, "timings.nRC": 111, "timings.nRFC": 709},
        **{"timings.nWR": 73, "timings.nRTP": 19, "timings.nCCD_L_WR": 12},
    },
    "GDDR6": {"timings.nRC": 80},
    "HBM2": {
        **{"commands.ACT.cycles": 1, "timings.nRCDRD": 15, "timings.nRCDWR": 13},
        **{"timings.nRP": 13, "timings.nRAS": 35, "timings.nRC": 48, "timings.nRFC": 259},
    },
}
"""Numbers of the DRAMsim3 runs where they differ: it has no two-cycle commands, and its activation
costs are folded into the timings. Its own DDR4 file (DDR4_8Gb_x8_3200) has two ranks."""


SAME_CURRENTS: Final = ("DDR4", "DDR4nat", "GDDR6")
"""Devices for which DRAMsim3's currents are those of our files, so that its energies compare."""


@dataclass(frozen=True)
class Peer:
    """One recorded memory.

    Attributes
    ----------
    standard
        Devices of a channel.
    controller
        Policies.
    """

    standard: Standard
    controller: ControllerConfig


@cache
def _standard(dram: str, simulator: str) -> Standard:
    changes: Mapping[str, object] = CHANGES[dram] if simulator != RAMULATOR else {}
    overrides = [f"hardware.{path}={value}" for path, value in changes.items()]
    return load_standard(STANDARDS[dram], overrides)


def peer_of(row: Row) -> Peer | str:
    """Return the memory of a row, or why the row cannot be predicted."""
    simulator = row.text("sim", SIMULATORS)
    dram = row.text("dram")
    if simulator == NATIVE and dram != "DDR4nat":
        return "DRAMsim3's own HBM2 and GDDR6 files, whose timings are not those of a standard"
    known = STANDARDS if simulator == RAMULATOR else CHANGES
    if dram not in known:
        return f"no standard is known for the recorded device {dram}"
    if row.text("map") not in MAPS:
        return "an address map that is not described"
    if row.text("scheduler") not in SCHEDULERS:
        return "a scheduler that is not described"
    controller = ControllerConfig.model_validate(
        {
            "scheduler": SCHEDULERS[row.text("scheduler")],
            "address_map": MAPS[row.text("map")],
            "refresh": "all-bank" if row.integer("refresh") else "none",
        }
    )
    return Peer(_standard(dram, simulator), controller)
