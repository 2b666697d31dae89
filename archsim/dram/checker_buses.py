"""Command slots, clock edges and data buses of one channel, watched by a checker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archsim.dram.checker_distances import ALL, Fields

if TYPE_CHECKING:
    from archsim.dram.standard import Command, Standard

FREE_EDGE = frozenset({"PREpb", "PREab"})
"""Row commands that may be sent at a falling edge where a clock has two ticks (JESD238)."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """The last command on a bus."""

    tick: int
    command: Command
    fields: Fields


@dataclass(slots=True)
class Buses:
    """Buses of one channel.

    Attributes
    ----------
    standard
        Says which bus a command takes and for how long, and when its data follow.
    """

    standard: Standard
    _last: dict[str, _Sent] = field(default_factory=dict)
    _data: dict[Fields, tuple[int, str]] = field(default_factory=dict)

    def earliest(self, command: Command) -> int:
        """Return the first tick at which the command's bus is free, on an edge it may use."""
        last = self._last.get(command.bus)
        first = 1 if last is None else last.tick + last.command.ticks
        return self.edge(command, first)

    def edge(self, command: Command, tick: int) -> int:
        """Return the first tick from `tick` on whose clock edge the command may use."""
        rising = self.standard.ticks_per_clock == 1 or tick % 2 == 1
        return tick if rising or command.name in FREE_EDGE else tick + 1

    def problems(self, tick: int, command: Command, fields: Fields) -> list[tuple[str, str]]:
        """Return (rule, what is wrong) of sending a command at a tick."""
        found = []
        last = self._last.get(command.bus)
        if last is not None and tick < last.tick + last.command.ticks:
            text = f"the {command.bus} bus is taken by {last.command.name} of tick {last.tick}"
            found.append(("command bus", text))
        if self.edge(command, tick) != tick:
            found.append(("clock edge", f"{command.name} is sent at a falling edge"))
        elif last is not None and self._shares_clock(tick, command, fields, last):
            text = f"{command.name} shares its clock with {last.command.name} of tick {last.tick}"
            found.append(("falling edge", text))
        if command.meaning.access:
            bus, begin, _ = self._burst(tick, command, fields)
            taken, name = self._data.get(bus, (0, ""))
            if begin < taken:
                text = f"data of {name} fill the bus up to tick {taken}, these begin at {begin}"
                found.append(("data overlap", text))
        return found

    def record(self, tick: int, command: Command, fields: Fields) -> None:
        """Note that a command was issued."""
        self._last[command.bus] = _Sent(tick, command, fields)
        if command.meaning.access:
            bus, _, end = self._burst(tick, command, fields)
            self._data[bus] = (end, command.name)

    def _burst(self, tick: int, command: Command, fields: Fields) -> tuple[Fields, int, int]:
        """Return data bus, first tick and end of a command's data."""
        standard = self.standard
        length = standard.burst_ticks
        if command.meaning.access == "read":
            begin = tick + standard.read_latency_ticks - length
        else:
            begin = tick + standard.write_latency_ticks
        return fields[: standard.data_bus_level], begin, begin + length

    def _shares_clock(self, tick: int, command: Command, fields: Fields, last: _Sent) -> bool:
        """Whether a precharge at a falling edge must not follow the command before it.

        Right after a row command of a rising edge, to the same pseudo channel, it may only be a
        precharge of one other bank, and not after a command for all banks (JESD238).
        """
        standard = self.standard
        if standard.ticks_per_clock == 1 or tick % 2 == 1:
            return False
        if last.tick + last.command.ticks != tick or last.fields[0] != fields[0]:
            return False
        bank = slice(0, standard.bank_level)
        whole = command.meaning.scope == "all" or last.command.meaning.scope == "all"
        return whole or ALL in last.fields[bank] or last.fields[bank] == fields[bank]
