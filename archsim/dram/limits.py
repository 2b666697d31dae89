"""Closed forms: what a memory can reach at best, to print beside what a run measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.dram.gaps import Gaps

if TYPE_CHECKING:
    from archsim.dram.standard import Standard

BATCH = 16
"""Reads, and writes, of one batch in the turnaround limit (a common drain length; a choice)."""

PATTERN_LIMITS: Mapping[str, tuple[str, ...]] = {
    "stream": ("stream", "refresh loss", "turnaround", "lookahead"),
    "stride": ("stream", "one bank group", "one bank", "refresh loss"),
    "random": ("random rows", "turnaround", "closed latency", "conflict latency"),
    "pingpong": ("one bank", "conflict latency"),
    "chunk": ("random rows", "stream", "refresh loss"),
    "copy": ("turnaround", "stream", "refresh loss"),
    "zipf": ("random rows", "stream", "closed latency"),
}
"""Limits worth showing beside each pattern."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One closed form.

    Attributes
    ----------
    name
        What it limits.
    value, unit
        The number: ``fraction`` of the peak, ``bursts``, or ``ns``.
    formula
        How it comes about, in the names of standards.
    """

    name: str
    value: float
    unit: str
    formula: str


def limits(standard: Standard, *, write: bool = False) -> tuple[Limit, ...]:
    """Return all limits of one data bus.

    Parameters
    ----------
    standard
        Whose timings.
    write
        For a stream of writes instead of reads.

    Notes
    -----
    ``stream`` is the share of the peak that row hits round all bank groups reach; ``refresh loss``
    what all-bank refresh takes of it; ``random rows`` the bound on accesses that each open a row.
    """
    return _Forms(standard, write).all()


def pattern_limits(standard: Standard, kind: str, *, write: bool = False) -> tuple[Limit, ...]:
    """Return the limits worth printing beside a run of a pattern."""
    wanted = PATTERN_LIMITS.get(kind, ("stream", "random rows"))
    return tuple(item for item in limits(standard, write=write) if item.name in wanted)


class _Forms:
    """The distances of a standard by what they are for, in ps."""

    def __init__(self, standard: Standard, write: bool) -> None:
        self.standard, self.gaps = standard, Gaps(standard)
        self.access = "WR" if write else "RD"
        self.above = self.gaps.above_group
        self.scope = standard.levels[standard.refresh.scope_level].name
        self.groups = self.gaps.num_groups
        self.burst_ps = self.gaps.clocks_ps(standard.burst_ticks)

    def all(self) -> tuple[Limit, ...]:
        gaps, access, name = self.gaps, self.access, self.gaps.activate
        between = gaps.between
        near_ps = between(access, access, self.above)
        same_ps = between(access, access, gaps.group_level)
        stream_ps = max(near_ps, same_ps / self.groups)
        open_ps = between(name, access, "bank")
        close_ps, reopen_ps = between(access, "PREpb", "bank"), between("PREpb", name, "bank")
        row_ps = max(
            between(name, name, "bank"),
            between(name, "PREpb", "bank") + reopen_ps,
            open_ps + close_ps + reopen_ps,
        )
        return (
            Limit(
                "stream", self.burst_ps / stream_ps, "fraction", "nBL / max(nCCD_S, nCCD_L/groups)"
            ),
            Limit("one bank group", self.burst_ps / same_ps, "fraction", "nBL / nCCD_L"),
            Limit(
                "one bank",
                self.burst_ps / row_ps,
                "fraction",
                "nBL / max(nRC, nRAS + nRP, nRCD + read or write to precharge + nRP)",
            ),
            self._random(),
            self._refresh(open_ps, near_ps),
            self._turnaround(near_ps),
            Limit(
                "lookahead",
                -(-(reopen_ps + open_ps) // stream_ps),
                "bursts",
                "(nRP + nRCD) / nCCD_S: to be seen ahead on a data bus so that row misses hide",
            ),
            *self._latencies(),
        )

    def _random(self) -> Limit:
        """Bound accesses that each open a row: distances of activations, and command slots."""
        gaps, name = self.gaps, self.gaps.activate
        window_ps = gaps.between(name, name, self.above, window=4)
        words = [name, "PREpb", *(["ACT2"] if self.standard.has("ACT2") else [])]
        row_ps, column_ps = self._slots_ps(*words), self._slots_ps(self.access)
        buses = {command.bus for command in self.standard.commands}
        slots_ps = max(row_ps, column_ps) if len(buses) > 1 else row_ps + column_ps
        period_ps = max(
            gaps.between(name, name, self.above),
            window_ps / 4,
            slots_ps * self.standard.num_data_buses,
            self.burst_ps,
        )
        return Limit(
            "random rows",
            self.burst_ps / period_ps,
            "fraction",
            "nBL / max(nRRD_S, nFAW/4, command slots of precharge, activation and access)",
        )

    def _slots_ps(self, *names: str) -> int:
        standard = self.standard
        ticks = sum(standard.commands[standard.command_id(name)].ticks for name in names)
        return standard.time_ps(ticks)

    def _refresh(self, open_ps: int, near_ps: int) -> Limit:
        gaps = self.gaps
        cost_ps = (
            gaps.between(self.access, "PREab", self.scope)
            + gaps.between("PREab", "REFab", self.scope)
            + gaps.between("REFab", gaps.activate, self.scope)
            + open_ps
            - near_ps
        )
        interval_ps = self.standard.time_ps(self.standard.refresh.interval_ticks)
        return Limit(
            "refresh loss",
            cost_ps / interval_ps,
            "fraction",
            "(access to precharge + nRP + nRFC + nRCD - nCCD_S) / nREFI, all-bank, row hits",
        )

    def _turnaround(self, near_ps: int) -> Limit:
        gaps = self.gaps
        there_ps = gaps.between("RD", "WR", self.above)
        back_ps = gaps.between("WR", "RD", self.above)
        period_ps = 2 * (BATCH - 1) * near_ps + there_ps + back_ps
        return Limit(
            "turnaround",
            2 * BATCH * self.burst_ps / period_ps,
            "fraction",
            f"batches of {BATCH} reads and {BATCH} writes: 2 x {BATCH} nBL / (both batches"
            " + read to write + write to read)",
        )

    def _latencies(self) -> tuple[Limit, Limit]:
        gaps, standard = self.gaps, self.standard
        ticks = standard.read_latency_ticks
        data_ps = gaps.between(gaps.activate, "RD", "bank") + gaps.clocks_ps(ticks)
        ahead_ps = gaps.between("PREpb", gaps.activate, "bank")
        accept_ps = standard.clock_ps
        closed_ps = data_ps + accept_ps
        return (
            Limit("closed latency", closed_ps / 1000, "ns", "1 clock to accept + nRCD + nCL + nBL"),
            Limit(
                "conflict latency",
                (closed_ps + ahead_ps) / 1000,
                "ns",
                "1 clock to accept + nRP + nRCD + nCL + nBL",
            ),
        )
