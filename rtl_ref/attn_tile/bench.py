"""cocotb bench of the attention tile."""

from __future__ import annotations

import random

import cocotb
import numpy as np
from numpy.typing import NDArray

from archsim.engine import run_program
from rtl_ref.attn_tile.events import (
    BEAT,
    PortCycle,
    port_cycles,
    ready_text,
    simulate_tile,
)
from rtl_ref.attn_tile.golden import HIGH, LOW, block_results, block_scores
from rtl_ref.attn_tile.program import cycles, timed_program
from rtl_ref.harness.bench import (
    CONFIG,
    PROFILES,
    SEEDS,
    Bench,
    Driver,
    Dut,
    Sink,
    Source,
    Stalls,
    check_laws,
    cover,
    measure,
)
from rtl_ref.harness.packing import pack, unpack

P = CONFIG.parameters
ROWS, COLS, TILES, QUEUE = P["Rows"], P["Cols"], P["Tiles"], P["QueueDepth"]
WORDS = ROWS * TILES

Ints = NDArray[np.int64]
Block = tuple[Ints, Ints]
"""Queries [R, K] and keys [T, C, K]."""


class Harness:
    """The tile, its memory, and a recording of who used the port."""

    def __init__(self, dut: Dut, memory: Stalls, bubbles: Stalls) -> None:
        self.dut = dut
        self.bench = Bench(dut, dut.prm_valid_o, dut.done_o)
        fields = {"last": dut.in_last_i, "a": dut.a_i, "b": dut.b_i}
        self.source = Source(dut.in_valid_i, dut.in_ready_o, fields, bubbles)
        self.weights = Sink(dut.out_valid_o, None, {"w": dut.out_o})
        self.corrections = Sink(dut.prm_valid_o, None, {"prm": dut.prm_o})
        self.done = Sink(dut.done_o, None, {"rd": dut.rd_o, "rm": dut.rm_o})
        self.memory = memory
        self.ready = Driver(dut.mem_ready_i)
        self.ready_now = False
        self.order: list[PortCycle] = []
        self.ready_edges: list[bool] = []
        self.bench.add(self, self.source, self.weights, self.corrections, self.done)

    def sample(self, edge: int) -> None:
        """Record the port and count who waits for what."""
        del edge
        self.ready_edges.append(self.ready_now)
        request, grant = int(self.dut.request.value), int(self.dut.grant.value)
        if request:
            winner = grant.bit_length() - 1
            self.order.append((winner, self.ready_now))
            if request == 3:
                cover("both want the port")
                first = "operands" if winner == BEAT else "weights"
                cover(f"{first} get the port first")
            if not self.ready_now:
                cover(f"memory not ready for {'operands' if winner == BEAT else 'weights'}")
        if int(self.dut.array_ready.value) and not int(self.dut.bank_free.value):
            cover("tile waits for a bank")
        feeding = int(self.dut.feed_valid_q.value)
        if feeding and not int(self.dut.places_q.value):
            cover("scores wait for room in the queue")
        if not feeding and int(self.dut.softmax_ready.value):
            cover("softmax waits for scores")
        if int(self.dut.stored_q.value) == QUEUE:
            cover("queue full")

    def drive(self) -> None:
        """Decide whether the memory is ready on the next edge."""
        self.ready_now = not self.memory.stall()
        self.ready.write(int(self.ready_now))

    def clear(self) -> None:
        """Forget the recording."""
        self.order.clear()
        self.ready_edges.clear()
        self.ready.write(0)

    def offer(self, blocks: list[Block]) -> None:
        """Queue the operand beats of blocks."""
        for queries, keys in blocks:
            extent = queries.shape[1]
            for tile in keys:
                for k in range(extent):
                    beat = {"a": pack(queries[:, k], 8), "b": pack(tile[:, k], 8)}
                    self.source.queue.append({**beat, "last": int(k == extent - 1)})

    async def run(self, blocks: list[Block]) -> None:
        """Run blocks; compare every weight, correction, denominator and maximum."""
        self.offer(blocks)
        self.source.drive()
        total = len(blocks) * WORDS
        await self.bench.until(lambda: len(self.weights.items) >= total)
        results = [
            row for queries, keys in blocks for row in block_results(queries, keys, P["ScoreShift"])
        ]
        weights = [unpack(item["w"], 16, COLS, signed=False) for item in self.weights.items]
        assert weights == [tile.tolist() for row in results for tile in row.weights]
        corrections = [item["prm"] for item in self.corrections.items]
        assert corrections == [each for row in results for each in row.corrections]
        ends = [(item["rd"], unpack(item["rm"], 16, 1)[0]) for item in self.done.items]
        assert ends == [(row.denominator, row.maximum) for row in results]
        for queries, keys in blocks:
            scores = block_scores(queries, keys, P["ScoreShift"])
            if (scores == HIGH).any():
                cover("score cut off high")
            if (scores == LOW).any():
                cover("score cut off low")
        cover("one query" if ROWS == 1 else "several queries")
        if self.source.bubbles:
            cover("operand bubbles")

    @property
    def span(self) -> int:
        """Cycles from the first request, on edge 0, to the last weights, both counted."""
        return self.weights.edges[-1] + 1


def random_blocks(rng: random.Random, beats: int, count: int) -> list[Block]:
    """Return operands of random values, extremes now and then."""

    def values(*sizes: int) -> Ints:
        drawn: Ints = np.random.default_rng(rng.getrandbits(32)).integers(-128, 128, size=sizes)
        return drawn

    blocks = [(values(ROWS, beats), values(TILES, COLS, beats)) for _ in range(count)]
    if rng.random() < 0.5:
        queries, keys = blocks[0]
        queries[:] = rng.choice((-128, 127))
        keys[:, 0] = -128
    return blocks


def willing() -> Stalls:
    """Return a side that never holds back."""
    return Stalls(0.0, random.Random(0))


def ready_of(edges: list[bool]) -> str:
    """Return the memory's readiness on each edge as a pattern."""
    return "".join("1" if ready else "0" for ready in edges)


@cocotb.test()
async def law(dut: Dut) -> None:
    """Every directed case takes the cycles, and grants the port in the order, of the event kernel.

    It knows the waits of the tile, the arbiter's weights and the memory's pattern: no recording.
    """
    for case in CONFIG.cases:
        harness = Harness(dut, Stalls(case.get("ready", "1"), random.Random(0)), willing())
        await harness.bench.reset()
        await harness.run(random_blocks(random.Random(7), case["beats"], case["blocks"]))
        measure(case, cycles(P, case), harness.span)
        assert harness.order == port_cycles(simulate_tile(P, case, ready_text(case)))
    check_laws()


@cocotb.test()
async def random_stalls(dut: Dut) -> None:
    """Random memory: the event kernel, told when it was ready, finds every grant and the cycles.

    Given the recorded order with its stalls the max-plus engine ends on the same cycle.
    """
    for seed in SEEDS:
        for profile in PROFILES:
            rng = random.Random(f"{seed} {profile}")
            harness = Harness(dut, Stalls(profile, rng), willing())
            await harness.bench.reset()
            case = {"beats": rng.randint(1, 6), "blocks": 3}
            await harness.run(random_blocks(rng, case["beats"], case["blocks"]))
            predicted = simulate_tile(P, case, ready_of(harness.ready_edges))
            assert predicted.makespan_ps == harness.span, (seed, profile)
            assert port_cycles(predicted) == harness.order, (seed, profile)
            timing = run_program(timed_program(P, case, harness.order), path=False)
            assert timing.makespan_ps == harness.span, (seed, profile)
    check_laws()


@cocotb.test()
async def bubbles(dut: Dut) -> None:
    """Random operands that come late, over a random memory: results and every grant exact."""
    for seed in SEEDS:
        rng = random.Random(f"{seed} bubbles")
        harness = Harness(dut, Stalls(0.3, rng), Stalls(rng.choice((0.3, 0.7)), rng))
        await harness.bench.reset()
        case = {"beats": rng.randint(1, 4), "blocks": 3}
        await harness.run(random_blocks(rng, case["beats"], case["blocks"]))
        offered = harness.source.offer_edges
        predicted = simulate_tile(P, case, ready_of(harness.ready_edges), offered)
        assert predicted.makespan_ps == harness.span, seed
        assert port_cycles(predicted) == harness.order, seed
    check_laws()


@cocotb.test()
async def reset_midway(dut: Dut) -> None:
    """Reset anywhere in a block leaves no trace in the next one."""
    rng = random.Random(11)
    for edges in (3, 9, 14, 20, 27):
        harness = Harness(dut, willing(), willing())
        await harness.bench.reset()
        harness.offer(random_blocks(rng, 2, 4))
        await harness.bench.step(edges)
        cover("reset in a block")
        harness = Harness(dut, willing(), willing())
        await harness.bench.reset()
        await harness.run(random_blocks(rng, 2, 2))
    check_laws()
