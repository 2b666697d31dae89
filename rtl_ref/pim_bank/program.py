"""The PIM bank as law and as engine program; a picosecond stands for a cycle."""

from __future__ import annotations

from archsim.components.pim_laws import PimTiming, cycles_pim_gemv
from archsim.program import Program, ProgramBuilder
from rtl_ref.harness.blocks import Case


def timing(parameters: dict[str, int]) -> PimTiming:
    """Return the intervals of a build."""
    return PimTiming(
        t_rcd=parameters["TRcd"],
        t_rp=parameters["TRp"],
        t_ras=parameters["TRas"],
        t_ccd=parameters["TCcd"],
        t_rtp=parameters["TRtp"],
        t_wtp=parameters["TWtp"],
        t_cl=parameters["TCl"],
        t_mac=parameters["TMac"],
        t_rfc=parameters["TRfc"],
    )


def cycles(parameters: dict[str, int], case: Case) -> int:
    """Return the law's cycles from the first activate to the last MAC result."""
    return cycles_pim_gemv(
        timing(parameters), case["rows"], case["macs"], case.get("rows_per_refresh", 0)
    )


def program(parameters: dict[str, int], case: Case) -> Program:
    """Return the engine program of a case: commands in order, each held back by earlier ones."""
    t = timing(parameters)
    b = ProgramBuilder("pim_bank")
    bus = b.resource("commands")
    act = b.op("act", holds=[(bus, 1)], latency=1, cause="latency")
    mac = b.op("mac", holds=[(bus, 1)], latency=t.t_mac)
    b.after(mac, act, anchor="start", delay=t.t_rcd)
    b.after(mac, mac, anchor="start", delay=t.t_ccd)
    before = case["rows"] - 1
    period = case.get("rows_per_refresh", 0) or before + 1

    def row() -> None:
        b.place(act)
        with b.loop(case["macs"], "macs"):
            b.place(mac)

    if before == 0:
        row()
        return b.build()
    pre = b.op("pre", holds=[(bus, 1)], latency=1, cause="latency")
    b.after(pre, act, anchor="start", delay=t.t_ras)
    b.after(pre, mac, anchor="start", delay=t.t_rtp)
    b.after(act, pre, anchor="start", delay=t.t_rp)
    if before >= period:
        ref = b.op("ref", holds=[(bus, 1)], latency=1, cause="refresh")
        b.after(ref, pre, anchor="start", delay=t.t_rp)
        b.after(act, ref, anchor="start", delay=t.t_rfc)
        with b.loop(before // period, "intervals"):
            with b.loop(period, "rows"):
                row()
                b.place(pre)
            b.place(ref)
    if before % period:
        with b.loop(before % period, "rows"):
            row()
            b.place(pre)
    row()
    return b.build()
