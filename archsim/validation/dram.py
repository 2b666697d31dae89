"""The memory controller against recorded runs of Ramulator 2.1 and DRAMsim3.

Every row is one access pattern on one memory. Ramulator 2.1's rows are runs of the policy that is
our default and must come out equal, cycle for cycle and count for count. DRAMsim3's rows have the
same timings under another policy and are printed beside: two good simulators differ by that much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from archsim.validation.dram_peers import (
    MATCHED,
    RAMULATOR,
    SAME_CURRENTS,
    SIMULATORS,
    peer_of,
)
from archsim.validation.suite import PACKAGED, Bar, Item, Outcome, data_files
from archsim.validation.table import Row, read_table

if TYPE_CHECKING:
    from archsim.dram.patterns import Kind, Requests
    from archsim.dram.run import DramRun
    from archsim.dram.standard import Standard

COLUMNS: Final = (
    *("id", "sim", "dram", "map", "channels", "refresh", "scheduler", "workload", "pat", "n"),
    *("seed", "wr_pct", "S", "R", "C", "L", "J", "F", "gap", "W", "cycles"),
    *("avg_read_latency", "max_read_latency", "row_hits", "row_misses", "row_conflicts", "act"),
    *("pre_pb", "pre_ab", "rd_cmds", "wr_cmds", "ref_ab", "reads_forwarded"),
    *("writes_coalesced_or_left", "energy_pj"),
)
"""Columns that a table must have; others are ignored."""

SETTING: Final = (
    *("dram", "map", "channels", "refresh", "pat", "n", "seed", "wr_pct", "S", "R", "C", "L", "J"),
    *("F", "gap", "W"),
)
"""Columns that say what ran on what."""
PATTERNS: Final = ("stream", "stride", "random", "pingpong", "chunk", "copy")
SHARED_METRICS: Final = ("cycles", "act", "rd_cmds", "wr_cmds", "ref_ab")
"""What both simulators count in the same way."""
POWER: Final = "core_power"
"""Mean power without the interface."""
UNITS: Final = {
    **dict.fromkeys(("cycles", "avg_read_latency", "max_read_latency"), "ticks"),
    POWER: "mW",
}
LIMIT_PERCENT: Final = 1.0
"""Largest error allowed on any row of the exact-policy peer."""

NOTES: Final = (
    "dramsim3-matched: same timings, other policy. It serves one command queue for each bank round"
    " robin, closes a row after four hits if another is wanted, drains all writes at once and"
    " answers them when accepted; each pseudo channel has queues of its own. Streams and random"
    " reads come within a few percent, ping-pong, copies and mixed traffic do not.",
    "dramsim3-native: its own DDR4 file with two ranks; read-to-write distance one cycle shorter.",
    "DRAMsim3 counts hits, misses and conflicts by command, not by request, and starts latency"
    " elsewhere; those columns are not scored. Its DDR5 rows have no separate distance between"
    " writes of a bank group.",
    "core_power: energy over time, where DRAMsim3's currents are those of our files; what differs"
    " is again the policy (activations, and how long rows stay open).",
    "HBM3: cycles and latencies are half clocks, as recorded.",
)


@dataclass(frozen=True, slots=True)
class Predicted:
    """Our numbers of a row, by column."""

    values: Mapping[str, float]


def requests_of(row: Row, standard: Standard, channels: int) -> Requests:
    """Return the requests of a row (recipe in ``archsim/docs/dram.md``)."""
    from archsim.dram.patterns import Pattern, Space, generate

    kind = cast("Kind", row.text("pat", PATTERNS))
    pattern = Pattern(
        kind=kind,
        num_requests=row.integer("n", minimum=1),
        seed=row.integer("seed"),
        write_percent=row.integer("wr_pct"),
        step=max(1, row.integer("S")),
        row_step=max(1, row.integer("R")),
        column_step=max(1, row.integer("S")),
        columns=max(1, row.integer("C")),
        rows=max(1, row.integer("J")),
        length=max(1, row.integer("L")),
        footprint=row.integer("F"),
        gap_ticks=row.integer("gap"),
        window=row.integer("W"),
    )
    return generate(pattern, Space(standard.num_blocks * channels))


def predict(row: Row) -> Predicted | str:
    """Return our numbers of a row, or why there are none."""
    from archsim.dram.run import simulate_requests

    peer = peer_of(row)
    if isinstance(peer, str):
        return peer
    channels = row.integer("channels", minimum=1)
    requests = requests_of(row, peer.standard, channels)
    run = simulate_requests(peer.standard, peer.controller, requests, channels=channels)
    values = numbers_of(run)
    if row.text("sim") != RAMULATOR and row.text("dram") in SAME_CURRENTS:
        values[POWER] = core_power_mw(peer.standard, run)
    return Predicted(values)


def core_power_mw(standard: Standard, run: DramRun) -> float:
    """Return the mean power of a run without the interface, mW: pJ over ns."""
    from archsim.dram.statistics import energy_of

    parts = energy_of(standard, run)
    if parts is None:
        return 0.0
    core_j = sum(parts["dynamic"].values()) + sum(parts["static"].values())
    core_j -= parts["dynamic"]["interface"]
    return 1e3 * core_j / (standard.time_ps(run.ticks) * 1e-12)


def numbers_of(run: DramRun) -> dict[str, float]:
    """Return a run's numbers under the names of the recorded columns."""
    from archsim.dram import layout as at

    latency = (run.done_ticks - run.arrival_ticks)[~run.writes]
    outcomes = Counter(run.outcome.tolist())
    counts = run.counts
    return {
        "cycles": run.ticks,
        "avg_read_latency": float(latency.mean()) if len(latency) else 0.0,
        "max_read_latency": float(latency.max()) if len(latency) else 0.0,
        "row_hits": outcomes[at.HIT],
        "row_misses": outcomes[at.MISS],
        "row_conflicts": outcomes[at.CONFLICT],
        "act": counts.get("ACT", counts.get("ACT1", 0)),
        "pre_pb": counts["PREpb"],
        "pre_ab": counts["PREab"],
        "rd_cmds": counts["RD"] + counts["RDA"],
        "wr_cmds": counts["WR"] + counts["WRA"],
        "ref_ab": counts["REFab"],
        "reads_forwarded": outcomes[at.FORWARDED],
        "writes_coalesced": outcomes[at.MERGED],
    }


def items_of(row: Row, predicted: Predicted) -> Iterator[Item]:
    """Score every number of a row that means the same in both simulators."""
    simulator = row.text("sim", SIMULATORS)
    by = {
        "sim": simulator,
        "dram": row.text("dram"),
        "pattern": row.text("pat"),
        "map": row.text("map"),
        "scheduler": row.text("scheduler"),
    }
    name = " ".join(
        (
            *(row.text("id"), simulator, row.text("dram"), f"map {row.text('map')}"),
            *(f"x{row.integer('channels')}", row.text("scheduler"), row.text("workload")),
            "refreshed" if row.integer("refresh") else "not refreshed",
        )
    )
    for metric, value in predicted.values.items():
        if simulator != RAMULATOR and metric not in (*SHARED_METRICS, POWER):
            continue
        column = "writes_coalesced_or_left" if metric == "writes_coalesced" else metric
        # DRAMsim3 adds up volts x milliamperes x cycles: over the cycles, that is milliwatts.
        if metric == POWER:
            reference = row.number("energy_pj") / max(1.0, row.number("cycles"))
        else:
            reference = row.number(column)
        if metric == "avg_read_latency":
            # The recording has four decimals.
            value = round(value, 4)
        unit = UNITS.get(metric, "count")
        yield Item(name, metric, unit, value, reference, by)


def peers_compared(rows: Sequence[Row]) -> dict[str, list[Item]]:
    """Score Ramulator 2.1 itself against DRAMsim3 where both ran the same requests."""
    exact = {_setting(row): row for row in rows if _is_default_run(row)}
    items = [
        Item(
            case=f"{row.text('id')} {row.text('dram')} {row.text('workload')}",
            metric="cycles",
            unit="ticks",
            predicted=exact[_setting(row)].number("cycles"),
            reference=row.number("cycles"),
        )
        for row in rows
        if row.text("sim") == MATCHED and _setting(row) in exact
    ]
    return {"cycles: Ramulator 2.1 against dramsim3-matched": items} if items else {}


def _is_default_run(row: Row) -> bool:
    return row.text("sim") == RAMULATOR and row.text("scheduler") == "FRFCFS"


def _setting(row: Row) -> tuple[str, ...]:
    """Return what two runs of the same requests on the same memory share."""
    return tuple(row.text(column) for column in SETTING)


class DramSuite:
    """Cycles, latencies and command counts of the memory controller."""

    name = "dram"
    title = "the memory controller against recorded runs of Ramulator 2.1 and DRAMsim3"

    def run(self, data: Path | None) -> Outcome:
        """Score the packaged rows, or a file (or folder of files) with the same columns."""
        files = data_files(
            data,
            suite=self.name,
            packaged=sorted((PACKAGED / "data").glob("dram_*.csv")),
            pattern="dram_*.csv",
            wanted="a CSV file with the columns " + ", ".join(COLUMNS),
        )
        items: list[Item] = []
        skipped: Counter[str] = Counter()
        rows = [row for path in files for row in read_table(path, COLUMNS)]
        for row in rows:
            predicted = predict(row)
            if isinstance(predicted, str):
                skipped[predicted] += 1
            else:
                items += items_of(row, predicted)
        metrics = dict.fromkeys(item.metric for item in items if item.by["sim"] == RAMULATOR)
        return Outcome(
            cases=len(rows),
            items=items,
            skipped=skipped,
            bars=[
                Bar(metric, LIMIT_PERCENT, by={"sim": RAMULATOR}, zero_limit=0.0)
                for metric in metrics
            ],
            groupings=(("sim",), ("sim", "dram"), ("sim", "pattern")),
            baselines=peers_compared(rows),
            notes=NOTES,
        )


SUITE = DramSuite()
"""The suite, as the entry point names it."""
