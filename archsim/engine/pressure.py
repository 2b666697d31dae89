"""Missing back-pressure: operations that run ever further ahead of those that read them.

Program order lets a load that waits for nothing start long before its data has a place to go. In a
folded loop this shows: such an operation advances less per period than each operation it feeds,
and nothing inside the loop leads from its readers back to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from archsim.engine.timeline import Log
from archsim.program.ir import Program


def missing_back_pressure(program: Program, log: Log) -> tuple[str, ...]:
    """Return a warning for every operation that ran ahead of its readers without bound.

    Parameters
    ----------
    program : Program
        What was run.
    log : Log
        The log of its run, folded (without jumps nothing is known to be without bound).

    Returns
    -------
    tuple of str
        One sentence for each operation, in program order.
    """
    readers: dict[int, set[int]] = {}
    for target in range(len(program.ops)):
        for c in program.constraints(target):
            if program.sources[c] != target:
                readers.setdefault(program.sources[c], set()).add(target)
    found: dict[int, int] = {}
    for advances in log.periods().values():
        if len(set(advances.values())) == 1:
            continue
        for op in sorted(advances.keys() & readers.keys() - found.keys()):
            fed = sorted(readers[op] & advances.keys())
            ahead = fed and all(advances[reader] > advances[op] for reader in fed)
            if ahead and not _leads_to(program, readers, fed, op, advances):
                found[op] = fed[0]
    return tuple(
        f"operation {program.ops[op]!r} runs ever further ahead of {program.ops[reader]!r}, which "
        f"reads it: nothing makes it wait for a free buffer"
        for op, reader in sorted(found.items())
    )


def _leads_to(
    program: Program,
    readers: Mapping[int, set[int]],
    fed: list[int],
    goal: int,
    inside: Mapping[int, int],
) -> bool:
    """Whether waits or shared resources lead from ``fed`` to ``goal`` within a loop."""
    users: dict[int, set[int]] = {}
    for op in inside:
        for resource, _ in program.holds(op):
            users.setdefault(resource, set()).add(op)
    seen = set(fed)
    pending = list(fed)
    while pending:
        op = pending.pop()
        reached = set(readers.get(op, ()))
        for resource, _ in program.holds(op):
            reached |= users.get(resource, set())
        pending += (reached & inside.keys()) - seen
        seen |= reached & inside.keys()
    return goal in seen
