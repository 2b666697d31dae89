"""Exact recurrence: when the whole relative state comes back, what follows repeats.

The state of a run, taken relative to the current time and turn, holds everything that decides its
future: per instance in flight what it still waits for, when it became ready (exactly, for it
orders the queue) or when it started (as far back as that still matters), per resource the pointer
and the quota used of its turns, and the phase of its opening. Choices depend on relative
quantities only. So two equal states are followed by equal futures: the turns between them, p in
number, repeat every λ ps, and all but the last few need not be run.

Servers that are busy are implied: the instances that hold them have started and are in the state.
"""

from __future__ import annotations

from archsim.engine.events_layout import (
    ADVANCE,
    BORN,
    COPIES,
    CRADLE,
    FIRST,
    FOLDING,
    GAP,
    HAS_STARTED,
    HORIZON,
    INSTANCE_WIDTH,
    IS_QUEUED,
    JUMP_STARTED,
    NOW,
    OPEN_PERIOD,
    PERIOD,
    POINTER,
    RESOURCE_WIDTH,
    RESOURCES,
    RESOURCES_END,
    RING,
    RING_END,
    SITE,
    SNAP_FIRST,
    SNAP_NOW,
    SNAP_RESOURCE,
    SNAP_STARTED,
    SNAP_WIDTH,
    SNAPSHOT,
    STARTED,
    TIME,
    TURN_SIZE,
    TURNS,
    USED,
)
from archsim.engine.layout import Memory


def relative(mem: Memory, instance: int) -> int:
    """Return the time of an instance as far as it matters, in ps from now."""
    time = mem[instance + TIME] - mem[NOW]
    state = mem[instance]
    if state == HAS_STARTED:
        lowest = -mem[mem[instance + SITE] + HORIZON]
        if time < lowest:
            time = lowest
    elif state != IS_QUEUED and time < 0:
        time = 0
    return time


def phase_of(mem: Memory, resource: int) -> int:
    """Return where in its period of openings a resource is, in ps."""
    period = mem[resource + OPEN_PERIOD]
    return mem[NOW] % period if period > 0 else period


def equals_snapshot(mem: Memory) -> bool:
    """Whether the state is that of the snapshot, in full."""
    row = mem[SNAPSHOT]
    if mem[row] != mem[BORN] - mem[FIRST]:
        return False
    row += 1
    for resource in range(mem[RESOURCES], mem[RESOURCES_END], RESOURCE_WIDTH):
        if mem[row] != mem[resource + POINTER] or mem[row + 1] != mem[resource + USED]:
            return False
        if mem[row + 2] != phase_of(mem, resource):
            return False
        row += SNAP_RESOURCE
    ring, ring_end = mem[RING], mem[RING_END]
    # Newest first: what differs mostly differs there. The turn in the cradle does not matter.
    instance = mem[CRADLE]
    for _ in range(ring, ring_end - mem[TURN_SIZE], INSTANCE_WIDTH):
        if instance == ring:
            instance = ring_end
        instance -= INSTANCE_WIDTH
        if mem[row] != mem[instance] or mem[row + 1] != relative(mem, instance):
            return False
        row += SNAP_WIDTH
    return True


def snapshot(mem: Memory) -> None:
    """Keep the state, to see whether it comes back."""
    row = mem[SNAPSHOT]
    mem[row] = mem[BORN] - mem[FIRST]
    row += 1
    for resource in range(mem[RESOURCES], mem[RESOURCES_END], RESOURCE_WIDTH):
        mem[row] = mem[resource + POINTER]
        mem[row + 1] = mem[resource + USED]
        mem[row + 2] = phase_of(mem, resource)
        row += SNAP_RESOURCE
    ring, ring_end = mem[RING], mem[RING_END]
    instance = mem[CRADLE]
    for _ in range(ring, ring_end - mem[TURN_SIZE], INSTANCE_WIDTH):
        if instance == ring:
            instance = ring_end
        instance -= INSTANCE_WIDTH
        mem[row] = mem[instance]
        mem[row + 1] = relative(mem, instance)
        row += SNAP_WIDTH
    mem[SNAP_FIRST] = mem[FIRST]
    mem[SNAP_NOW] = mem[NOW]
    mem[SNAP_STARTED] = mem[STARTED]


def jump(mem: Memory) -> None:
    """Leave out as many whole periods as there are, and look no further.

    The state stays as it is: fewer turns remain, and what starts from here on is to be read as so
    many turns further on, and later.
    """
    period = mem[FIRST] - mem[SNAP_FIRST]
    copies = (mem[TURNS] - mem[BORN]) // period
    advance = mem[NOW] - mem[SNAP_NOW]
    mem[FOLDING] = 0
    if copies > 0:
        mem[TURNS] -= copies * period
        mem[COPIES] = copies
        mem[PERIOD] = period
        mem[ADVANCE] = advance
        mem[JUMP_STARTED] = mem[STARTED]


def recur(mem: Memory) -> None:
    """Look whether the state has come back; keep it now and then (Brent's search)."""
    if mem[BORN] == mem[TURNS]:
        mem[FOLDING] = 0
    elif mem[GAP] > 0 and equals_snapshot(mem):
        jump(mem)
    elif mem[GAP] == 0 or mem[FIRST] - mem[SNAP_FIRST] >= mem[GAP]:
        mem[GAP] += (mem[GAP] >> 1) + 1
        snapshot(mem)
