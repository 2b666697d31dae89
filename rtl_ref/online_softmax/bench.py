"""cocotb bench of the online softmax unit."""

from __future__ import annotations

import itertools
import random
from functools import partial

import cocotb
import numpy as np
from numpy.typing import NDArray

from archsim.components.softmax_laws import cycles_softmax_interval
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
from rtl_ref.online_softmax.golden import LOG2E, RowResult, softmax_row
from rtl_ref.online_softmax.program import cycles

P = CONFIG.parameters
SCORES, LANES, SPACING = P["TileScores"], P["Lanes"], P["SlotSpacing"]
BEATS = SCORES // LANES
LOW, HIGH = -(1 << 15), (1 << 15) - 1

Row = NDArray[np.int64]
"""Scores [tiles, M0]."""


class Harness:
    """The unit with a source of beats and sinks of everything that leaves it."""

    def __init__(self, dut: Dut, stalls: Stalls) -> None:
        self.bench = Bench(dut, dut.w_valid_o, dut.prm_valid_o, dut.done_o)
        fields = {"first": dut.in_first_i, "last": dut.in_last_i, "s": dut.s_i}
        self.source = Source(dut.in_valid_i, dut.in_ready_o, fields, stalls)
        self.weights = Sink(dut.w_valid_o, None, {"w": dut.w_o})
        self.corrections = Sink(dut.prm_valid_o, None, {"prm": dut.prm_o})
        self.done = Sink(dut.done_o, None, {"rd": dut.rd_o, "rm": dut.rm_o})
        self.last_slot = -1
        self.bench.add(self.source, self.weights, self.corrections, self.done, Watch(self.watch))

    def watch(self, edge: int) -> None:
        """Hold the slots apart and count waits."""
        assert not (self.weights.fired and self.corrections.fired)
        if self.weights.fired or self.corrections.fired:
            if self.last_slot >= 0:
                assert edge - self.last_slot >= SPACING, "two slots too close"
                if edge - self.last_slot > SPACING:
                    cover("unit waits for a tile")
                cover("slots every cycle" if edge - self.last_slot == 1 else "slots apart")
            self.last_slot = edge
        if self.source.offered is not None and not self.source.fired:
            cover("input waits")

    def offer(self, rows: list[Row]) -> None:
        """Queue the beats of rows."""
        for row in rows:
            for number, tile in enumerate(row):
                for beat in tile.reshape(BEATS, LANES):
                    flags = {"first": int(number == 0), "last": int(number == len(row) - 1)}
                    self.source.queue.append({**flags, "s": pack(beat, 16)})

    async def run(self, rows: list[Row]) -> None:
        """Stream rows; compare every weight, correction, denominator and maximum."""
        self.offer(rows)
        results = [softmax_row(row) for row in rows]
        await self.bench.until(lambda: len(self.done.items) >= len(rows))
        got = [unpack(item["w"], 16, LANES, signed=False) for item in self.weights.items]
        assert list(itertools.chain.from_iterable(got)) == [
            weight for result in results for weight in result.weights.flatten().tolist()
        ]
        assert [item["prm"] for item in self.corrections.items] == [
            correction for result in results for correction in result.corrections
        ]
        ends = [(item["rd"], unpack(item["rm"], 16, 1)[0]) for item in self.done.items]
        assert ends == [(result.denominator, result.maximum) for result in results]
        for row, result in zip(rows, results, strict=True):
            cover_row(row, result)
        if self.source.bubbles:
            cover("input bubbles")


def cover_row(row: Row, result: RowResult) -> None:
    """Count where maxima came from, shifts and corrections."""
    cover("one tile in a row" if len(row) == 1 else "several tiles in a row")
    cover("one beat a tile" if BEATS == 1 else "several beats a tile")
    running = -(1 << 20)
    for number, tile in enumerate(row):
        if tile.max() <= running:
            cover("maximum kept")
        running = max(running, int(tile.max()))
        shifts = ((running - tile) * LOG2E) >> 25
        for shift in (0, 1, 16):
            if (shifts == shift).any():
                cover(f"shift {shift}")
        if (shifts > 16).any():
            cover("shift beyond 16")
        if number:
            names = {0: "correction zero", 1 << 15: "correction one"}
            cover(names.get(result.corrections[number], "correction below one"))
    winner = int(row.max(axis=1).argmax())
    if winner == 0:
        cover("maximum from the first tile")
    elif winner == len(row) - 1:
        cover("maximum from the last tile")
    else:
        cover("maximum from a middle tile")
    if row.min() == row.max():
        cover("all scores equal")
    if row.min() == LOW and row.max() == HIGH:
        cover("lowest and highest score")


def random_row(rng: random.Random, tiles: int) -> Row:
    """Return scores around 2.5 of spread, or over the whole range, or with rising maxima."""
    spread = rng.choice((2.5, 2.5, 8.0, 40.0))
    drift = rng.choice((0.0, 0.0, 1.0, -1.0, 6.0))
    scores = [
        [round((rng.gauss(0.0, spread) + drift * tile) * 1024) for _ in range(SCORES)]
        for tile in range(tiles)
    ]
    return np.clip(np.array(scores, dtype=np.int64), LOW, HIGH)


def willing() -> Stalls:
    """Return a side that never holds back."""
    return Stalls(0.0, random.Random(0))


@cocotb.test()
async def law(dut: Dut) -> None:
    """Every directed case takes exactly the cycles of the law, tile by tile."""
    for case in CONFIG.cases:
        harness = Harness(dut, willing())
        await harness.bench.reset()
        rng = random.Random(7)
        await harness.run([random_row(rng, tiles) for tiles in case["rows"]])
        measure(case, cycles(P, case), harness.done.edges[-1] - harness.source.edges[0])
        starts = harness.corrections.edges
        interval = cycles_softmax_interval(SCORES, LANES, SPACING)
        assert [y - x for x, y in itertools.pairwise(starts)] == [interval] * (len(starts) - 1)
        if len(case["rows"]) > 1:
            cover("row follows row at once")
    check_laws()


@cocotb.test()
async def random_stalls(dut: Dut) -> None:
    """Random rows under random bubbles."""
    for seed in SEEDS:
        for profile in PROFILES:
            rng = random.Random(f"{seed} {profile}")
            harness = Harness(dut, Stalls(profile, rng))
            await harness.bench.reset()
            tiles = max(2, -(-60 // (3 * BEATS)))
            await harness.run([random_row(rng, rng.randint(1, tiles)) for _ in range(3)])
    check_laws()


@cocotb.test()
async def extremes(dut: Dut) -> None:
    """Equal scores, the ends of the range, and exponents around the cut-off."""
    harness = Harness(dut, willing())
    await harness.bench.reset()
    rows = [np.full((2, SCORES), value, dtype=np.int64) for value in (LOW, 0, HIGH)]
    ends = np.full((3, SCORES), LOW, dtype=np.int64)
    ends[1, SCORES // 2] = HIGH
    rows.append(ends)
    steps = np.array([round(k * 1024 * 0.6931471805599453) for k in range(SCORES)])
    rows.append(np.stack([-2 * steps, -steps, steps * 0 + 1, -2 * steps - 1]))
    rows.append(np.stack([steps - 1024 * 12, -steps - 1024 * 11]))
    await harness.run([np.clip(row, LOW, HIGH) for row in rows])
    check_laws()


@cocotb.test()
async def reset_midway(dut: Dut) -> None:
    """Reset drops tiles, slots under way and the running sums."""
    rng = random.Random(11)
    for moment in ("while a tile loads", "in the exponents"):
        harness = Harness(dut, willing())
        await harness.bench.reset()
        harness.offer([random_row(rng, 3)])
        if moment == "while a tile loads":
            await harness.bench.until(partial(lambda h: len(h.source.edges) >= 1, harness))
        else:
            await harness.bench.until(partial(lambda h: len(h.corrections.items) >= 1, harness))
        cover(f"reset {moment}")
        harness = Harness(dut, willing())
        await harness.bench.reset()
        await harness.run([random_row(rng, 2)])
    check_laws()
