"""Checks that a program read from data is one that a builder could have made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from archsim.errors import SimulationError
from archsim.program.assembly import Wait, check_sites
from archsim.program.ir import BEGIN, END, MAX_BACK, MAX_WEIGHT_PS, PLACE, Program


def check(program: Program) -> None:
    """Refuse a program whose numbers do not fit together.

    Raises
    ------
    SimulationError
        Says what is wrong first.
    """
    for problem in _problems(program):
        raise SimulationError(f"the data is not a program: {problem}")
    program.check_weights()
    waits = [
        Wait(op, program.sources[c], program.backs[c], 0, False, program.scopes[c], None, None)
        for op in range(len(program.ops))
        for c in program.constraints(op)
    ]
    check_sites(program.tape_kinds, program.tape_args, waits, program.ops, program.loops)


def _problems(program: Program) -> Iterator[str]:
    yield from _columns(program)
    yield from _ranges(program)
    yield from _offsets("hold_offsets", program.hold_offsets, len(program.hold_resources))
    yield from _offsets("constraint_offsets", program.constraint_offsets, len(program.sources))
    yield from _tree(program)


def _columns(program: Program) -> Iterator[str]:
    """Columns of one table are equally long and names are text."""
    tables = (
        ("resources", "capacities", "private"),
        ("ops", "latencies_ps", "causes", "latency_exprs", "tags", "counts"),
        ("hold_resources", "occupancies_ps", "occupancy_exprs"),
        ("sources", "backs", "delays_ps", "from_result", "scopes", "delay_exprs", "delay_causes"),
        ("loops", "trips"),
        ("tape_kinds", "tape_args"),
    )
    for table in tables:
        sizes = {len(getattr(program, column)) for column in table}
        if len(sizes) > 1:
            yield f"{', '.join(table)} differ in length"
    for column in ("resources", "ops", "causes", "loops"):
        if not all(isinstance(name, str) for name in getattr(program, column)):
            yield f"{column} must be names"
    for column in ("resources", "ops"):
        names = getattr(program, column)
        if len(set(names)) < len(names):
            yield f"{column} must be different names"
    for number, size in ((program.hold_offsets, "holds"), (program.constraint_offsets, "waits")):
        if len(number) != len(program.ops) + 1:
            yield f"the offsets of {size} do not fit the operations"


def _ranges(program: Program) -> Iterator[str]:
    """Numbers are whole and in range."""
    ops, loops = len(program.ops), len(program.loops)
    trips = [number for trip in program.trips for number in (trip.base, trip.slope, *trip.values)]
    checks: tuple[tuple[str, Sequence[int], int, int], ...] = (
        ("capacities", program.capacities, 1, 1 << 20),
        ("latencies_ps", program.latencies_ps, 0, MAX_WEIGHT_PS - 1),
        ("occupancies_ps", program.occupancies_ps, 0, MAX_WEIGHT_PS - 1),
        ("hold_resources", program.hold_resources, 0, len(program.resources) - 1),
        ("sources", program.sources, 0, ops - 1),
        ("backs", program.backs, 1, MAX_BACK),
        ("delays_ps", program.delays_ps, 1 - MAX_WEIGHT_PS, MAX_WEIGHT_PS - 1),
        ("scopes", program.scopes, -1, loops - 1),
        ("tape_kinds", program.tape_kinds, PLACE, END),
        ("trips", trips, -MAX_WEIGHT_PS, MAX_WEIGHT_PS),
        ("loops of trips", [trip.loop for trip in program.trips], -1, loops - 1),
    )
    for name, numbers, low, high in checks:
        for number in numbers:
            if type(number) is not int or not low <= number <= high:
                yield f"{name} holds {number!r}; allowed: {low} to {high}"


def _offsets(name: str, offsets: Sequence[int], total: int) -> Iterator[str]:
    whole = all(type(offset) is int for offset in offsets)
    if not whole or list(offsets) != sorted(offsets) or (offsets[0], offsets[-1]) != (0, total):
        yield f"{name} must grow from 0 to {total}"
    elif name == "hold_offsets" and any(last == first for first, last in pairwise(offsets)):
        yield "an operation holds nothing"


def _tree(program: Program) -> Iterator[str]:
    """Loops nest, each is used once, and trips refer to enclosing loops."""
    open_loops: list[int] = []
    begun: set[int] = set()
    placed: set[int] = set()
    for kind, arg in zip(program.tape_kinds, program.tape_args, strict=True):
        if type(arg) is not int or arg < 0:
            yield f"the tape names {arg!r}"
        elif kind == PLACE:
            placed.add(arg)
        elif kind == END:
            if not open_loops or open_loops.pop() != arg:
                yield f"loop {arg} ends where it is not open"
        elif kind == BEGIN:
            if arg in begun or arg >= len(program.loops):
                yield f"loop {arg} begins twice or does not exist"
                return
            trip = program.trips[arg]
            if trip.loop >= 0 and trip.loop not in open_loops:
                yield f"the trip of loop {arg} uses a loop that does not enclose it"
            if trip.values and _longest(program, trip.loop) > len(trip.values):
                yield f"the trip table of loop {arg} is too short"
            begun.add(arg)
            open_loops.append(arg)
    if open_loops or len(begun) < len(program.loops):
        yield "a loop is not closed or not used"
    if placed != set(range(len(program.ops))):
        yield "the operations placed are not those defined"


def _longest(program: Program, loop: int) -> int:
    """Return the iterations of the loop that indexes a table, a huge number unless constant."""
    trip = program.trips[loop]
    return trip.base if loop >= 0 and trip.loop < 0 and not trip.values else 1 << 62
