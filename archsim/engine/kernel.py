"""The kernel: one pass over a program in issue order.

Every function here and in `archsim.engine.folding` runs unchanged as plain Python (on lists) and
compiled (on int64 arrays, see `archsim.engine.compiled`). All state is in ``mem``, so a run can
stop, grow its log or change from one form to the other, and go on.
"""

from __future__ import annotations

from archsim.engine.folding import forget, keep_latest, prove, search
from archsim.engine.layout import (
    AREAS,
    AUTHOR,
    BACK,
    BLANK,
    BODY,
    BUDGET,
    CON,
    CON_WIDTH,
    CONS,
    CONS_END,
    DONE,
    ENTER,
    ENTRIES,
    ENTRIES_END,
    ENTRY,
    EXIT,
    FAILS,
    FOLDABLE,
    FOLDING,
    GAP,
    HINT,
    HOLD,
    HOLD_WIDTH,
    HOLDS,
    HOLDS_END,
    INDEX,
    JUMP_ROOM,
    JUMP_USED,
    JUMPED,
    LAST,
    LAST_AUTHOR,
    LAST_NUMBER,
    LIMIT,
    LOG_ROOM,
    LOG_USED,
    LOG_WIDTH,
    LOGGING,
    MASK,
    NOBODY,
    NUM_RECORDING,
    NUMBER,
    OCCUPANCY,
    OP,
    OPS,
    OPS_END,
    ORIGIN,
    OVERFLOW,
    PC,
    PHASE,
    POS,
    PREVIOUS,
    RECORDING,
    REFERENCE_ROWS,
    RESOURCE,
    RING,
    ROOM,
    RUN,
    SCOPED,
    SERVERS,
    SHIFT,
    SIMULATED,
    SKIPPED,
    SLOT,
    SLOT_WIDTH,
    SOURCE_MASK,
    SOURCE_RING,
    STOP,
    TAPE_WIDTH,
    TIME_LIMIT_BITS,
    TRIP,
    WAIT,
    WEIGHT,
    Memory,
)
from archsim.engine.recall import recall
from archsim.engine.summaries import finish, trip_of


def run_plain(mem: Memory, first: int, last: int) -> int:
    """Run the sites ``first:last`` without keeping anything but state; return all starts ored."""
    seen = 0
    for site in range(first, last):
        op = mem[site]
        start = 0
        holds = mem[op + HOLDS]
        holds_end = mem[op + HOLDS_END]
        for hold in range(holds, holds_end, HOLD_WIDTH):
            slot = mem[hold + SLOT]
            if mem[hold + SERVERS] != 1:
                resource = mem[hold + RESOURCE]
                slot += SLOT_WIDTH * mem[resource + POS]
                time = mem[resource + LAST]
                if time > start:
                    start = time
            time = mem[slot]
            if time > start:
                start = time
        con = mem[op + CONS]
        scoped = mem[op + SCOPED]
        while con < scoped:
            place = mem[con + SOURCE_RING] + (
                (mem[mem[con]] - mem[con + BACK]) & mem[con + SOURCE_MASK]
            )
            time = mem[place] + mem[con + WEIGHT]
            if time > start:
                start = time
            con += CON_WIDTH
        scoped = mem[op + CONS_END]
        while con < scoped:
            source = mem[con]
            head = mem[source] - mem[con + BACK]
            if head + mem[source + SHIFT] >= mem[con + ENTRY]:
                place = mem[con + SOURCE_RING] + (head & mem[con + SOURCE_MASK])
                time = mem[place] + mem[con + WEIGHT]
                if time > start:
                    start = time
            con += CON_WIDTH
        head = mem[op]
        mem[op] = head + 1
        mem[mem[op + RING] + (head & mem[op + MASK])] = start
        for hold in range(holds, holds_end, HOLD_WIDTH):
            slot = mem[hold + SLOT]
            servers = mem[hold + SERVERS]
            if servers != 1:
                resource = mem[hold + RESOURCE]
                position = mem[resource + POS]
                slot += SLOT_WIDTH * position
                mem[resource + POS] = position + 1 if position + 1 < servers else 0
                mem[resource + LAST] = start
                mem[resource + LAST_AUTHOR] = mem[op + OP]
            mem[slot] = start + mem[hold + OCCUPANCY]
            mem[slot + AUTHOR] = mem[op + OP]
        seen |= start
    return seen


def run_recorded(mem: Memory, log: Memory, first: int, last: int) -> int:
    """Run the sites ``first:last``, log them and check them for every loop being recorded."""
    seen = 0
    row = mem[LOG_USED] * LOG_WIDTH
    for site in range(first, last):
        op = mem[site]
        start, code, author, number = mem[ORIGIN], 0, mem[NOBODY], -1
        holds = mem[op + HOLDS]
        holds_end = mem[op + HOLDS_END]
        for hold in range(holds, holds_end, HOLD_WIDTH):
            slot = mem[hold + SLOT]
            resource = mem[hold + RESOURCE]
            if mem[hold + SERVERS] != 1:
                slot += SLOT_WIDTH * mem[resource + POS]
            if mem[slot] > start:
                start, code = mem[slot], -1 - 2 * mem[hold + HOLD]
                author, number = mem[slot + AUTHOR], mem[slot + NUMBER]
            if mem[hold + SERVERS] != 1 and mem[resource + LAST] > start:
                start, code = mem[resource + LAST], -2 - 2 * mem[hold + HOLD]
                author, number = mem[resource + LAST_AUTHOR], mem[resource + LAST_NUMBER]
        for con in range(mem[op + CONS], mem[op + CONS_END], CON_WIDTH):
            source = mem[con]
            head = mem[source] - mem[con + BACK]
            if head + mem[source + SHIFT] >= mem[con + ENTRY]:
                time = mem[mem[con + SOURCE_RING] + (head & mem[con + SOURCE_MASK])]
                time += mem[con + WEIGHT]
                if time > start:
                    start, code = time, 1 + mem[con + CON]
                    author, number = mem[source + OP], head + mem[source + SHIFT]
        if mem[NUM_RECORDING] > 0:
            prove(mem, op, start, author)
        head = mem[op]
        mem[op] = head + 1
        mem[mem[op + RING] + (head & mem[op + MASK])] = start
        head += mem[op + SHIFT]
        hold_all(mem, op, start, head)
        seen |= start
        if mem[LOGGING] != 0:
            log[row] = mem[op + OP]
            log[row + 1] = head
            log[row + 2] = start
            log[row + 3] = code
            log[row + 4] = author
            log[row + 5] = number
            row += LOG_WIDTH
    if mem[LOGGING] != 0:
        mem[LOG_USED] += last - first
    return seen


def hold_all(mem: Memory, op: int, start: int, number: int) -> None:
    """Let instance ``number`` of an operation take all its resources at ``start``."""
    for hold in range(mem[op + HOLDS], mem[op + HOLDS_END], HOLD_WIDTH):
        slot = mem[hold + SLOT]
        servers = mem[hold + SERVERS]
        if servers != 1:
            resource = mem[hold + RESOURCE]
            position = mem[resource + POS]
            slot += SLOT_WIDTH * position
            mem[resource + POS] = position + 1 if position + 1 < servers else 0
            mem[resource + LAST] = start
            mem[resource + LAST_AUTHOR] = mem[op + OP]
            mem[resource + LAST_NUMBER] = number
        mem[slot] = start + mem[hold + OCCUPANCY]
        mem[slot + AUTHOR] = mem[op + OP]
        mem[slot + NUMBER] = number


def enter(mem: Memory, jumps: Memory, loop: int, simulated: int) -> int:
    """Begin an activation of a loop, which may not run at all or be known already."""
    if mem[LOGGING] != 0 and mem[JUMP_USED] + mem[loop + REFERENCE_ROWS] > mem[JUMP_ROOM]:
        return ROOM
    mem[loop + INDEX] = 0
    mem[loop + TRIP] = trip_of(mem, loop)
    if mem[loop + TRIP] <= 0:
        mem[SKIPPED] += 1
        return BUDGET if mem[SKIPPED] > mem[LIMIT] else DONE
    for entry in range(mem[loop + ENTRIES], mem[loop + ENTRIES_END]):
        con = mem[entry]
        source = mem[con]
        mem[con + ENTRY] = mem[source] + mem[source + SHIFT]
    mem[loop + PHASE] = BLANK
    mem[loop + GAP] = 1
    mem[loop + WAIT] = mem[loop + HINT]
    mem[loop + FAILS] = 0
    mem[loop + JUMPED] = 0
    if mem[loop + PREVIOUS] >= 0:
        keep_latest(mem, loop, mem[loop + PREVIOUS])
    if mem[loop + AREAS] >= 0:
        return recall(mem, jumps, loop, simulated)
    return DONE


def leave(mem: Memory, jumps: Memory, loop: int, simulated: int) -> int:
    """End an iteration of a loop, and its activation after the last."""
    if mem[LOGGING] != 0 and mem[FOLDING] != 0:
        size = mem[loop + OPS_END] - mem[loop + OPS]
        if mem[JUMP_USED] + size > mem[JUMP_ROOM]:
            return ROOM
    status = DONE
    mem[loop + INDEX] += 1
    if mem[loop + FOLDABLE] != 0 and mem[loop + INDEX] < mem[loop + TRIP]:
        status = search(mem, jumps, loop)
    if mem[loop + INDEX] == mem[loop + TRIP]:
        if mem[loop + PHASE] == RECORDING:
            mem[NUM_RECORDING] -= 1
            forget(mem, loop)
        if mem[loop + AREAS] >= 0:
            finish(mem, loop, simulated)
    return status


def advance(mem: Memory, log: Memory, jumps: Memory) -> int:
    """Go on from where ``mem`` stands; return `DONE`, or why it stopped before the end."""
    pc = mem[PC]
    simulated = mem[SIMULATED]
    limit = mem[LIMIT]
    logging = mem[LOGGING] != 0
    status = DONE
    while status == DONE and mem[pc] != STOP:
        kind = mem[pc]
        loop = mem[pc + 1]
        if kind == RUN:
            last = mem[pc + 2]
            size = last - loop
            if simulated + size > limit:
                status = BUDGET
                break
            if logging or mem[NUM_RECORDING] > 0:
                if logging and mem[LOG_USED] + size > mem[LOG_ROOM]:
                    status = ROOM
                    break
                seen = run_recorded(mem, log, loop, last)
            else:
                seen = run_plain(mem, loop, last)
            simulated += size
            pc += TAPE_WIDTH
            if (seen >> TIME_LIMIT_BITS) != 0:
                status = OVERFLOW
        else:
            if kind == ENTER:
                status = enter(mem, jumps, loop, simulated)
            else:
                status = leave(mem, jumps, loop, simulated)
            if status != ROOM:
                pc = mem[loop + BODY] if mem[loop + INDEX] < mem[loop + TRIP] else mem[loop + EXIT]
    mem[PC] = pc
    mem[SIMULATED] = simulated
    return status
