"""An independent check of the commands of a memory that computes.

Distances, buses and refresh obligations are those of the DRAM checker, which shares no code with
any controller; what commands for many banks do to bank states is here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from archsim.dram.checker import Report
from archsim.dram.checker import check as check_trace
from archsim.dram.checker_distances import ALL, Fields
from archsim.dram.checker_refresh import RefreshCheck
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

    def problems(self, tick: int, command: Kind, fields: Fields) -> list[tuple[str, str]]:
        """Return (rule, what is wrong) of a command."""
        assert tick > 0
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

    def record(self, tick: int, command: Kind, fields: Fields) -> None:
        """Note that a command was issued."""
        assert tick > 0
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
    return check_trace(standard, commands, refresh=refresh, banks=Banks)
