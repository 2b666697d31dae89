"""All-bank streams and GEMV as programs for the max-plus engine, which fold over rows.

Units beside every bank work in step, so a channel's commands come in one order: vector writes, then
row after row an activation, MACs and a precharge, then the moves of the last block's results. That
order is what the event-driven controller finds too; until the first refresh both agree to the tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.dram.streams_schedule import RefreshPlan, spread
from archsim.engine import run_program
from archsim.errors import ConfigError
from archsim.pim.attacc import Head
from archsim.program import ProgramBuilder

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.program import Program
    from archsim.program.builder import OpRef


@dataclass(frozen=True, slots=True)
class RowPass:
    """What one channel does.

    Attributes
    ----------
    writes
        Vector writes to one bank group before the MACs.
    macs
        MACs over consecutive columns.
    moves
        Result moves behind the last MAC, round the ranks and bank groups.
    """

    writes: int
    macs: int
    moves: int


def gemv_pass(device: PimDevice, rows: int, inner: int, element_bytes: int = 2) -> RowPass:
    """Return what a channel does for a matrix times a vector.

    Raises
    ------
    ConfigError
        The units do not stand beside the banks.
    """
    if device.unit.placement != "bank":
        raise ConfigError(
            "banks do not work in step", given=device.unit.placement, allowed="units beside banks"
        )
    each = -(-rows // device.channels)
    head = Head(device, each, inner, element_bytes, 0, device.channels)
    moves = device.sizes.get("rank", 1) * device.sizes.get("bankgroup", 1)
    return RowPass(device.split_inner * head.inner, head.groups * head.inner, moves)


class _Writer:
    """Writes the program of one channel."""

    def __init__(self, device: PimDevice, work: RowPass, name: str) -> None:
        self.builder = ProgramBuilder(name)
        self._device = device
        self._work = work
        standard = device.standard
        self._of = {key: standard.time_ps(value) for key, value in standard.timings.items()}
        self._tick = standard.time_ps(1)
        unit = device.unit
        self.activate = self._op(unit.activate, "row", "activation")
        self.mac = self._op(unit.mac, "column", "compute")
        self.precharge = self._op(unit.precharge, "row", "activation")

    def _op(self, name: str, bus: str, cause: str) -> OpRef:
        """Define a command: it takes its bus for a tick."""
        return self.builder.op(
            name,
            holds=[(self.builder.resource(f"{bus} bus"), self._tick)],
            latency=self._tick,
            cause=cause,
        )

    def _apart(self, later: OpRef, earlier: OpRef, ps: int) -> None:
        self.builder.after(later, earlier, delay=ps, anchor="start")

    def row(self, macs: int) -> None:
        """Place one row."""
        self.builder.place(self.activate)
        with self.builder.loop(macs, "columns"):
            self.builder.place(self.mac)
        self.builder.place(self.precharge)

    def rows(self, count: int) -> None:
        """Place whole rows."""
        if count:
            with self.builder.loop(count, "rows"):
                self.row(self._device.columns)

    def body(self, plan: RefreshPlan, last_macs: int) -> None:
        """Place all rows with refreshes between them."""
        builder, of = self.builder, self._of
        refresh = None
        if plan.count:
            refresh = self._op("REFab", "row", "refresh")
            self._apart(refresh, self.precharge, of["nRP"])
            self._apart(self.activate, refresh, of["nRFC"])
        for repeat, parts in plan.groups:
            with builder.loop(repeat, "intervals"):
                for rows, times in parts:
                    with builder.loop(times, "interval"):
                        self.rows(rows)
                        assert refresh is not None
                        for _ in range(self._device.sizes.get("pseudochannel", 1)):
                            builder.place(refresh)
        self.rows(plan.rest)
        self.row(last_macs)

    def wire(self) -> None:
        """Set the distances of the constraint table that bind all-bank commands."""
        of = self._of
        self._apart(self.mac, self.activate, of["nRCDRD"])
        self._apart(self.mac, self.mac, of["nCCDAB"])
        self._apart(self.precharge, self.mac, of["nRTPL"])
        self._apart(self.precharge, self.activate, of["nRAS"])
        self._apart(self.activate, self.precharge, of["nRP"])
        self._apart(self.activate, self.activate, of["nRC"])

    def vector(self) -> None:
        """Place the vector writes."""
        if self._work.writes:
            write = self._op(self._device.moves.write_vector, "column", "transfer")
            self._apart(write, write, self._of["nCCDL"])
            with self.builder.loop(self._work.writes, "vector"):
                self.builder.place(write)

    def results(self) -> None:
        """Place the moves of the last results."""
        if self._work.moves:
            move = self._op(self._device.moves.read_result, "column", "transfer")
            self._apart(move, move, max(self._of["nBL"], self._of["nCCDS"]))
            with self.builder.loop(self._work.moves, "results"):
                self.builder.place(move)


def pass_program(device: PimDevice, work: RowPass, plan: RefreshPlan | None = None) -> Program:
    """Return the program of one channel; its first command starts at time zero.

    Parameters
    ----------
    device
        Units beside banks.
    work
        What the channel does.
    plan
        Where refreshes stand between rows; None for none.
    """
    writer = _Writer(device, work, f"{device.standard.name} rows")
    writer.vector()
    rows = -(-work.macs // device.columns)
    last = work.macs - (rows - 1) * device.columns
    writer.body(plan or spread(rows - 1, 0, 0), last)
    writer.results()
    writer.wire()
    return writer.builder.build()


def pass_ticks(device: PimDevice, work: RowPass, plan: RefreshPlan | None = None) -> int:
    """Return the tick of the last MAC or move, the first command having tick 1."""
    program = pass_program(device, work, plan)
    timing = run_program(program, path=False)
    last_ps = max(
        start
        for start, cause in zip(timing.last_starts_ps, program.causes, strict=True)
        if cause in ("compute", "transfer")
    )
    return last_ps // device.standard.time_ps(1) + 1


def plan_rows(device: PimDevice, work: RowPass) -> RefreshPlan:
    """Return where refreshes stand between rows: as many as fall due while the pass runs.

    Notes
    -----
    Each closes a row as the next activation would have, so it costs ``tRFC`` and a slot a scope.
    """
    rows = -(-work.macs // device.columns)
    interval = device.standard.refresh.interval_ticks
    plain = pass_ticks(device, work)
    if rows < 2 or interval > plain:
        return spread(rows - 1, 0, 0)
    cost = pass_ticks(device, work, spread(rows - 1, 1, 0)) - plain
    count = 0
    while (count + 1) * interval < plain + count * cost:
        count += 1
    left = plain + count * cost - count * interval
    return spread(rows - 1, min(count, rows - 1), max(0, left) * (rows - 1) // plain)
