"""Rules by which a resource chooses at run time among the operations that wait for it.

A resource of a :class:`archsim.program.Program` serves in program order unless a run gives it an
:class:`Arbitration`. Written for ``archsim.engine.simulate_events``; the max-plus engine knows
program order only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from archsim.errors import SimulationError, nearest
from archsim.program.ir import MAX_WEIGHT_PS, Program

Rule = Literal["fcfs", "priority", "weighted"]


@dataclass(frozen=True, slots=True)
class Opening:
    """When a resource lets granted work start: intervals of a period, over and over.

    An operation that is granted the resource while it is closed keeps the grant and starts when
    the resource opens; nobody else is served meanwhile. This is how a port behaves whose ``ready``
    is low: the choice is made, and held.

    Parameters
    ----------
    period_ps : int
        Length of the pattern in ps; the first period begins at time zero.
    open_ps : tuple of (int, int)
        Open intervals [begin, end) within the period, in ps, in order and apart.

    Raises
    ------
    SimulationError
        The intervals are empty, overlap or leave the period.
    """

    period_ps: int
    open_ps: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        edge = 0
        for number, (begin, end) in enumerate(self.open_ps):
            if begin >= end or begin < edge or (number and begin == edge):
                raise SimulationError(
                    "the open intervals of a resource must follow each other, apart and not empty"
                )
            edge = end
        if not self.open_ps or not edge <= self.period_ps < MAX_WEIGHT_PS:
            raise SimulationError(
                f"a resource must open at least once, within its period of {self.period_ps} ps"
            )

    @classmethod
    def pattern(cls, text: str, cycle_ps: int = 1) -> Opening:
        """Return the opening of a pattern of cycles, ``1`` open and ``0`` closed: ``"1101"``.

        Raises
        ------
        SimulationError
            The pattern is never open or has another character.
        """
        if set(text) - {"0", "1"} or "1" not in text:
            raise SimulationError(f"an opening is written in 0 and 1, with a 1; given {text!r}")
        padded = f"0{text}0"
        edges = [n for n in range(len(text) + 1) if padded[n] != padded[n + 1]]
        times = [edge * cycle_ps for edge in edges]
        return cls(len(text) * cycle_ps, tuple(zip(times[::2], times[1::2], strict=True)))

    def next_open_ps(self, time_ps: int) -> int:
        """Return the first time in ps, not before ``time_ps``, at which the resource is open."""
        turn, phase = divmod(time_ps, self.period_ps)
        place = bisect_right([end for _, end in self.open_ps], phase)
        if place == len(self.open_ps):
            return (turn + 1) * self.period_ps + self.open_ps[0][0]
        return turn * self.period_ps + max(phase, self.open_ps[place][0])


@dataclass(frozen=True, slots=True)
class Arbitration:
    """How one resource chooses; write it with `fcfs`, `priority` or `weighted`.

    Parameters
    ----------
    rule : {"fcfs", "priority", "weighted"}
        What decides: who was ready first, the rank, or turns.
    ranks : mapping of str to int
        Rank of an operation by name, 0 where it has none; a requester where turns decide.
    weights : tuple of int
        Grants in a row of each requester.
    opening : Opening, optional
        When granted work may start; None is always.
    """

    rule: Rule
    ranks: Mapping[str, int] = field(default_factory=dict)
    weights: tuple[int, ...] = ()
    opening: Opening | None = None

    def rank(self, op: str) -> int:
        """Return the rank (or requester) of an operation."""
        return self.ranks.get(op, 0)

    def check(self, resource: str, ops: Sequence[str]) -> None:
        """Refuse ranks that do not fit the operations ``ops`` of a resource.

        Raises
        ------
        SimulationError
            A rank is given to an operation that does not hold the resource, or a requester has no
            weight.
        """
        known = set(ops)
        for op in self.ranks:
            if op not in known:
                near = nearest(op, known)
                hint = f"; did you mean {near!r}?" if near else ""
                raise SimulationError(
                    f"resource {resource!r}: operation {op!r} has a rank and does not hold it{hint}"
                )
        if self.rule == "weighted":
            for op in ops:
                if not 0 <= self.rank(op) < len(self.weights):
                    raise SimulationError(
                        f"resource {resource!r}: operation {op!r} belongs to requester "
                        f"{self.rank(op)}; allowed: 0 to {len(self.weights) - 1}"
                    )


def fcfs(ranks: Mapping[str, int] | None = None, *, opening: Opening | None = None) -> Arbitration:
    """Serve whoever was ready first.

    Parameters
    ----------
    ranks : mapping of str to int, optional
        Who goes first among operations that were ready at the same time, the lowest; then program
        order decides.
    opening : Opening, optional
        When granted work may start.
    """
    return Arbitration("fcfs", dict(ranks or {}), (), opening)


def priority(ranks: Mapping[str, int], *, opening: Opening | None = None) -> Arbitration:
    """Serve the lowest rank, within it whoever was ready first; never preempt.

    Parameters
    ----------
    ranks : mapping of str to int
        Rank by operation name; an operation without one has rank 0.
    opening : Opening, optional
        When granted work may start.
    """
    return Arbitration("priority", dict(ranks), (), opening)


def weighted(
    weights: Sequence[int], requesters: Mapping[str, int], *, opening: Opening | None = None
) -> Arbitration:
    """Serve requesters in turn, each up to its weight of grants in a row.

    The pointer moves with grants only. A requester keeps the turn while it has work ready and
    quota left; when another is served meanwhile, the rest of the quota is lost. Within a
    requester, whoever was ready first goes first.

    Parameters
    ----------
    weights : sequence of int
        Grants in a row of each requester, at least 1.
    requesters : mapping of str to int
        Requester by operation name, from 0.
    opening : Opening, optional
        When granted work may start.

    Raises
    ------
    SimulationError
        A weight is below 1.
    """
    if not weights or any(not 1 <= weight < MAX_WEIGHT_PS for weight in weights):
        raise SimulationError(f"weights must be at least 1, one a requester; given {weights!r}")
    return Arbitration("weighted", dict(requesters), tuple(weights), opening)


def by_resource(
    program: Program, arbitration: Arbitration | Mapping[str, Arbitration]
) -> dict[int, Arbitration]:
    """Return the arbitration of each resource that has one, by its number.

    A single one applies to every shared resource of the program.

    Raises
    ------
    SimulationError
        A resource does not exist, or the ranks do not fit its operations.
    """
    users: list[list[str]] = [[] for _ in program.resources]
    for op, name in enumerate(program.ops):
        for resource, _ in program.holds(op):
            users[resource].append(name)
    if isinstance(arbitration, Arbitration):
        shared = [number for number, private in enumerate(program.private) if not private]
        found = dict.fromkeys(shared, arbitration)
    else:
        numbers = {name: number for number, name in enumerate(program.resources)}
        for name in arbitration:
            if name not in numbers:
                near = nearest(name, numbers)
                hint = f"; did you mean {near!r}?" if near else ""
                raise SimulationError(f"no resource is called {name!r}{hint}")
        found = {numbers[name]: arbitration[name] for name in arbitration}
    for number, each in found.items():
        if not isinstance(arbitration, Arbitration) or each.rule == "weighted":
            each.check(program.resources[number], users[number])
    return dict(sorted(found.items()))
