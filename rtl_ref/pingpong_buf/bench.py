"""cocotb bench of the buffer of two banks."""

from __future__ import annotations

import itertools
import random
from collections import deque
from functools import partial

import cocotb
import numpy as np

from archsim.components.pingpong_laws import cycles_pingpong_interval
from rtl_ref.harness.bench import (
    CONFIG,
    PROFILES,
    SEEDS,
    Bench,
    Driver,
    Dut,
    Source,
    Stalls,
    check_laws,
    cover,
    measure,
)
from rtl_ref.pingpong_buf.golden import banks
from rtl_ref.pingpong_buf.program import cycles

DEPTH, WIDTH = CONFIG.parameters["Depth"], CONFIG.parameters["Width"]


class Reader:
    """Holds each full bank for given cycles, reads words at random, hands the bank back."""

    def __init__(self, dut: Dut, rng: random.Random) -> None:
        self.dut = dut
        self.rng = rng
        self.done = Driver(dut.bank_done_i)
        self.address = Driver(dut.rd_addr_i)
        self.holds: deque[int] = deque()
        self.edges: list[int] = []
        self.reads: list[tuple[int, int, int]] = []
        self.asked: tuple[int, int] | None = None
        self.age = 0
        self.word = 0
        self.finishing = False
        self.clear()

    def sample(self, edge: int) -> None:
        """Note the word asked for a cycle ago; count the cycles of the bank in hand."""
        if self.asked is not None:
            self.reads.append((*self.asked, int(self.dut.rd_data_o.value)))
        self.asked = None
        if not int(self.dut.bank_valid_o.value):
            assert self.age == 0, "the bank went away before it was handed back"
            return
        self.age += 1
        self.asked = (len(self.edges), self.word)
        if self.finishing:
            self.edges.append(edge)
            self.holds.popleft()
            self.age = 0

    def drive(self) -> None:
        """Ask for a word; hand the bank back on the last cycle of its hold."""
        self.finishing = self.age > 0 and bool(self.holds) and self.age + 1 >= self.holds[0]
        self.done.write(int(self.finishing))
        self.word = self.rng.randrange(DEPTH)
        self.address.write(self.word)

    def clear(self) -> None:
        """Hold nothing."""
        self.holds.clear()
        self.edges, self.reads, self.asked = [], [], None
        self.age = self.word = 0
        self.finishing = False
        self.done.write(0)
        self.address.write(0)


class Harness:
    """The buffer between a source of words and a reader."""

    def __init__(self, dut: Dut, stalls: Stalls, rng: random.Random) -> None:
        self.dut = dut
        self.rng = rng
        self.bench = Bench(dut, dut.bank_valid_o)
        self.writer = Source(dut.wr_valid_i, dut.wr_ready_o, {"data": dut.wr_data_i}, stalls)
        self.reader = Reader(dut, rng)
        self.bench.add(self, self.writer, self.reader)

    def sample(self, edge: int) -> None:
        """Hold ready and valid to the number of full banks before this edge."""
        written = len(self.writer.edges)
        full = written // DEPTH - len(self.reader.edges)
        cover(("both banks empty", "one bank full", "both banks full")[full])
        ready, valid = int(self.dut.wr_ready_o.value), int(self.dut.bank_valid_o.value)
        assert ready == (full < 2), f"edge {edge}: {full} banks full, write ready {ready}"
        assert valid == (full > 0), f"edge {edge}: {full} banks full, bank valid {valid}"
        if self.writer.offered is not None and not ready:
            cover("writer waits")
        if self.reader.holds and not valid:
            cover("reader waits")

    def drive(self) -> None:
        """Drive nothing."""

    def clear(self) -> None:
        """Keep no state."""

    async def run(self, holds: list[int]) -> None:
        """Move banks through the buffer and compare every word that was read."""
        words = np.array([self.rng.getrandbits(WIDTH) for _ in range(DEPTH * len(holds))])
        self.writer.queue.extend({"data": word} for word in words.tolist())
        self.reader.holds.extend(holds)
        await self.bench.until(lambda: not self.reader.holds)
        expected = banks(words, DEPTH)
        assert self.reader.reads
        for bank, address, word in self.reader.reads:
            assert word == expected[bank, address], f"bank {bank}, word {address}"
        self.cover_edges()

    def cover_edges(self) -> None:
        """Count coincidences of writes and hand-backs."""
        last_words = set(self.writer.edges[DEPTH - 1 :: DEPTH])
        if last_words & set(self.reader.edges):
            cover("bank handed back while the last word is written")
        first_words = self.writer.edges[2 * DEPTH :: DEPTH]
        if {edge + 1 for edge in self.reader.edges} & set(first_words):
            cover("write resumes the cycle after a hand-back")
        if DEPTH & (DEPTH - 1):
            cover("bank not a power of two")
        if DEPTH == 1:
            cover("bank of one word")


@cocotb.test()
async def law(dut: Dut) -> None:
    """Every directed case takes exactly the cycles of the law, bank by bank."""
    for case in CONFIG.cases:
        rng = random.Random(7)
        harness = Harness(dut, Stalls(0.0, rng), rng)
        await harness.bench.reset()
        hold = case["hold"]
        await harness.run([hold] * case["banks"])
        span = harness.reader.edges[-1] - harness.writer.edges[0] + 1
        measure(case, cycles(CONFIG.parameters, case), span)
        steady = cycles_pingpong_interval(DEPTH, hold)
        spacing = [y - x for x, y in itertools.pairwise(harness.reader.edges)]
        assert spacing == [steady] * (case["banks"] - 1)
        sides = {True: "reader sets the interval", False: "writer sets the interval"}
        cover("both equal" if hold == DEPTH else sides[hold > DEPTH])
    check_laws()


@cocotb.test()
async def random_stalls(dut: Dut) -> None:
    """Random words under random bubbles and holds of random length."""
    for seed in SEEDS:
        for profile in PROFILES:
            for late in (False, True):
                rng = random.Random(f"{seed} {profile} {late}")
                harness = Harness(dut, Stalls(profile, rng), rng)
                await harness.bench.reset()
                longest = 2 * DEPTH + 2 if late else 2
                await harness.run([rng.randint(2, longest) for _ in range(-(-60 // DEPTH))])
                bubbles = harness.writer.bubbles > 0
                if late:
                    cover(
                        "write bubbles and late hand-backs" if bubbles else "late hand-backs alone"
                    )
                elif bubbles:
                    cover("write bubbles alone")
    check_laws()


@cocotb.test()
async def stray_done(dut: Dut) -> None:
    """Handing back a bank that nobody holds changes nothing."""
    rng = random.Random(5)
    harness = Harness(dut, Stalls(0.0, rng), rng)
    await harness.bench.reset()
    harness.reader.done.write(1)
    await harness.bench.step()
    cover("done without a bank")
    await harness.run([3, 3, 3])
    check_laws()


@cocotb.test()
async def reset_midway(dut: Dut) -> None:
    """Reset empties both banks and starts with the first one again."""
    rng = random.Random(11)
    for moment in ("while writing", "while a bank is held"):
        harness = Harness(dut, Stalls(0.0, rng), rng)
        await harness.bench.reset()
        harness.writer.queue.extend({"data": n} for n in range(DEPTH + DEPTH // 2))
        if moment == "while writing":
            await harness.bench.step(max(1, DEPTH // 2))
        else:
            await harness.bench.until(partial(lambda h: h.reader.age >= 1, harness))
        cover(f"reset {moment}")
        await harness.bench.reset()
        await harness.run([2, 4, 2])
    check_laws()
