"""HBM-PIM's GEMV kernel in closed form, a check of its commands, and plain reads beside it.

Tiles, stores and mode changes are counted as if each began where the one before ended. The command
stream of :mod:`archsim.pim.hbm_pim` closes rows early while registers are written, and refreshes
fall where they fall; without refreshes the closed form is up to 8 % above it (a test says so).

Source: SAITPublic/PIMSimulator src/tests/PIMKernel.cpp (read); distances from the device's file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archsim.pim.hbm_pim import LANES, REGISTERS, UNITS

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice

BANKS: Final = 16
"""Banks of a pseudo channel, each of which gets a parking row opened before the kernel (read)."""
MODE_CHANGES: Final = 4
"""Reserved rows opened around a kernel: into all-bank mode, program, out of it, park out (read)."""


@dataclass(frozen=True, slots=True)
class KernelCycles:
    """Cycles of a kernel before and with refresh.

    Attributes
    ----------
    tiles, stores, modes
        Tiles; output registers stored and mode switched for each row of tiles; parking, mode and
        program at both ends.
    refreshes
        Refreshes and the precharges before them.
    """

    tiles: int
    stores: int
    modes: int
    refreshes: int

    @property
    def total(self) -> int:
        """Cycles of the kernel."""
        return self.tiles + self.stores + self.modes + self.refreshes


def refresh_cycles(device: PimDevice, busy: int) -> int:
    """Return the cycles that refreshes add to a busy time.

    Notes
    -----
    ``round(busy / tREFI) (tRFC + tRP)``: a run begins somewhere between two refreshes, nobody says
    where, so the nearest whole number of them is taken.
    """
    of = device.standard.timings
    return round(busy / of["nREFI"]) * (of["nRFC"] + of["nRP"])


def gemv_cycles(device: PimDevice, rows: int, inner: int) -> KernelCycles:
    """Return the cycles of ``y = W x`` on all pseudo channels, rows padded to whole tiles.

    Parameters
    ----------
    device
        HBM-PIM.
    rows, inner
        Shape of the matrix.

    Notes
    -----
    Even tile: ``7 tCCD_L + max(WL + BL/2 + tWTR, tRP + tRCDRD) + 62 tCCD_L + (tRTP + tRP + tRCDRD)
    + (RL + BL/2 + 2 - WL)``; odd tile: the turn-arounds become row switches
    ``WL + BL/2 + tWR + tRP + tRCDRD`` and ``tRTP + tRP + tRCDWR``. Barriers are free beyond that,
    but nothing passes them: a row opens only after the writes before it.
    """
    of = device.standard.timings
    across = device.channels * UNITS * REGISTERS
    out_tiles, in_tiles = -(-rows // across), -(-inner // (LANES * REGISTERS))
    reads = REGISTERS * REGISTERS
    rows_of_tile = reads // device.columns
    turn = of["nRTPL"] + of["nRP"] + of["nRCDRD"]
    commands = (REGISTERS - 1 + reads - rows_of_tile) * of["nCCDL"] + (rows_of_tile - 1) * turn
    to_read = max(of["nCWL"] + of["nBL"] + of["nWTRL"], of["nRP"] + of["nRCDRD"])
    to_write = of["nCL"] + of["nBL"] + 2 - of["nCWL"]
    write_end = of["nCWL"] + of["nBL"] + of["nWR"] + of["nRP"]
    even = commands + to_read + to_write
    odd = commands + write_end + of["nRCDRD"] + of["nRTPL"] + of["nRP"] + of["nRCDWR"]
    tiles = -(-in_tiles // 2) * even + in_tiles // 2 * odd
    switch = write_end + of["nRCDWR"]
    store = REGISTERS * of["nCCDL"] + 2 * switch
    parking = BANKS * of["nRRDS"] + of["nRCDRD"] + of["nCL"] + of["nBL"]
    modes = MODE_CHANGES * switch + parking
    busy = out_tiles * (tiles + store) + modes
    return KernelCycles(out_tiles * tiles, out_tiles * store, modes, refresh_cycles(device, busy))


def stream_read_cycles(device: PimDevice, rows: int, inner: int, element_bytes: int = 2) -> int:
    """Return the cycles of reading a matrix from end to end without units.

    Notes
    -----
    One burst every tCCD_S, the first ``tRCD + RL + BL/2`` late, and refreshes.
    """
    of = device.standard.timings
    size = rows * inner * element_bytes
    bursts = -(-size // (device.channels * device.standard.burst_bytes))
    busy = bursts * of["nCCDS"] + of["nRCDRD"] + of["nCL"] + of["nBL"]
    return busy + refresh_cycles(device, busy)
