"""Bench of the memory controller: requests per CPU second, and streams folded beside them."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final

from archsim.bench.measure import REPEATS, best_cpu_s, calibration_per_s, metric
from archsim.dram.memory import Memory, load_memory
from archsim.dram.patterns import Requests
from archsim.dram.streams import plan_refresh, time_stream, whole_rows

MEMORIES: Final = ("ddr4-3200", "ddr5-4800", "lpddr5-6400", "gddr6-14000", "hbm2-2000", "hbm3-6400")
PATTERNS: Final = {
    "stream": "stream:n={n}",
    "random": "random:n={n}",
    "random_half_writes": "random:n={n},write=50",
    "stream_third_writes": "stream:n={n},write=33",
}
NUM_REQUESTS: Final = 200_000
FOLDED_BURSTS: Final = 10_000_000
"""Bursts of the folded stream; folding makes its cost independent of them."""

PROBE: Final = ("ddr4-3200", "stream:n=2000,write=33,seed=12", "b122f27d63d0e7bc")
"""A memory, a pattern, and the first 16 hex digits of the SHA-256 of its commands in Ramulator 2.1
(commit c5b1c3a, recorded)."""


def run(num_requests: int = NUM_REQUESTS, repeats: int = REPEATS) -> dict[str, object]:
    """Measure simulated requests per CPU second, by memory and pattern, and folded streams.

    Parameters
    ----------
    num_requests : int
        Requests of each run.
    repeats : int
        Runs of which the best counts.
    """
    calibration = calibration_per_s(repeats)
    metrics: list[dict[str, object]] = []
    for name in MEMORIES:
        memory = load_memory(name)
        memory.run(memory.requests_of_pattern("stream:n=100"))
        for label, pattern in PATTERNS.items():
            requests = memory.requests_of_pattern(pattern.format(n=num_requests))
            seconds = best_cpu_s(partial(memory.run, requests), repeats)
            speed = num_requests / seconds
            metrics.append(metric(f"{name}_{label}", speed, "requests/s", calibration))
        metrics += _folded(memory, repeats, calibration)
    return {"bench": "dram", "metrics": metrics, "exact": _is_exact()}


def _folded(memory: Memory, repeats: int, calibration: float) -> list[dict[str, object]]:
    """Measure a refreshed read stream through the max-plus engine."""
    standard = memory.standard
    stream = whole_rows(standard, "read", FOLDED_BURSTS)

    def time_it() -> None:
        time_stream(standard, stream, plan_refresh(standard, stream))

    seconds = best_cpu_s(time_it, repeats)
    speed = FOLDED_BURSTS / seconds
    return [metric(f"{standard.name}_stream_folded", speed, "requests/s", calibration)]


def _is_exact() -> bool:
    """Whether the commands of a recorded run come out, and do so with and without a log."""
    name, pattern, digest = PROBE
    memory = load_memory(name)
    requests: Requests = memory.requests_of_pattern(pattern)
    logged = memory.run(requests, log_commands=True)
    assert logged.commands is not None
    text = logged.commands.lines(memory.standard)
    same = hashlib.sha256(text.encode()).hexdigest().startswith(digest)
    return same and memory.run(requests).ticks == logged.ticks
