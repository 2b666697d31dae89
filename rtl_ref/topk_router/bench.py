"""cocotb bench of the top-k router."""

from __future__ import annotations

import random
from functools import partial

import cocotb
import numpy as np
from numpy.typing import NDArray

from archsim.components.router_laws import cycles_router_token
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
from rtl_ref.harness.packing import unpack
from rtl_ref.topk_router.golden import CapacityModel, top_k
from rtl_ref.topk_router.program import cycles

P = CONFIG.parameters
EXPERTS, TOP, WIDTH, CAPACITY = P["NumExperts"], P["TopK"], P["DataWidth"], P["Capacity"]
INDEX = max(1, (EXPERTS - 1).bit_length())
LOW, HIGH = -(1 << (WIDTH - 1)), (1 << (WIDTH - 1)) - 1

Token = tuple[NDArray[np.int64], bool]


class Harness:
    """The router between a source of logits and a sink of choices."""

    def __init__(self, dut: Dut, bubbles: Stalls, stalls: Stalls) -> None:
        self.dut = dut
        self.bench = Bench(dut, dut.out_valid_o)
        fields = {"logit": dut.logit_i, "clear": dut.in_clear_i}
        self.source = Source(dut.in_valid_i, dut.in_ready_o, fields, bubbles)
        outputs = {"expert": dut.expert_o, "logit": dut.logit_o, "drop": dut.drop_o}
        self.sink = Sink(dut.out_valid_o, dut.out_ready_i, outputs, stalls)
        self.bench.add(self.source, self.sink, Watch(self.watch))

    def watch(self, edge: int) -> None:
        """Hold the input to its promise: it stalls only on a last logit with a result waiting."""
        position = (len(self.source.edges) - self.source.fired) % EXPERTS
        waiting = int(self.dut.out_valid_o.value) and not self.sink.fired
        ready = int(self.dut.in_ready_o.value)
        blocked = position == EXPERTS - 1 and waiting
        assert ready == (not blocked), f"edge {edge}: ready {ready} at logit {position}"
        if self.source.offered is not None and blocked:
            cover("input stalls on the last logit")
        if self.source.fired and waiting:
            cover("result waits while logits enter")
        if self.source.fired and position == EXPERTS - 1 and self.sink.fired:
            cover("result taken as the next is written")

    async def run(self, tokens: list[Token]) -> None:
        """Route tokens and compare every choice."""
        model = CapacityModel(CAPACITY)
        expected = []
        for logits, clear in tokens:
            if clear:
                model.counts.clear()
                cover("capacity cleared")
            experts = top_k(logits, TOP)
            dropped = model.admit(experts)
            cover_token(logits, experts, dropped)
            expected.append((experts, logits[experts].tolist(), [int(drop) for drop in dropped]))
            for expert, logit in enumerate(logits.tolist()):
                word = logit & ((1 << WIDTH) - 1)
                self.source.queue.append({"logit": word, "clear": int(clear and expert == 0)})
        await self.bench.until(lambda: len(self.sink.items) >= len(tokens))
        for item, want in zip(self.sink.items, expected, strict=True):
            got = (
                unpack(item["expert"], INDEX, TOP, signed=False),
                unpack(item["logit"], WIDTH, TOP),
                unpack(item["drop"], 1, TOP, signed=False),
            )
            assert got == want


def cover_token(logits: NDArray[np.int64], experts: list[int], dropped: list[bool]) -> None:
    """Count ties, orders and drops."""
    best, worst = logits[experts[0]], logits[experts[-1]]
    cover("tie for rank 1" if (logits == best).sum() > 1 else "no tie for rank 1")
    tied = (logits == worst).sum() > (logits[experts] == worst).sum()
    cover("tie for rank k" if tied else "no tie for rank k")
    steps = np.diff(logits)
    if not steps.any():
        cover("all logits equal")
    if (steps > 0).all():
        cover("logits rise")
    if (steps < 0).all():
        cover("logits fall")
    if LOW in logits[experts]:
        cover("most negative logit chosen")
    if CAPACITY:
        kinds = {0: "no choice dropped", TOP: "all choices dropped"}
        cover(kinds.get(sum(dropped), "some choices dropped"))


def random_tokens(rng: random.Random, count: int) -> list[Token]:
    """Return tokens of random logits, half of them with many ties."""
    tokens = []
    for _ in range(count):
        values = range(LOW, HIGH + 1) if rng.random() < 0.5 else (LOW, HIGH, 0, 1)
        logits = np.array([rng.choice(values) for _ in range(EXPERTS)], dtype=np.int64)
        tokens.append((logits, rng.random() < 0.1))
    return tokens


def willing() -> Stalls:
    """Return a side that never holds back."""
    return Stalls(0.0, random.Random(0))


@cocotb.test()
async def law(dut: Dut) -> None:
    """Every directed case takes exactly the cycles of the law, token by token."""
    for case in CONFIG.cases:
        harness = Harness(dut, willing(), willing())
        await harness.bench.reset()
        await harness.run(random_tokens(random.Random(7), case["tokens"]))
        first = harness.source.edges[0]
        token = cycles_router_token(EXPERTS)
        results = [first + (number + 1) * token for number in range(case["tokens"])]
        assert harness.sink.edges == results
        measure(case, cycles(P, case), harness.sink.edges[-1] - first)
    check_laws()


@cocotb.test()
async def random_stalls(dut: Dut) -> None:
    """Random tokens under random bubbles and output stalls, each side alone and both."""
    slow = "1" + "0" * (2 * EXPERTS)
    for seed in SEEDS:
        for number, profile in enumerate((*PROFILES, slow)):
            rng = random.Random(f"{seed} {profile}")
            profiles = (PROFILES[(number + 1) % len(PROFILES)], profile)
            if seed == SEEDS[0]:
                profiles = (profile if profile != slow else 0.3, 0.0)
            elif seed == SEEDS[1]:
                profiles = (0.0, profile)
            harness = Harness(dut, *(Stalls(each, rng) for each in profiles))
            await harness.bench.reset()
            await harness.run(random_tokens(rng, max(4, 80 // EXPERTS)))
            bubbles, waits = harness.source.bubbles > 0, harness.sink.waits > 0
            if bubbles or waits:
                names = {
                    (True, False): "bubbles alone",
                    (False, True): "output stalls alone",
                    (True, True): "bubbles and output stalls",
                }
                cover(names[bubbles, waits])
    check_laws()


@cocotb.test()
async def extremes(dut: Dut) -> None:
    """Route rising, falling, equal and extreme logits."""
    harness = Harness(dut, willing(), willing())
    await harness.bench.reset()
    rise = np.linspace(LOW, HIGH, EXPERTS).astype(np.int64)
    rows = [rise, rise[::-1], *(np.full(EXPERTS, value) for value in (LOW, 0, HIGH))]
    await harness.run([(row.astype(np.int64), False) for row in rows])
    check_laws()


@cocotb.test()
async def reset_midway(dut: Dut) -> None:
    """Reset drops a token half seen, a waiting result and the counts of every expert."""
    rng = random.Random(11)
    for moment in ("in a token", "with a result waiting"):
        harness = Harness(dut, willing(), Stalls("0" * (4 * EXPERTS), rng))
        await harness.bench.reset()
        for logit in range(EXPERTS + EXPERTS // 2):
            harness.source.queue.append({"logit": logit & HIGH, "clear": 0})
        if moment == "in a token":
            await harness.bench.until(partial(lambda h: len(h.source.edges) >= 1, harness))
        else:
            await harness.bench.until(partial(lambda h: h.sink.waits >= 1, harness))
        cover(f"reset {moment}")
        harness = Harness(dut, willing(), willing())
        await harness.bench.reset()
        await harness.run(random_tokens(rng, 3))
    check_laws()
