"""The reference: program semantics in plain Python, unfolded, every instance kept.

Written from the definition of a program and sharing no code with the kernel, so that agreement of
the two means something. Use it for tests and for programs of a few thousand operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from archsim.errors import OperationBudgetError
from archsim.program.ir import BEGIN, PLACE, Program


class Instance(NamedTuple):
    """One executed instance and what decided its start.

    ``kind`` is ``zero`` (time zero), ``release`` (a server of a resource came free), ``order``
    (issue order on a resource with several servers) or ``wait`` (a constraint). ``which`` is the
    number of the hold or of the constraint; ``source`` and ``source_number`` name the instance it
    leads back to, -1 for time zero.
    """

    start_ps: int
    kind: str
    which: int
    source: int
    source_number: int


class _Hold(NamedTuple):
    start_ps: int
    release_ps: int
    op: int
    number: int


@dataclass(frozen=True)
class Interpretation:
    """Every instance of every operation.

    Parameters
    ----------
    program : Program
        What was run.
    instances : tuple of list of Instance
        Per operation number, in order of execution.
    makespan_ps : int
        The latest end of an instance, 0 if nothing ran.
    """

    program: Program
    instances: tuple[list[Instance], ...]
    makespan_ps: int

    def starts(self, op: str) -> list[int]:
        """Return the start of every instance of an operation, in ps."""
        return [instance.start_ps for instance in self.instances[self.program.op_ids[op]]]

    def path(self) -> list[tuple[str, int]]:
        """Return the weights on the critical path, from the end back to time zero.

        Each is a pair of a kind (``hold``, ``latency``, ``delay``) and the number of the hold,
        operation or constraint that weighs.
        """
        program = self.program
        ends = [
            runs[-1].start_ps + program.end_ps(op) if runs else -1
            for op, runs in enumerate(self.instances)
        ]
        if not ends or max(ends) < 0:
            return []
        op = ends.index(max(ends))
        at = self.instances[op][-1]
        holds = list(range(program.hold_offsets[op], program.hold_offsets[op + 1]))
        longest = max(holds, key=lambda h: program.occupancies_ps[h])
        if program.occupancies_ps[longest] >= program.latencies_ps[op]:
            steps = [("hold", longest)]
        else:
            steps = [("latency", op)]
        while at.kind != "zero":
            if at.kind == "release":
                resource = program.hold_resources[at.which]
                owned = range(program.hold_offsets[at.source], program.hold_offsets[at.source + 1])
                steps += [("hold", h) for h in owned if program.hold_resources[h] == resource]
            elif at.kind == "wait":
                steps.append(("delay", at.which))
                if program.from_result[at.which]:
                    steps.append(("latency", at.source))
            at = self.instances[at.source][at.source_number]
        return steps


def in_order(program: Program) -> Iterator[tuple[str, int]]:
    """Yield ("enter", loop) and ("run", op) in program order, every iteration spelled out."""
    foot: dict[int, int] = {}
    for position, (kind, arg) in enumerate(zip(program.tape_kinds, program.tape_args, strict=True)):
        if kind not in (PLACE, BEGIN):
            foot[arg] = position
    index: dict[int, int] = {}

    def body(first: int, last: int) -> Iterator[tuple[str, int]]:
        position = first
        while position < last:
            arg = program.tape_args[position]
            if program.tape_kinds[position] == PLACE:
                yield "run", arg
            else:
                trip = program.trips[arg]
                times = trip.at(index[trip.loop] if trip.loop >= 0 else 0)
                if times:
                    yield "enter", arg
                for i in range(times):
                    index[arg] = i
                    yield from body(position + 1, foot[arg])
                position = foot[arg]
            position += 1

    yield from body(0, len(program.tape_kinds))


def interpret(program: Program, *, max_ops: int = 5_000_000) -> Interpretation:
    """Run a program the plain way.

    Parameters
    ----------
    program : Program
        What to run.
    max_ops : int
        Refuse to run more operations than this (each one is kept).

    Returns
    -------
    Interpretation
        The start of every instance and what decided it.

    Raises
    ------
    OperationBudgetError
        More than ``max_ops`` operations would run.

    Notes
    -----
    The start of an instance is the largest of time zero, the release of the k-th most recent hold
    of each held resource (k servers), the previous start on it where k > 1, and each constraint
    that applies. Among equals the first in this order decides.
    """
    total = sum(program.instance_counts)
    if total > max_ops:
        raise OperationBudgetError(
            f"program {program.name!r} runs {total} operations; the interpreter takes {max_ops}"
        )
    runs: tuple[list[Instance], ...] = tuple([] for _ in program.ops)
    held: tuple[list[_Hold], ...] = tuple([] for _ in program.resources)
    entered = {loop: [0] * len(runs) for loop in program.scopes if loop >= 0}
    makespan = 0
    for what, number in in_order(program):
        if what == "enter":
            if number in entered:
                entered[number] = [len(instances) for instances in runs]
            continue
        best = _decide(program, number, runs, held, entered)
        for resource, occupancy in program.holds(number):
            held[resource].append(
                _Hold(best.start_ps, best.start_ps + occupancy, number, len(runs[number]))
            )
        runs[number].append(best)
        makespan = max(makespan, best.start_ps + program.end_ps(number))
    return Interpretation(program, runs, makespan)


def _decide(
    program: Program,
    op: int,
    runs: tuple[list[Instance], ...],
    held: tuple[list[_Hold], ...],
    entered: dict[int, list[int]],
) -> Instance:
    best = Instance(0, "zero", -1, -1, -1)
    for h in range(program.hold_offsets[op], program.hold_offsets[op + 1]):
        history = held[program.hold_resources[h]]
        servers = program.capacities[program.hold_resources[h]]
        if len(history) >= servers:
            free = history[-servers]
            if free.release_ps > best.start_ps:
                best = Instance(free.release_ps, "release", h, free.op, free.number)
        if servers > 1 and history and history[-1].start_ps > best.start_ps:
            last = history[-1]
            best = Instance(last.start_ps, "order", h, last.op, last.number)
    for c in program.constraints(op):
        source = program.sources[c]
        index = len(runs[source]) - program.backs[c]
        oldest = entered[program.scopes[c]][source] if program.scopes[c] >= 0 else 0
        if index < oldest:
            continue
        start = runs[source][index].start_ps + program.weight_ps(c)
        if start > best.start_ps:
            best = Instance(start, "wait", c, source, index)
    return best
