"""Closed forms: a mapping as a few sums and maxima, in the form of a short program.

A closed form is a sequence of phases, each with a time, the busy time of every resource in it and
its counts. As a program it is one operation for each phase, repeated; so reports, energies and
sensitivities are made from it as from any run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mappers.work import CountKey, Work

if TYPE_CHECKING:
    from archsim.program import Program


@dataclass(slots=True)
class Tally:
    """Busy time by resource and counts by einsum, added up over many works.

    Attributes
    ----------
    busy_ps
        Occupied time by resource.
    counts
        Actions by einsum.
    """

    busy_ps: dict[str, int] = field(default_factory=dict)
    counts: dict[str, dict[CountKey, int]] = field(default_factory=dict)

    def add(self, einsum: str, work: Work, times: int) -> None:
        """Add a work that is done some number of times for an einsum."""
        for resource, occupancy, _ in work.holds:
            self.busy_ps[resource] = self.busy_ps.get(resource, 0) + occupancy * times
        known = self.counts.setdefault(einsum, {})
        for key, amount in work.counts.items():
            known[key] = known.get(key, 0) + amount * times

    def include(self, other: Tally) -> None:
        """Add all of another tally."""
        for resource, busy in other.busy_ps.items():
            self.busy_ps[resource] = self.busy_ps.get(resource, 0) + busy
        for einsum, counts in other.counts.items():
            known = self.counts.setdefault(einsum, {})
            for key, amount in counts.items():
                known[key] = known.get(key, 0) + amount


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase: nothing of the next one starts before it ends.

    Attributes
    ----------
    name
        Name.
    time_ps
        Time it takes.
    cause
        What sets the time.
    tally
        Busy times and counts; no resource is busy for longer than the phase.
    time_expr
        The time as an unrounded expression.
    """

    name: str
    time_ps: int
    cause: str
    tally: Tally
    time_expr: str | None = None


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """Phases one after the other, all of them repeated.

    Attributes
    ----------
    name
        Name of the program.
    repeat
        How often the phases run (independent heads, one after the other).
    phases
        The phases.
    tags
        Tags of every operation.
    """

    name: str
    repeat: int
    phases: tuple[Phase, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def time_ps(self) -> int:
        """Time of all of it."""
        return self.repeat * sum(phase.time_ps for phase in self.phases)

    def busy_ps(self) -> dict[str, int]:
        """Return the busy time of every resource."""
        return {name: self.repeat * ps for name, ps in self._total().busy_ps.items()}

    def counts(self) -> dict[CountKey, int]:
        """Return all actions."""
        found: dict[CountKey, int] = {}
        for counts in self._total().counts.values():
            for key, amount in counts.items():
                found[key] = found.get(key, 0) + amount * self.repeat
        return found

    def _total(self) -> Tally:
        total = Tally()
        for phase in self.phases:
            total.include(phase.tally)
        return total

    def program(self) -> Program:
        """Return the closed form as a program of one operation for each phase."""
        from archsim.program import ProgramBuilder

        builder = ProgramBuilder(self.name)
        steps = []
        for phase in self.phases:
            tags = {**self.tags, "phase": phase.name}
            held = sorted(phase.tally.busy_ps.items())
            limits = [name for name, busy in held if busy == phase.time_ps]
            step = builder.op(
                phase.name,
                holds=[(builder.resource(name), busy) for name, busy in held],
                latency=phase.time_ps,
                cause=phase.cause,
                tags=tags,
                occupancy_expr=[phase.time_expr if name in limits else None for name, _ in held],
                latency_expr=phase.time_expr,
            )
            counted = [
                builder.op(f"{phase.name}/{einsum}", counts=counts, tags={**tags, "einsum": einsum})
                for einsum, counts in phase.tally.counts.items()
            ]
            steps.append((step, counted))
        with builder.loop(self.repeat, "head"):
            for step, counted in steps:
                builder.place(step)
                for op in counted:
                    builder.place(op)
        for position, (step, counted) in enumerate(steps):
            builder.after(step, steps[position - 1][0], cause="handover")
            for op in counted:
                builder.after(op, step)
        return builder.build()


def slowest(times: Sequence[tuple[int, str, str | None]]) -> tuple[int, str, str | None]:
    """Return the longest of several ``(time, cause, expression)``, the first of equal ones."""
    return max(times, key=lambda item: item[0])
