"""Applying the summary of a loop where an activation of it is like one before.

In the log it is a reference: instances ``first:first + count`` of each operation are those of the
stored activation from ``based`` on, later by ``advance``. What decided one that lay outside the
activation is found by number as well: a wait counts instances back from the entry, and a server had
the same author, as long ago, as the key says; so each operation has the distance of its numbers.
"""

from __future__ import annotations

from archsim.engine.folding import fits, jump, keep_latest
from archsim.engine.layout import (
    ADVANCE,
    AREA,
    AREA_HEAD,
    AREAS,
    AUTHOR,
    BASED,
    BUDGET,
    CAPACITY,
    COPIED,
    COPIES,
    COUNT,
    CYCLE,
    DELTA,
    DONE,
    EFFECT_AT,
    ENTERED,
    EPOCH,
    FILLED,
    FIRST,
    FOREIGN_END,
    HITS,
    INDEX,
    JUMP_USED,
    JUMP_WIDTH,
    JUMPED,
    KEY_AT,
    LAST,
    LAST_AUTHOR,
    LAST_NUMBER,
    LIMIT,
    LOGGING,
    MASK,
    MISSES,
    MOVED,
    MOVED_OP,
    MOVES,
    NEED,
    NUM_AREAS,
    NUM_RECORDING,
    NUMBER,
    OP,
    OP_WIDTH,
    OPERATIONS,
    OPS,
    OPS_END,
    OVERFLOW,
    OWN,
    PAUSE,
    PENDING,
    PERIOD,
    POS,
    PREVIOUS,
    REACH,
    REFERENCE_ROWS,
    RES_WIDTH,
    RESOURCES,
    RESOURCES_END,
    RING,
    SETTLE,
    SHIFT,
    SLOT_WIDTH,
    SNAPSHOT,
    SPAN,
    SPARE,
    STAMP,
    STEP,
    TIME_LIMIT,
    TRIP,
    WAIT,
    WORK,
    Memory,
)
from archsim.engine.summaries import has_key, make_key

WORTH = 4
"""Numbers in a key for each operation of the activation, above which none is made: a number costs
a quarter of an operation (estimate: 1.5 to 3 ns against 12)."""
PATIENCE = 4
MAX_PAUSE = 6
"""After `PATIENCE` misses in a row a loop goes without for 2, 4 … 64 activations (a choice)."""


def recall(mem: Memory, jumps: Memory, loop: int, simulated: int) -> int:
    """Begin an activation: apply its summary if there is one; return a status."""
    mem[loop + PENDING] = 0
    mem[loop + ENTERED] = simulated + mem[COPIED]
    if mem[NUM_RECORDING] > 0:
        return DONE
    if mem[loop + WORK] * WORTH < mem[loop + EFFECT_AT] - mem[loop + KEY_AT]:
        return DONE
    if mem[loop + PAUSE] > 0:
        mem[loop + PAUSE] -= 1
        return DONE
    if not make_key(mem, loop):
        return DONE
    area = look_up(mem, loop)
    if area >= 0:
        mem[loop + MISSES] = 0
        mem[loop + ENTERED] = -1
        return apply(mem, jumps, loop, area)
    mem[loop + PENDING] = 1
    if mem[loop + WAIT] < mem[loop + SETTLE] and 2 * mem[loop + SETTLE] <= mem[loop + TRIP]:
        mem[loop + WAIT] = mem[loop + SETTLE]
    mem[loop + MISSES] += 1
    beyond = mem[loop + MISSES] - PATIENCE
    if beyond > 0:
        mem[loop + PAUSE] = 1 << (beyond if beyond < MAX_PAUSE else MAX_PAUSE)
    return DONE


def look_up(mem: Memory, loop: int) -> int:
    """Return the area with a summary of the activation that begins, -1 if there is none of use.

    One without a jump that covers less than half of the trip is of none: a better one is worth
    the simulation.
    """
    trip = mem[loop + TRIP]
    for number in range(NUM_AREAS):
        area = mem[loop + AREAS] + mem[loop + AREA] * number
        if mem[area + FILLED] != 0 and mem[area + SPAN] <= trip:
            enough = mem[area + CYCLE] > 0 or trip < 2 * mem[area + SPAN]
            if enough and has_key(mem, loop, area):
                return area
    return -1


def apply(mem: Memory, jumps: Memory, loop: int, area: int) -> int:
    """Put the state of a summary in place, shifted in time, and jump; return a status."""
    shift = (
        mem[mem[loop + AREAS] + mem[loop + AREA] * mem[loop + SPARE] + EPOCH] - mem[area + EPOCH]
    )
    at = area + mem[loop + EFFECT_AT]
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        if mem[at] > 0 and mem[at + 3] + shift >= TIME_LIMIT:
            return OVERFLOW
        at += 3 + mem[mem[entry] + NEED]
    if mem[LOGGING] != 0:
        refer(mem, jumps, loop, area)
    at = push_starts(mem, loop, area + mem[loop + EFFECT_AT], shift)
    put_releases(mem, loop, at, shift)
    mem[loop + INDEX] = mem[area + SPAN]
    mem[loop + JUMPED] = 1
    mem[HITS] += 1
    mem[COPIED] += mem[loop + REFERENCE_ROWS]
    period = mem[area + CYCLE]
    if period > 0:
        copies = (mem[loop + TRIP] - mem[loop + INDEX]) // period
        if mem[area + REACH] < copies:
            copies = mem[area + REACH]
        if copies > 0:
            prepare(mem, loop, area)
            if not fits(mem, loop, copies):
                return OVERFLOW
            mem[OWN] = 1
            jump(mem, jumps, loop, copies)
            mem[OWN] = 0
    if mem[loop + PREVIOUS] >= 0:
        keep_latest(mem, loop, mem[loop + PREVIOUS])
    return BUDGET if mem[COPIED] > mem[LIMIT] else DONE


def push_starts(mem: Memory, loop: int, at: int, shift: int) -> int:
    """Append the starts of a summary to those of the operations; return where releases begin."""
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        op = mem[entry]
        need = mem[op + NEED]
        count = mem[at]
        kept = count if count < need else need
        last = mem[op] + kept - 1
        at += 3
        for age in range(kept):
            mem[mem[op + RING] + ((last - age) & mem[op + MASK])] = mem[at + age] + shift
        at += need
        mem[op] = last + 1
        mem[op + SHIFT] += count - kept
    return at


def put_releases(mem: Memory, loop: int, at: int, shift: int) -> None:
    """Let servers come free as in a summary. Numbers are kept right only where there is a log."""
    for entry in range(mem[loop + RESOURCES], mem[loop + RESOURCES_END]):
        resource = mem[entry]
        author = mem[at + 1]
        if author >= 0:
            mem[resource + LAST] = mem[at] + shift
            mem[resource + LAST_AUTHOR] = author
            op = mem[OPERATIONS] + OP_WIDTH * author
            mem[resource + LAST_NUMBER] = mem[at + 2] + mem[op + MOVED]
        at += 3
        mem[resource + POS] = 0
        slot = resource + RES_WIDTH
        for _ in range(mem[resource + CAPACITY]):
            op = mem[OPERATIONS] + OP_WIDTH * mem[at + 1]
            mem[slot] = mem[at] + shift
            mem[slot + AUTHOR] = mem[at + 1]
            mem[slot + NUMBER] = mem[at + 2] + mem[op + MOVED]
            slot += SLOT_WIDTH
            at += 3


def prepare(mem: Memory, loop: int, area: int) -> None:
    """Write advances and counts of the period of a summary where `jump` looks for them."""
    at = area + mem[loop + EFFECT_AT]
    shot = mem[loop + SNAPSHOT]
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        op = mem[entry]
        mem[shot] = mem[op] - 1 + mem[op + SHIFT] - mem[at + 1]
        mem[mem[loop + DELTA] + mem[op + OP]] = mem[at + 2]
        at += 3 + mem[op + NEED]
        shot += 2 + mem[op + NEED]
    mem[loop + PERIOD] = mem[area + CYCLE]


def refer(mem: Memory, jumps: Memory, loop: int, area: int) -> None:
    """Log a reference to the stored activation, and note by how much numbers move."""
    spare = mem[loop + AREAS] + mem[loop + AREA] * mem[loop + SPARE]
    place = AREA_HEAD
    at = area + mem[loop + EFFECT_AT]
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        refer_one(mem, jumps, mem[entry], mem[at], area, spare, place)
        at += 3 + mem[mem[entry] + NEED]
        place += 1
    for entry in range(mem[loop + OPS_END], mem[loop + FOREIGN_END]):
        refer_one(mem, jumps, mem[entry], 0, area, spare, place)
        place += 1
    key = area + mem[loop + KEY_AT]
    for entry in range(mem[loop + RESOURCES], mem[loop + RESOURCES_END]):
        for _ in range(mem[mem[entry] + CAPACITY]):
            op = mem[OPERATIONS] + OP_WIDTH * mem[key + 1]
            if mem[op + STAMP] != mem[MOVES] + 1:
                refer_one(mem, jumps, op, 0, area, spare, place)
            key += 2
            place += 1
    mem[MOVES] += 2


def refer_one(
    mem: Memory, jumps: Memory, op: int, count: int, area: int, spare: int, place: int
) -> None:
    """Log where ``count`` instances of an operation are: the numbers stand at ``place``."""
    row = mem[JUMP_USED] * JUMP_WIDTH
    jumps[row] = mem[MOVES]
    jumps[row + MOVED_OP] = mem[op + OP]
    jumps[row + BASED] = mem[area + place]
    jumps[row + COUNT] = count
    jumps[row + ADVANCE] = mem[spare + EPOCH] - mem[area + EPOCH]
    jumps[row + COPIES] = -mem[area + FILLED]
    jumps[row + FIRST] = mem[spare + place]
    jumps[row + STEP] = mem[spare + place] - mem[area + place]
    mem[JUMP_USED] += 1
    mem[op + MOVED] = mem[spare + place] - mem[area + place]
    mem[op + STAMP] = mem[MOVES] + 1
