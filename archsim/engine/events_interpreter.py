"""The reference of run-time arbitration: plain Python, unfolded, every instance kept.

Written from the definition and sharing no code with the event kernel, so that agreement of the two
means something. Use it for tests and for programs of a few thousand operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archsim.engine.events_timing import Served
from archsim.engine.interpreter import in_order
from archsim.errors import OperationBudgetError, SimulationError
from archsim.program.arbitration import Arbitration, by_resource
from archsim.program.ir import Program


@dataclass(slots=True)
class _Item:
    """One instance of an operation; ``place`` is its place in program order."""

    place: int
    op: int
    number: int
    turn: int = 0
    arrival_ps: int = 0
    waits: list[tuple[_Item, int]] = field(default_factory=list)
    hold: tuple[int, int] | None = None
    ready_ps: int | None = None
    granted_ps: int = 0
    start_ps: int | None = None


@dataclass(frozen=True)
class EventInterpretation:
    """Every instance of every operation.

    Parameters
    ----------
    program : Program
        What was run.
    instances : tuple of list of Served
        Per operation number, in program order.
    makespan_ps : int
        The latest end of an instance, 0 if nothing ran.
    """

    program: Program
    instances: tuple[list[Served], ...]
    makespan_ps: int


def interpret_events(
    program: Program,
    arbitration: Arbitration | Mapping[str, Arbitration],
    *,
    window: int | None = None,
    arrivals_ps: Mapping[str, Sequence[int]] | None = None,
    max_ops: int = 20_000,
) -> EventInterpretation:
    """Run a program with run-time arbitration the plain way.

    Parameters
    ----------
    program, arbitration, window, arrivals_ps
        As for `archsim.engine.simulate_events`.
    max_ops : int
        Refuse to run more operations than this.

    Returns
    -------
    EventInterpretation
        The times of every instance.

    Raises
    ------
    OperationBudgetError
        More than ``max_ops`` operations would run.
    SimulationError
        Nothing can go on.

    Notes
    -----
    Time moves to the next moment at which anything may happen. There, what is ready becomes ready
    and what needs no choice starts, until nothing changes; then every resource fills its free
    servers from what was ready before any of them chose; and again, while anything changes.
    """
    if sum(program.instance_counts) > max_ops:
        raise OperationBudgetError(f"program {program.name!r} runs more than {max_ops} operations")
    chosen = by_resource(program, arbitration)
    items = _items(program, chosen, arrivals_ps or {})
    turns = 1
    if window is not None and items:
        turns = program.trips[program.tape_args[0]].at(0)
        for item in items:
            item.turn = item.place * turns // len(items)
    _Machine(program, chosen, items, window or turns, turns).run()
    instances: tuple[list[Served], ...] = tuple([] for _ in program.ops)
    makespan = 0
    for item in items:
        start, ready = _known(item.start_ps), _known(item.ready_ps)
        instances[item.op].append(Served(ready, item.granted_ps, start))
        makespan = max(makespan, start + program.end_ps(item.op))
    return EventInterpretation(program, instances, makespan)


def _known(time_ps: int | None) -> int:
    if time_ps is None:
        raise SimulationError("an operation never started")
    return time_ps


def _items(
    program: Program, chosen: Mapping[int, Arbitration], arrivals_ps: Mapping[str, Sequence[int]]
) -> list[_Item]:
    """Return all instances in program order with everything that they wait for."""
    ran: list[list[_Item]] = [[] for _ in program.ops]
    held: list[list[_Item]] = [[] for _ in program.resources]
    entered: dict[int, list[int]] = {}
    items: list[_Item] = []
    for what, number in in_order(program):
        if what == "enter":
            entered[number] = [len(each) for each in ran]
        else:
            item = _Item(len(items), number, len(ran[number]))
            times = arrivals_ps.get(program.ops[number])
            item.arrival_ps = times[item.number] if times is not None else 0
            for resource, occupancy in program.holds(number):
                if resource in chosen:
                    item.hold = (resource, occupancy)
                    continue
                servers = program.capacities[resource]
                if len(held[resource]) >= servers:
                    free = held[resource][-servers]
                    item.waits.append((free, dict(program.holds(free.op))[resource]))
                if servers > 1 and held[resource]:
                    item.waits.append((held[resource][-1], 0))
                held[resource].append(item)
            for c in program.constraints(number):
                source, scope = program.sources[c], program.scopes[c]
                index = len(ran[source]) - program.backs[c]
                if index >= (entered[scope][source] if scope >= 0 else 0):
                    item.waits.append((ran[source][index], program.weight_ps(c)))
            ran[number].append(item)
            items.append(item)
    return items


class _Machine:
    """The state of a run, and one moment after another."""

    def __init__(
        self,
        program: Program,
        chosen: Mapping[int, Arbitration],
        items: list[_Item],
        window: int,
        turns: int,
    ) -> None:
        self.program = program
        self.chosen = chosen
        self.waiting = items
        self.window = window
        self.turn_items: list[list[_Item]] = [[] for _ in range(turns)]
        for item in items:
            self.turn_items[item.turn].append(item)
        self.queues: dict[int, list[_Item]] = {resource: [] for resource in chosen}
        self.busy: dict[int, list[int]] = {resource: [] for resource in chosen}
        self.pointer = dict.fromkeys(chosen, 0)
        self.used = dict.fromkeys(chosen, 0)
        self.admitted_ps: list[int] = []
        self.ended = 0

    def run(self) -> None:
        """Move through time until everything has started."""
        now = 0
        while True:
            while self.settle(now) or self.choose(now):
                pass
            later = [time for time in self.times() if time > now]
            if not later:
                break
            now = min(later)
        if self.waiting or any(self.queues.values()):
            raise SimulationError(f"program {self.program.name!r} is stuck at {now} ps")

    def times(self) -> list[int]:
        """Return the moments at which something may happen."""
        known = [time for item in self.waiting if (time := self.ready_ps(item)) is not None]
        known += [time for times in self.busy.values() for time in times]
        end = self.end_ps(self.ended) if self.ended < len(self.turn_items) else None
        return known if end is None else [*known, end]

    def end_ps(self, turn: int) -> int | None:
        """Return when a turn ends, None while an instance of it has not started."""
        ends = [0]
        for item in self.turn_items[turn]:
            if item.start_ps is None:
                return None
            ends.append(item.start_ps + self.program.end_ps(item.op))
        return max(ends)

    def ready_ps(self, item: _Item) -> int | None:
        """Return when an instance is ready, None while that is not known."""
        if item.turn >= len(self.admitted_ps):
            return None
        time = max(item.arrival_ps, self.admitted_ps[item.turn])
        for source, weight in item.waits:
            if source.start_ps is None:
                return None
            time = max(time, source.start_ps + weight)
        return time

    def settle(self, now: int) -> bool:
        """Let everything happen that is due and needs no choice; return whether anything did."""
        for resource, releases in self.busy.items():
            self.busy[resource] = [time for time in releases if time > now]
        happened = False
        while True:
            due = [i for i in self.waiting if (t := self.ready_ps(i)) is not None and t <= now]
            for item in due:
                item.ready_ps = now
                if item.hold is None:
                    item.granted_ps = item.start_ps = now
                else:
                    self.queues[item.hold[0]].append(item)
            self.waiting = [item for item in self.waiting if item.ready_ps is None]
            if not self.admit(now) and not due:
                return happened
            happened = True

    def admit(self, now: int) -> bool:
        """End and admit turns."""
        before = len(self.admitted_ps)
        while self.ended < before and (end := self.end_ps(self.ended)) is not None and end <= now:
            self.ended += 1
        while len(self.admitted_ps) < min(len(self.turn_items), self.ended + self.window):
            self.admitted_ps.append(now)
        return len(self.admitted_ps) > before

    def choose(self, now: int) -> bool:
        """Let every resource fill its free servers; return whether any did."""
        served = False
        for resource, arbitration in self.chosen.items():
            queue = self.queues[resource]
            while queue and len(self.busy[resource]) < self.program.capacities[resource]:
                item = self.best(resource, arbitration, queue)
                queue.remove(item)
                opening = arbitration.opening
                item.granted_ps = now
                item.start_ps = now if opening is None else opening.next_open_ps(now)
                release = item.start_ps + (item.hold[1] if item.hold else 0)
                if release > now:
                    self.busy[resource].append(release)
                served = True
        return served

    def best(self, resource: int, arbitration: Arbitration, queue: list[_Item]) -> _Item:
        """Return the instance that is served next."""

        def rank(item: _Item) -> int:
            return arbitration.rank(self.program.ops[item.op])

        def by_time(item: _Item) -> tuple[int, int, int]:
            return (_known(item.ready_ps), rank(item), item.place)

        if arbitration.rule == "fcfs":
            return min(queue, key=by_time)
        if arbitration.rule == "priority":
            return min(queue, key=lambda item: (rank(item), *by_time(item)))
        size, holder = len(arbitration.weights), self.pointer[resource]
        winner = min((rank(item) for item in queue), key=lambda each: (each - holder) % size)
        used = self.used[resource] + 1 if winner == holder else 1
        spent = used >= arbitration.weights[winner]
        self.pointer[resource] = (winner + 1) % size if spent else winner
        self.used[resource] = 0 if spent else used
        return min((item for item in queue if rank(item) == winner), key=by_time)
