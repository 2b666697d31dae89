"""The critical path: from the last end back to time zero, in steps that decided a start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from archsim.program.ir import Program


class Step(NamedTuple):
    """One edge of the path: its code (as in `archsim.engine.timeline.Log`) and its source."""

    code: int
    source: int


class Repeat(NamedTuple):
    """The ``size`` entries before this one are taken ``times`` more times."""

    size: int
    times: int


class Again(NamedTuple):
    """The ``size`` entries from entry ``first`` on are taken again."""

    first: int
    size: int


Entry = Step | Repeat | Again

Path = Sequence[Entry]


def count_steps(path: Path) -> Counter[Step]:
    """Count the edges of a path, repeats multiplied out.

    An entry is taken once, once more for each time that an `Again` over it is taken, and ``times``
    more for each time that a `Repeat` over it is: all of them stand behind it.
    """
    counts: Counter[Step] = Counter()
    change = [0] * (len(path) + 1)
    taken = 1
    for position in range(len(path) - 1, -1, -1):
        taken += change[position]
        entry = path[position]
        if isinstance(entry, Step):
            counts[entry] += taken
            continue
        if isinstance(entry, Repeat):
            first, last, more = position - entry.size, position - 1, taken * entry.times
        else:
            first, last, more = entry.first, entry.first + entry.size - 1, taken
        change[last] += more
        # The last place takes the changes that are never asked for.
        change[first - 1] -= more
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
