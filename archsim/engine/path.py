"""The critical path: from the last end back to time zero, in steps that decided a start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from archsim.engine.timeline import Log
from archsim.program.ir import Program


class Step(NamedTuple):
    """One edge of the path: its code (as in `archsim.engine.timeline.Log`) and its source."""

    code: int
    source: int


class Repeat(NamedTuple):
    """The ``size`` entries before this one are taken ``times`` more times."""

    size: int
    times: int


Path = Sequence[Step | Repeat]


def walk(log: Log, op: int, number: int) -> list[Step | Repeat]:
    """Walk from an instance back to time zero.

    Parameters
    ----------
    log : Log
        The log of the run.
    op, number : int
        Where to start.

    Returns
    -------
    list of Step or Repeat
        The edges in the order met. Where the walk comes by the same record of a jump in an
        earlier copy, the edges between repeat: every copy is a translate of the recorded period.
        A reference inside it belongs to the record.
    """
    entries: list[Step | Repeat] = []
    visits: dict[tuple[int, tuple[tuple[int, int], ...]], tuple[int, int]] = {}
    place = log.place(op, number)
    while True:
        if place.innermost >= 0:
            at = place.innermost
            jump, copy = place.copies[at]
            key = (place.row, (*place.copies[:at], (jump, 0), *place.copies[at + 1 :]))
            seen = visits.get(key)
            if seen is not None and seen[0] > copy:
                stride = seen[0] - copy
                times = copy // stride
                if times > 0:
                    entries.append(Repeat(len(entries) - seen[1], times))
                    copy -= times * stride
                    number -= times * stride * log.per_period(jump, op)
                    place = log.place(op, number)
            visits[key] = (copy, len(entries))
        code, source, index = log.binding_at(place)
        if code == 0:
            return entries
        entries.append(Step(code, source))
        op, number = source, index
        place = log.place(op, number)


def count_steps(path: Path) -> Counter[Step]:
    """Count the edges of a path, repeats multiplied out."""
    counts: Counter[Step] = Counter()
    factors: list[tuple[int, int]] = [(-1, 1)]
    for position in range(len(path) - 1, -1, -1):
        while position < factors[-1][0]:
            factors.pop()
        entry = path[position]
        factor = factors[-1][1]
        if isinstance(entry, Repeat):
            factors.append((position - entry.size, factor * (1 + entry.times)))
        else:
            counts[entry] += factor
    return counts


Weight = tuple[str, int]
"""A weight of the program: ``hold``, ``latency`` or ``delay`` and the number of the hold,
operation or constraint it belongs to."""


def final_weight(program: Program, op: int) -> Weight:
    """Return the weight between the start of an operation and its end."""
    first, last = program.hold_offsets[op], program.hold_offsets[op + 1]
    longest = max(range(first, last), key=lambda h: program.occupancies_ps[h])
    if program.occupancies_ps[longest] >= program.latencies_ps[op]:
        return "hold", longest
    return "latency", op


def count_weights(program: Program, steps: Counter[Step], last_op: int) -> dict[Weight, int]:
    """Return how often each weight lies on the path.

    Parameters
    ----------
    program : Program
        What was run.
    steps : Counter of Step
        Edges of its critical path.
    last_op : int
        The operation whose end is the makespan.

    Notes
    -----
    The counts are a subgradient of the makespan in the weights, and count times weight sums to
    the makespan exactly.
    """
    counts: Counter[Weight] = Counter([final_weight(program, last_op)])
    for (code, source), times in steps.items():
        if code > 0:
            counts["delay", code - 1] += times
            if program.from_result[code - 1]:
                counts["latency", source] += times
        elif code % 2:
            resource = program.hold_resources[(-1 - code) // 2]
            first, last = program.hold_offsets[source], program.hold_offsets[source + 1]
            hold = program.hold_resources.index(resource, first, last)
            counts["hold", hold] += times
    return dict(sorted(counts.items()))
