"""An in-order pattern through the max-plus engine, beside the event-driven controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.dram.limits import pattern_limits
from archsim.dram.patterns import Pattern, parse_patterns
from archsim.dram.streams import (
    Direction,
    RowStream,
    finer,
    plan_refresh,
    stream_program,
    whole_rows,
)
from archsim.engine import run_program
from archsim.errors import ConfigError
from archsim.units import PS_PER_S

if TYPE_CHECKING:
    from archsim.dram.memory import Memory

MAX_COMPARED = 200_000
"""Longest pattern that is also run through the controller, which takes time for each request."""

ADDRESS_MAP = "bank-group-interleave"
"""Address map in which streams are described."""

ROW_BY_ROW = 1
"""Bursts of a row in a pattern that opens a row for each."""


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """What a stream took, and what the controller takes for the same requests.

    Attributes
    ----------
    requests
        Bursts over all channels.
    ticks
        Tick of the last event as the controller counts it: data read, or write command issued.
    event_ticks
        The same in the controller; None if it was not run.
    time_s, achieved_bytes_per_s, peak_bytes_per_s
        Time, and bandwidth of all channels.
    refreshes
        All-bank refreshes of each scope.
    causes
        What the time went into, as fractions of it.
    operations, simulated
        Commands of a channel, and how many of them the engine had to simulate.
    limits
        Closed forms: name, value, unit, formula.
    """

    requests: int
    ticks: int
    event_ticks: int | None
    time_s: float
    achieved_bytes_per_s: float
    peak_bytes_per_s: float
    refreshes: int
    causes: dict[str, float]
    operations: int
    simulated: int
    limits: tuple[tuple[str, float, str, str], ...]

    def to_json_object(self) -> dict[str, object]:
        """Return the record as a JSON object."""
        names = ("name", "value", "unit", "formula")
        return {
            "requests": self.requests,
            "ticks": self.ticks,
            "event_ticks": self.event_ticks,
            "difference": None if not self.event_ticks else self.ticks / self.event_ticks - 1,
            "latency_s": self.time_s,
            "achieved_bytes_per_s": self.achieved_bytes_per_s,
            "peak_bytes_per_s": self.peak_bytes_per_s,
            "refreshes": self.refreshes,
            "critical_path": dict(self.causes),
            "operations": self.operations,
            "simulated": self.simulated,
            "limits": [dict(zip(names, item, strict=True)) for item in self.limits],
        }


def run_stream(memory: Memory, text: str) -> StreamRecord:
    """Time a pattern as a program; up to `MAX_COMPARED` requests through the controller too.

    Parameters
    ----------
    memory
        Devices, channels and controller; its refreshes are all-bank or none.
    text
        ``stream``, ``stride:step=column`` or ``stride:step=row``, reading or writing throughout.

    Raises
    ------
    ConfigError
        The pattern is none of these, the memory refreshes single banks, or it has another address
        map than the bank-group interleave.
    """
    pattern = _in_order(text)
    if memory.controller.refresh == "per-bank":
        raise ConfigError(
            "streams are refreshed all banks at once, or not at all",
            path="hardware.controller.refresh",
            given="per-bank",
            allowed=["all-bank", "none"],
        )
    if memory.controller.address_map != ADDRESS_MAP or memory.controller.address_xor:
        raise ConfigError(
            "streams go round bank groups burst by burst",
            path="hardware.controller.address_map",
            given=memory.controller.address_map,
            allowed=f"{ADDRESS_MAP} without address_xor",
        )
    stream = _row_stream(memory, pattern)
    standard = memory.standard
    plan = None
    if memory.controller.refresh == "all-bank":
        stream = finer(standard, stream)
        plan = plan_refresh(standard, stream)
    timing = run_program(stream_program(standard, stream, plan))
    program = timing.program
    bursts = [op for op, cause in enumerate(program.causes) if cause == "bandwidth"]
    last_ps = max(timing.last_starts_ps[op] for op in bursts)
    end_ps = max(timing.last_starts_ps[op] + program.latencies_ps[op] for op in bursts)
    counted_ps = end_ps if stream.direction == "read" else last_ps
    causes: dict[str, int] = {}
    for part in timing.attribution:
        causes[part.cause] = causes.get(part.cause, 0) + part.ps
    event_ticks = None
    if pattern.num_requests <= MAX_COMPARED:
        event_ticks = memory.run(memory.requests_of_pattern(text)).ticks
    moved = pattern.num_requests * standard.burst_bytes
    return StreamRecord(
        requests=pattern.num_requests,
        ticks=counted_ps * standard.ticks_per_clock // standard.clock_ps + 1,
        event_ticks=event_ticks,
        time_s=end_ps / PS_PER_S,
        achieved_bytes_per_s=moved * PS_PER_S / end_ps,
        peak_bytes_per_s=memory.peak_bytes_per_s,
        refreshes=0 if plan is None else plan.count,
        causes={name: ps / timing.makespan_ps for name, ps in sorted(causes.items()) if ps},
        operations=sum(timing.instance_counts),
        simulated=timing.simulated,
        limits=tuple(
            (item.name, item.value, item.unit, item.formula)
            for item in pattern_limits(standard, pattern.kind, write=stream.direction == "write")
        ),
    )


def _in_order(text: str) -> Pattern:
    patterns = parse_patterns(text)
    pattern = patterns[0]
    steps = pattern.step in ("row", "column")
    plain = pattern.kind == "stream" or (pattern.kind == "stride" and steps)
    whole = pattern.write_percent in (0, 100) and not pattern.gap_ticks and not pattern.window
    if len(patterns) > 1 or not plain or not whole:
        raise ConfigError(
            "this path takes one pattern in order, all reads or all writes",
            path="--pattern",
            given=text,
            allowed=[
                "stream",
                "stride:step=column",
                "stride:step=row",
                "each with n and write=100",
            ],
        )
    return pattern


def _row_stream(memory: Memory, pattern: Pattern) -> RowStream:
    """Return what each data bus sees; strides keep to one bus of one channel."""
    direction: Direction = "write" if pattern.write_percent else "read"
    if pattern.kind == "stream":
        each = -(-pattern.num_requests // memory.channels)
        return whole_rows(memory.standard, direction, each)
    sizes = {level.name: level.size for level in memory.standard.levels}
    if pattern.step == "row":
        return RowStream(direction, pattern.num_requests, ROW_BY_ROW, 1, 1)
    return RowStream(direction, pattern.num_requests, sizes["column"], 1, sizes["bank"])
