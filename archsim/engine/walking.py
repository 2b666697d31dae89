"""The critical-path walk as a kernel: plain Python and compiled alike, on lists of integers.

The same walk as `archsim.engine.path_walk.walk`, for logs of many thousand rows. Visits and
crossings are kept in one pool of records and found by hash; the copies that an instance lies in are
a chain, outermost first.
"""

from __future__ import annotations

from archsim.engine.layout import (
    BASED,
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

# Header of the memory of a walk; fields that name a table hold their position. `LINKS` is how many
# copies the chain has, `LAST_LINKS` the same for the instance before.
OP_AT, NUMBER_AT, USED, OUT_ROOM, NUM_ROWS, NUM_OPS, NUM_JUMPS = 0, 1, 2, 3, 4, 5, 6
ROWS_OF, ROW_ORDER, JUMPS_OF, JUMP_ORDER, CHAIN, LINKS = 7, 8, 9, 10, 11, 12
LAST_CHAIN, LAST_LINKS, DEPTH, COUNTS, NUM_WAITS, OPEN, NUM_OPEN = 13, 14, 15, 16, 17, 18, 19
HEADS, HEADS_MASK, RECORDS, RECORD_ROOM, HINTS = 20, 21, 22, 23, 24
WALK_HEADER = 25
# Link of a chain: jump or reference, which copy, summary of a reference (0: jump), instance copied.
MOVE_OF, COPY_OF, SUMMARY, COPIED, LINK_WIDTH = 0, 1, 2, 3, 4
# Activation that the walk is in: depth in the chain, how it was entered, entries by then.
OPEN_DEPTH, OPEN_SUMMARY, OPEN_OP, OPEN_NUMBER, OPEN_FIRST, OPEN_WIDTH = 0, 1, 2, 3, 4, 5
# Rows of what a walk writes: code and source; 0, entries repeated and times; `AGAIN`, first entry
# and how many. Then how often more the entry is taken than the one behind it.
CODE, VALUE, TIMES, CHANGE, OUT_WIDTH = 0, 1, 2, 3, 4
AGAIN = -(1 << 62)
# Record of a visit: next with the same hash, row (below -1: a crossing), links, copy, entries then;
# two fields for each link.
NEXT, WHAT, DEEP, LAST_COPY, ENTRIES_THEN, RECORD_HEAD = 0, 1, 2, 3, 4, 5
# Record of a crossing: what is -1; how it was entered, entries, how it was left.
IN_SUMMARY, IN_OP, IN_NUMBER, AGAIN_FIRST, AGAIN_SIZE, OUT_OP, OUT_NUMBER = 2, 3, 4, 5, 6, 7, 8
LEAST_RECORD = 9
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
    if copies < 0:
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


def find_chain(mem: Memory, jumps: Memory, op: int, number: int) -> int:
    """Find what copied an instance, outermost first; return the instance that was simulated."""
    links = 0
    at = mem[CHAIN]
    hint = mem[HINTS] + op * (mem[DEPTH] + 1)
    jump = find_copy(mem, jumps, op, number, hint)
    while jump >= 0:
        rest = number - jumps[jump + FIRST]
        count = jumps[jump + COUNT]
        number = jumps[jump + BASED] + rest - count * (rest // count)
        mem[at] = jumps[jump]
        mem[at + COPY_OF] = 1 + rest // count
        mem[at + SUMMARY] = -jumps[jump + COPIES] if jumps[jump + COPIES] < 0 else 0
        mem[at + COPIED] = number
        at += LINK_WIDTH
        links += 1
        jump = find_copy(mem, jumps, op, number, hint + links)
    mem[LINKS] = links
    return number


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


def distance(mem: Memory, jumps: Memory, chain: int, links: int, op: int) -> int:
    """Return how far an instance of an operation is from the one that it is a copy of."""
    total = 0
    for level in range(links):
        at = chain + level * LINK_WIDTH
        total += mem[at + COPY_OF] * step_of(mem, jumps, mem[at], op, level)
    return total


def crossing_of(mem: Memory, pool: Memory, summary: int, op: int, number: int) -> int:
    """Return the place of the record of a crossing, -1 if there is none."""
    at = mem[crossing_head(mem, summary, op, number)]
    while at >= 0:
        if (
            pool[at + WHAT] == -1
            and pool[at + IN_SUMMARY] == summary
            and pool[at + IN_OP] == op
            and pool[at + IN_NUMBER] == number
        ):
            return at
        at = pool[at + NEXT]
    return -1


def crossing_head(mem: Memory, summary: int, op: int, number: int) -> int:
    """Return where the records with the hash of a crossing begin."""
    code = (summary * HASH_FACTOR + op) & HASH_MASK
    code = (code * HASH_FACTOR + number) & HASH_MASK
    return mem[HEADS] + (code & mem[HEADS_MASK])


def new_record(mem: Memory, pool: Memory, head: int, what: int) -> int:
    """Add a record to those that begin at ``head``; return its place."""
    size = RECORD_HEAD + 2 * mem[DEPTH]
    at = mem[RECORDS] * (size if size > LEAST_RECORD else LEAST_RECORD)
    mem[RECORDS] += 1
    pool[at + NEXT] = mem[head]
    pool[at + WHAT] = what
    mem[head] = at
    return at


def leave(mem: Memory, jumps: Memory, pool: Memory, op: int, number: int) -> int:
    """Note for activations that the walk has left how it came through to an instance."""
    common = 0
    most = mem[LINKS] if mem[LINKS] < mem[LAST_LINKS] else mem[LAST_LINKS]
    while common < most:
        old = mem[LAST_CHAIN] + common * LINK_WIDTH
        new = mem[CHAIN] + common * LINK_WIDTH
        if mem[old] != mem[new] or mem[old + COPY_OF] != mem[new + COPY_OF]:
            break
        common += 1
    while mem[NUM_OPEN] > 0:
        entry = mem[OPEN] + (mem[NUM_OPEN] - 1) * OPEN_WIDTH
        if mem[entry + OPEN_DEPTH] <= common:
            break
        mem[NUM_OPEN] -= 1
        head = crossing_head(
            mem, mem[entry + OPEN_SUMMARY], mem[entry + OPEN_OP], mem[entry + OPEN_NUMBER]
        )
        at = new_record(mem, pool, head, -1)
        pool[at + IN_SUMMARY] = mem[entry + OPEN_SUMMARY]
        pool[at + IN_OP] = mem[entry + OPEN_OP]
        pool[at + IN_NUMBER] = mem[entry + OPEN_NUMBER]
        pool[at + AGAIN_FIRST] = mem[entry + OPEN_FIRST]
        pool[at + AGAIN_SIZE] = mem[USED] - mem[entry + OPEN_FIRST]
        pool[at + OUT_OP] = op
        moved = distance(mem, jumps, mem[LAST_CHAIN], mem[entry + OPEN_DEPTH], op)
        pool[at + OUT_NUMBER] = number - moved
    return DONE


def enter(mem: Memory, pool: Memory, op: int) -> int:
    """Open the activations that the walk came into; return a known crossing, or -1.

    Where there is one, the chain is cut off behind its activation.
    """
    known = 0
    if mem[NUM_OPEN] > 0:
        known = mem[mem[OPEN] + (mem[NUM_OPEN] - 1) * OPEN_WIDTH]
    for level in range(known, mem[LINKS]):
        at = mem[CHAIN] + level * LINK_WIDTH
        if mem[at + SUMMARY] != 0:
            # In a copy of the period of its own jump the walk is in a part of the activation.
            summary = mem[at + SUMMARY]
            if level > 0 and (mem[at - LINK_WIDTH] & 1) != 0:
                summary = -summary
            crossing = crossing_of(mem, pool, summary, op, mem[at + COPIED])
            if crossing >= 0:
                mem[LINKS] = level + 1
                return crossing
            entry = mem[OPEN] + mem[NUM_OPEN] * OPEN_WIDTH
            mem[entry] = level + 1
            mem[entry + OPEN_SUMMARY] = summary
            mem[entry + OPEN_OP] = op
            mem[entry + OPEN_NUMBER] = mem[at + COPIED]
            mem[entry + OPEN_FIRST] = mem[USED]
            mem[NUM_OPEN] += 1
    return -1


def visit_of(mem: Memory, pool: Memory, what: int, level: int) -> int:
    """Return the visit of a row or crossing in this chain, a new one if there was none."""
    links = mem[LINKS]
    chain = mem[CHAIN]
    code = what & HASH_MASK
    for link in range(links):
        at = chain + link * LINK_WIDTH
        copy = mem[at + COPY_OF] if link != level else 0
        code = ((code * HASH_FACTOR + mem[at]) * 31 + copy) & HASH_MASK
    head = mem[HEADS] + (code & mem[HEADS_MASK])
    visit = mem[head]
    while visit >= 0:
        if pool[visit + WHAT] == what and pool[visit + DEEP] == links:
            same = True
            for link in range(links):
                at = chain + link * LINK_WIDTH
                kept = visit + RECORD_HEAD + 2 * link
                copy = mem[at + COPY_OF] if link != level else 0
                if pool[kept] != mem[at] or pool[kept + 1] != copy:
                    same = False
            if same:
                return visit
        visit = pool[visit + NEXT]
    visit = new_record(mem, pool, head, what)
    pool[visit + DEEP] = links
    pool[visit + LAST_COPY] = 0
    for link in range(links):
        at = chain + link * LINK_WIDTH
        kept = visit + RECORD_HEAD + 2 * link
        pool[kept] = mem[at]
        pool[kept + 1] = mem[at + COPY_OF] if link != level else 0
    return visit


def repeat(mem: Memory, pool: Memory, out: Memory, what: int) -> int:
    """Go back as many periods of the innermost jump as the walk repeats itself."""
    level = mem[LINKS] - 1
    while level >= 0 and mem[mem[CHAIN] + level * LINK_WIDTH + SUMMARY] != 0:
        level -= 1
    if level < 0:
        return DONE
    link = mem[CHAIN] + level * LINK_WIDTH
    visit = visit_of(mem, pool, what, level)
    copy = mem[link + COPY_OF]
    stride = pool[visit + LAST_COPY] - copy
    if 0 < stride <= copy:
        row = mem[USED] * OUT_WIDTH
        out[row] = 0
        out[row + VALUE] = mem[USED] - pool[visit + ENTRIES_THEN]
        out[row + TIMES] = copy // stride
        mem[USED] += 1
        copy -= stride * (copy // stride)
        mem[link + COPY_OF] = copy
        if copy == 0:
            mem[LINKS] -= 1
            for place in range(link, mem[CHAIN] + mem[LINKS] * LINK_WIDTH):
                mem[place] = mem[place + LINK_WIDTH]
        while mem[NUM_OPEN] > 0:
            if mem[mem[OPEN] + (mem[NUM_OPEN] - 1) * OPEN_WIDTH] <= level:
                break
            mem[NUM_OPEN] -= 1
    pool[visit + LAST_COPY] = copy
    pool[visit + ENTRIES_THEN] = mem[USED]
    return DONE


def follow(mem: Memory, rows: Memory, jumps: Memory, pool: Memory, out: Memory) -> int:
    """Walk back from an instance to time zero; `ROOM` asks for more records and entries."""
    op = mem[OP_AT]
    number = mem[NUMBER_AT]
    spare = mem[DEPTH] + 2
    status = ROOM
    while mem[USED] + 2 <= mem[OUT_ROOM] and mem[RECORDS] + spare < mem[RECORD_ROOM]:
        simulated = find_chain(mem, jumps, op, number)
        leave(mem, jumps, pool, op, number)
        crossing = enter(mem, pool, op)
        if crossing >= 0:
            repeat(mem, pool, out, -2 - crossing)
            entry = mem[USED] * OUT_WIDTH
            out[entry] = AGAIN
            out[entry + VALUE] = pool[crossing + AGAIN_FIRST]
            out[entry + TIMES] = pool[crossing + AGAIN_SIZE]
            op = pool[crossing + OUT_OP]
            number = pool[crossing + OUT_NUMBER]
        else:
            row = simulated_row(mem, rows, op, simulated)
            repeat(mem, pool, out, row)
            row *= LOG_WIDTH
            if rows[row + 3] == 0:
                status = DONE
                break
            entry = mem[USED] * OUT_WIDTH
            op = rows[row + 4]
            number = rows[row + 5]
            out[entry] = rows[row + 3]
            out[entry + VALUE] = op
        mem[USED] += 1
        number += distance(mem, jumps, mem[CHAIN], mem[LINKS], op)
        mem[LAST_LINKS] = mem[LINKS] - 1 if crossing >= 0 else mem[LINKS]
        for place in range(LINK_WIDTH * mem[LAST_LINKS]):
            mem[mem[LAST_CHAIN] + place] = mem[mem[CHAIN] + place]
    mem[OP_AT] = op
    mem[NUMBER_AT] = number
    return status


def count_edges(mem: Memory, out: Memory) -> int:
    """Count the edges of a path that weigh, as `archsim.engine.path.count_steps` does.

    Waits are counted by their number; releases by hold, and by the operation that held.
    """
    taken = 1
    for entry in range((mem[USED] - 1) * OUT_WIDTH, -1, -OUT_WIDTH):
        taken += out[entry + CHANGE]
        code = out[entry]
        if code == 0 or code == AGAIN:
            more = taken
            first = out[entry + VALUE] * OUT_WIDTH
            last = first + (out[entry + TIMES] - 1) * OUT_WIDTH
            if code == 0:
                more = taken * out[entry + TIMES]
                last = entry - OUT_WIDTH
                first = entry - out[entry + VALUE] * OUT_WIDTH
            out[last + CHANGE] += more
            if first > 0:
                out[first - OUT_WIDTH + CHANGE] -= more
        elif code > 0:
            mem[mem[COUNTS] + code - 1] += taken
        elif (code & 1) != 0:
            hold = (-1 - code) // 2
            place = mem[COUNTS] + mem[NUM_WAITS] + hold * mem[NUM_OPS] + out[entry + VALUE]
            mem[place] += taken
    return DONE


def trace(mem: Memory, rows: Memory, jumps: Memory, pool: Memory, out: Memory) -> int:
    """Order the rows if that was not done, walk, and count at the end; return a status."""
    if mem[USED] == 0:
        sort_by_op(mem, rows, mem[NUM_ROWS], LOG_WIDTH, ROWS_OF)
        sort_by_op(mem, jumps, mem[NUM_JUMPS], JUMP_WIDTH, JUMPS_OF)
    status = follow(mem, rows, jumps, pool, out)
    if status == DONE:
        status = count_edges(mem, out)
    return status
