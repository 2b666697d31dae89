"""Summaries of loops: an activation like one before is not simulated again.

What an activation of a loop does depends on what it finds: when each server of its resources comes
free, the earlier starts that its waits look back at, how many of those there are, and the trips of
loops inside that depend on loops around. All of that, relative to the latest release, is its key.
Equal keys mean equal courses, shifted in time; iterations beyond the shorter trip excepted.

A start that is too old to decide anything is only marked so in the key: its wait ends no later than
the first server of some resource of the waiting operation comes free, and servers come first among
equals. Without that, starts outside the loop would make keys differ for ever.

The summary of an activation is its state at the first jump, with the jump, or else at its end. To
apply it puts that state in place, shifted, jumps as far as the trip allows, and leaves the rest to
be simulated. A jump is only kept where each operation in it had run, by the beginning of its
period, as often since the loop was entered as anything looks back at it: its proof then looked at
nothing from before. While a loop around is being recorded none is applied, as its slack would not
be seen.

In the log an activation that was not simulated is a reference: instances of the stored activation,
shifted in time and number. See `archsim.engine.summary_log`.
"""

from __future__ import annotations

from archsim.engine.layout import (
    AREA,
    AREA_HEAD,
    AREAS,
    AUTHOR,
    BACK,
    BASE,
    CAPACITY,
    COPIED,
    CYCLE,
    DELTA,
    EFFECT_AT,
    ENTERED,
    ENTRY,
    EPOCH,
    FILLED,
    FIRST_AGE,
    FOREIGN_END,
    INDEX,
    KEY_AT,
    LAST,
    LAST_AGE,
    LAST_AUTHOR,
    LAST_NUMBER,
    MASK,
    MINUS_INFINITY,
    NEED,
    NO_BOUND,
    NUM_AREAS,
    NUMBER,
    OP,
    OP_WIDTH,
    OPERATIONS,
    OPS,
    OPS_END,
    OUTER,
    OUTER_WAITS,
    OUTER_WAITS_END,
    PENDING,
    POS,
    REACH,
    READ_WAITS,
    READ_WAITS_END,
    READ_WIDTH,
    RES_WIDTH,
    RESOURCES,
    RESOURCES_END,
    RING,
    SHIFT,
    SLOPE,
    SLOT_WIDTH,
    SNAPSHOT,
    SOURCES,
    SOURCES_END,
    SPAN,
    SPARE,
    STORED,
    TABLE,
    TRIPS,
    TRIPS_END,
    WAIT_WIDTH,
    WEIGHT,
    WORK,
    Memory,
)
from archsim.engine.recurrence import earliest, floors


def trip_of(mem: Memory, loop: int) -> int:
    """Return the trip of a loop that is entered now."""
    trip = mem[loop + BASE]
    outer = mem[loop + OUTER]
    if outer >= 0:
        index = mem[outer + INDEX]
        values = mem[loop + TABLE]
        trip = mem[values + index] if values >= 0 else trip + mem[loop + SLOPE] * index
    return trip


def make_key(mem: Memory, loop: int) -> bool:
    """Write counts and key of an activation that begins to the spare area; tell if it has one."""
    latest = floors(mem, loop)
    if latest < 0:
        return False
    area = mem[loop + AREAS] + mem[loop + AREA] * mem[loop + SPARE]
    mem[area + EPOCH] = latest
    at = area + AREA_HEAD
    for entry in range(mem[loop + OPS], mem[loop + FOREIGN_END]):
        mem[at] = mem[mem[entry]] + mem[mem[entry] + SHIFT]
        at += 1
    key = area + mem[loop + KEY_AT]
    for entry in range(mem[loop + RESOURCES], mem[loop + RESOURCES_END]):
        resource = mem[entry]
        position = mem[resource + POS]
        for _ in range(mem[resource + CAPACITY]):
            slot = resource + RES_WIDTH + SLOT_WIDTH * position
            op = mem[OPERATIONS] + OP_WIDTH * mem[slot + AUTHOR]
            mem[at] = mem[op] + mem[op + SHIFT]
            at += 1
            mem[key] = mem[slot] - latest
            mem[key + 1] = mem[slot + AUTHOR]
            key += 2
            position = position + 1 if position + 1 < mem[resource + CAPACITY] else 0
    for entry in range(mem[loop + SOURCES], mem[loop + SOURCES_END], READ_WIDTH):
        key = key_of_source(mem, entry, latest, key)
    for entry in range(mem[loop + OUTER_WAITS], mem[loop + OUTER_WAITS_END]):
        con = mem[entry]
        known = mem[mem[con]] + mem[mem[con] + SHIFT] - mem[con + ENTRY]
        mem[key] = known if known < mem[con + BACK] else mem[con + BACK]
        key += 1
    for entry in range(mem[loop + TRIPS], mem[loop + TRIPS_END]):
        mem[key] = trip_of(mem, mem[entry])
        key += 1
    return True


def key_of_source(mem: Memory, read: int, latest: int, key: int) -> int:
    """Write the starts of one source that may decide something; return where the key goes on."""
    op = mem[read]
    old = NO_BOUND
    for wait in range(mem[read + READ_WAITS], mem[read + READ_WAITS_END], WAIT_WIDTH):
        time = earliest(mem, mem[wait + 1]) - mem[mem[wait] + WEIGHT]
        if time < old:
            old = time
    for age in range(mem[read + FIRST_AGE], mem[read + LAST_AGE] + 1):
        time = mem[mem[op + RING] + ((mem[op] - age) & mem[op + MASK])]
        mem[key] = time - latest if time > old else MINUS_INFINITY
        key += 1
    return key


def has_key(mem: Memory, loop: int, area: int) -> bool:
    """Whether the summary in an area has the key in the spare one."""
    mine = mem[loop + AREAS] + mem[loop + AREA] * mem[loop + SPARE]
    for place in range(mem[loop + KEY_AT], mem[loop + EFFECT_AT]):
        if mem[area + place] != mem[mine + place]:
            return False
    return True


def finish(mem: Memory, loop: int, simulated: int) -> None:
    """End an activation: keep it, if it was not known, and what it took."""
    if mem[loop + PENDING] != 0:
        store(mem, loop, 0, 0)
    if mem[loop + ENTERED] >= 0:
        mem[loop + WORK] = simulated + mem[COPIED] - mem[loop + ENTERED]


def store(mem: Memory, loop: int, period: int, bound: int) -> None:
    """Keep the activation up to now, with a jump of up to ``bound`` periods, if it is of use."""
    area = mem[loop + AREAS] + mem[loop + AREA] * mem[loop + SPARE]
    if period > 0 and not is_settled(mem, loop, area):
        return
    mem[loop + PENDING] = 0
    victim = -1
    oldest = mem[STORED] + 1
    for other in range(NUM_AREAS):
        known = mem[loop + AREAS] + mem[loop + AREA] * other
        if mem[known + FILLED] != 0 and has_key(mem, loop, known):
            if mem[known + CYCLE] > 0 or (period == 0 and mem[loop + INDEX] <= mem[known + SPAN]):
                return
            victim = other
            oldest = -1
        if mem[known + FILLED] < oldest and other != mem[loop + SPARE]:
            victim = other
            oldest = mem[known + FILLED]
    mem[STORED] += 1
    mem[area + FILLED] = mem[STORED]
    mem[area + SPAN] = mem[loop + INDEX]
    mem[area + CYCLE] = period
    mem[area + REACH] = bound
    write_effect(mem, loop, area, period)
    mem[loop + SPARE] = victim
    mem[mem[loop + AREAS] + mem[loop + AREA] * victim + FILLED] = 0


def is_settled(mem: Memory, loop: int, area: int) -> bool:
    """Whether the period proved looked at nothing from before the activation."""
    at = mem[loop + SNAPSHOT]
    entered = area + AREA_HEAD
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        op = mem[entry]
        runs = mem[op] - 1 + mem[op + SHIFT] != mem[at]
        if runs and mem[at] + 1 - mem[entered] < mem[op + NEED]:
            return False
        entered += 1
        at += 2 + mem[op + NEED]
    return True


def write_effect(mem: Memory, loop: int, area: int, period: int) -> None:
    """Write the state of a loop: instances, starts and releases, as at the end of a summary."""
    at = area + mem[loop + EFFECT_AT]
    shot = mem[loop + SNAPSHOT]
    entered = area + AREA_HEAD
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        op = mem[entry]
        head = mem[op] - 1
        mem[at] = head + 1 + mem[op + SHIFT] - mem[entered]
        if period > 0:
            mem[at + 1] = head + mem[op + SHIFT] - mem[shot]
            mem[at + 2] = mem[mem[loop + DELTA] + mem[op + OP]]
            shot += 2 + mem[op + NEED]
        at += 3
        for age in range(mem[op + NEED]):
            mem[at + age] = mem[mem[op + RING] + ((head - age) & mem[op + MASK])]
        at += mem[op + NEED]
        entered += 1
    for entry in range(mem[loop + RESOURCES], mem[loop + RESOURCES_END]):
        resource = mem[entry]
        mem[at] = mem[resource + LAST]
        mem[at + 1] = mem[resource + LAST_AUTHOR]
        mem[at + 2] = mem[resource + LAST_NUMBER]
        at += 3
        position = mem[resource + POS]
        for _ in range(mem[resource + CAPACITY]):
            slot = resource + RES_WIDTH + SLOT_WIDTH * position
            mem[at] = mem[slot]
            mem[at + 1] = mem[slot + AUTHOR]
            mem[at + 2] = mem[slot + NUMBER]
            at += 3
            position = position + 1 if position + 1 < mem[resource + CAPACITY] else 0
