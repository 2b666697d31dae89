"""Memories that compute against recorded runs and published per-token times.

Three kinds of rows: runs of the AttAcc simulator, which must come out to the cycle but for a named
few; runs of Samsung's PIMSimulator; and CENT's time per block and token.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archsim.validation.pim_published import published_items
from archsim.validation.suite import PACKAGED, Bar, Item, Outcome, data_files
from archsim.validation.table import Row, read_table

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.segments import Segment, StreamWriter

COLUMNS: Final = (
    *("case_id", "simulator", "kind", "level", "power_limit", "refresh", "M_or_L", "K_or_dhead"),
    *("nhead", "dtype_bytes", "cycles"),
)
"""Columns that a table of recorded runs must have; others are ignored."""

LEVELS: Final = ("bank", "bankgroup", "buffer")
UNLIMITED: Final = ("hardware.timings.nCCDAB=4", "hardware.timings.nCCDSB=4")
"""MAC distances without a power limit (preset HBM3_5.2Gbps_NPC, read)."""
RECORDED: Final = "hardware.controller.refresh_checks=channel"
"""The recorded simulator keeps the distances of refreshes at the channel alone."""
LIMIT_PERCENT: Final = 1.0
MEDIAN_LIMIT_PERCENT: Final = 0.1
HBM_PIM_LIMIT_PERCENT: Final = 10.0
CENT_LIMIT_PERCENT: Final = 10.0

NOTES: Final = (
    "attacc: refreshes as recorded, without tRP before them and, with units beside bank groups"
    " or on the buffer die, without tRAS and tRTP before the precharge; the shipped devices"
    " keep all three (hardware.controller.refresh_checks=all-levels).",
    "attacc: of two interleaved heads the second reads the values of the first again, as the"
    " published trace generators have it; operations read its own.",
    "attacc: activations of one bank go alone on the command buses, which the recorded runs ask"
    " for; that the others pair is read.",
    "hbm-pim, gemv: the kernel's commands one by one. Unexplained: 9 to 41 cycles a run, and the"
    " turn-around from reads to writes, whose published value was not read again. The first"
    " refresh is at half an interval, which the recorded runs ask for. Reads without units are a"
    " closed form with the nearest number of refreshes.",
    "cent: matrices, scores and contexts command by command, without refreshes (the published"
    " simulator's refresh manager issues none); scores, the gated layer, new keys and values"
    " through the host at a burst a tick. Norms, rotary embedding and residuals are left out"
    " (2 to 4 us a block), so every row is below its reference.",
)


@lru_cache(maxsize=16)
def _device(level: str, limited: bool, refreshed: bool) -> PimDevice:
    from archsim.pim.device import load_device

    overrides = [RECORDED]
    if not limited:
        overrides += UNLIMITED
    if not refreshed:
        overrides.append("hardware.controller.refresh=none")
    return load_device(f"attacc-{level}", overrides)


def _segments(row: Row, device: PimDevice, kind: str) -> list[Segment]:
    from archsim.pim import attacc
    from archsim.pim.segments import Macs, Moves, Place

    first, second = row.integer("M_or_L", minimum=1), row.integer("K_or_dhead")
    element = row.integer("dtype_bytes", minimum=1)
    if kind == "attention":
        heads = row.integer("nhead", minimum=1)
        room = max(4096, first)
        return attacc.attention(device, first, second, heads, element, room, published=True)
    if kind == "gemv":
        return attacc.gemv(device, first, second, element)
    name, _, channels = kind.partition("_stream_")
    count = int(channels.removesuffix("ch"))
    if name == "wrgb":
        return [Moves(device.moves.write_vector, (Place(0, 0, 0),) * first, count)]
    return [Macs(0, 0, first, count)]


def _writer(device: PimDevice, kind: str) -> StreamWriter:
    from archsim.pim.segments import StreamWriter

    return StreamWriter(device, order="column" if "_stream_" in kind else None)


def attacc_cycles(row: Row) -> int | str:
    """Return our cycles of a recorded run of the AttAcc simulator, or why there are none."""
    from archsim.pim.run import simulate

    kind = row.text("kind")
    stream = kind.removeprefix("wrgb").removeprefix("macsb").removeprefix("macpb")
    if kind not in ("attention", "gemv") and stream.removeprefix("mac") not in (
        "_stream_1ch",
        "_stream_16ch",
    ):
        return "a kind of run that is not known"
    limited, refreshed = row.integer("power_limit"), row.integer("refresh")
    device = _device(row.text("level", LEVELS), bool(limited), bool(refreshed))
    requests = _writer(device, kind).write(_segments(row, device, kind))
    return simulate(device, requests).ticks


def hbm_pim_cycles(row: Row) -> int | str:
    """Return our cycles of a recorded run of PIMSimulator, or why there are none."""
    from archsim.pim.hbm_pim import load_hbm_pim
    from archsim.pim.hbm_pim_law import stream_read_cycles
    from archsim.pim.operations import Gemv, Outcome, run_operation

    kind = row.text("kind")
    shape = row.integer("M_or_L", minimum=1), row.integer("K_or_dhead", minimum=1)
    device = load_hbm_pim()
    if kind == "gemv":
        found = run_operation(device, Gemv(*shape))
        return found.ticks if isinstance(found, Outcome) else found.detail
    if kind == "gemv_baseline_stream_read":
        return stream_read_cycles(device, *shape)
    return "a kind of run that is not known"


def recorded_items(row: Row) -> Iterator[Item | str]:
    """Score one recorded run; a reason where it cannot be."""
    simulator = row.text("simulator", ("attacc", "hbm-pim"))
    cycles = attacc_cycles(row) if simulator == "attacc" else hbm_pim_cycles(row)
    if isinstance(cycles, str):
        yield cycles
        return
    kind, level = row.text("kind"), row.text("level")
    shape = f"{row.text('M_or_L')}x{row.text('K_or_dhead')} x{row.text('nhead') or 1}"
    limit = " limited" if row.text("power_limit") == "1" else ""
    yield Item(
        f"{row.text('case_id')} {simulator} {kind} {level} {shape}{limit}",
        "cycles",
        "cycles",
        cycles,
        row.number("cycles"),
        {"simulator": simulator, "kind": kind, "level": level},
    )


class PimSuite:
    """Cycles of memories that compute."""

    name = "pim"
    title = "memories that compute against recorded runs of AttAcc and HBM-PIM, and CENT's times"

    def run(self, data: Path | None) -> Outcome:
        """Score the packaged runs; or a file or folder of runs and published results."""
        files = data_files(
            data,
            suite=self.name,
            packaged=[PACKAGED / "data" / "attacc_measured.csv"],
            pattern="*_measured.csv",
            wanted="a CSV file with the columns " + ", ".join(COLUMNS) + ", or pim_results.csv",
        )
        if data is not None and data.is_dir():
            files = [path for path in files if path.name.startswith("attacc")]
            files += [path for path in (data / "pim_results.csv",) if path.exists()]
        items: list[Item] = []
        skipped: Counter[str] = Counter()
        cases = 0
        for path in files:
            for found in _items_of(path):
                cases += 1
                if isinstance(found, str):
                    skipped[found] += 1
                else:
                    items.append(found)
        return Outcome(
            cases=cases,
            items=items,
            skipped=skipped,
            bars=_bars(items),
            groupings=(("simulator",), ("simulator", "kind", "level")),
            notes=NOTES,
        )


def _items_of(path: Path) -> Iterator[Item | str]:
    if path.name.startswith("pim_results"):
        yield from published_items(path)
        return
    for row in read_table(path, COLUMNS):
        yield from recorded_items(row)


def _bars(items: list[Item]) -> list[Bar]:
    present = {item.by["simulator"] for item in items}
    bars = []
    if "attacc" in present:
        by = {"simulator": "attacc"}
        bars.append(Bar("cycles", LIMIT_PERCENT, by=by))
        bars.append(Bar("cycles", MEDIAN_LIMIT_PERCENT, "median_ape_percent", by=by))
    if "cent" in present:
        bars.append(Bar("pim_latency_ms_per_block", CENT_LIMIT_PERCENT, by={"simulator": "cent"}))
    if "hbm-pim" in present:
        bars.append(Bar("cycles", HBM_PIM_LIMIT_PERCENT, by={"simulator": "hbm-pim"}))
    return bars


SUITE = PimSuite()
"""The suite, as the entry point names it."""
