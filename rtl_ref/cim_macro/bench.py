"""cocotb bench of the bit-serial compute-in-memory macro."""

from __future__ import annotations

import itertools
import random
from functools import partial

import cocotb
import numpy as np
from numpy.typing import NDArray

from archsim.components.cim_laws import cycles_cim_interval
from rtl_ref.cim_macro.golden import digit_serial, results
from rtl_ref.cim_macro.program import cycles, latency, steps
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

P = CONFIG.parameters
ROWS, COLS, PLANES = P["Rows"], P["Cols"], P["Planes"]
WEIGHT_BITS, INPUT_BITS, ACC = P["WeightBits"], P["InputBits"], P["AccWidth"]
STEPS, LATENCY = steps(P), latency(P)

Matrix = NDArray[np.int64]
Set = tuple[Matrix, Matrix]


class Harness:
    """The macro with sources of weight rows and vectors and a sink of results."""

    def __init__(self, dut: Dut, weight_stalls: Stalls, vector_stalls: Stalls) -> None:
        self.bench = Bench(dut, dut.out_valid_o, dut.in_ready_o)
        self.weights = Source(dut.w_valid_i, dut.w_ready_o, {"w": dut.w_i}, weight_stalls)
        self.vectors = Source(
            dut.in_valid_i, dut.in_ready_o, {"last": dut.in_last_i, "x": dut.x_i}, vector_stalls
        )
        self.sink = Sink(dut.out_valid_o, None, {"y": dut.y_o})
        self.bench.add(self.weights, self.vectors, self.sink, Watch(self.watch))

    def watch(self, edge: int) -> None:
        """Count who waited for what on this edge."""
        taken = len(self.vectors.edges) - self.vectors.fired
        running = bool(taken) and edge <= self.vectors.edges[taken - 1] + STEPS
        last_step = bool(taken) and edge == self.vectors.edges[taken - 1] + STEPS
        if self.vectors.offered is not None and not self.vectors.fired:
            inside = running and not last_step
            cover("vector waits for the one before" if inside else "vector waits for weights")
        if self.weights.offered is not None and not self.weights.fired:
            cover("weights wait for a plane")
        if self.weights.fired and running:
            cover("weights written while a vector runs")
            first_row = len(self.weights.edges) % ROWS == (1 if ROWS > 1 else 0)
            if first_row and last_step and self.vectors.taken[taken - 1]["last"]:
                cover("first row on the edge that frees its plane")

    def offer(self, sets: list[Set]) -> None:
        """Queue the weights and vectors of sets."""
        for x, w in sets:
            self.weights.queue.extend({"w": pack(row, WEIGHT_BITS)} for row in w)
            self.vectors.queue.extend(
                {"last": int(v == len(x) - 1), "x": pack(x[v], INPUT_BITS)} for v in range(len(x))
            )

    async def run(self, sets: list[Set]) -> None:
        """Stream sets; compare every result, its edge, and the use of the right plane."""
        self.offer(sets)
        expected: list[list[int]] = []
        for x, w in sets:
            exact = results(x, w)
            assert (exact == digit_serial(x, w, INPUT_BITS, P["BitsPerCycle"])).all()
            expected.extend(exact.tolist())
            cover_data(x, w)
        await self.bench.until(lambda: len(self.sink.items) >= len(expected))
        assert [unpack(item["y"], ACC, COLS) for item in self.sink.items] == expected
        assert self.sink.edges == [edge + LATENCY for edge in self.vectors.edges]


def cover_data(x: Matrix, w: Matrix) -> None:
    """Count extremes of the operands and the shape of the build."""
    low_x, low_w = -(1 << (INPUT_BITS - 1)), -(1 << (WEIGHT_BITS - 1))
    if (x < 0).any():
        cover("negative input")
    if low_x in x and low_w in w:
        cover("most negative product")
    if -low_x - 1 in x and -low_w - 1 in w:
        cover("most positive product")
    if not x.any(axis=1).all():
        cover("zero vector")
    cover("one plane" if PLANES == 1 else "two planes")
    cover("one digit" if P["BitsPerCycle"] >= INPUT_BITS else "several digits")
    cover("one row group" if P["ActiveRows"] >= ROWS else "several row groups")
    cover("tree registers" if P["TreeStages"] else "no tree register")
    if ROWS % P["ActiveRows"]:
        cover("short row group")
    if INPUT_BITS % P["BitsPerCycle"]:
        cover("short digit")


def random_set(rng: random.Random, vectors: int) -> Set:
    """Return vectors and weights of random values, extremes now and then."""

    def matrix(rows: int, columns: int, bits: int) -> Matrix:
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        values = range(low, high + 1) if rng.random() < 0.7 else (low, high, 0)
        drawn = [[rng.choice(values) for _ in range(columns)] for _ in range(rows)]
        return np.array(drawn, dtype=np.int64)

    return matrix(vectors, ROWS, INPUT_BITS), matrix(ROWS, COLS, WEIGHT_BITS)


def willing() -> Stalls:
    """Return a side that never holds back."""
    return Stalls(0.0, random.Random(0))


@cocotb.test()
async def law(dut: Dut) -> None:
    """Every directed case takes exactly the cycles of the law, set by set."""
    for case in CONFIG.cases:
        rng = random.Random(7)
        harness = Harness(dut, willing(), willing())
        await harness.bench.reset()
        await harness.run([random_set(rng, case["vectors"]) for _ in range(case["sets"])])
        measure(case, cycles(P, case), harness.sink.edges[-1] - harness.weights.edges[0])
        use = case["vectors"] * STEPS
        interval = cycles_cim_interval(ROWS, STEPS, case["vectors"], PLANES)
        firsts = harness.vectors.edges[:: case["vectors"]]
        assert [y - x for x, y in itertools.pairwise(firsts)] == [interval] * (case["sets"] - 1)
        if PLANES == 2 and case["sets"] > 1:
            sides = {True: "interval set by weights", False: "interval set by vectors"}
            cover("both equal" if use == ROWS else sides[use < ROWS])
    check_laws()


@cocotb.test()
async def random_stalls(dut: Dut) -> None:
    """Random sets under independent bubbles on weights and vectors."""
    names = {
        (True, False): "weight bubbles alone",
        (False, True): "vector bubbles alone",
        (True, True): "bubbles on both",
    }
    for seed in SEEDS:
        for number, profile in enumerate(PROFILES):
            rng = random.Random(f"{seed} {profile}")
            profiles = (profile, PROFILES[-1 - number])
            if seed == SEEDS[0]:
                profiles = (profile, 0.0)
            elif seed == SEEDS[1]:
                profiles = (0.0, profile)
            harness = Harness(dut, *(Stalls(each, rng) for each in profiles))
            await harness.bench.reset()
            await harness.run([random_set(rng, rng.randint(1, 5)) for _ in range(6)])
            bubbles = (harness.weights.bubbles > 0, harness.vectors.bubbles > 0)
            if any(bubbles):
                cover(names[bubbles])
    check_laws()


@cocotb.test()
async def reset_midway(dut: Dut) -> None:
    """Reset in mid-operation leaves neither weights nor sums behind."""
    rng = random.Random(11)
    for moment in ("while weights load", "in a vector", "with a result under way"):
        harness = Harness(dut, willing(), willing())
        await harness.bench.reset()
        harness.offer([random_set(rng, 3), random_set(rng, 3)])
        if moment == "while weights load":
            await harness.bench.until(partial(lambda h: len(h.weights.edges) >= 1, harness))
        else:
            await harness.bench.until(partial(lambda h: len(h.vectors.edges) >= 1, harness))
            if moment == "with a result under way":
                await harness.bench.step(STEPS)
        cover(f"reset {moment}")
        await harness.bench.reset()
        await harness.run([random_set(rng, 2)])
    check_laws()


@cocotb.test()
async def extremes(dut: Dut) -> None:
    """Reach the largest sums of both signs, and zero."""
    harness = Harness(dut, willing(), willing())
    await harness.bench.reset()
    sets = []
    for x_sign, w_sign in itertools.product((-1, 1), repeat=2):
        x_value = -(1 << (INPUT_BITS - 1)) if x_sign < 0 else (1 << (INPUT_BITS - 1)) - 1
        w_value = -(1 << (WEIGHT_BITS - 1)) if w_sign < 0 else (1 << (WEIGHT_BITS - 1)) - 1
        x = np.array([[x_value] * ROWS, [0] * ROWS], dtype=np.int64)
        sets.append((x, np.full((ROWS, COLS), w_value, dtype=np.int64)))
    await harness.run(sets)
    check_laws()
