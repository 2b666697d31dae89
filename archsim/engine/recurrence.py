"""Folding without a recorded period: all that a loop reads moved by the same time.

What an iteration does depends on when its resources come free, on the starts that its waits look
back at, and on nothing else; and if all of these are later by the same time, all of it is. So when
the state of a loop after K + p iterations is that after K, moved by one advance, every later period
is a copy of the last, to the end of the loop. A start that lies outside the loop does not move, but
decides nothing either: what waits for it did so an iteration before, and starts later by now.
"""

from __future__ import annotations

from archsim.engine.layout import (
    AUTHOR,
    BACK,
    CAPACITY,
    DELTA,
    ENTRY,
    FLOOR,
    HOLD_WIDTH,
    HOLDS,
    HOLDS_END,
    MOVED,
    NEED,
    OP,
    OPS,
    OPS_END,
    RES_WIDTH,
    RESOURCE,
    RESOURCES,
    RESOURCES_END,
    SHIFT,
    SLOT_WIDTH,
    SNAPSHOT,
    WAITS,
    WAITS_END,
    Memory,
)


def floors(mem: Memory, loop: int) -> int:
    """Note when the first server of each resource of a loop comes free.

    Return when the last of them all does, or -1 where time zero may still decide something: a
    server was not held yet, or came free at time zero.
    """
    latest = 0
    for entry in range(mem[loop + RESOURCES], mem[loop + RESOURCES_END]):
        resource = mem[entry]
        slot = resource + RES_WIDTH
        floor = mem[slot]
        for _ in range(mem[resource + CAPACITY]):
            release = mem[slot]
            if release < floor:
                floor = release
            if release > latest:
                latest = release
            slot += SLOT_WIDTH
        if floor <= 0:
            return -1
        mem[resource + FLOOR] = floor
    return latest


def earliest(mem: Memory, op: int) -> int:
    """Return the time before which the resources of an operation let none of it start."""
    floor = 0
    for hold in range(mem[op + HOLDS], mem[op + HOLDS_END], HOLD_WIDTH):
        time = mem[mem[hold + RESOURCE] + FLOOR]
        if time > floor:
            floor = time
    return floor


def moved_alike(mem: Memory, loop: int) -> int:
    """Return by how much everything moved since the snapshot, 0 if not all by the same.

    Leaves with each operation that ran how often it had by the snapshot, with others -1.
    """
    if floors(mem, loop) < 0:
        return 0
    advance = 0
    at = mem[loop + SNAPSHOT]
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        op = mem[entry]
        mem[op + MOVED] = -1
        if mem[op] - 1 + mem[op + SHIFT] != mem[at]:
            moved = mem[mem[loop + DELTA] + mem[op + OP]]
            if advance == 0:
                advance = moved
            if moved != advance:
                return 0
            mem[op + MOVED] = mem[at] + 1
        at += 2 + mem[op + NEED]
    for entry in range(mem[loop + RESOURCES], mem[loop + RESOURCES_END]):
        resource = mem[entry]
        if mem[resource + FLOOR] <= advance:
            return 0
        slot = resource + RES_WIDTH
        for _ in range(mem[resource + CAPACITY]):
            if mem[mem[loop + DELTA] + mem[slot + AUTHOR]] != advance:
                return 0
            slot += SLOT_WIDTH
    return advance


def recurs(mem: Memory, loop: int) -> bool:
    """Whether all that the loop reads is that of the snapshot, later by one time.

    A wait with a scope must have applied by then: it would from some iteration on. To be asked when
    the state of the loop matches the snapshot, each operation moved by its own advance.
    """
    advance = moved_alike(mem, loop)
    if advance <= 0:
        return False
    for entry in range(mem[loop + WAITS], mem[loop + WAITS_END]):
        con = mem[entry]
        source = mem[con]
        runs = mem[mem[loop + DELTA] + mem[source + OP]] == advance
        if runs and mem[source + MOVED] - mem[con + ENTRY] < mem[con + BACK]:
            return False
    return True
