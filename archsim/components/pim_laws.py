"""Cycle laws of a DRAM bank with a multiply-accumulate unit beside it, as pure integer functions.

All times are in command-clock cycles. A command accepted on edge n allows others from these edges:

===============  ==========================  ================
earlier          later                       earliest edge
===============  ==========================  ================
activate         column command              n + tRCD
activate         precharge                   n + tRAS
column command   column command              n + tCCD
read, MAC        precharge                   n + tRTP
write            precharge                   n + tWTP
precharge        activate, refresh           n + tRP
refresh          activate, refresh           n + tRFC
===============  ==========================  ================

Read data is there on edge n + tCL, the accumulators after a MAC on edge n + tMAC. Each law is
measured on the register-transfer block `pim_bank`. Batched twins stand in
:mod:`archsim.components.pim_batch`.

References
----------
Constraint names and defaults: JEDEC HBM2 as in DRAMsim3's HBM2_8Gb_x128 configuration; all-bank MAC
commands in the manner of SK hynix AiM and AttAcc (ASPLOS 2024).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PimTiming:
    """The intervals of a bank, cycles.

    Attributes
    ----------
    t_rcd, t_rp, t_ras, t_ccd, t_rtp, t_wtp
        Row to column, precharge, activate to precharge, column to column, read (or MAC) to
        precharge, write to precharge.
    t_cl, t_mac
        Read command to data, MAC command to result.
    t_rfc
        Refresh to the next activate.
    """

    t_rcd: int
    t_rp: int
    t_ras: int
    t_ccd: int
    t_rtp: int
    t_wtp: int
    t_cl: int
    t_mac: int
    t_rfc: int


def cycles_pim_row(timing: PimTiming, macs: int) -> int:
    """Cycles between the activates of two rows of `macs` MAC commands (or reads) each.

    Notes
    -----
    ``max(tRAS, tRCD + (N-1)*tCCD + tRTP) + tRP``.
    """
    columns = timing.t_rcd + (macs - 1) * timing.t_ccd + timing.t_rtp
    return max(timing.t_ras, columns) + timing.t_rp


def cycles_pim_write_row(timing: PimTiming, writes: int) -> int:
    """Cycles between the activates of two rows of `writes` write commands each.

    Notes
    -----
    ``max(tRAS, tRCD + (N-1)*tCCD + tWTP) + tRP``.
    """
    columns = timing.t_rcd + (writes - 1) * timing.t_ccd + timing.t_wtp
    return max(timing.t_ras, columns) + timing.t_rp


def cycles_pim_gemv(timing: PimTiming, rows: int, macs: int, rows_per_refresh: int = 0) -> int:
    """Cycles from the first activate to the last MAC result over `rows` rows.

    Parameters
    ----------
    timing
        Intervals of the bank.
    rows
        Rows opened one after the other.
    macs
        MAC commands in each row.
    rows_per_refresh
        A refresh follows every so many rows, except behind the last row; 0 for none.

    Notes
    -----
    ``(G-1)*P(N) + tRCD + (N-1)*tCCD + tMAC`` and tRFC for each refresh: it starts where the next
    activate would have, tRP after the precharge, and holds that activate back by tRFC.
    """
    refreshes = (rows - 1) // rows_per_refresh if rows_per_refresh else 0
    tail = timing.t_rcd + (macs - 1) * timing.t_ccd + timing.t_mac
    return (rows - 1) * cycles_pim_row(timing, macs) + refreshes * timing.t_rfc + tail


def rows_per_refresh(timing: PimTiming, macs: int, t_refi: int) -> int:
    """Rows of `macs` MACs that fit between two refreshes at most `t_refi` cycles apart.

    Notes
    -----
    ``floor((tREFI - tRFC) / P(N))``, at least 1: a row once opened is finished.
    """
    return max(1, (t_refi - timing.t_rfc) // cycles_pim_row(timing, macs))
