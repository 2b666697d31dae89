"""cocotb bench of the weight-stationary array."""

from __future__ import annotations

import itertools
import random
from functools import partial

import cocotb
import numpy as np
from numpy.typing import NDArray

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
from rtl_ref.ws_array.golden import results
from rtl_ref.ws_array.program import cycles, interval

ROWS, COLS = CONFIG.parameters["Rows"], CONFIG.parameters["Cols"]
DATA, ACC = CONFIG.parameters["DataWidth"], CONFIG.parameters["AccWidth"]
LOW, HIGH = -(1 << (DATA - 1)), (1 << (DATA - 1)) - 1
LATENCY = ROWS + COLS - 1

Matrix = NDArray[np.int64]
Tile = tuple[Matrix, Matrix]


class Harness:
    """The array with sources of weights and beats and a sink of rows."""

    def __init__(self, dut: Dut, weight_stalls: Stalls, beat_stalls: Stalls) -> None:
        self.bench = Bench(dut, dut.out_valid_o)
        self.weights = Source(dut.w_valid_i, dut.w_ready_o, {"w": dut.w_i}, weight_stalls)
        self.beats = Source(
            dut.in_valid_i,
            dut.in_ready_o,
            {"first": dut.in_first_i, "last": dut.in_last_i, "a": dut.a_i},
            beat_stalls,
        )
        self.sink = Sink(dut.out_valid_o, None, {"last": dut.out_last_o, "c": dut.c_o})
        self.bench.add(self.weights, self.beats, self.sink, Watch(self.watch))

    def watch(self, edge: int) -> None:
        """Count why a side waited on this edge."""
        firsts = [
            e for e, beat in zip(self.beats.edges, self.beats.taken, strict=True) if beat["first"]
        ]
        loaded = len(self.weights.edges) - len(firsts) * ROWS
        if self.beats.offered is not None and self.beats.offered["first"] and not self.beats.fired:
            cover("beat waits for weights")
        if self.weights.offered is not None and not self.weights.fired and edge > 0:
            cover("weights wait for the swap" if loaded >= ROWS else "weights wait for the wave")
        if self.weights.fired and self.beats.fired:
            cover("weights load while beats pass")

    def offer(self, tiles: list[Tile]) -> None:
        """Queue the weights and beats of tiles."""
        for a, w in tiles:
            self.weights.queue.extend({"w": pack(row, DATA)} for row in w[::-1])
            count = len(a)
            self.beats.queue.extend(
                {"first": int(m == 0), "last": int(m == count - 1), "a": pack(a[m], DATA)}
                for m in range(count)
            )

    async def run(self, tiles: list[Tile]) -> None:
        """Stream tiles and compare every row and its latency."""
        self.offer(tiles)
        expected: list[list[int]] = []
        last: list[int] = []
        for a, w in tiles:
            expected.extend(results(a, w, ACC).tolist())
            last.extend([0] * (len(a) - 1) + [1])
            cover("one beat" if len(a) == 1 else "many beats")
            for name, value in (("most negative", LOW), ("most positive", HIGH)):
                if value in a and value in w:
                    cover(f"{name} product")
            if 0 in a or 0 in w:
                cover("zero operand")
        await self.bench.until(lambda: len(self.sink.items) >= len(expected))
        assert [unpack(item["c"], ACC, COLS) for item in self.sink.items] == expected
        assert [item["last"] for item in self.sink.items] == last
        assert self.sink.edges == [edge + LATENCY for edge in self.beats.edges]


def random_tile(rng: random.Random, m: int) -> Tile:
    """Return operands of random values, extremes now and then."""
    values = range(LOW, HIGH + 1) if rng.random() < 0.7 else (LOW, HIGH, 0)
    a = np.array([[rng.choice(values) for _ in range(ROWS)] for _ in range(m)], dtype=np.int64)
    w = np.array([[rng.choice(values) for _ in range(COLS)] for _ in range(ROWS)], dtype=np.int64)
    return a, w


def willing() -> Stalls:
    """Return a side that never holds back."""
    return Stalls(0.0, random.Random(0))


@cocotb.test()
async def law(dut: Dut) -> None:
    """Every directed case takes exactly the cycles of the law, tile by tile."""
    for case in CONFIG.cases:
        rng = random.Random(7)
        harness = Harness(dut, willing(), willing())
        await harness.bench.reset()
        await harness.run([random_tile(rng, case["m"]) for _ in range(case["tiles"])])
        span = harness.sink.edges[-1] - harness.weights.edges[0] + 1
        measure(case, cycles(CONFIG.parameters, case), span)
        firsts = harness.beats.edges[:: case["m"]]
        steady = interval(CONFIG.parameters, case)
        assert [y - x for x, y in itertools.pairwise(firsts)] == [steady] * (case["tiles"] - 1)
        refill = 2 * ROWS + COLS - 1
        sides = {True: "interval set by beats", False: "interval set by weights"}
        cover("both equal" if case["m"] == refill else sides[case["m"] > refill])
    check_laws()


@cocotb.test()
async def random_stalls(dut: Dut) -> None:
    """Random tiles under independent bubbles on weights and beats."""
    for seed in SEEDS:
        for weight_profile, beat_profile in zip(PROFILES, PROFILES[::-1], strict=True):
            rng = random.Random(f"{seed} {weight_profile}")
            profiles = (weight_profile, beat_profile)
            if seed == SEEDS[0]:
                profiles = (weight_profile, 0.0)
            elif seed == SEEDS[1]:
                profiles = (0.0, beat_profile)
            harness = Harness(dut, *(Stalls(profile, rng) for profile in profiles))
            await harness.bench.reset()
            await harness.run([random_tile(rng, rng.randint(1, 14)) for _ in range(7)])
            bubbles = (harness.weights.bubbles > 0, harness.beats.bubbles > 0)
            if any(bubbles):
                names = {
                    (True, False): "weight bubbles alone",
                    (False, True): "beat bubbles alone",
                    (True, True): "bubbles on both",
                }
                cover(names[bubbles])
    check_laws()


@cocotb.test()
async def reset_midway(dut: Dut) -> None:
    """Reset in mid-operation leaves no trace in the next tile."""
    rng = random.Random(11)
    for moment in ("weights load", "the wave passes", "results"):
        harness = Harness(dut, willing(), willing())
        await harness.bench.reset()
        harness.offer([random_tile(rng, 9), random_tile(rng, 9)])
        if moment == "weights load":
            await harness.bench.until(partial(lambda h: len(h.weights.edges) >= 1, harness))
            cover("reset while weights load")
        elif moment == "the wave passes":
            await harness.bench.until(partial(lambda h: len(h.beats.edges) >= 1, harness))
            cover("reset while the wave passes")
        else:
            await harness.bench.until(partial(lambda h: len(h.sink.items) >= 2, harness))
            cover("reset with results under way")
        await harness.bench.reset()
        await harness.run([random_tile(rng, 4)])
    check_laws()


@cocotb.test()
async def extremes(dut: Dut) -> None:
    """Reach the largest sums of both signs."""
    harness = Harness(dut, willing(), willing())
    await harness.bench.reset()
    pairs = ((LOW, LOW), (HIGH, HIGH), (LOW, HIGH), (0, LOW))
    await harness.run(
        [
            (np.full((3, ROWS), x, dtype=np.int64), np.full((ROWS, COLS), y, dtype=np.int64))
            for x, y in pairs
        ]
    )
    check_laws()
