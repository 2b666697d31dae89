"""Whether every part of a channel was refreshed as often as its standard asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple

from archsim.dram.checker_distances import Fields

if TYPE_CHECKING:
    from archsim.dram.standard import Command, Standard

RefreshCheck = Literal["none", "all-bank", "per-bank"]
"""Which obligation to hold a trace to."""


class Debt(NamedTuple):
    """A breach: the tick, the rule, and what is wrong."""

    tick: int
    rule: str
    text: str


@dataclass(slots=True)
class Obligations:
    """Refreshes of one channel, counted by scope.

    The k-th refresh of a scope is due at k intervals. It may come late by the refreshes that the
    standard lets a controller owe and one interval to get round to it, and early by those that may
    be done ahead.

    Attributes
    ----------
    standard
        Intervals, and how many refreshes may be owed or done ahead.
    kind
        Which obligation holds.
    """

    standard: Standard
    kind: RefreshCheck
    _done: dict[Fields, int] = field(default_factory=dict)
    _round: dict[Fields, set[Fields]] = field(default_factory=dict)

    @property
    def _interval(self) -> int:
        refresh = self.standard.refresh
        if self.kind == "per-bank" and refresh.per_bank_interval_ticks is not None:
            return refresh.per_bank_interval_ticks
        return refresh.interval_ticks

    def _slack(self, count: int) -> int:
        """Return ticks for a number of all-bank refreshes."""
        return count * self.standard.refresh.interval_ticks

    def record(self, tick: int, command: Command, fields: Fields) -> list[Debt]:
        """Note a refresh; return what is wrong with it."""
        wanted = {"all-bank": "REFab", "per-bank": "REFpb"}.get(self.kind)
        if command.name != wanted:
            return []
        refresh = self.standard.refresh
        found = []
        scope = fields[: refresh.scope_level]
        count = self._done.get(scope, 0) + 1
        self._done[scope] = count
        due = count * self._interval
        if tick > due + self._slack(refresh.max_postponed + 1):
            found.append(Debt(tick, "refresh", f"number {count} of {scope} was due at tick {due}"))
        if tick < due - self._slack(refresh.max_pulled_in):
            found.append(Debt(tick, "refresh", f"number {count} of {scope} is due only at {due}"))
        if command.name == "REFpb":
            found += self._in_turn(tick, scope, fields)
        return found

    def close(self, tick: int) -> list[Debt]:
        """Return what is still owed when the trace ends."""
        if self.kind == "none":
            return []
        refresh = self.standard.refresh
        sizes = [level.size for level in self.standard.levels[1 : refresh.scope_level + 1]]
        found = []
        for scope in product(*map(range, sizes)):
            owed = (tick - self._slack(refresh.max_postponed + 1)) // self._interval
            done = self._done.get(scope, 0)
            if done < owed:
                text = f"{scope} had {done} refreshes by tick {tick}, at least {owed} are due"
                found.append(Debt(tick, "refresh", text))
        return found

    def _in_turn(self, tick: int, scope: Fields, fields: Fields) -> list[Debt]:
        """Check that no bank is refreshed twice before all of its scope were."""
        bank = fields[: self.standard.bank_level]
        done = self._round.setdefault(scope, set())
        if bank in done:
            return [Debt(tick, "refresh", f"bank {bank} again, before all others of {scope}")]
        done.add(bank)
        levels = self.standard.levels[self.standard.refresh.scope_level + 1 :]
        total = 1
        for level in levels[: self.standard.bank_level - self.standard.refresh.scope_level]:
            total *= level.size
        if len(done) == total:
            done.clear()
        return []
