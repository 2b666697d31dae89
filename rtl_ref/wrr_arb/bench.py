"""cocotb bench of the weighted round-robin arbiter."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

import cocotb

from archsim.components.arbiter_laws import cycles_wrr_grant, cycles_wrr_worst_wait, wrr_grants
from rtl_ref.harness.bench import (
    CONFIG,
    PROFILES,
    SEEDS,
    Bench,
    Driver,
    Dut,
    Stalls,
    check_laws,
    cover,
    measure,
)
from rtl_ref.harness.packing import pack
from rtl_ref.wrr_arb.golden import Arbiter
from rtl_ref.wrr_arb.program import backlog, cycles, grants, simulate_requests

N, WIDTH = CONFIG.parameters["N"], CONFIG.parameters["WeightWidth"]
MOST = (1 << WIDTH) - 1


class Requesters:
    """Drives requests that stay until they are served, and judges every grant."""

    def __init__(self, dut: Dut, weights: Sequence[int], ready: Stalls) -> None:
        self.dut = dut
        self.weights = weights
        self.model = Arbiter(weights)
        self.ready_stalls = ready
        self.ready = False
        self.left = [0] * N
        self.order: list[int] = []
        self.edges: list[int] = []
        self.now = -1
        self.arrivals: list[list[int]] = [[] for _ in range(N)]
        self.ready_edges = ""
        self.waits = [0] * N
        self.drivers = (Driver(dut.req_i), Driver(dut.weight_i), Driver(dut.ready_i))
        self.clear()

    def sample(self, edge: int) -> None:
        """Compare the grant with the model and serve the winner."""
        self.now = edge
        self.ready_edges += "1" if self.ready else "0"
        requests = [count > 0 for count in self.left]
        grant, valid = int(self.dut.gnt_o.value), int(self.dut.valid_o.value)
        expected = self.model.choose(requests)
        assert valid == any(requests)
        assert grant == (0 if expected is None else 1 << expected), f"edge {edge}: grant {grant:b}"
        cover_requests(requests)
        if expected is not None:
            self.cover_turn(expected)
        self.model.finish(expected, ready=self.ready)
        if expected is None or not self.ready:
            return
        self.order.append(expected)
        self.edges.append(edge)
        self.left[expected] -= 1
        for index in range(N):
            self.waits[index] = self.waits[index] + 1 if requests[index] else 0
        self.waits[expected] -= 1
        worst = cycles_wrr_worst_wait(self.weights, expected)
        assert self.waits[expected] <= worst, f"{expected} waited for {self.waits[expected]}"
        if N > 1 and self.waits[expected] == worst:
            cover("longest wait reached")
        self.waits[expected] = 0

    def cover_turn(self, winner: int) -> None:
        """Count what this cycle does to the quotas."""
        model = self.model
        if not self.ready:
            cover("grant waits")
            return
        if winner != model.pointer and model.used:
            cover("quota forfeited")
        used = model.used + 1 if winner == model.pointer else 1
        if used >= model.weights[winner]:
            cover("quota used up")
            if winner == N - 1:
                cover("pointer wraps")
        if model.weights[winner] == 1:
            cover("weight one")
        if model.weights[winner] == MOST:
            cover("greatest weight")

    def want(self, more: Sequence[int]) -> None:
        """Add to the backlog; what arrives while a grant waits must not move it."""
        if self.model.held is not None and any(
            new and not old for new, old in zip(more, self.left, strict=True)
        ):
            cover("request arrives while a grant waits")
        self.left = [old + new for old, new in zip(self.left, more, strict=True)]
        for times, new in zip(self.arrivals, more, strict=True):
            times.extend([self.now + 1] * new)
        self.drivers[0].write(pack([count > 0 for count in self.left], 1))

    def drive(self) -> None:
        """Write requests, weights and ready."""
        self.ready = not self.ready_stalls.stall()
        request, weight, ready = self.drivers
        request.write(pack([count > 0 for count in self.left], 1))
        weight.write(pack(self.weights, WIDTH))
        ready.write(int(self.ready))

    def clear(self) -> None:
        """Drop the backlog."""
        self.left, self.waits = [0] * N, [0] * N
        self.arrivals = [[] for _ in range(N)]
        self.model = Arbiter(self.weights)
        for driver in self.drivers:
            driver.write(0)

    def check_events(self) -> None:
        """Demand that the event kernel, told what was wanted when, found every transfer."""
        timing = simulate_requests(self.weights, self.arrivals, self.ready_edges + "1")
        assert grants(timing) == list(zip(self.order, self.edges, strict=True))


def cover_requests(requests: list[bool]) -> None:
    """Count how many request."""
    if not any(requests):
        cover("nobody requests")
    elif all(requests):
        cover("all request")
    elif sum(requests) == 1:
        cover("one requests")


async def start(dut: Dut, weights: Sequence[int], ready: Stalls) -> tuple[Bench, Requesters]:
    """Return a bench after reset."""
    bench = Bench(dut)
    requesters = Requesters(dut, weights, ready)
    bench.add(requesters)
    await bench.reset()
    return bench, requesters


@cocotb.test()
async def law(dut: Dut) -> None:
    """Every directed case takes exactly the cycles of the law, every transfer on its cycle."""
    for case in CONFIG.cases:
        weights = case["weights"]
        bench, requesters = await start(dut, weights, Stalls(0.0, random.Random(0)))
        wanted = backlog(CONFIG.parameters, case)
        requesters.want(wanted)
        await bench.until(partial(lambda r: not any(r.left), requesters))
        first, last = requesters.edges[0], requesters.edges[-1]
        assert requesters.order == wrr_grants(weights, wanted)
        requesters.check_events()
        if "rounds" in case:
            seen = [0] * N
            for edge, index in zip(requesters.edges, requesters.order, strict=True):
                assert edge - first == cycles_wrr_grant(weights, index, seen[index])
                seen[index] += 1
        measure(case, cycles(CONFIG.parameters, case), last - first + 1)
        await bench.step(2)
    check_laws()


@cocotb.test()
async def random_stalls(dut: Dut) -> None:
    """Random requests, weights and ready against the model, one-hot and held while waiting."""
    for seed in SEEDS:
        for profile in PROFILES:
            rng = random.Random(f"{seed} {profile}")
            weights = [rng.choice((1, MOST, rng.randint(1, MOST))) for _ in range(N)]
            bench, requesters = await start(dut, weights, Stalls(profile, rng))
            for _ in range(250):
                chance = rng.choice((0.05, 0.2, 0.6))
                requesters.want([int(rng.random() < chance) for _ in range(N)])
                await bench.step()
            await bench.until(partial(lambda r: not any(r.left), requesters))
            requesters.check_events()
    check_laws()


@cocotb.test()
async def reset_midway(dut: Dut) -> None:
    """Reset in a turn starts again with index 0 and full quotas."""
    weights = [MOST] * N
    bench, requesters = await start(dut, weights, Stalls(0.0, random.Random(0)))
    requesters.want([MOST] * N)
    await bench.step(MOST // 2 + 2)
    cover("reset in a turn")
    await bench.reset()
    requesters.order.clear()
    requesters.want([MOST] * N)
    await bench.until(lambda: not any(requesters.left))
    assert requesters.order == wrr_grants(weights, [MOST] * N)
    check_laws()


@cocotb.test()
async def handover(dut: Dut) -> None:
    """Stop after one transfer: the turn goes to the next requester."""
    if N == 1:
        check_laws()
        return
    weights = [MOST] * N
    bench, requesters = await start(dut, weights, Stalls(0.0, random.Random(0)))
    requesters.want([1] + [0] * (N - 2) + [3])
    await bench.until(lambda: not any(requesters.left))
    assert requesters.order == [0] + [N - 1] * 3
    requesters.want([1] + [0] * (N - 1))
    await bench.until(lambda: not any(requesters.left))
    assert requesters.order[-1] == 0
    check_laws()
