"""Exact folding of loops: guess a period, prove it on one more, jump as far as the proof holds.

Theorem. Let S(k) be the state of a loop after k iterations: the last starts of each operation in it
and every server of the resources they use. Suppose that, for some K and p and one advance d per
operation (0 for those outside),

1. S(K + p) is S(K) with each start moved by the advance of its operation, and each server released
   by the same operation as before, moved by that operation's advance;
2. every instance in between was decided by a source with the advance of the instance itself
   (time zero counts as 0);
3. no wait was skipped there for lack of instances, unless its scope lies inside the loop or its
   source does not run in the period;
4. no trip inside depends on the index of this loop;
5. every operation that runs in the period had run as often as anything looks back at it (as the
   ring is compared to that depth this follows from 1: an entry not yet written matches no start).

Let m be the least of floor((slack - 1) / (advance of the source - own advance)) over all instances
and all their sources that gain on them. Then the next m periods are copies of the recorded one,
copy t moved by t times the advances. Proof: by induction over the instances in program order. The
deciding source moves like the instance; every other is at least 1 ps late still; and which waits
apply, and what runs, repeats. As the slack stays above zero every tie is decided as in the unrolled
run, so that not only times but also the critical path are the same.

A loop inside one that is itself being recorded leaves its last period to be simulated: slacks seen
by the outer loop are linear in the number of the inner period, so that the first and the last,
both recorded, bound all between. (If all advances of the outer loop are equal, no slack changes.)

Where all of a loop moves alike, no period needs to be recorded: see `archsim.engine.recurrence`.
"""

from __future__ import annotations

from archsim.engine.layout import (
    ADVANCE,
    AT,
    AUTHOR,
    BACK,
    BASED,
    BLANK,
    BOUND,
    CAPACITY,
    CON_WIDTH,
    CONS,
    CONS_END,
    COPIES,
    COUNT,
    DELTA,
    DEPTH,
    DONE,
    ENTRY,
    FAILS,
    FIRST,
    GAP,
    HINT,
    HOLD_WIDTH,
    HOLDS,
    HOLDS_END,
    INDEX,
    JUMP_USED,
    JUMP_WIDTH,
    JUMPED,
    LAST,
    LAST_AUTHOR,
    LAST_NUMBER,
    LOGGING,
    MASK,
    MAX_FAILS,
    MEMBER,
    MIN_FOLD,
    MOVED_OP,
    MOVES,
    NEED,
    NO_BOUND,
    NUM_JUMPS,
    NUM_RECORDING,
    NUMBER,
    OP,
    OPS,
    OPS_END,
    OVERFLOW,
    OWN,
    PENDING,
    PERIOD,
    PHASE,
    POS,
    PREVIOUS,
    RECORDING,
    REFUSED,
    RES_WIDTH,
    RESOURCE,
    RESOURCES,
    RESOURCES_END,
    RING,
    SCOPE_DEPTH,
    SERVERS,
    SETTLE,
    SHIFT,
    SLOT,
    SLOT_WIDTH,
    SNAPPED,
    SNAPSHOT,
    SOURCE_MASK,
    SOURCE_RING,
    STACK,
    STEP,
    TIME_LIMIT,
    TRIP,
    UNIFORM,
    WAIT,
    WEIGHT,
    Memory,
)
from archsim.engine.recurrence import recurs
from archsim.engine.summaries import store


def search(mem: Memory, jumps: Memory, loop: int) -> int:
    """Look for a period at the end of an iteration, prove it, or jump; return a status."""
    index = mem[loop + INDEX]
    status = DONE
    if mem[loop + PHASE] == RECORDING:
        if index == mem[loop + AT] + mem[loop + PERIOD]:
            status = conclude(mem, jumps, loop)
    else:
        if mem[loop + PHASE] == REFUSED:
            back_off(mem, loop)
        left = mem[loop + TRIP] - index
        if index >= mem[loop + WAIT] and left >= MIN_FOLD:
            status = guess(mem, jumps, loop, left)
    previous = mem[loop + PREVIOUS]
    if previous >= 0:
        keep_latest(mem, loop, previous)
    return status


def guess(mem: Memory, jumps: Memory, loop: int, left: int) -> int:
    """Compare with the snapshot: jump or start recording on a match, else renew an old snapshot."""
    if mem[loop + PHASE] == SNAPPED:
        age = mem[loop + INDEX] - mem[loop + AT]
        if matches(mem, loop):
            if recurs(mem, loop):
                mem[loop + PERIOD] = age
                mem[loop + BOUND] = NO_BOUND
                return leap(mem, jumps, loop, left // age, mem[loop + AT])
            if left < 2 * age:
                forget(mem, loop)
                mem[loop + WAIT] = mem[loop + TRIP]
                return DONE
            record(mem, loop, age)
            return DONE
        if age <= mem[loop + GAP]:
            return DONE
        mem[loop + GAP] += mem[loop + GAP] // 2 + 1
    snapshot(mem, loop)
    mem[loop + PHASE] = SNAPPED
    return DONE


def record(mem: Memory, loop: int, period: int) -> None:
    """Begin to record a period, under the advances that `matches` kept."""
    delta = mem[loop + DELTA]
    member = mem[loop + MEMBER]
    first = mem[delta + mem[mem[mem[loop + OPS]] + OP]]
    mem[loop + UNIFORM] = 1
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        number = mem[mem[entry] + OP]
        mem[member + number] = 1
        if mem[delta + number] != first:
            mem[loop + UNIFORM] = 0
    mem[loop + PHASE] = RECORDING
    mem[loop + PERIOD] = period
    mem[loop + BOUND] = NO_BOUND
    snapshot(mem, loop)
    mem[mem[STACK] + mem[NUM_RECORDING]] = loop
    mem[NUM_RECORDING] += 1


def conclude(mem: Memory, jumps: Memory, loop: int) -> int:
    """End a recorded period: check that the state moved as guessed, and jump if it did."""
    mem[NUM_RECORDING] -= 1
    copies = (mem[loop + TRIP] - mem[loop + INDEX]) // mem[loop + PERIOD]
    if mem[loop + BOUND] < copies:
        copies = mem[loop + BOUND]
    if not matches(mem, loop):
        copies = 0
    at = mem[loop + SNAPSHOT]
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        op = mem[entry]
        count = mem[op] - 1 + mem[op + SHIFT] - mem[at]
        # A wait skipped for lack of instances may apply later; an unfilled ring may be read later.
        skipped = mem[mem[loop + MEMBER] + mem[op + OP]] == 2
        if count > 0 and (skipped or mem[at] + 1 < mem[op + NEED]):
            copies = 0
        at += 2 + mem[op + NEED]
    return leap(mem, jumps, loop, copies, mem[loop + AT] - mem[loop + PERIOD])


def leap(mem: Memory, jumps: Memory, loop: int, copies: int, first: int) -> int:
    """Jump by as many of ``copies`` proven periods as the loops around can see; return a status.

    ``first`` is the iteration whose snapshot led to the jump.
    """
    for level in range(mem[NUM_RECORDING]):
        if mem[mem[mem[STACK] + level] + UNIFORM] == 0:
            copies -= 1
            break
    if copies < 1:
        forget(mem, loop)
        back_off(mem, loop)
        return DONE
    if not fits(mem, loop, copies):
        return OVERFLOW
    pending = mem[loop + PENDING] != 0
    if pending:
        store(mem, loop, mem[loop + PERIOD], mem[loop + BOUND])
    if mem[loop + JUMPED] == 0 and not (pending and first <= mem[loop + SETTLE]):
        mem[loop + HINT] = first if first > mem[loop + HINT] or first == 1 else first - 1
    jump(mem, jumps, loop, copies)
    return DONE


def fits(mem: Memory, loop: int, copies: int) -> bool:
    """Whether every start stays below the limit of time after so many periods."""
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        op = mem[entry]
        advance = mem[mem[loop + DELTA] + mem[op + OP]]
        latest = mem[mem[op + RING] + ((mem[op] - 1) & mem[op + MASK])]
        if advance > 0 and copies > (TIME_LIMIT - 1 - latest) // advance:
            return False
    return True


def jump(mem: Memory, jumps: Memory, loop: int, copies: int) -> None:
    """Move the state of a loop by ``copies`` proven periods."""
    delta = mem[loop + DELTA]
    moved = mem[loop + MEMBER]
    at = mem[loop + SNAPSHOT]
    row = mem[JUMP_USED] * JUMP_WIDTH
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        op = mem[entry]
        number = mem[op + OP]
        head = mem[op] - 1
        count = head + mem[op + SHIFT] - mem[at]
        if mem[LOGGING] != 0 and count > 0:
            jumps[row] = mem[MOVES] + mem[OWN]
            jumps[row + MOVED_OP] = number
            jumps[row + BASED] = mem[at] + 1
            jumps[row + COUNT] = count
            jumps[row + ADVANCE] = mem[delta + number]
            jumps[row + COPIES] = copies
            jumps[row + FIRST] = mem[at] + 1 + count
            jumps[row + STEP] = count
            row += JUMP_WIDTH
            mem[JUMP_USED] += 1
        at += 2 + mem[op + NEED]
        mem[moved + number] = copies * count
        mem[op + SHIFT] += copies * count
        for age in range(mem[op + NEED]):
            mem[mem[op + RING] + ((head - age) & mem[op + MASK])] += copies * mem[delta + number]
    for entry in range(mem[loop + RESOURCES], mem[loop + RESOURCES_END]):
        resource = mem[entry]
        author = mem[resource + LAST_AUTHOR]
        if author >= 0:
            mem[resource + LAST] += copies * mem[delta + author]
            mem[resource + LAST_NUMBER] += mem[moved + author]
        slot = resource + RES_WIDTH
        for _ in range(mem[resource + CAPACITY]):
            author = mem[slot + AUTHOR]
            if author >= 0:
                mem[slot] += copies * mem[delta + author]
                mem[slot + NUMBER] += mem[moved + author]
            slot += SLOT_WIDTH
    forget(mem, loop)
    mem[NUM_JUMPS] += 1
    mem[MOVES] += 2
    mem[loop + JUMPED] = 1
    mem[loop + INDEX] += copies * mem[loop + PERIOD]
    mem[loop + PHASE] = BLANK
    mem[loop + GAP] = 1
    mem[loop + WAIT] = 0
    mem[loop + FAILS] = 0


def back_off(mem: Memory, loop: int) -> None:
    """After a failed proof wait 1, 3, 7, 15, … iterations before the next snapshot."""
    mem[loop + PHASE] = BLANK
    if mem[loop + FAILS] < MAX_FAILS:
        mem[loop + FAILS] += 1
    mem[loop + WAIT] = mem[loop + INDEX] + (1 << mem[loop + FAILS]) - 1
    if mem[loop + GAP] <= mem[loop + PERIOD]:
        mem[loop + GAP] = mem[loop + PERIOD] + 1


def matches(mem: Memory, loop: int) -> bool:
    """Whether the state is that of the snapshot, each operation moved by its own advance.

    While searching, the advances are taken from the difference and kept, and increments are
    compared as well; at the end of a recorded period they must be those kept.
    """
    learn = mem[loop + PHASE] != RECORDING
    at = mem[loop + SNAPSHOT]
    delta = mem[loop + DELTA]
    previous = mem[loop + PREVIOUS]
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        op = mem[entry]
        head = mem[op] - 1
        ring = mem[op + RING]
        mask = mem[op + MASK]
        need = mem[op + NEED]
        latest = mem[ring + (head & mask)]
        advance = latest - mem[at + 2]
        if learn:
            head_number = head + mem[op + SHIFT]
            if head_number != mem[at] and head_number < need - 1:
                return False
            if previous >= 0:
                if latest - mem[previous] != mem[at + 1]:
                    return False
                previous += 1
        elif advance != mem[delta + mem[op + OP]]:
            return False
        at += 2
        for age in range(1, need):
            if mem[ring + ((head - age) & mask)] - mem[at + age] != advance:
                return False
        at += need
    if learn:
        at = mem[loop + SNAPSHOT]
        for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
            op = mem[entry]
            latest = mem[mem[op + RING] + ((mem[op] - 1) & mem[op + MASK])]
            mem[delta + mem[op + OP]] = latest - mem[at + 2]
            at += 2 + mem[op + NEED]
        if not resources_match(mem, loop, at, delta):
            forget(mem, loop)
            return False
        return True
    return resources_match(mem, loop, at, delta)


def resources_match(mem: Memory, loop: int, at: int, delta: int) -> bool:
    """Whether each entry of each resource kept its author and moved as the author did."""
    for entry in range(mem[loop + RESOURCES], mem[loop + RESOURCES_END]):
        resource = mem[entry]
        author = mem[resource + LAST_AUTHOR]
        moved = mem[delta + author] if author >= 0 else 0
        if author != mem[at + 1] or mem[resource + LAST] - mem[at] != moved:
            return False
        at += 2
        position = mem[resource + POS]
        for _ in range(mem[resource + CAPACITY]):
            slot = resource + RES_WIDTH + SLOT_WIDTH * position
            author = mem[slot + AUTHOR]
            moved = mem[delta + author] if author >= 0 else 0
            if author != mem[at + 1] or mem[slot] - mem[at] != moved:
                return False
            at += 2
            position = position + 1 if position + 1 < mem[resource + CAPACITY] else 0
    return True


def snapshot(mem: Memory, loop: int) -> None:
    """Copy the state of a loop: counts, increments, starts and releases, youngest first."""
    at = mem[loop + SNAPSHOT]
    previous = mem[loop + PREVIOUS]
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        op = mem[entry]
        head = mem[op] - 1
        mem[at] = head + mem[op + SHIFT]
        if previous >= 0:
            mem[at + 1] = mem[mem[op + RING] + (head & mem[op + MASK])] - mem[previous]
            previous += 1
        at += 2
        for age in range(mem[op + NEED]):
            mem[at + age] = mem[mem[op + RING] + ((head - age) & mem[op + MASK])]
        at += mem[op + NEED]
    for entry in range(mem[loop + RESOURCES], mem[loop + RESOURCES_END]):
        resource = mem[entry]
        mem[at] = mem[resource + LAST]
        mem[at + 1] = mem[resource + LAST_AUTHOR]
        at += 2
        position = mem[resource + POS]
        for _ in range(mem[resource + CAPACITY]):
            slot = resource + RES_WIDTH + SLOT_WIDTH * position
            mem[at] = mem[slot]
            mem[at + 1] = mem[slot + AUTHOR]
            at += 2
            position = position + 1 if position + 1 < mem[resource + CAPACITY] else 0
    mem[loop + AT] = mem[loop + INDEX]


def keep_latest(mem: Memory, loop: int, previous: int) -> None:
    """Remember the latest start of each operation of a loop, to form increments."""
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        op = mem[entry]
        mem[previous] = mem[mem[op + RING] + ((mem[op] - 1) & mem[op + MASK])]
        previous += 1


def forget(mem: Memory, loop: int) -> None:
    """Clear the advances of a loop, so that its operations count as outside again."""
    for entry in range(mem[loop + OPS], mem[loop + OPS_END]):
        number = mem[mem[entry] + OP]
        mem[mem[loop + DELTA] + number] = 0
        mem[mem[loop + MEMBER] + number] = 0


def prove(mem: Memory, op: int, start: int, author: int) -> None:
    """Check one instance for every loop being recorded; refuse those whose proof it breaks.

    The binding source must advance like the instance itself, and no other source may catch up
    before the jump ends: slack shrinks by the difference of the advances per period, and must
    stay above zero, so that ties are decided as they would be in the unrolled run.
    """
    level = mem[NUM_RECORDING] - 1
    while level >= 0:
        loop = mem[mem[STACK] + level]
        delta = mem[loop + DELTA]
        own = mem[delta + mem[op + OP]]
        bound = mem[loop + BOUND]
        binding = 0
        if author >= 0:
            binding = mem[delta + author]
        if binding != own:
            bound = 0
        for hold in range(mem[op + HOLDS], mem[op + HOLDS_END], HOLD_WIDTH):
            slot = mem[hold + SLOT]
            if mem[hold + SERVERS] != 1:
                resource = mem[hold + RESOURCE]
                slot += SLOT_WIDTH * mem[resource + POS]
                other = mem[resource + LAST_AUTHOR]
                if other >= 0:
                    rate = mem[delta + other] - own
                    bound = catch_up(bound, start - mem[resource + LAST], rate)
            other = mem[slot + AUTHOR]
            if other >= 0:
                bound = catch_up(bound, start - mem[slot], mem[delta + other] - own)
        for con in range(mem[op + CONS], mem[op + CONS_END], CON_WIDTH):
            source = mem[con]
            head = mem[source] - mem[con + BACK]
            if head + mem[source + SHIFT] >= mem[con + ENTRY]:
                time = mem[mem[con + SOURCE_RING] + (head & mem[con + SOURCE_MASK])]
                slack = start - time - mem[con + WEIGHT]
                bound = catch_up(bound, slack, mem[delta + mem[source + OP]] - own)
            elif mem[con + SCOPE_DEPTH] <= mem[loop + DEPTH]:
                member = mem[loop + MEMBER] + mem[source + OP]
                if mem[member] != 0:
                    mem[member] = 2
        mem[loop + BOUND] = bound
        if bound < 1:
            forget(mem, loop)
            mem[loop + PHASE] = REFUSED
            mem[NUM_RECORDING] -= 1
            for above in range(level, mem[NUM_RECORDING]):
                mem[mem[STACK] + above] = mem[mem[STACK] + above + 1]
        level -= 1


def catch_up(bound: int, slack: int, rate: int) -> int:
    """Periods, at most ``bound``, for which a source that gains ``rate`` in each stays behind."""
    if rate > 0:
        periods = (slack - 1) // rate
        if periods < bound:
            return periods
    return bound
