"""The critical-path walk as a kernel: plain Python and compiled alike, on lists of integers.

The same walk as `archsim.engine.path.walk`, for logs of many thousand rows. One visit is
kept per row and number of jumps that an instance lies in: sources were executed before what they
decide, so that a walk never comes back to an outer copy that it has left, and the latest visit is
the only one that can match.
"""

from __future__ import annotations

from archsim.engine.layout import BUDGET, DONE, JUMP_WIDTH, LOG_WIDTH, ROOM, Memory

# Header of the memory of a walk; fields that name a table hold its position.
OP_AT, NUMBER_AT, USED, OUT_ROOM = 0, 1, 2, 3
NUM_ROWS, NUM_OPS, ROWS_OF, ORDER = 4, 5, 6, 7
JUMPS_OF, JUMPS, COPIES, NESTED, DEPTH = 8, 9, 10, 11, 12
FACTORS, FACTORS_END, COUNTS, NUM_WAITS = 13, 14, 15, 16
WALK_HEADER = 17
# Rows of what a walk writes: code and source, or 0, entries repeated and times.
OUT_WIDTH = 3
# Fields of a visit before the copies: how many there are, the last copy, entries by then.
VISIT_HEAD = 3


def order_rows(mem: Memory, rows: Memory) -> int:
    """Sort the rows of a log by operation, keeping their order: a counting sort."""
    offsets = mem[ROWS_OF]
    for row in range(mem[NUM_ROWS]):
        mem[offsets + rows[row * LOG_WIDTH] + 1] += 1
    for op in range(mem[NUM_OPS]):
        mem[offsets + op + 1] += mem[offsets + op]
    order = mem[ORDER]
    for row in range(mem[NUM_ROWS]):
        place = offsets + rows[row * LOG_WIDTH]
        mem[order + mem[place]] = row
        mem[place] += 1
    for op in range(mem[NUM_OPS] - 1, -1, -1):
        mem[offsets + op + 1] = mem[offsets + op]
    mem[offsets] = 0
    return DONE


def find_row(mem: Memory, rows: Memory, op: int, number: int) -> int:
    """Return the row of an instance, and leave the copies of jumps it lies in, outermost first."""
    nested = 0
    copies = mem[COPIES]
    begin = mem[mem[JUMPS_OF] + op]
    end = mem[mem[JUMPS_OF] + op + 1]
    while True:
        low = begin
        high = end
        while low < high:
            middle = (low + high) // 2
            jump = mem[JUMPS] + middle * JUMP_WIDTH
            if mem[jump + 2] + mem[jump + 3] <= number:
                low = middle + 1
            else:
                high = middle
        if low == begin:
            break
        jump = mem[JUMPS] + (low - 1) * JUMP_WIDTH
        count = mem[jump + 3]
        rest = number - mem[jump + 2]
        if rest >= count * (1 + mem[jump + 5]):
            break
        mem[copies] = mem[jump]
        mem[copies + 1] = rest // count
        number = mem[jump + 2] + rest - count * (rest // count)
        copies += 2
        nested += 1
    mem[NESTED] = nested
    low = mem[mem[ROWS_OF] + op]
    high = mem[mem[ROWS_OF] + op + 1]
    while low < high:
        middle = (low + high) // 2
        if rows[mem[mem[ORDER] + middle] * LOG_WIDTH + 1] < number:
            low = middle + 1
        else:
            high = middle
    return mem[mem[ORDER] + low]


def count_per_period(mem: Memory, jump: int, op: int) -> int:
    """Return the instances of an operation in one period of a jump, 0 if it is outside."""
    low = mem[mem[JUMPS_OF] + op]
    end = mem[mem[JUMPS_OF] + op + 1]
    high = end
    while low < high:
        middle = (low + high) // 2
        if mem[mem[JUMPS] + middle * JUMP_WIDTH] < jump:
            low = middle + 1
        else:
            high = middle
    place = mem[JUMPS] + low * JUMP_WIDTH
    if low < end and mem[place] == jump:
        return mem[place + 3]
    return 0


def is_seen(mem: Memory, visits: Memory, at: int) -> bool:
    """Whether a visit was in the same outer copies, of the same jump."""
    nested = mem[NESTED]
    if visits[at] != nested:
        return False
    for place in range(2 * nested - 1):
        if visits[at + VISIT_HEAD + place] != mem[mem[COPIES] + place]:
            return False
    return True


def follow(mem: Memory, rows: Memory, visits: Memory, out: Memory) -> int:
    """Walk back from an instance to time zero; `ROOM` asks for a longer ``out``."""
    op = mem[OP_AT]
    number = mem[NUMBER_AT]
    used = mem[USED]
    copies = mem[COPIES]
    status = ROOM
    while used + 2 <= mem[OUT_ROOM]:
        row = find_row(mem, rows, op, number)
        nested = mem[NESTED]
        if nested > 0:
            at = (row * mem[DEPTH] + nested - 1) * (VISIT_HEAD + 2 * mem[DEPTH])
            jump = mem[copies + 2 * nested - 2]
            copy = mem[copies + 2 * nested - 1]
            times = 0
            if is_seen(mem, visits, at) and visits[at + 1] > copy:
                stride = visits[at + 1] - copy
                times = copy // stride
                if times > 0:
                    out[used * OUT_WIDTH] = 0
                    out[used * OUT_WIDTH + 1] = used - visits[at + 2]
                    out[used * OUT_WIDTH + 2] = times
                    used += 1
                    copy -= times * stride
                    number -= times * stride * count_per_period(mem, jump, op)
            visits[at] = nested
            visits[at + 1] = copy
            visits[at + 2] = used
            for place in range(2 * nested - 1):
                visits[at + VISIT_HEAD + place] = mem[copies + place]
            if times > 0:
                row = find_row(mem, rows, op, number)
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
            each = count_per_period(mem, mem[copies + 2 * level], op)
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


def trace(mem: Memory, rows: Memory, visits: Memory, out: Memory) -> int:
    """Order the rows if that was not done, walk, and count at the end; return a status."""
    if mem[USED] == 0:
        order_rows(mem, rows)
    status = follow(mem, rows, visits, out)
    if status == DONE:
        status = count_edges(mem, out)
    return status
