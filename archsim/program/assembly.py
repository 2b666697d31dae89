"""The growing lists behind a builder, and their assembly into an immutable program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from archsim.errors import SimulationError
from archsim.program.ir import BEGIN, PLACE, CountKey, Program, Trip


class Wait(NamedTuple):
    """One constraint while the program grows; numbers refer to operations and loops."""

    target: int
    source: int
    back: int
    delay_ps: int
    from_result: bool
    scope: int
    delay_expr: str | None
    cause: str | None


class Parts:
    """Lists that grow while a program is written, indexed like the fields of a program."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.resource_numbers: dict[str, int] = {}
        self.capacities: list[int] = []
        self.private: list[bool] = []
        self.op_numbers: dict[str, int] = {}
        self.latencies_ps: list[int] = []
        self.latency_exprs: list[str | None] = []
        self.causes: list[str] = []
        self.tags: list[Mapping[str, str]] = []
        self.counts: list[Mapping[CountKey, int]] = []
        self.hold_offsets: list[int] = [0]
        self.hold_resources: list[int] = []
        self.occupancies_ps: list[int] = []
        self.occupancy_exprs: list[str | None] = []
        self.waits: list[Wait] = []
        self.loops: list[str] = []
        self.trips: list[Trip] = []
        self.tape_kinds: list[int] = []
        self.tape_args: list[int] = []
        self.prefixes: dict[str, int] = {}

    def resource(self, name: str, capacity: int, *, private: bool = False) -> int:
        """Return the number of a resource, adding it if it is new."""
        number = self.resource_numbers.get(name)
        if number is None:
            if isinstance(capacity, bool) or not 1 <= capacity <= 1 << 20:
                raise SimulationError(
                    f"resource {name!r} has capacity {capacity}; allowed: 1 to {1 << 20}"
                )
            number = len(self.capacities)
            self.resource_numbers[name] = number
            self.capacities.append(int(capacity))
            self.private.append(private)
        elif self.capacities[number] != capacity:
            raise SimulationError(
                f"resource {name!r} has capacity {self.capacities[number]} and cannot "
                f"have {capacity} as well"
            )
        return number

    def private_resource(self, op: str) -> int:
        """Add the resource that only keeps the instances of one operation in order."""
        return self.resource(f"~{op}", 1, private=True)

    def check_name(self, name: str) -> None:
        """Refuse an operation name that is taken."""
        if name in self.op_numbers:
            raise SimulationError(f"an operation called {name!r} is already defined")

    def free_prefix(self, name: str) -> str:
        """Return ``name``, with a number behind it from the second use on."""
        used = self.prefixes.get(name, 0) + 1
        self.prefixes[name] = used
        return name if used == 1 else f"{name}#{used}"

    def operation(
        self,
        name: str,
        holds: Sequence[tuple[int, int]],
        exprs: Sequence[str | None],
        latency_ps: int,
        latency_expr: str | None,
        cause: str,
    ) -> int:
        """Add an operation and return its number; tags and counts are the caller's."""
        number = len(self.latencies_ps)
        self.op_numbers[name] = number
        self.latencies_ps.append(latency_ps)
        self.latency_exprs.append(latency_expr)
        self.causes.append(cause)
        for (resource, occupancy_ps), expr in zip(holds, exprs, strict=True):
            self.hold_resources.append(resource)
            self.occupancies_ps.append(occupancy_ps)
            self.occupancy_exprs.append(expr)
        self.hold_offsets.append(len(self.hold_resources))
        return number


def assemble(parts: Parts) -> Program:
    """Return the immutable program of finished parts, checked.

    Raises
    ------
    SimulationError
        An operation is never placed, or a scope does not hold both ends of its wait.
    """
    names = tuple(parts.op_numbers)
    check_sites(parts.tape_kinds, parts.tape_args, parts.waits, names, parts.loops)
    grouped: list[list[Wait]] = [[] for _ in names]
    for wait in parts.waits:
        grouped[wait.target].append(wait)
    offsets = [0]
    ordered: list[Wait] = []
    for waits in grouped:
        if len(waits) > 1:
            waits.sort(key=lambda wait: wait.scope >= 0)
        ordered += waits
        offsets.append(len(ordered))
    columns = list(zip(*ordered, strict=True)) if ordered else [()] * 8
    program = Program(
        name=parts.name,
        resources=tuple(parts.resource_numbers),
        capacities=tuple(parts.capacities),
        private=tuple(parts.private),
        ops=names,
        latencies_ps=tuple(parts.latencies_ps),
        causes=tuple(parts.causes),
        tags=tuple(parts.tags),
        counts=tuple(parts.counts),
        latency_exprs=tuple(parts.latency_exprs),
        hold_offsets=tuple(parts.hold_offsets),
        hold_resources=tuple(parts.hold_resources),
        occupancies_ps=tuple(parts.occupancies_ps),
        occupancy_exprs=tuple(parts.occupancy_exprs),
        constraint_offsets=tuple(offsets),
        sources=columns[1],
        backs=columns[2],
        delays_ps=columns[3],
        from_result=columns[4],
        scopes=columns[5],
        delay_exprs=columns[6],
        delay_causes=columns[7],
        loops=tuple(parts.loops),
        trips=tuple(parts.trips),
        tape_kinds=tuple(parts.tape_kinds),
        tape_args=tuple(parts.tape_args),
        warnings=_never_applying(ordered, parts, names),
    )
    program.check_weights()
    return program


def check_sites(
    kinds: Sequence[int],
    args: Sequence[int],
    waits: Sequence[Wait],
    names: Sequence[str],
    loops: Sequence[str],
) -> None:
    """Check that each operation has a site and each scope holds both ends of its wait.

    Parameters
    ----------
    kinds, args : sequence of int
        The tape.
    waits : sequence of Wait
        All constraints.
    names, loops : sequence of str
        Names of the operations and of the loops.

    Raises
    ------
    SimulationError
        An operation is never placed, or a scope does not hold both ends of its wait.
    """
    scoped = {wait.scope for wait in waits if wait.scope >= 0}
    inside: dict[int, list[int]] = {}
    total = [0] * len(names)
    open_scopes: list[int] = []
    for kind, arg in zip(kinds, args, strict=True):
        if kind == PLACE:
            total[arg] += 1
            for loop in open_scopes:
                inside[loop][arg] += 1
        elif arg in scoped:
            if kind == BEGIN:
                open_scopes.append(arg)
                inside[arg] = [0] * len(names)
            else:
                open_scopes.pop()
    for op, sites in enumerate(total):
        if sites == 0:
            raise SimulationError(f"operation {names[op]!r} is defined but never placed")
    for wait in waits:
        if wait.scope < 0:
            continue
        held = inside[wait.scope]
        if held[wait.target] != total[wait.target] or held[wait.source] == 0:
            raise SimulationError(
                f"the scope {loops[wait.scope]!r} of the wait of {names[wait.target]!r} "
                f"for {names[wait.source]!r} does not contain both"
            )


def _never_applying(waits: Sequence[Wait], parts: Parts, names: Sequence[str]) -> tuple[str, ...]:
    """Warn of waits for an operation that cannot run often enough."""
    constant = all(trip.loop < 0 for trip in parts.trips)
    if not constant:
        return ()
    most = [0] * len(names)
    times = [1]
    for kind, arg in zip(parts.tape_kinds, parts.tape_args, strict=True):
        if kind == PLACE:
            most[arg] += times[-1]
        elif kind == BEGIN:
            times.append(times[-1] * parts.trips[arg].at(0))
        else:
            times.pop()
    return tuple(
        f"the wait of {names[wait.target]!r} for {names[wait.source]!r} never applies: it looks "
        f"{wait.back} back and the program runs it {most[wait.source]} times"
        for wait in waits
        if most[wait.source] < wait.back
    )
