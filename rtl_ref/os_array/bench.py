"""cocotb bench of the output-stationary array."""

from __future__ import annotations

import random
from functools import partial

import cocotb
import numpy as np
from numpy.typing import NDArray

from archsim.components.systolic_laws import cycles_os_compute
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
from rtl_ref.os_array.golden import product_rows
from rtl_ref.os_array.program import cycles

ROWS, COLS = CONFIG.parameters["Rows"], CONFIG.parameters["Cols"]
DATA, ACC = CONFIG.parameters["DataWidth"], CONFIG.parameters["AccWidth"]
LOW, HIGH = -(1 << (DATA - 1)), (1 << (DATA - 1)) - 1

Matrix = NDArray[np.int64]
Tile = tuple[Matrix, Matrix]


class Harness:
    """The array with a source of beats and a sink of rows."""

    def __init__(self, dut: Dut, stalls: Stalls) -> None:
        self.bench = Bench(dut, dut.out_valid_o)
        self.source = Source(
            dut.in_valid_i,
            dut.in_ready_o,
            {"last": dut.in_last_i, "a": dut.a_i, "b": dut.b_i},
            stalls,
        )
        self.sink = Sink(dut.out_valid_o, None, {"last": dut.out_last_o, "c": dut.c_o})
        self.state = "accept"
        self.dut = dut
        self.bench.add(self.source, self.sink, Watch(self.watch))

    def watch(self, edge: int) -> None:
        """Follow the state through the ports."""
        ready, valid = int(self.dut.in_ready_o.value), int(self.dut.out_valid_o.value)
        assert not (ready and valid), f"edge {edge}: accepts while it drains"
        state = "accept" if ready else "drain" if valid else "flush"
        cover(f"state {state}")
        if state != self.state:
            cover(f"{self.state} to {state}")
        self.state = state

    async def run(self, tiles: list[Tile]) -> None:
        """Stream tiles and compare every row."""
        expected = []
        for a, b in tiles:
            k_extent = a.shape[1]
            cover("one beat" if k_extent == 1 else "many beats")
            expected.extend(product_rows(a, b, ACC).tolist())
            for k in range(k_extent):
                if LOW in a[:, k] and LOW in b[k]:
                    cover("most negative product")
                if HIGH in a[:, k] and HIGH in b[k]:
                    cover("most positive product")
                if 0 in a[:, k] or 0 in b[k]:
                    cover("zero operand")
                self.source.queue.append(
                    {
                        "last": int(k == k_extent - 1),
                        "a": pack(a[:, k], DATA),
                        "b": pack(b[k], DATA),
                    }
                )
        total = len(expected)
        await self.bench.until(lambda: len(self.sink.items) >= total)
        rows = [unpack(item["c"], ACC, COLS) for item in self.sink.items]
        assert rows == expected
        assert [item["last"] for item in self.sink.items] == ([0] * (ROWS - 1) + [1]) * len(tiles)
        self.check_tiles(tiles)

    def check_tiles(self, tiles: list[Tile]) -> None:
        """Check the latency of every tile, bubbles or not, and count what happened between."""
        beat = 0
        for number, (a, _) in enumerate(tiles):
            edges = self.source.edges[beat : beat + a.shape[1]]
            out = self.sink.edges[number * ROWS : (number + 1) * ROWS]
            first = cycles_os_compute(ROWS, COLS, 1)
            assert out == list(range(edges[-1] + first, edges[-1] + first + ROWS))
            if edges[-1] - edges[0] >= len(edges):
                cover("bubble inside a tile")
            if number:
                later = edges[0] > self.sink.edges[number * ROWS - 1] + 1
                cover("next tile later" if later else "next tile at once")
            beat += a.shape[1]
        if self.source.waits:
            cover("beat waits for the drain")


def random_tile(rng: random.Random, k: int) -> Tile:
    """Return operands of random values, extremes now and then."""
    wide = rng.random() < 0.7
    values = (LOW, HIGH, 0) if not wide else range(LOW, HIGH + 1)
    a = np.array([[rng.choice(values) for _ in range(k)] for _ in range(ROWS)], dtype=np.int64)
    b = np.array([[rng.choice(values) for _ in range(COLS)] for _ in range(k)], dtype=np.int64)
    return a, b


@cocotb.test()
async def law(dut: Dut) -> None:
    """Every directed case takes exactly the cycles of the law; bubbles cost themselves."""
    for case in CONFIG.cases:
        rng = random.Random(7)
        harness = Harness(dut, Stalls(case.get("bubbles", 0.0), rng))
        await harness.bench.reset()
        tiles = [random_tile(rng, k) for k in case["tiles"]]
        await harness.run(tiles)
        span = harness.sink.edges[-1] - harness.source.edges[0] + 1
        lost = lost_cycles(harness, case["tiles"])
        assert lost == 0 or "bubbles" in case
        measure(case, cycles(CONFIG.parameters, case) + lost, span)
    check_laws()


def lost_cycles(harness: Harness, tiles: list[int]) -> int:
    """Return the cycles in which the array could have taken a beat and got none."""
    edges, rows = harness.source.edges, harness.sink.edges
    lost, beat = 0, 0
    for number, k in enumerate(tiles):
        lost += edges[beat + k - 1] - edges[beat] - (k - 1)
        if number:
            lost += edges[beat] - rows[number * ROWS - 1] - 1
        beat += k
    return lost


@cocotb.test()
async def random_stalls(dut: Dut) -> None:
    """Random tiles under random bubbles: results exact, latency unchanged."""
    for seed in SEEDS:
        for profile in PROFILES:
            rng = random.Random(f"{seed} {profile}")
            harness = Harness(dut, Stalls(profile, rng))
            await harness.bench.reset()
            tiles = [random_tile(rng, rng.randint(1, 12)) for _ in range(10)]
            await harness.run(tiles)
    check_laws()


@cocotb.test()
async def reset_midway(dut: Dut) -> None:
    """Reset in every state leaves no trace in the next tile."""
    rng = random.Random(11)
    for state in ("accept", "flush", "drain"):
        if state == "flush" and ROWS + COLS == 2:
            continue
        harness = Harness(dut, Stalls(0.0, rng))
        await harness.bench.reset()
        a, b = random_tile(rng, 6)
        for k in range(6):
            beat = {"last": int(k == 5), "a": pack(a[:, k], DATA), "b": pack(b[k], DATA)}
            harness.source.queue.append(beat)
        await harness.bench.step(2)
        await harness.bench.until(partial(lambda h, s: h.state == s, harness, state), state)
        cover(f"reset in {state}")
        await harness.bench.reset()
        harness.state = "accept"
        await harness.run([random_tile(rng, 4)])
    check_laws()


@cocotb.test()
async def extremes(dut: Dut) -> None:
    """Reach the largest sums of both signs that the accumulator must hold."""
    harness = Harness(dut, Stalls(0.0, random.Random(0)))
    await harness.bench.reset()
    tiles = []
    for x, y in ((LOW, LOW), (HIGH, HIGH), (LOW, HIGH), (0, LOW)):
        a = np.full((ROWS, 64), x, dtype=np.int64)
        b = np.full((64, COLS), y, dtype=np.int64)
        tiles.append((a, b))
    await harness.run(tiles)
    check_laws()
