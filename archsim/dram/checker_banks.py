"""What state the banks of one channel are in, and what a command may not find there."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from archsim.dram.checker_distances import ALL, Fields

if TYPE_CHECKING:
    from archsim.dram.standard import Command, Standard


@dataclass(slots=True)
class Banks:
    """Banks of one channel: open rows, activations under way, and the write clock.

    Attributes
    ----------
    standard
        Levels and meanings of commands.
    """

    standard: Standard
    _open: dict[Fields, int] = field(default_factory=dict)
    _begun: dict[Fields, tuple[Fields, int, int]] = field(default_factory=dict)
    _clocked_until: dict[Fields, int] = field(default_factory=dict)
    _synced: dict[Fields, tuple[int, str]] = field(default_factory=dict)

    def problems(self, tick: int, command: Command, fields: Fields) -> list[tuple[str, str]]:
        """Return (rule, what is wrong) of a command at a tick."""
        standard, meaning = self.standard, command.meaning
        place = fields[: standard.bank_level]
        if len(place) < len(fields) and self._outside(command, fields):
            return [("address", f"fields {fields} do not suit {command.name}")]
        found = []
        if meaning.opens or command.name == "ACT1":
            if place in self._open:
                found.append(("bank state", f"row {self._open[place]} of the bank is open"))
            found += self._two_part(tick, command, fields)
        if meaning.access:
            row = self._open.get(place)
            if row is None:
                found.append(("bank state", "the bank is closed"))
            elif row != fields[standard.bank_level]:
                found.append(("bank state", f"row {row} of the bank is open"))
            found += self._write_clock(tick, command, fields)
        if meaning.refreshes:
            still = sorted(bank for bank in self._below(place) if bank in self._open)
            if still:
                text = f"{len(still)} of the banks to refresh have an open row, first {still[0]}"
                found.append(("bank state", text))
        return found

    def record(self, tick: int, command: Command, fields: Fields) -> None:
        """Note that a command was issued."""
        standard, meaning = self.standard, command.meaning
        place, scope = fields[: standard.bank_level], self._scope(fields)
        if command.name == "ACT1":
            self._begun[scope] = (place, fields[standard.bank_level], tick)
        elif meaning.opens:
            self._begun.pop(scope, None)
            self._open[place] = fields[standard.bank_level]
        elif meaning.closes:
            for bank in self._below(place):
                self._open.pop(bank, None)
        if command.name.startswith("CAS_"):
            self._synced[place] = (tick, command.name[-2:])
        if meaning.access and "nWCKPST" in standard.timings:
            end = tick + standard.read_latency_ticks
            if meaning.access == "write":
                end = tick + standard.write_latency_ticks + standard.burst_ticks
            self._clocked_until[scope] = end + standard.timings["nWCKPST"]

    def _scope(self, fields: Fields) -> Fields:
        return fields[: self.standard.refresh.scope_level]

    def _two_part(self, tick: int, command: Command, fields: Fields) -> list[tuple[str, str]]:
        """Check an activation in two parts: the second soon after the first, nothing between."""
        begun = self._begun.get(self._scope(fields))
        if command.name == "ACT1":
            return [("activation", f"that of tick {begun[2]} is not complete")] if begun else []
        if command.name != "ACT2":
            return []
        place, row = fields[: self.standard.bank_level], fields[self.standard.bank_level]
        if begun is None or begun[:2] != (place, row):
            return [("activation", "ACT2 without its ACT1")]
        limit = self.standard.timings["nAAD"]
        if tick - begun[2] > limit:
            return [("activation", f"ACT2 comes {tick - begun[2]} ticks after ACT1, over {limit}")]
        return []

    def _write_clock(self, tick: int, command: Command, fields: Fields) -> list[tuple[str, str]]:
        """Check that the write clock runs, or was started for this access one tick ago."""
        if "nWCKPST" not in self.standard.timings:
            return []
        if tick <= self._clocked_until.get(self._scope(fields), 0):
            return []
        place = fields[: self.standard.bank_level]
        word = "RD" if command.meaning.access == "read" else "WR"
        if self._synced.get(place) == (tick - 1, word):
            return []
        return [("write clock", f"it has stopped, and no CAS_{word} came one tick before")]

    def _below(self, place: Fields) -> list[Fields]:
        """Return the banks that fields with -1 in them stand for."""
        sizes = [level.size for level in self.standard.levels[1 : len(place) + 1]]
        choices = [
            range(size) if value == ALL else (value,)
            for value, size in zip(place, sizes, strict=True)
        ]
        return list(product(*choices))

    def _outside(self, command: Command, fields: Fields) -> bool:
        """Whether a field lies outside its level, or says all where a command needs one."""
        levels = self.standard.levels[1:]
        if any(value >= level.size for value, level in zip(fields, levels, strict=True)):
            return True
        needed = self.standard.bank_level
        if command.meaning.scope == "all":
            needed = self.standard.refresh.scope_level
        elif command.meaning.opens or command.meaning.access or command.name == "ACT1":
            needed = len(levels) if command.meaning.access else self.standard.bank_level + 1
        return ALL in fields[:needed]
