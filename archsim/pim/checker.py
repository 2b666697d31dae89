"""An independent check of the commands of a memory that computes.

Distances, buses and refresh obligations are those of the DRAM checker, which shares no code with
any controller; what commands for many banks do to bank states is here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from archsim.dram.checker import Report, Violation
from archsim.dram.checker_buses import Buses
from archsim.dram.checker_distances import ALL, Distances, Fields
from archsim.dram.checker_refresh import Obligations, RefreshCheck
from archsim.pim.vocabulary import ROW_USERS

if TYPE_CHECKING:
    from archsim.dram.standard import Command as Kind
    from archsim.dram.standard import Standard
    from archsim.dram.traces import Command


@dataclass(slots=True)
class Banks:
    """Open rows of one channel under commands for one bank or many.

    Attributes
    ----------
    standard
        Levels and meanings of commands.
    """

    standard: Standard
    _open: dict[Fields, int] = field(default_factory=dict)

    def problems(self, command: Kind, fields: Fields) -> list[tuple[str, str]]:
        """Return (rule, what is wrong) of a command."""
        meaning = command.meaning
        level = self.standard.bank_level
        if meaning.opens:
            still = [bank for bank in self._below(fields) if bank in self._open]
            if still:
                return [("bank state", f"{len(still)} banks are open, first {still[0]}")]
        elif command.name in ROW_USERS or meaning.access:
            row = fields[level]
            wrong = [bank for bank in self._below(fields) if self._open.get(bank) != row]
            if wrong:
                where = f"first {wrong[0]}: row {self._open.get(wrong[0])}"
                return [("bank state", f"row {row} is not open in {len(wrong)} banks, {where}")]
        elif meaning.refreshes:
            still = [bank for bank in self._below(fields) if bank in self._open]
            if still:
                return [("bank state", f"{len(still)} of the banks to refresh are open")]
        return []

    def record(self, command: Kind, fields: Fields) -> None:
        """Note that a command was issued."""
        for bank in self._below(fields) if command.meaning.opens or command.meaning.closes else ():
            if command.meaning.opens:
                self._open[bank] = fields[self.standard.bank_level]
            else:
                self._open.pop(bank, None)

    def _below(self, fields: Fields) -> list[Fields]:
        place = fields[: self.standard.bank_level]
        sizes = [level.size for level in self.standard.levels[1 : len(place) + 1]]
        choices = [
            range(size) if value == ALL else (value,)
            for value, size in zip(place, sizes, strict=True)
        ]
        return list(product(*choices))


class _Channel:
    """What one channel is held to."""

    def __init__(self, standard: Standard, refresh: RefreshCheck) -> None:
        self._standard = standard
        self._kinds = {command.name: command for command in standard.commands}
        self._distances = Distances(standard)
        self._buses = Buses(standard)
        self._banks = Banks(standard)
        self._refresh = Obligations(standard, refresh)

    def take(self, item: Command, report: Report) -> list[tuple[str, str]]:
        """Check a command and note it."""
        kind = self._kinds[item.name]
        found = []
        for bound in self._distances.bounds(item.name, item.fields):
            report.comparisons[bound.rule] = report.comparisons.get(bound.rule, 0) + 1
            if bound.tick == item.clock:
                report.tight[bound.rule] = report.tight.get(bound.rule, 0) + 1
            if item.clock < bound.tick:
                rule = self._standard.constraints[bound.rule].rule
                found.append((rule, f"legal from tick {bound.tick} on"))
        found += self._buses.problems(item.clock, kind, item.fields)
        found += self._banks.problems(kind, item.fields)
        self._distances.record(item.clock, item.name, item.fields)
        self._buses.record(item.clock, kind, item.fields)
        self._banks.record(kind, item.fields)
        found += [debt[1:] for debt in self._refresh.record(item.clock, kind, item.fields)]
        return found

    def close(self, tick: int) -> list[tuple[str, str]]:
        """Return what is owed at the end."""
        return [debt[1:] for debt in self._refresh.close(tick)]


def check(
    standard: Standard, commands: Iterable[Command], *, refresh: RefreshCheck = "all-bank"
) -> Report:
    """Check a command trace of any number of channels.

    Parameters
    ----------
    standard
        What is kept to.
    commands
        In order; the channels may be interleaved.
    refresh
        Which refresh obligation to hold the trace to.
    """
    report = Report()
    channels: dict[int, _Channel] = {}
    last: dict[int, int] = {}
    for number, item in enumerate(commands, start=1):
        if item.channel not in channels:
            channels[item.channel] = _Channel(standard, refresh)
        found = channels[item.channel].take(item, report)
        report.violations += [Violation(number, item, *problem) for problem in found]
        report.num_commands = number
        last[item.channel] = item.clock
    for channel, checker in channels.items():
        report.violations += [
            Violation(report.num_commands + 1, None, *problem)
            for problem in checker.close(last[channel])
        ]
    return report
