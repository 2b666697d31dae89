"""How one operator is timed: captured calls between two events, replayed; power in a long loop.

Events resolve half a microsecond, so a single short call is never timed: a graph holds at least ten
calls, goes round all copies of its operands, and takes at least two milliseconds. Three replays
warm up, twenty count; median, 10th and 90th percentile of the time of a call are kept, and the
clock behind the last replay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archsim.measure.plan import Job

MIN_CALLS: Final = 10
MAX_CALLS: Final = 2000
MIN_SPAN_US: Final = 2000.0
WARM_UPS: Final = 3
REPLAYS: Final = 20
SETTLE_S: Final = 0.5
LOOP_S: Final = 1.0
L2_MULTIPLE: Final = 3
"""Copies of cold operands together are at least so many times the second-level cache."""


class UnsupportedError(Exception):
    """An operator that the library, or the card, does not have; the text says why."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a long loop drew.

    Attributes
    ----------
    power_w, clock_mhz
        Mean power of the board and mean clock of the multiprocessors.
    call_j
        Energy of one call; None where the board has no counter of energy.
    """

    power_w: float
    clock_mhz: float
    call_j: float | None = None


class Work(Protocol):
    """One operator made ready on a device."""

    ws_bytes: int
    """Bytes that its calls go through before a buffer is used again."""

    @property
    def copies(self) -> int:
        """Copies of its operands."""

    @property
    def kernel(self) -> str:
        """What runs."""

    def capture(self, calls: int) -> None:
        """Make a graph of so many calls, one after the other (of a host loop: remember them).

        Raises
        ------
        UnsupportedError
            It cannot run here after all.
        """

    def replay(self) -> float:
        """Run what was captured once; return the time between the events around it, µs."""

    def clock_mhz(self) -> float | None:
        """Return the clock of the multiprocessors now, if it can be read."""

    def draw(self, settle_s: float, span_s: float) -> Drawn | None:
        """Run it over and over; return what it draws, if that can be read.

        What is drawn while it settles does not count.
        """

    def close(self) -> None:
        """Give back its memory."""


class Device(Protocol):
    """A GPU on which operators are timed. It never changes a setting of the card."""

    gpu: str
    """Id, or the name that the driver gives."""
    library: str
    """Library and version, ``torch-2.8.0``."""
    driver: str
    """Version of the driver."""
    l2_bytes: int
    """Second-level cache."""

    def prepare(self, job: Job, cold_bytes: int) -> Work | str:
        """Make an operator ready, or say why it cannot run here.

        Parameters
        ----------
        job
            What to run.
        cold_bytes
            Bytes that copies of its operands must have together; 0 for one copy.
        """


@dataclass(frozen=True, slots=True)
class Timed:
    """What one operator took.

    Attributes
    ----------
    median_us, p10_us, p90_us
        Time of a call.
    power_w, call_j
        Board power in a long loop, and energy of a call; None where they were not measured.
    clock_mhz
        Clock behind the last replay, in a long loop where there was one; None if it cannot be read.
    ws_bytes, kernel
        As in :class:`Work`.
    """

    median_us: float
    p10_us: float
    p90_us: float
    power_w: float | None
    call_j: float | None
    clock_mhz: float | None
    ws_bytes: int
    kernel: str


def time_job(device: Device, job: Job) -> Timed | str:
    """Time one job; a text says why it cannot run."""
    from archsim.measure.plan import COLD

    work = device.prepare(job, L2_MULTIPLE * device.l2_bytes if job.state == COLD else 0)
    if isinstance(work, str):
        return work
    try:
        calls = _enough_calls(work)
        for _ in range(WARM_UPS):
            work.replay()
        samples = sorted(work.replay() / calls for _ in range(REPLAYS))
        clock_mhz = work.clock_mhz()
        drawn = work.draw(SETTLE_S, LOOP_S) if job.power else None
        return Timed(
            percentile(samples, 0.5),
            percentile(samples, 0.1),
            percentile(samples, 0.9),
            drawn.power_w if drawn is not None else None,
            drawn.call_j if drawn is not None else None,
            drawn.clock_mhz if drawn is not None else clock_mhz,
            work.ws_bytes,
            work.kernel,
        )
    except UnsupportedError as reason:
        return str(reason)
    finally:
        work.close()


def _enough_calls(work: Work) -> int:
    """Capture as many calls as make the span between events long enough; return their number.

    They go round all copies, or what is called cold would come from the cache.
    """
    least = max(MIN_CALLS, work.copies)
    work.capture(least)
    work.replay()
    each_us = max(work.replay() / least, 1e-3)
    calls = max(least, min(MAX_CALLS, math.ceil(MIN_SPAN_US / each_us)))
    if calls != least:
        work.capture(calls)
    return calls


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return a quantile of ordered samples, between neighbours in proportion."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
