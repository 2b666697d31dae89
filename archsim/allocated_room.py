"""How much of each memory level a run has set aside, at any time, without expanding it.

While a fragment runs, a level holds the room that its mapper allocated for tiles (its footprint)
and what the residency keeps there between operators. Both are known before the run; the run says
when each fragment begins and ends, by its markers. What is set aside is at least what tiles take
(`archsim.resident_tiles`), and at most the capacity of the level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from archsim.engine.windows import started_before, starts_in

if TYPE_CHECKING:
    from archsim.engine import Timing
    from archsim.machine import Machine
    from archsim.mapped_model import MappedPass, MappedStage


class _Stage(NamedTuple):
    """Markers of a stage, and bytes by level for each of its fragments."""

    begin: int
    ends: tuple[int, ...]
    rooms: tuple[dict[str, int], ...]


class AllocatedRoom:
    """Bytes that are set aside in each level over one pass.

    Parameters
    ----------
    machine : Machine
        Where it ran.
    mapped : MappedPass
        What ran.
    timing : Timing
        Its timing, with the log.
    """

    def __init__(self, machine: Machine, mapped: MappedPass, timing: Timing) -> None:
        self._timing = timing
        known = timing.program.op_ids
        self._stages: list[_Stage] = []
        for stage in mapped.stages:
            ends = [f"{stage.name}/{item.cascade.name}/end" for item in stage.fragments]
            names = [f"{stage.name}/begin", *ends]
            if stage.repeat and all(name in known for name in names):
                begin, *numbers = (known[name] for name in names)
                rooms = _rooms(machine, mapped, stage)
                self._stages.append(_Stage(begin, tuple(numbers), rooms))

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels in which something is set aside."""
        found = {level for stage in self._stages for room in stage.rooms for level in room}
        return tuple(sorted(found))

    def bytes_at(self, level: str, time_ps: int) -> int:
        """Return the bytes that are set aside in a level at a time; 0 where nothing runs."""
        for stage in self._stages:
            begun = started_before(self._timing, stage.begin, time_ps + 1)
            for end, room in zip(stage.ends, stage.rooms, strict=True):
                if started_before(self._timing, end, time_ps + 1) < begun:
                    return room.get(level, 0)
        return 0

    def changes(self, level: str, begin_ps: int, end_ps: int) -> list[tuple[int, int]]:
        """Return (time, bytes from then on) at the begin of a window and at each change in it."""
        markers = [op for stage in self._stages for op in (stage.begin, *stage.ends)]
        times = {
            time_ps
            for op in markers
            for time_ps in starts_in(self._timing, op, begin_ps + 1, end_ps)
        }
        found = [(begin_ps, self.bytes_at(level, begin_ps))]
        for time_ps in sorted(times):
            value = self.bytes_at(level, time_ps)
            if value != found[-1][1]:
                found.append((time_ps, value))
        return found


def _rooms(machine: Machine, mapped: MappedPass, stage: MappedStage) -> tuple[dict[str, int], ...]:
    available = mapped.residency.stages[stage.name].available_bytes
    kept: dict[str, int] = {}
    for level in machine.levels[1:]:
        capacity, left = machine.capacity_bytes(level), available.get(level)
        if capacity is not None and left is not None and capacity > left:
            kept[level] = capacity - left
    rooms = []
    for piece in stage.pieces:
        room = dict(kept)
        for level, num_bytes in piece.mapping.footprints.items():
            room[level] = room.get(level, 0) + num_bytes
        rooms.append(room)
    return tuple(rooms)
