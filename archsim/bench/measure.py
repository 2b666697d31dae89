"""Measuring: best of several runs in CPU seconds, and a loop that says how fast the core is."""

from __future__ import annotations

import time
from collections.abc import Callable

REPEATS = 5
"""Runs of which the best counts; other work on the machine only ever makes a run slower."""

CALIBRATION_STEPS = 400_000
"""Length of the calibration loop: about 20 ms (measured), long against the clock's resolution."""

CALIBRATION = "calibration_loop"
"""Name of the metric that other metrics are compared with."""


def best_cpu_s(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the least CPU time that a piece of work took, in s.

    Parameters
    ----------
    work : callable
        What to time.
    repeats : int
        How often.
    """
    best = float("inf")
    for _ in range(repeats):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return max(best, 1e-9)


def _calibration_loop() -> int:
    total = 0
    for step in range(CALIBRATION_STEPS):
        total += step & 7
    return total


def calibration_per_s(repeats: int = REPEATS) -> float:
    """Return the steps per CPU second of a fixed plain-Python loop.

    Speeds divided by it can be compared between machines, and between busy and quiet hours.
    """
    return CALIBRATION_STEPS / best_cpu_s(_calibration_loop, repeats)


def metric(
    name: str, value: float, unit: str, calibration: float | None = None
) -> dict[str, object]:
    """Return one metric in the shape that every bench prints.

    Parameters
    ----------
    name, unit : str
        What was measured and in which unit.
    value : float
        The measurement.
    calibration : float, optional
        Score of the calibration loop; then ``ratio_to`` holds value over score.
    """
    ratio = None if calibration is None else {CALIBRATION: value / calibration}
    return {"name": name, "value": value, "unit": unit, "ratio_to": ratio}
