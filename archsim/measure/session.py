"""A session of measurements: blocks of jobs between two timings of one shape that must not move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archsim.errors import NotRunError
from archsim.measure.plan import SENTINEL, Job
from archsim.measure.table import append, done, row_of
from archsim.measure.timing import time_job

if TYPE_CHECKING:
    from archsim.measure.timing import Device

BLOCK: Final = 50
MAX_DRIFT: Final = 0.03
"""Change of the sentinel's time over a block from which the block is thrown away."""


@dataclass
class Report:
    """What a session did.

    Attributes
    ----------
    measured, known, dropped
        Rows written, jobs that the table held before, and jobs of blocks that drifted.
    skipped
        Jobs that cannot run on the device, by reason.
    """

    measured: int = 0
    known: int = 0
    dropped: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def measure(
    device: Device,
    jobs: Sequence[Job],
    path: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Measure jobs that a table does not hold yet, and append them block by block.

    A block whose sentinel drifts is not written: the next session measures it again.

    Raises
    ------
    NotRunError
        The sentinel itself cannot run on the device.
    ConfigError
        The table cannot be read or written.
    """
    before = done(path)
    open_jobs = [job for job in jobs if job.key not in before]
    report = Report(known=len(jobs) - len(open_jobs))
    for start in range(0, len(open_jobs), BLOCK):
        block = open_jobs[start : start + BLOCK]
        first_us = _sentinel_us(device)
        rows = []
        for job in block:
            timed = time_job(device, job)
            if isinstance(timed, str):
                report.skipped[timed] += 1
                continue
            rows.append(row_of(job, timed, device))
        if abs(_sentinel_us(device) / first_us - 1) > MAX_DRIFT:
            report.dropped += len(rows)
        else:
            append(path, rows)
            report.measured += len(rows)
        if progress is not None:
            progress(min(start + BLOCK, len(open_jobs)), len(open_jobs))
    return report


def _sentinel_us(device: Device) -> float:
    timed = time_job(device, SENTINEL)
    if isinstance(timed, str):
        raise NotRunError(f"{device.gpu} cannot run the sentinel ({SENTINEL.key}): {timed}")
    return timed.median_us
