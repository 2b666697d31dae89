"""How many bytes of tiles a memory level holds, at any time of a run, without expanding it.

Operations say in their tags which tiles they open and give up (`archsim.program.residents`). A
tile takes its room from the start of the operation that opens it (the transfer that brings an
operand, the first computation on a result) to the end of the one that gives it up (the last step
that reads the operand, the transfer that takes the result away). Tiles of one stream leave in the
order in which they came, so that the bytes at a time are counts of instances, found by search.
What a step makes and uses up itself, and tensors that stay in a level between operators, are not
part of it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archsim.engine.windows import started_before, starts_in
from archsim.errors import SimulationError
from archsim.program.residents import read_fills, read_frees

if TYPE_CHECKING:
    from archsim.engine import Timing


@dataclass(slots=True)
class _Stream:
    """Operations that open tiles of one stream, with their bytes, and that give them up."""

    fills: dict[int, int] = field(default_factory=dict)
    frees: list[int] = field(default_factory=list)
    fills_every: int = 1
    frees_every: int = 1


class ResidentTiles:
    """The tiles in each memory level over one run.

    Parameters
    ----------
    timing : Timing
        A run that kept its log.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._streams: dict[str, list[_Stream]] = {}
        program = timing.program
        found: dict[tuple[str, str, str], _Stream] = {}
        for op, tags in enumerate(program.tags):
            part = program.ops[op].rpartition("/")[0]
            for fill in read_fills(tags):
                stream = found.setdefault((fill.level, part, fill.stream), _Stream())
                stream.fills[op] = fill.num_bytes
                stream.fills_every = fill.every
            for free in read_frees(tags):
                stream = found.setdefault((free.level, part, free.stream), _Stream())
                stream.frees.append(op)
                stream.frees_every = free.every
        for (level, _, _), stream in found.items():
            self._streams.setdefault(level, []).append(stream)

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels that hold tiles."""
        return tuple(sorted(self._streams))

    def bytes_at(self, level: str, time_ps: int) -> int:
        """Return the bytes of tiles in a level at a time; those that leave then are gone."""
        return sum(sum(self._live(item, time_ps)) for item in self._streams.get(level, ()))

    def changes(self, level: str, begin_ps: int, end_ps: int) -> list[tuple[int, int]]:
        """Return (time, bytes from then on) at the begin of a window and at each change in it.

        Its length is at most that of the operations of the window: choose the window accordingly.
        """
        steps: dict[int, int] = {}
        total = 0
        for stream in self._streams.get(level, ()):
            live = deque(self._live(stream, begin_ps))
            total += sum(live)
            for time_ps, is_opened, num_bytes in self._events(stream, begin_ps, end_ps):
                change = num_bytes
                if is_opened:
                    live.append(num_bytes)
                else:
                    change = -live.popleft() if live else 0
                steps[time_ps] = steps.get(time_ps, 0) + change
        found = [(begin_ps, total)]
        for time_ps, change in sorted(steps.items()):
            total += change
            if change:
                found.append((time_ps, total))
        return found

    def _ended_by(self, op: int, time_ps: int) -> int:
        return started_before(self._timing, op, time_ps - self._timing.program.end_ps(op) + 1)

    def _started_by(self, ops: dict[int, int], time_ps: int) -> int:
        return sum(started_before(self._timing, op, time_ps + 1) for op in ops)

    def _live(self, stream: _Stream, time_ps: int) -> list[int]:
        """Return the bytes of each tile of a stream at a time, the oldest first."""
        opened = -(-self._started_by(stream.fills, time_ps) // stream.fills_every)
        ends = sum(self._ended_by(op, time_ps) for op in stream.frees)
        gone = min(ends // stream.frees_every, opened)
        if len(set(stream.fills.values())) == 1:
            return [next(iter(stream.fills.values()))] * (opened - gone)
        return [self._tile(stream, number, time_ps) for number in range(gone, opened)]

    def _tile(self, stream: _Stream, number: int, until_ps: int) -> int:
        """Return the bytes of a tile that was opened by some time."""
        wanted = number * stream.fills_every
        low, high = 0, until_ps
        while low < high:
            middle = (low + high) // 2
            if self._started_by(stream.fills, middle) > wanted:
                high = middle
            else:
                low = middle + 1
        for op, num_bytes in stream.fills.items():
            if started_before(self._timing, op, low + 1) > started_before(self._timing, op, low):
                return num_bytes
        raise SimulationError(f"no operation opened tile {number} of a stream by {until_ps} ps")

    def _events(self, stream: _Stream, begin_ps: int, end_ps: int) -> list[tuple[int, bool, int]]:
        """Return (time, whether a tile is opened, its bytes) after begin and before end.

        At the same time tiles leave before others enter: a buffer is used again at once.
        """
        starts = sorted(
            (start, num_bytes)
            for op, num_bytes in stream.fills.items()
            for start in starts_in(self._timing, op, begin_ps + 1, end_ps)
        )
        before = self._started_by(stream.fills, begin_ps)
        events = [
            (start, True, num_bytes)
            for number, (start, num_bytes) in enumerate(starts, before)
            if number % stream.fills_every == 0
        ]
        ends: list[int] = []
        for op in stream.frees:
            span_ps = self._timing.program.end_ps(op)
            inside = starts_in(self._timing, op, begin_ps + 1 - span_ps, end_ps - span_ps)
            ends += [start + span_ps for start in inside]
        before = sum(self._ended_by(op, begin_ps) for op in stream.frees)
        events += [
            (end, False, 0)
            for number, end in enumerate(sorted(ends), before + 1)
            if number % stream.frees_every == 0
        ]
        return sorted(events)
