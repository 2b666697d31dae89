"""Splicing of one finished program into another that is being written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archsim.program.assembly import Parts, Wait
from archsim.program.ir import BEGIN, PLACE, Trip

if TYPE_CHECKING:
    from archsim.program.ir import Program


def splice(
    parts: Parts,
    program: Program,
    prefix: str,
    after: int | None,
    tags: Mapping[str, str] | None,
) -> int:
    """Append a program to the parts of another; return the number of its first operation.

    Parameters
    ----------
    parts : Parts
        The program that grows.
    program : Program
        The fragment.
    prefix : str
        Put before the names of its operations, loops and private resources.
    after : int or None
        Operation of ``parts`` that the fragment waits for.
    tags : mapping or None
        Labels added to those of the fragment.

    Raises
    ------
    SimulationError
        A resource of the same name has another capacity, or an operation name is taken.
    """
    base_op, base_loop = len(parts.op_numbers), len(parts.loops)
    resources = [
        parts.resource(f"~{prefix}/{name[1:]}" if private else name, capacity, private=private)
        for name, capacity, private in zip(
            program.resources, program.capacities, program.private, strict=True
        )
    ]
    for name in program.ops:
        full = f"{prefix}/{name}"
        parts.check_name(full)
        parts.op_numbers[full] = len(parts.op_numbers)
    parts.latencies_ps += program.latencies_ps
    parts.latency_exprs += program.latency_exprs
    parts.causes += program.causes
    parts.counts += program.counts
    parts.tags += _merged(program.tags, tags) if tags else program.tags
    base_hold = parts.hold_offsets[-1]
    parts.hold_offsets += [base_hold + offset for offset in program.hold_offsets[1:]]
    parts.hold_resources += [resources[number] for number in program.hold_resources]
    parts.occupancies_ps += program.occupancies_ps
    parts.occupancy_exprs += program.occupancy_exprs
    parts.loops += [f"{prefix}/{name}" for name in program.loops]
    parts.trips += [
        Trip(t.base, t.slope, t.loop + base_loop, t.values) if t.loop >= 0 else t
        for t in program.trips
    ]
    parts.tape_kinds += program.tape_kinds
    parts.tape_args += [
        arg + (base_op if kind == PLACE else base_loop)
        for kind, arg in zip(program.tape_kinds, program.tape_args, strict=True)
    ]
    for target in range(len(program.ops)):
        for c in program.constraints(target):
            scope = program.scopes[c]
            parts.waits.append(
                Wait(
                    base_op + target,
                    base_op + program.sources[c],
                    program.backs[c],
                    program.delays_ps[c],
                    program.from_result[c],
                    scope + base_loop if scope >= 0 else -1,
                    program.delay_exprs[c],
                    program.delay_causes[c],
                )
            )
    if after is not None:
        parts.waits += [
            Wait(base_op + head, after, 1, 0, True, -1, None, None) for head in program.heads
        ]
    return base_op


def _merged(
    given: tuple[Mapping[str, str], ...], added: Mapping[str, str]
) -> list[Mapping[str, str]]:
    made: dict[int, Mapping[str, str]] = {}
    merged: list[Mapping[str, str]] = []
    for tags in given:
        both = made.get(id(tags))
        if both is None:
            both = {**tags, **added}
            made[id(tags)] = both
        merged.append(both)
    return merged


def find_heads(program: Program) -> tuple[int, ...]:
    """Return the operations whose first instance nothing in the program surely holds back.

    The first instance of an operation is surely held back by an operation before it in the tape
    that has surely run by then, when both use a resource (which issues in order) or when it waits
    for the most recent instance of it with a weight that is not negative. Later instances are no
    earlier than the first, because every resource issues in order.
    """
    first_holder: set[int] = set()
    ran: set[int] = set()
    seen: set[int] = set()
    heads: list[int] = []
    open_loops: list[tuple[bool, set[int]]] = []
    held_resources: list[set[int]] = [set()]
    for kind, arg in zip(program.tape_kinds, program.tape_args, strict=True):
        if kind == PLACE:
            resources = {number for number, _ in program.holds(arg)}
            if arg not in seen:
                seen.add(arg)
                if not _surely_held(program, arg, ran) and not resources & first_holder:
                    heads.append(arg)
            ran.add(arg)
            first_holder |= resources
        elif kind == BEGIN:
            trip = program.trips[arg]
            surely = trip.loop < 0 and trip.base >= 1
            open_loops.append((surely, set(ran)))
            held_resources.append(set(first_holder))
        else:
            surely, ran_before = open_loops.pop()
            held_before = held_resources.pop()
            if not surely:
                ran, first_holder = ran_before, held_before
    return tuple(heads)


def _surely_held(program: Program, op: int, ran: set[int]) -> bool:
    return any(
        program.backs[c] == 1
        and program.sources[c] in ran
        and program.scopes[c] < 0
        and program.weight_ps(c) >= 0
        for c in program.constraints(op)
    )
