"""The distances of a constraint table, looked up in the history of a trace of one channel.

Nothing here is shared with the controller. The controller keeps the first legal tick of every
command at every node; this keeps when commands were issued, and looks back.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archsim.dram.standard import Constraint, Standard

Fields = tuple[int, ...]
"""Address fields of a command below the channel; -1 stands for all."""

ALL = -1


class Bound(NamedTuple):
    """What one rule asks of a command: its first tick, and when the earlier one was taken in."""

    tick: int
    rule: int
    since: int


@dataclass(frozen=True, slots=True)
class _Rule:
    """A row of the constraint table, and at each node the last ticks of its earlier commands.

    A device takes a command in at the last tick that it spends on its bus: the distance counts
    from there to the same tick of the later command.
    """

    number: int
    level: int
    sibling: bool
    gap_ticks: int
    window: int
    history: dict[Fields, list[int]]

    def record(self, node: Fields, taken: int) -> None:
        """Note that a node took an earlier command in at a tick."""
        past = self.history.setdefault(node, [])
        insort(past, taken)
        del past[: -self.window]

    def bound(self, node: Fields, ticks: int) -> Bound | None:
        """Return what the rule asks of a later command of so many ticks at a node."""
        past = self.history.get(node)
        if past is None or len(past) < self.window:
            return None
        first = past[0] + self.gap_ticks - (ticks - 1)
        return Bound(first, self.number, past[0]) if first > past[0] else None


class Distances:
    """History of one channel.

    Parameters
    ----------
    standard
        Its constraint table is read; nothing of it is changed.
    """

    def __init__(self, standard: Standard) -> None:
        self._ticks = {command.name: command.ticks for command in standard.commands}
        self._sizes = tuple(level.size for level in standard.levels[1:])
        names = [command.name for command in standard.commands]
        self._before: dict[str, list[_Rule]] = {name: [] for name in names}
        self._after: dict[str, list[_Rule]] = {name: [] for name in names}
        for number, row in enumerate(standard.constraints):
            rule = _rule(number, row)
            for index in row.previous:
                self._before[names[index]].append(rule)
            for index in row.following:
                self._after[names[index]].append(rule)
        self._nodes = lru_cache(maxsize=4096)(self._expanded)

    def bounds(self, name: str, fields: Fields) -> Iterator[Bound]:
        """Yield what every rule asks of a command, the strictest node of each."""
        ticks = self._ticks[name]
        for rule in self._after[name]:
            found = [
                bound
                for node in self._places(rule, fields)
                if (bound := rule.bound(node, ticks)) is not None
            ]
            if found:
                yield max(found)

    def record(self, tick: int, name: str, fields: Fields) -> None:
        """Note that a command was issued."""
        for rule in self._before[name]:
            for node in self._nodes(fields[: rule.level]):
                rule.record(node, tick + self._ticks[name] - 1)

    def _places(self, rule: _Rule, fields: Fields) -> Iterator[Fields]:
        """Yield the nodes where earlier commands matter to a command."""
        for node in self._nodes(fields[: rule.level]):
            if not rule.sibling:
                yield node
                continue
            for other in range(self._sizes[rule.level - 1]):
                if other != node[-1]:
                    yield (*node[:-1], other)

    def _expanded(self, fields: Fields) -> tuple[Fields, ...]:
        """Return the nodes that fields with -1 in them stand for."""
        choices = [
            range(size) if value == ALL else (value,)
            for value, size in zip(fields, self._sizes, strict=False)
        ]
        return tuple(product(*choices))


def _rule(number: int, row: Constraint) -> _Rule:
    return _Rule(number, row.level, row.sibling, row.nominal_ticks, row.window, {})
