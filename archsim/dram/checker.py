"""An independent check of a command trace: distances, buses, bank states, refresh.

It is written from the constraint table and the meanings of commands alone and shares no code with
the controller, which it checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from archsim.dram.checker_banks import Banks
from archsim.dram.checker_buses import Buses
from archsim.dram.checker_distances import Bound, Distances
from archsim.dram.checker_refresh import Obligations, RefreshCheck

if TYPE_CHECKING:
    from archsim.dram.checker_distances import Fields
    from archsim.dram.standard import Command as Kind
    from archsim.dram.standard import Standard
    from archsim.dram.traces import Command


class BankStates(Protocol):
    """Open rows of a channel."""

    def problems(self, tick: int, command: Kind, fields: Fields) -> list[tuple[str, str]]:
        """Return (rule, what is wrong) of a command."""
        ...

    def record(self, tick: int, command: Kind, fields: Fields) -> None:
        """Note that a command was issued."""
        ...


class Violation(NamedTuple):
    """A command that breaks a rule.

    Attributes
    ----------
    number
        Which command of the trace, from 1; one more than their number for what is owed at its end.
    command
        The command; None at the end of the trace.
    rule
        Name of the rule.
    text
        What is wrong.
    """

    number: int
    command: Command | None
    rule: str
    text: str


@dataclass(slots=True)
class Report:
    """What a check found.

    Attributes
    ----------
    num_commands
        Commands looked at.
    violations
        Every breach of a rule, in order.
    comparisons
        How often each row of the constraint table applied.
    tight
        How often it was met to the tick (or to the first clock edge after it), by row.
    earliest
        First tick at which each command was legal by distances, buses and edges.
    """

    num_commands: int = 0
    violations: list[Violation] = field(default_factory=list)
    comparisons: dict[int, int] = field(default_factory=dict)
    tight: dict[int, int] = field(default_factory=dict)
    earliest: list[int] = field(default_factory=list)


class ChannelChecker:
    """Checks the commands of one channel as they come.

    Parameters
    ----------
    standard
        What is kept to.
    refresh
        Which refresh obligation holds.
    banks
        Makes what keeps the states of banks.
    """

    def __init__(
        self,
        standard: Standard,
        refresh: RefreshCheck = "none",
        banks: Callable[[Standard], BankStates] = Banks,
    ) -> None:
        self.standard = standard
        self._commands = {command.name: command for command in standard.commands}
        self._distances = Distances(standard)
        self._buses = Buses(standard)
        self._banks = banks(standard)
        self._refresh = Obligations(standard, refresh)

    def bounds(self, name: str, fields: tuple[int, ...]) -> list[Bound]:
        """Return what every row of the constraint table asks of a command now."""
        return list(self._distances.bounds(name, fields))

    def aligned(self, name: str, tick: int) -> int:
        """Return the first tick from `tick` on whose clock edge a command may use."""
        return self._buses.edge(self._commands[name], tick)

    def earliest(
        self,
        name: str,
        fields: tuple[int, ...],
        bounds: Sequence[Bound] | None = None,
        *,
        start: int = 1,
    ) -> int:
        """Return the first tick from `start` on that distances, buses and edges allow a command."""
        command = self._commands[name]
        asked = self.bounds(name, fields) if bounds is None else bounds
        first = max((bound.tick for bound in asked), default=start)
        first = max(first, start)
        tick = self.aligned(name, max(first, self._buses.earliest(command)))
        while self._buses.problems(tick, command, fields):
            tick = self.aligned(name, tick + 1)
        return tick

    def problems(self, item: Command, bounds: Sequence[Bound]) -> list[tuple[str, str]]:
        """Return (rule, what is wrong) of a command at its tick, given what rows ask of it."""
        command = self._commands[item.name]
        found = [
            (
                self.standard.constraints[bound.rule].rule,
                f"legal from tick {bound.tick} on, after a command of tick {bound.since}",
            )
            for bound in bounds
            if item.clock < bound.tick
        ]
        found += self._buses.problems(item.clock, command, item.fields)
        return found + self._banks.problems(item.clock, command, item.fields)

    def record(self, item: Command) -> list[tuple[str, str]]:
        """Take a command in; return what is wrong with it as a refresh."""
        command = self._commands[item.name]
        self._distances.record(item.clock, item.name, item.fields)
        self._buses.record(item.clock, command, item.fields)
        self._banks.record(item.clock, command, item.fields)
        return [debt[1:] for debt in self._refresh.record(item.clock, command, item.fields)]

    def close(self, tick: int) -> list[tuple[str, str]]:
        """Return (rule, what is wrong) of what is owed at the end of the trace."""
        return [debt[1:] for debt in self._refresh.close(tick)]


def check(
    standard: Standard,
    commands: Iterable[Command],
    *,
    refresh: RefreshCheck = "none",
    banks: Callable[[Standard], BankStates] = Banks,
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
    banks
        Makes what keeps the states of a channel's banks.

    Notes
    -----
    A command counts as issued at its tick even if it breaks a rule, so that one command too early
    does not accuse those behind it.
    """
    report = Report()
    channels: dict[int, ChannelChecker] = {}
    last: dict[int, int] = {}
    for number, item in enumerate(commands, start=1):
        if item.channel not in channels:
            channels[item.channel] = ChannelChecker(standard, refresh, banks)
        checker = channels[item.channel]
        bounds = checker.bounds(item.name, item.fields)
        for bound in bounds:
            report.comparisons[bound.rule] = report.comparisons.get(bound.rule, 0) + 1
            if checker.aligned(item.name, bound.tick) == item.clock:
                report.tight[bound.rule] = report.tight.get(bound.rule, 0) + 1
        report.earliest.append(checker.earliest(item.name, item.fields, bounds))
        found = checker.problems(item, bounds)
        found += checker.record(item)
        report.violations += [Violation(number, item, *problem) for problem in found]
        report.num_commands = number
        last[item.channel] = item.clock
    for channel, checker in channels.items():
        report.violations += [
            Violation(report.num_commands + 1, None, *problem)
            for problem in checker.close(last[channel])
        ]
    return report
