"""The log of a run: simulated instances and jumps, with access to every instance."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from archsim.engine.layout import ADVANCE, COPIES, JUMP_WIDTH, LOG_WIDTH


class Copied(NamedTuple):
    """What an instance was copied by, and as which copy: copy t is t periods after the recorded.

    ``number`` is the instance that it is a copy of. A reference to an earlier activation of a loop
    has one copy and names the ``summary`` of that activation, a jump has 0.
    """

    jump: int
    copy: int
    number: int
    summary: int


class Place(NamedTuple):
    """Where an instance is recorded: a row of the log, and what copied it, outermost first.

    An instance that was simulated itself was copied by nothing.
    """

    row: int
    copies: tuple[Copied, ...]


@dataclass(slots=True)
class _Jumps:
    """What was copied of one operation, in order: instances ``first:last`` are copies.

    ``summary`` is 0 for a jump and names the activation that a reference copies.
    """

    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    base: list[int] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    jump: list[int] = field(default_factory=list)
    summary: list[int] = field(default_factory=list)


class _Index:
    """Rows, instance numbers and jumps by operation, and how each jump moves number and time."""

    def __init__(self, num_ops: int) -> None:
        self.of_op: list[array[int]] = [array("q") for _ in range(num_ops)]
        self.numbers: list[array[int]] = [array("q") for _ in range(num_ops)]
        self.jumps = [_Jumps() for _ in range(num_ops)]
        self.period: dict[tuple[int, int], tuple[int, int]] = {}


class Log:
    """Every simulated instance and every jump of a run.

    Parameters
    ----------
    num_ops : int
        Operations of the program.
    rows : sequence of int
        Rows of operation, instance, start in ps, code of what decided it, source operation and
        source instance, in order of execution. Codes: 0 time zero, 1 + c constraint c,
        -1 - 2 h release of hold h, -2 - 2 h issue order on hold h.
    num_rows : int
        Rows in use.
    jumps : sequence of int
        Rows of jump, operation, first instance of the recorded period, instances per period,
        advance in ps per period, number of copies (-n for a reference to the activation of
        summary n, copied once), first copy, and by how much a copy moves instance numbers of the
        operation as a source.
    num_jumps : int
        Rows in use.
    """

    def __init__(
        self,
        num_ops: int,
        rows: Sequence[int],
        num_rows: int,
        jumps: Sequence[int],
        num_jumps: int,
    ) -> None:
        self.num_ops = num_ops
        self.rows = rows
        self.num_rows = num_rows
        self.jump_rows = jumps
        self.num_jump_rows = num_jumps

    @cached_property
    def _index(self) -> _Index:
        """Where each operation is recorded; long runs that nobody looks into do without."""
        index = _Index(self.num_ops)
        rows, jumps = self.rows, self.jump_rows
        for row in range(0, self.num_rows * LOG_WIDTH, LOG_WIDTH):
            op = rows[row]
            index.of_op[op].append(row)
            index.numbers[op].append(rows[row + 1])
        for row in range(0, self.num_jump_rows * JUMP_WIDTH, JUMP_WIDTH):
            jump, op, base, count, advance, copies, first, step = jumps[row : row + JUMP_WIDTH]
            index.period[jump, op] = (step, advance)
            if not count:
                continue
            kept = index.jumps[op]
            kept.first.append(first)
            kept.last.append(first + count * max(copies, 1))
            kept.base.append(base)
            kept.count.append(count)
            kept.jump.append(jump)
            kept.summary.append(max(-copies, 0))
        return index

    def place(self, op: int, number: int) -> Place:
        """Return where instance ``number`` of operation ``op`` is recorded."""
        jumps = self._index.jumps[op]
        copies: list[Copied] = []
        while True:
            i = bisect_right(jumps.first, number) - 1
            if i < 0 or number >= jumps.last[i]:
                break
            copy, rest = divmod(number - jumps.first[i], jumps.count[i])
            number = jumps.base[i] + rest
            copied = Copied(jumps.jump[i], copy + 1, number, jumps.summary[i])
            copies.append(copied)
        position = bisect_left(self._index.numbers[op], number)
        return Place(self._index.of_op[op][position], tuple(copies))

    def start_ps(self, op: int, number: int) -> int:
        """Return the start of an instance in ps."""
        place = self.place(op, number)
        start = self.rows[place.row + 2]
        for jump, copy, _, _ in place.copies:
            start += copy * self._index.period[jump, op][1]
        return start

    def starts_ps(self, op: int) -> list[int]:
        """Return the start of every instance of an operation in ps, all copies spelled out."""
        jumps = self._index.jumps[op]
        starts: list[int] = []
        done = 0
        for row, number in zip(self._index.of_op[op], self._index.numbers[op], strict=True):
            while len(starts) < number:
                self._copy(op, jumps, done, starts)
                done += 1
            starts.append(self.rows[row + 2])
        for rest in range(done, len(jumps.jump)):
            self._copy(op, jumps, rest, starts)
        return starts

    def _copy(self, op: int, jumps: _Jumps, which: int, starts: list[int]) -> None:
        base, count = jumps.base[which], jumps.count[which]
        advance = self._index.period[jumps.jump[which], op][1]
        period = starts[base : base + count]
        for copy in range(1, (jumps.last[which] - jumps.first[which]) // count + 1):
            starts += [start + copy * advance for start in period]

    def simulated(self) -> Iterator[tuple[int, int, int]]:
        """Yield operation, instance and start in ps of everything that was simulated."""
        for op, rows in enumerate(self._index.of_op):
            for row in rows:
                yield op, self.rows[row + 1], self.rows[row + 2]

    def jumped(self) -> Iterator[tuple[int, int, range]]:
        """Yield jump, operation and instances of all that was copied."""
        for op, jumps in enumerate(self._index.jumps):
            for jump, first, last in zip(jumps.jump, jumps.first, jumps.last, strict=True):
                yield jump, op, range(first, last)

    def jump_edges(self, op: int) -> list[int]:
        """Return the first and last instance of each jump of an operation, and their neighbours."""
        jumps = self._index.jumps[op]
        edges = [*jumps.first, *jumps.last]
        return sorted({max(edge + step, 0) for edge in edges for step in (-1, 0)})

    def binding(self, op: int, number: int) -> tuple[int, int, int]:
        """Return what decided an instance: code, source operation and source instance."""
        return self.binding_at(self.place(op, number))

    def binding_at(self, place: Place) -> tuple[int, int, int]:
        """Return what decided the instance at a place: code, source operation and instance."""
        code, source, index = self.rows[place.row + 3 : place.row + 6]
        for jump, copy, _, _ in place.copies:
            index += copy * self.per_period(jump, source)
        return code, source, index

    def periods(self) -> dict[int, dict[int, int]]:
        """Return the advance in ps per period of each operation that runs in it, by jump."""
        found: dict[int, dict[int, int]] = {}
        for row in range(0, self.num_jump_rows * JUMP_WIDTH, JUMP_WIDTH):
            if self.jump_rows[row + COPIES] > 0:
                jump, op = self.jump_rows[row : row + 2]
                found.setdefault(jump, {})[op] = self.jump_rows[row + ADVANCE]
        return found

    def per_period(self, jump: int, op: int) -> int:
        """Return by how much a copy of a jump moves the instance numbers of an operation."""
        known = self._index.period.get((jump, op))
        return known[0] if known else 0
