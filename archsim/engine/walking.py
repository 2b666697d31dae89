"""The critical-path walk as a kernel: plain Python and compiled alike, on lists of integers.

The same walk as `archsim.engine.path.walk`, for logs of many thousand rows. Visits are kept in a
pool, found by what identifies them: the row, and the copies of jumps and references that it lies
in, except the copy of the innermost jump.
"""

from __future__ import annotations

from archsim.engine.layout import (
    BASED,
    BUDGET,
    COPIES,
    COUNT,
    DONE,
    FIRST,
    JUMP_WIDTH,
    LOG_WIDTH,
    MOVED_OP,
    ROOM,
    STEP,
    Memory,
)

# Header of the memory of a walk; fields that name a table hold its position.
OP_AT, NUMBER_AT, USED, OUT_ROOM, NUM_ROWS, NUM_OPS, NUM_JUMPS = 0, 1, 2, 3, 4, 5, 6
ROWS_OF, ROW_ORDER, JUMPS_OF, JUMP_ORDER, COPIED_BY, NESTED = 7, 8, 9, 10, 11, 12
LEVEL, DEPTH, FACTORS, FACTORS_END, COUNTS, NUM_WAITS = 13, 14, 15, 16, 17, 18
HEADS, HEADS_MASK, VISITED, VISIT_ROOM, HINTS = 19, 20, 21, 22, 23
WALK_HEADER = 24
# Rows of what a walk writes: code and source, or 0, entries repeated and times.
OUT_WIDTH = 3
# A visit: next with the same hash, row, how many copies, the last copy, entries by then; copies.
NEXT, ROW, DEEP, LAST_COPY, ENTRIES_THEN, VISIT_HEAD = 0, 1, 2, 3, 4, 5
NEARBY = 3
"""Places looked at before the place looked for is searched for (a choice)."""
HASH_FACTOR, HASH_MASK = 1_000_003, (1 << 31) - 1


def sort_by_op(mem: Memory, rows: Memory, size: int, width: int, field: int) -> int:
    """Sort the numbers of rows by operation, keeping their order: a counting sort.

    ``field`` of the header is the place of the offsets by operation, the next of the order.
    """
    offsets = mem[field]
    order = mem[field + 1]
    at_op = 0 if width == LOG_WIDTH else MOVED_OP
    for row in range(size):
        mem[offsets + rows[row * width + at_op] + 1] += 1
    for op in range(mem[NUM_OPS]):
        mem[offsets + op + 1] += mem[offsets + op]
    for row in range(size):
        place = offsets + rows[row * width + at_op]
        mem[order + mem[place]] = row
        mem[place] += 1
    for op in range(mem[NUM_OPS] - 1, -1, -1):
        mem[offsets + op + 1] = mem[offsets + op]
    mem[offsets] = 0
    return DONE


def end_of(mem: Memory, jumps: Memory, place: int) -> int:
    """Return the first instance behind the copies that the row at a place of the order made."""
    jump = mem[mem[JUMP_ORDER] + place] * JUMP_WIDTH
    copies = jumps[jump + COPIES]
    if copies == 0:
        copies = 1
    return jumps[jump + FIRST] + jumps[jump + COUNT] * copies


def find_copy(mem: Memory, jumps: Memory, op: int, number: int, hint: int) -> int:
    """Return the place of the jump or reference that copied an instance, -1 if none did.

    ``hint`` is where the place in the order of the last answer is kept: a walk goes backwards in
    small steps, so that the next is that or the one before.
    """
    low = mem[mem[JUMPS_OF] + op]
    end = mem[mem[JUMPS_OF] + op + 1]
    high = end
    near = mem[hint]
    for _ in range(NEARBY):
        if low < near < high:
            if end_of(mem, jumps, near - 1) <= number:
                low = near
            else:
                high = near
                near -= 1
    if low < high and low == near and end_of(mem, jumps, low) > number:
        high = low
    while low < high:
        middle = (low + high) // 2
        if end_of(mem, jumps, middle) <= number:
            low = middle + 1
        else:
            high = middle
    mem[hint] = low
    if low == end:
        return -1
    jump = mem[mem[JUMP_ORDER] + low] * JUMP_WIDTH
    if jumps[jump + FIRST] > number:
        return -1
    return jump


def simulated_row(mem: Memory, rows: Memory, op: int, number: int) -> int:
    """Return the row of an instance that was simulated."""
    order = mem[ROW_ORDER]
    low = mem[mem[ROWS_OF] + op]
    high = mem[mem[ROWS_OF] + op + 1]
    hint = mem[HINTS] + op * (mem[DEPTH] + 1) + mem[DEPTH]
    near = mem[hint]
    for _ in range(NEARBY):
        if low <= near < high:
            if rows[mem[order + near] * LOG_WIDTH + 1] == number:
                mem[hint] = near
                return mem[order + near]
            near -= 1
    while low < high:
        middle = (low + high) // 2
        if rows[mem[order + middle] * LOG_WIDTH + 1] < number:
            low = middle + 1
        else:
            high = middle
    mem[hint] = low
    return mem[order + low]


def find_row(mem: Memory, rows: Memory, jumps: Memory, op: int, number: int) -> int:
    """Return the row of an instance, and leave the copies it lies in, outermost first."""
    nested = 0
    level = -1
    copies = mem[COPIED_BY]
    hint = mem[HINTS] + op * (mem[DEPTH] + 1)
    jump = find_copy(mem, jumps, op, number, hint)
    while jump >= 0:
        rest = number - jumps[jump + FIRST]
        count = jumps[jump + COUNT]
        if jumps[jump + COPIES] != 0:
            level = nested
        mem[copies] = jumps[jump]
        mem[copies + 1] = 1 + rest // count
        number = jumps[jump + BASED] + rest - count * (rest // count)
        copies += 2
        nested += 1
        jump = find_copy(mem, jumps, op, number, hint + nested)
    mem[NESTED] = nested
    mem[LEVEL] = level
    return simulated_row(mem, rows, op, number)


def step_of(mem: Memory, jumps: Memory, move: int, op: int, level: int) -> int:
    """Return by how much a copy of a jump or reference moves instance numbers of an operation."""
    order = mem[JUMP_ORDER]
    low = mem[mem[JUMPS_OF] + op]
    end = mem[mem[JUMPS_OF] + op + 1]
    high = end
    near = mem[mem[HINTS] + op * (mem[DEPTH] + 1) + level]
    for _ in range(NEARBY):
        if low <= near < high:
            jump = mem[order + near] * JUMP_WIDTH
            if jumps[jump] == move:
                return jumps[jump + STEP]
            near -= 1
    while low < high:
        middle = (low + high) // 2
        if jumps[mem[order + middle] * JUMP_WIDTH] < move:
            low = middle + 1
        else:
            high = middle
    if low < end:
        jump = mem[order + low] * JUMP_WIDTH
        if jumps[jump] == move:
            return jumps[jump + STEP]
    return 0


def visit_of(mem: Memory, visits: Memory, row: int) -> int:
    """Return the visit of a row in these copies, a new one if there was none."""
    nested = mem[NESTED]
    copies = mem[COPIED_BY]
    skipped = 2 * mem[LEVEL] + 1
    code = row
    for place in range(2 * nested):
        if place != skipped:
            code = (code * HASH_FACTOR + mem[copies + place]) & HASH_MASK
    head = mem[HEADS] + (code & mem[HEADS_MASK])
    at = mem[head]
    while at >= 0:
        if visits[at + ROW] == row and visits[at + DEEP] == nested:
            same = True
            for place in range(2 * nested):
                if place != skipped and visits[at + VISIT_HEAD + place] != mem[copies + place]:
                    same = False
            if same:
                return at
        at = visits[at + NEXT]
    at = mem[VISITED] * (VISIT_HEAD + 2 * mem[DEPTH])
    mem[VISITED] += 1
    visits[at + NEXT] = mem[head]
    visits[at + ROW] = row
    visits[at + DEEP] = nested
    visits[at + LAST_COPY] = -1
    for place in range(2 * nested):
        visits[at + VISIT_HEAD + place] = mem[copies + place]
    mem[head] = at
    return at


def follow(mem: Memory, rows: Memory, jumps: Memory, visits: Memory, out: Memory) -> int:
    """Walk back from an instance to time zero; `ROOM` asks for longer ``visits`` and ``out``."""
    op = mem[OP_AT]
    number = mem[NUMBER_AT]
    used = mem[USED]
    copies = mem[COPIED_BY]
    status = ROOM
    while used + 2 <= mem[OUT_ROOM] and mem[VISITED] < mem[VISIT_ROOM]:
        row = find_row(mem, rows, jumps, op, number)
        if mem[LEVEL] >= 0:
            at = visit_of(mem, visits, row)
            jump = mem[copies + 2 * mem[LEVEL]]
            copy = mem[copies + 2 * mem[LEVEL] + 1]
            times = 0
            if visits[at + LAST_COPY] > copy:
                stride = visits[at + LAST_COPY] - copy
                times = copy // stride
                if times > 0:
                    out[used * OUT_WIDTH] = 0
                    out[used * OUT_WIDTH + 1] = used - visits[at + ENTRIES_THEN]
                    out[used * OUT_WIDTH + 2] = times
                    used += 1
                    copy -= times * stride
                    number -= times * stride * step_of(mem, jumps, jump, op, mem[LEVEL])
            visits[at + LAST_COPY] = copy
            visits[at + ENTRIES_THEN] = used
            if times > 0:
                row = find_row(mem, rows, jumps, op, number)
        row *= LOG_WIDTH
        if rows[row + 3] == 0:
            status = DONE
            break
        out[used * OUT_WIDTH] = rows[row + 3]
        out[used * OUT_WIDTH + 1] = rows[row + 4]
        used += 1
        op = rows[row + 4]
        number = rows[row + 5]
        for level in range(mem[NESTED]):
            each = step_of(mem, jumps, mem[copies + 2 * level], op, level)
            number += mem[copies + 2 * level + 1] * each
    mem[OP_AT] = op
    mem[NUMBER_AT] = number
    mem[USED] = used
    return status


def count_edges(mem: Memory, out: Memory) -> int:
    """Count the edges of a path that weigh, repeats multiplied out.

    Waits are counted by their number; releases by hold, and by the operation that held. Return
    `BUDGET` where repeats nest deeper than there is room for.
    """
    top = mem[FACTORS]
    mem[top] = -1
    mem[top + 1] = 1
    for position in range(mem[USED] - 1, -1, -1):
        while position < mem[top]:
            top -= 2
        entry = position * OUT_WIDTH
        code = out[entry]
        if code == 0:
            factor = mem[top + 1] * (1 + out[entry + 2])
            top += 2
            if top == mem[FACTORS_END]:
                return BUDGET
            mem[top] = position - out[entry + 1]
            mem[top + 1] = factor
        elif code > 0:
            mem[mem[COUNTS] + code - 1] += mem[top + 1]
        elif (code & 1) != 0:
            hold = (-1 - code) // 2
            place = mem[COUNTS] + mem[NUM_WAITS] + hold * mem[NUM_OPS] + out[entry + 1]
            mem[place] += mem[top + 1]
    return DONE


def trace(mem: Memory, rows: Memory, jumps: Memory, visits: Memory, out: Memory) -> int:
    """Order the rows if that was not done, walk, and count at the end; return a status."""
    if mem[USED] == 0:
        sort_by_op(mem, rows, mem[NUM_ROWS], LOG_WIDTH, ROWS_OF)
        sort_by_op(mem, jumps, mem[NUM_JUMPS], JUMP_WIDTH, JUMPS_OF)
    status = follow(mem, rows, jumps, visits, out)
    if status == DONE:
        status = count_edges(mem, out)
    return status
