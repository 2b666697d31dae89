"""cocotb bench of the DRAM bank with its MAC unit."""

from __future__ import annotations

import random
from collections import deque

import cocotb

from rtl_ref.harness.bench import (
    CONFIG,
    PROFILES,
    SEEDS,
    Bench,
    Dut,
    Sink,
    Source,
    Stalls,
    Watch,
    check_laws,
    cover,
    measure,
)
from rtl_ref.harness.packing import pack, unpack
from rtl_ref.pim_bank.golden import ACT, MAC, NAMES, NOP, PRE, RD, REF, WR, DataModel, TimingModel
from rtl_ref.pim_bank.program import cycles, timing

LANES = CONFIG.parameters["Lanes"]
ROWS, COLUMNS = CONFIG.parameters["NumRows"], CONFIG.parameters["ColsPerRow"]
TIMING = timing(CONFIG.parameters)
LOW, HIGH = -128, 127

Command = dict[str, int]


def command(
    kind: int, row: int = 0, column: int = 0, data: list[int] | None = None, **flags: int
) -> Command:
    """Return a command with all its fields."""
    word = pack(data or [0] * LANES, 8)
    made = {"cmd": kind, "row": row, "col": column, "clear": 0, "scalar": 0, "data": word}
    return {**made, **flags}


class Harness:
    """The bank, its command port, and models that judge every command on the edge it is taken."""

    def __init__(self, dut: Dut, stalls: Stalls) -> None:
        self.bench = Bench(dut, dut.rd_valid_o, dut.mac_valid_o)
        fields = {key: getattr(dut, f"{key}_i") for key in ("cmd", "row", "col", "clear", "scalar")}
        self.host = Source(dut.cmd_valid_i, dut.cmd_ready_o, {**fields, "data": dut.data_i}, stalls)
        self.reads = Sink(dut.rd_valid_o, None, {"data": dut.rd_data_o})
        self.macs = Sink(dut.mac_valid_o, None, {"acc": dut.mac_o})
        self.restart()
        self.bench.add(self.host, self.reads, self.macs, Watch(self.watch))

    def restart(self) -> None:
        """Forget everything, as a reset does; the cells keep what they hold."""
        self.timing = TimingModel(TIMING)
        self.data = DataModel(LANES, ROWS, COLUMNS)
        self.expected_reads: deque[tuple[int, list[int]]] = deque()
        self.expected_macs: deque[tuple[int, list[int]]] = deque()
        self.columns_in_row = 0
        self.last_row = -1
        self.last_mac = -2
        self.done = 0

    def watch(self, edge: int) -> None:
        """Judge a command that was taken on this edge, and results that were due."""
        self.check_results(edge)
        if not self.host.fired:
            return
        self.done += 1
        taken, offered = self.host.taken[-1], self.host.offer_edges[-1]
        kind, row = taken["cmd"], taken["row"]
        first, names = self.timing.earliest(kind)
        assert edge == max(first, offered), f"taken on edge {edge}, legal from {first}"
        if kind == NOP:
            cover("nop")
        if edge > offered or (first == offered and names):
            for name in names:
                if edge == first:
                    cover(f"{name} sets {NAMES[kind]}")
        elif kind != NOP:
            cover("host late")
        self.timing.issue(kind, edge, row)
        if kind == ACT:
            cover("same row opened again" if row == self.last_row else "row miss")
            self.last_row, self.columns_in_row = row, 0
        if kind in (RD, MAC, WR):
            self.column(edge, taken)

    def column(self, edge: int, taken: Command) -> None:
        """Note what a column command reads, writes or accumulates."""
        if self.columns_in_row:
            cover("row hit")
        self.columns_in_row += 1
        row, column = self.timing.open_row, taken["col"]
        assert row is not None
        data = unpack(taken["data"], 8, LANES)
        if taken["cmd"] == WR:
            self.data.write(row, column, data)
        elif taken["cmd"] == RD:
            self.expected_reads.append((edge + TIMING.t_cl, self.data.read(row, column)))
        else:
            scalar, clear = bool(taken["scalar"]), bool(taken["clear"])
            cover("scalar operand" if scalar else "vector operand")
            cover("accumulators cleared" if clear else "accumulators kept")
            if LOW in self.data.read(row, column) and LOW in data:
                cover("most negative product")
            result = self.data.mac(row, column, data, clear=clear, scalar=scalar)
            self.expected_macs.append((edge + TIMING.t_mac, result))

    def check_results(self, edge: int) -> None:
        """Compare read data and accumulators, each on its very edge."""
        for sink, queue, width, key in (
            (self.reads, self.expected_reads, 8, "data"),
            (self.macs, self.expected_macs, 32, "acc"),
        ):
            due = bool(queue) and queue[0][0] == edge
            assert sink.fired == due, f"edge {edge}: {key} valid {sink.fired}, due {due}"
            if due:
                assert unpack(sink.items[-1][key], width, LANES) == queue.popleft()[1]
        if self.reads.fired and self.macs.fired:
            cover("read data and MAC result together")
        if self.macs.fired:
            if edge == self.last_mac + 1:
                cover("MAC results a cycle apart")
            self.last_mac = edge

    async def run(self, commands: list[Command]) -> None:
        """Issue commands and wait for every result."""
        goal = self.done + len(commands)
        self.host.queue.extend(commands)
        await self.bench.until(
            lambda: self.done == goal and not self.expected_reads and not self.expected_macs
        )


def fill(rng: random.Random) -> list[Command]:
    """Return the commands that write every cell."""
    commands: list[Command] = []
    for row in range(ROWS):
        commands.append(command(ACT, row))
        for column in range(COLUMNS):
            values = [rng.choice((LOW, HIGH, rng.randint(LOW, HIGH))) for _ in range(LANES)]
            commands.append(command(WR, column=column, data=values))
        commands.append(command(PRE))
    return commands


def gemv(rows: int, macs: int, refresh: int, rng: random.Random) -> list[Command]:
    """Return the commands of one directed case."""
    commands: list[Command] = []
    for row in range(rows):
        commands.append(command(ACT, row % ROWS))
        for column in range(macs):
            data = [rng.randint(LOW, HIGH) for _ in range(LANES)]
            commands.append(command(MAC, column=column, data=data, clear=int(column == 0)))
        if row < rows - 1:
            commands.append(command(PRE))
            if refresh and (row + 1) % refresh == 0:
                commands.append(command(REF))
    return commands


def random_commands(rng: random.Random, count: int) -> list[Command]:
    """Return commands that suit the state of the bank, in random order."""
    commands: list[Command] = []
    is_open = False
    while len(commands) < count or is_open:
        if rng.random() < 0.05:
            commands.append(command(NOP))
        elif not is_open:
            kind = REF if rng.random() < 0.2 else ACT
            is_open = kind == ACT
            commands.append(command(kind, rng.randrange(ROWS)))
        elif rng.random() < 0.2 or len(commands) >= count:
            is_open = False
            commands.append(command(PRE))
        else:
            kind = rng.choice((RD, MAC, MAC, WR))
            values = [rng.choice((LOW, HIGH, rng.randint(LOW, HIGH))) for _ in range(LANES)]
            flags = {"clear": rng.randrange(2), "scalar": rng.randrange(2)}
            column = rng.randrange(COLUMNS)
            commands.append(command(kind, column=column, data=values, **flags))
    return commands


@cocotb.test()
async def law(dut: Dut) -> None:
    """Every directed case takes exactly the cycles of the law."""
    for case in CONFIG.cases:
        rng = random.Random(7)
        harness = Harness(dut, Stalls(0.0, rng))
        await harness.bench.reset()
        await harness.run(fill(rng))
        await harness.bench.step(max(TIMING.t_rp, TIMING.t_rfc))
        start, results = len(harness.host.edges), len(harness.macs.edges)
        refresh = case.get("rows_per_refresh", 0)
        await harness.run(gemv(case["rows"], case["macs"], refresh, rng))
        assert len(harness.macs.edges) - results == case["rows"] * case["macs"]
        span = harness.macs.edges[-1] - harness.host.edges[start]
        measure(case, cycles(CONFIG.parameters, case), span)
    check_laws()


@cocotb.test()
async def random_stalls(dut: Dut) -> None:
    """Random commands, eager and late: each is taken on its first legal edge, data exact."""
    for seed in SEEDS:
        for profile in PROFILES:
            rng = random.Random(f"{seed} {profile}")
            harness = Harness(dut, Stalls(profile, rng))
            await harness.bench.reset()
            if profile == PROFILES[0]:
                await harness.run(fill(rng))
            else:
                writes = [command(WR, column=c, data=[c] * LANES) for c in range(COLUMNS)]
                rows = [[command(ACT, r), *writes, command(PRE)] for r in range(ROWS)]
                await harness.run([each for row in rows for each in row])
            await harness.run(random_commands(rng, 60))
    check_laws()


@cocotb.test()
async def wrong_state(dut: Dut) -> None:
    """Commands that do not suit the state wait for ever, whatever the time."""
    harness = Harness(dut, Stalls(0.0, random.Random(0)))
    for opened, kinds in ((False, (RD, MAC, WR, PRE)), (True, (ACT, REF))):
        for kind in kinds:
            await harness.bench.reset()
            harness.restart()
            if opened:
                await harness.run([command(ACT, 1)])
            harness.host.queue.append(command(kind))
            await harness.bench.step(2 * max(TIMING.t_rfc, TIMING.t_ras))
            assert harness.host.offered is not None, f"command {kind} was taken"
            cover(f"{NAMES[kind]} blocked while {'open' if opened else 'closed'}")
    check_laws()


@cocotb.test()
async def reset_midway(dut: Dut) -> None:
    """Reset closes the row, ends every wait and drops results under way."""
    rng = random.Random(11)
    harness = Harness(dut, Stalls(0.0, rng))
    await harness.bench.reset()
    await harness.run(fill(rng))
    cells = harness.data.cells
    for moment in ("with a row open", "in refresh", "with results under way"):
        if moment == "in refresh":
            await harness.run([command(REF)])
        elif moment == "with a row open":
            await harness.run([command(ACT, 2), command(NOP)])
        else:
            harness.host.queue.extend(
                [command(ACT, 1), command(RD), command(MAC, data=[5] * LANES), command(MAC)]
            )
            await harness.bench.until(lambda: harness.host.idle)
        cover(f"reset {moment}")
        await harness.bench.reset()
        harness.restart()
        harness.data.cells = cells
        start = len(harness.host.edges)
        await harness.run([command(ACT, 3), command(MAC, column=4, data=[3] * LANES, clear=1)])
        assert harness.host.edges[start] == harness.host.offer_edges[start]
        await harness.run([command(RD, column=4), command(PRE)])
    check_laws()
