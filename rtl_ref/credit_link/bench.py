"""cocotb bench of the link with credits."""

from __future__ import annotations

import random
from functools import partial

import cocotb

from archsim.components.credit_laws import (
    cycles_credit_accept,
    cycles_credit_latency,
    cycles_credit_round_trip,
)
from rtl_ref.credit_link.golden import delivered
from rtl_ref.credit_link.program import cycles
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

P = CONFIG.parameters
DEPTH, DATA, CREDIT, WIDTH = P["Depth"], P["DataLatency"], P["CreditLatency"], P["Width"]
TRIP = cycles_credit_round_trip(DATA, CREDIT)


class Harness:
    """The link between a sender and a receiver, with a model of its credits."""

    def __init__(self, dut: Dut, sender: Stalls, receiver: Stalls) -> None:
        self.dut = dut
        self.bench = Bench(dut, dut.out_valid_o)
        self.source = Source(dut.in_valid_i, dut.in_ready_o, {"data": dut.in_data_i}, sender)
        self.sink = Sink(dut.out_valid_o, dut.out_ready_i, {"data": dut.out_data_o}, receiver)
        self.bench.add(self.source, self.sink, Watch(self.watch))

    def watch(self, edge: int) -> None:
        """Count credits and stored items from the ports, and hold the link to them."""
        sent = len(self.source.edges) - self.source.fired
        taken = len(self.sink.edges) - self.sink.fired
        credits = DEPTH - sent + sum(e + CREDIT + 1 <= edge for e in self.sink.edges)
        stored = sum(e + DATA + 1 <= edge for e in self.source.edges) - taken
        ready, valid = int(self.dut.in_ready_o.value), int(self.dut.out_valid_o.value)
        assert ready == (credits > 0), f"edge {edge}: {credits} credits, ready {ready}"
        assert valid == (stored > 0), f"edge {edge}: {stored} stored, valid {valid}"
        assert 0 <= stored <= DEPTH
        assert 0 <= credits <= DEPTH
        if credits == 0:
            cover("no credit left")
            if self.source.offered is not None:
                cover("sender waits for a credit")
        if credits == DEPTH:
            cover("all credits at home")
        if stored in (0, DEPTH):
            cover("queue full" if stored else "queue empty")
        if self.source.fired and edge - CREDIT in self.sink.edges:
            cover("credit returns as one is spent")

    async def run(self, items: list[int]) -> None:
        """Send items and compare what arrives."""
        self.source.queue.extend({"data": item} for item in items)
        await self.bench.until(lambda: len(self.sink.items) >= len(items))
        assert [item["data"] for item in self.sink.items] == delivered(items, WIDTH)
        if self.sink.waits:
            cover("receiver holds back")
        if DEPTH == 1:
            cover("queue of one")
        if DATA == 0:
            cover("no wire stage")


def willing() -> Stalls:
    """Return a side that never holds back."""
    return Stalls(0.0, random.Random(0))


def blocked(edges: int) -> Stalls:
    """Return a side that holds back for some cycles, then no more."""
    return Stalls("0" * edges + "1" * 400, random.Random(0))


def random_items(rng: random.Random, count: int) -> list[int]:
    """Return random words."""
    return [rng.getrandbits(WIDTH) for _ in range(count)]


@cocotb.test()
async def law(dut: Dut) -> None:
    """Every item is taken and offered exactly on the edges of the law."""
    for case in CONFIG.cases:
        harness = Harness(dut, willing(), willing())
        await harness.bench.reset()
        await harness.run(random_items(random.Random(7), case["items"]))
        edges = harness.source.edges
        accept = [cycles_credit_accept(DEPTH, DATA, CREDIT, q) for q in range(case["items"])]
        assert [edge - edges[0] for edge in edges] == accept
        latency = cycles_credit_latency(DATA)
        assert harness.sink.edges == [edge + latency for edge in edges]
        measure(case, cycles(P, case), harness.sink.edges[-1] - edges[0])
        sides = {True: "credits set the rate", False: "wire sets the rate"}
        cover("round trip equal to depth" if TRIP == DEPTH else sides[TRIP > DEPTH])
    check_laws()


@cocotb.test()
async def random_stalls(dut: Dut) -> None:
    """Random words under random bubbles and stalls, each side alone and both."""
    for seed in SEEDS:
        for number, profile in enumerate(PROFILES):
            rng = random.Random(f"{seed} {profile}")
            profiles = (profile, PROFILES[number - 1])
            if seed == SEEDS[0]:
                profiles = (profile, 0.0)
            elif seed == SEEDS[1]:
                profiles = (0.0, profile)
            harness = Harness(dut, *(Stalls(each, rng) for each in profiles))
            await harness.bench.reset()
            await harness.run(random_items(rng, 60))
            bubbles, waits = harness.source.bubbles > 0, harness.sink.waits > 0
            if bubbles or waits:
                names = {
                    (True, False): "sender bubbles alone",
                    (False, True): "receiver stalls alone",
                    (True, True): "bubbles and stalls",
                }
                cover(names[bubbles, waits])
    check_laws()


@cocotb.test()
async def blocked_receiver(dut: Dut) -> None:
    """Take nothing: the sender stops after `Depth` items, and none is lost."""
    harness = Harness(dut, willing(), blocked(3 * DEPTH + 20))
    await harness.bench.reset()
    items = random_items(random.Random(3), 3 * DEPTH)
    harness.source.queue.extend({"data": item} for item in items)
    await harness.bench.step(2 * DEPTH + 15)
    assert len(harness.source.edges) == DEPTH
    await harness.bench.until(lambda: len(harness.sink.items) == len(items))
    assert [item["data"] for item in harness.sink.items] == items
    check_laws()


@cocotb.test()
async def reset_midway(dut: Dut) -> None:
    """Reset empties wire and queue and brings every credit home."""
    for moment in ("with items on the wire", "with a full queue"):
        harness = Harness(dut, willing(), blocked(40))
        await harness.bench.reset()
        harness.source.queue.extend({"data": item} for item in random_items(random.Random(4), 20))
        if moment == "with a full queue":
            await harness.bench.step(DEPTH + DATA + 5)
        else:
            await harness.bench.until(partial(lambda h: len(h.source.edges) >= 1, harness))
        cover(f"reset {moment}")
        await harness.bench.reset()
        harness = Harness(dut, willing(), willing())
        await harness.bench.reset()
        await harness.run(random_items(random.Random(5), 2 * DEPTH))
    check_laws()
