"""The simulator side of every bench: clock edges, handshakes, stalls, monitors, coverage.

A bench moves edge by edge. On every rising edge all parts first sample what a flop would sample,
then drive what the next edge will see; nothing reads and writes in the same phase.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from cocotb.clock import Clock
from cocotb.handle import LogicArrayObject, LogicObject
from cocotb.triggers import RisingEdge

from rtl_ref.harness.blocks import Block, Config, load_block, single_case

Signal = LogicObject | LogicArrayObject
Dut: TypeAlias = Any
"""The top of the design; its signals are attributes that only the simulator knows."""

JOB: dict[str, Any] = json.loads(os.environ["ARCHSIM_RTL_JOB"])
BLOCK: Block = load_block(JOB["block"])
CONFIG: Config = single_case(BLOCK.configs[JOB["config"]], JOB["case"])

FIXED_SEEDS = (1, 2, 3)
SEEDS = (*FIXED_SEEDS, int(JOB["seed"]))
"""Seeds of the random tests: three that never change and a fresh one, named in failures."""

PROFILES: tuple[float | str, ...] = (0.0, 0.3, 0.7, "1110")
"""How often a side holds back: a chance per cycle, or a pattern of go (1) and stall (0)."""

LIMIT = 5_000
"""Edges after which a test that waits is stuck."""

_coverage: Counter[str] = Counter()
_measured: list[tuple[str, int, int]] = []
_samples: list[list[str]] = []
_ends: list[int] = []


def cover(*names: str) -> None:
    """Count hits of coverage bins; a name that the block does not list is an error."""
    for name in names:
        if name not in BLOCK.bins:
            raise KeyError(f"{BLOCK.name} lists no coverage bin {name!r}")
        _coverage[name] += 1


def measure(case: object, law: int, measured: int) -> None:
    """Note what a directed case took; see `check_laws`."""
    _measured.append((str(case), law, measured))
    _ends.append(len(_samples) - 1)


def write_report() -> None:
    """Write coverage, measurements and samples where the runner looks for them."""
    data = {
        "coverage": _coverage,
        "measured": _measured,
        "samples": _samples,
        "ends": _ends,
    }
    Path(JOB["report"]).write_text(json.dumps(data), encoding="utf-8")


def check_laws() -> None:
    """Demand that every measured case took exactly the cycles of its law."""
    write_report()
    wrong = [row for row in _measured if row[1] != row[2]]
    assert not wrong, f"cycles differ (case, law, measured): {wrong[:5]}"


class Stalls:
    """Decides cycle by cycle whether a side holds back."""

    def __init__(self, profile: float | str, rng: random.Random) -> None:
        self._profile = profile
        self._rng = rng
        self._turn = 0

    def stall(self) -> bool:
        """Return whether to hold back in the coming cycle."""
        if isinstance(self._profile, str):
            go = self._profile[self._turn % len(self._profile)] == "1"
            self._turn += 1
            return not go
        return self._profile > 0.0 and self._rng.random() < self._profile


NEVER = Stalls(0.0, random.Random(0))


class Part(Protocol):
    """Something that watches or drives signals at every edge."""

    def sample(self, edge: int) -> None:
        """Read outputs as they are on the rising edge."""

    def drive(self) -> None:
        """Write inputs for the next edge."""

    def clear(self) -> None:
        """Return to the state after reset."""


class Driver:
    """Writes a signal only when its value changes."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal
        self._value: int | None = None

    def write(self, value: int) -> None:
        """Set the signal."""
        if value != self._value:
            self._signal.value = value
            self._value = value


class Source:
    """Offers items on a valid/ready port, one at a time, and keeps each until it is taken.

    Parameters
    ----------
    valid, ready
        The handshake; `ready` None means that an offer is always taken.
    fields
        Data ports by the key they have in the items.
    stalls
        When to leave a bubble before the next item.
    """

    def __init__(
        self,
        valid: Signal,
        ready: Signal | None,
        fields: Mapping[str, Signal],
        stalls: Stalls = NEVER,
    ) -> None:
        self._valid = Driver(valid)
        self._ready = ready
        self._fields = {key: Driver(signal) for key, signal in fields.items()}
        self._stalls = stalls
        self.queue: deque[dict[str, int]] = deque()
        self.edges: list[int] = []
        self.offer_edges: list[int] = []
        self.taken: list[dict[str, int]] = []
        self._since = -1
        self.waits = 0
        self.bubbles = 0
        self.fired = False
        self.offered: dict[str, int] | None = None
        self.clear()

    @property
    def idle(self) -> bool:
        """Whether nothing is left to offer."""
        return not self.queue and self.offered is None

    def sample(self, edge: int) -> None:
        """Note whether the offer was taken."""
        self.fired = False
        if self.offered is None:
            return
        if self._since < 0:
            self._since = edge
        if self._ready is None or int(self._ready.value):
            self.fired = True
            self.edges.append(edge)
            self.offer_edges.append(self._since)
            self.taken.append(self.offered)
            self.offered = None
            self._since = -1
        else:
            self.waits += 1

    def drive(self) -> None:
        """Offer the next item unless it is time for a bubble."""
        if self.offered is None and self.queue:
            if self._stalls.stall():
                self.bubbles += 1
            else:
                self.offered = self.queue.popleft()
                for key, driver in self._fields.items():
                    driver.write(self.offered[key])
        self._valid.write(int(self.offered is not None))

    def clear(self) -> None:
        """Drop everything."""
        self.queue.clear()
        self.offered = None
        self._since = -1
        self.edges, self.offer_edges, self.taken = [], [], []
        self._valid.write(0)
        for driver in self._fields.values():
            driver.write(0)


class Sink:
    """Takes items from a valid/ready port and watches its protocol.

    Data must stay as it is while valid waits for ready, valid must not fall without a transfer,
    and everything read under valid must be free of X.
    """

    def __init__(
        self,
        valid: Signal,
        ready: Signal | None,
        fields: Mapping[str, Signal],
        stalls: Stalls = NEVER,
    ) -> None:
        self._valid = valid
        self._ready = None if ready is None else Driver(ready)
        self._fields = dict(fields)
        self._stalls = stalls
        self._go = True
        self._held: dict[str, int] | None = None
        self.items: list[dict[str, int]] = []
        self.edges: list[int] = []
        self.waits = 0
        self.fired = False
        self.clear()

    def sample(self, edge: int) -> None:
        """Take an item, or hold the port to its promise."""
        self.fired = False
        if not int(self._valid.value):
            assert self._held is None, "valid fell before the transfer"
            return
        item = {key: int(signal.value) for key, signal in self._fields.items()}
        assert self._held is None or item == self._held, "data changed while it waited"
        if self._go:
            self.fired = True
            self.items.append(item)
            self.edges.append(edge)
            self._held = None
        else:
            self.waits += 1
            self._held = item

    def drive(self) -> None:
        """Decide whether to take an item on the next edge."""
        if self._ready is not None:
            self._go = not self._stalls.stall()
            self._ready.write(int(self._go))

    def clear(self) -> None:
        """Forget what was taken."""
        self.items, self.edges = [], []
        self._held = None


class Watch:
    """Calls a function on every edge; for monitors and state coverage."""

    def __init__(self, function: Callable[[int], None]) -> None:
        self._function = function

    def sample(self, edge: int) -> None:
        """Call the function with the number of the edge."""
        self._function(edge)

    def drive(self) -> None:
        """Drive nothing."""

    def clear(self) -> None:
        """Keep no state."""


class Bench:
    """One test's clock, reset and parts."""

    def __init__(self, dut: Dut, *quiet: Signal) -> None:
        self.dut = dut
        self.edge = -1
        self.parts: list[Part] = []
        self._quiet = quiet
        Clock(dut.clk_i, 10, "ns").start()
        self._recorded: list[Signal] = [getattr(dut, name) for name in JOB["ports"]]

    def add(self, *parts: Part) -> None:
        """Let parts take part in every further edge."""
        self.parts.extend(parts)

    async def _rising_edge(self) -> None:
        await RisingEdge(self.dut.clk_i)
        if self._recorded:
            _samples.append([str(signal.value) for signal in self._recorded])

    async def reset(self) -> None:
        """Assert reset for three edges; release it right after an edge, as a flop would."""
        self.dut.rst_ni.value = 0
        for part in self.parts:
            part.clear()
        for _ in range(3):
            await self._rising_edge()
        self.dut.rst_ni.value = 1
        await self._rising_edge()
        for signal in self._quiet:
            assert int(signal.value) == 0, f"{signal._name} is not 0 after reset"
        for part in self.parts:
            part.drive()

    async def step(self, edges: int = 1) -> None:
        """Move on by whole edges."""
        for _ in range(edges):
            await self._rising_edge()
            self.edge += 1
            for part in self.parts:
                part.sample(self.edge)
            for part in self.parts:
                part.drive()

    async def until(self, done: Callable[[], bool], what: str = "the end") -> None:
        """Move on until `done` holds; a test that never gets there fails."""
        for _ in range(LIMIT):
            if done():
                return
            await self.step()
        raise AssertionError(f"stuck before {what} after {LIMIT} edges")
