"""The walk along the critical path of a run, in steps that decided a start."""

from __future__ import annotations

from typing import NamedTuple

from archsim.engine.layout import LOG_WIDTH
from archsim.engine.path import Again, Entry, Repeat, Step
from archsim.engine.timeline import Copied, Log

Copies = tuple[Copied, ...]

Crossing = tuple[int, int, int]
"""Summary of an activation, and operation and instance at which the walk came into it.

The summary is negative in a copy of the period of its own jump: there the walk is in a part of the
activation, and leaves it earlier.
"""


class _Open(NamedTuple):
    """An activation taken from a summary that the walk is in: how deep it lies, how it came in."""

    depth: int
    entered: Crossing
    first: int


def walk(log: Log, op: int, number: int) -> list[Entry]:
    """Walk from an instance back to time zero.

    Parameters
    ----------
    log : Log
        The log of the run.
    op, number : int
        Where to start.

    Returns
    -------
    list of Step, Repeat or Again
        The edges in the order met. Where the walk comes by the same record of a jump in an
        earlier copy, the edges between repeat: every copy is a translate of the recorded period.
        Where it comes into an activation that was taken from a summary as it came into another
        taken from the same, it crosses it in the same way, by the edges of then.
    """
    return _Walk(log).run(op, number)


class _Walk:
    """A walk under way: the entries, what was passed where, and the copies it is in."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.entries: list[Entry] = []
        self.visits: dict[tuple[object, ...], tuple[int, int]] = {}
        self.crossed: dict[Crossing, tuple[Again, int, int]] = {}
        self.open: list[_Open] = []
        self.copies: Copies = ()

    def run(self, op: int, number: int) -> list[Entry]:
        """Walk to the end."""
        rows = self.log.rows
        while True:
            place = self.log.place(op, number)
            self.leave(place.copies, op, number)
            depth, entered = self.enter(place.copies, op)
            if entered is None:
                copies = self.repeat(place.copies, place.row)
                self.copies = copies
                code, op, number = rows[place.row + 3 : place.row + LOG_WIDTH]
                if code == 0:
                    return self.entries
                self.entries.append(Step(code, op))
            else:
                copies = self.repeat(place.copies[:depth], entered)
                self.copies = copies[:-1]
                again, op, number = self.crossed[entered]
                self.entries.append(again)
            number += self.distance(copies, op)

    def distance(self, copies: Copies, op: int) -> int:
        """Return how far an instance of an operation is from the one that it is a copy of."""
        return sum(copied.copy * self.log.per_period(copied.jump, op) for copied in copies)

    def leave(self, copies: Copies, op: int, number: int) -> None:
        """Note for activations that the walk has left how it came through to an instance."""
        common = 0
        for old, new in zip(self.copies, copies, strict=False):
            if old[:2] != new[:2]:
                break
            common += 1
        while self.open and self.open[-1].depth > common:
            depth, entered, first = self.open.pop()
            again = Again(first, len(self.entries) - first)
            self.crossed[entered] = again, op, number - self.distance(self.copies[:depth], op)

    def enter(self, copies: Copies, op: int) -> tuple[int, Crossing | None]:
        """Open the activations that the walk came into, up to the first whose crossing is known."""
        known = self.open[-1].depth if self.open else 0
        for depth, copied in enumerate(copies[known:], known + 1):
            if copied.summary:
                in_part = depth > 1 and copies[depth - 2].jump % 2
                entered = -copied.summary if in_part else copied.summary, op, copied.number
                if entered in self.crossed:
                    return depth, entered
                self.open.append(_Open(depth, entered, len(self.entries)))
        return 0, None

    def repeat(self, copies: Copies, what: object) -> Copies:
        """Go back as many periods of the innermost jump as the walk repeats itself."""
        level = max((i for i, copied in enumerate(copies) if not copied.summary), default=-1)
        if level < 0:
            return copies
        copy = copies[level].copy
        others = tuple((*copied[:1], copied.copy * (i != level)) for i, copied in enumerate(copies))
        seen, entries = self.visits.get((what, others), (0, 0))
        if seen > copy and copy >= seen - copy:
            times, copy = divmod(copy, seen - copy)
            self.entries.append(Repeat(len(self.entries) - entries, times))
            left = (copies[level]._replace(copy=copy),) if copy else ()
            copies = copies[:level] + left + copies[level + 1 :]
            while self.open and self.open[-1].depth > level:
                self.open.pop()
        self.visits[what, others] = copy, len(self.entries)
        return copies
