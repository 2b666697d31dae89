"""The event kernel: moves from one time at which something happens to the next.

At each time, everything that is due happens first: servers come free, instances become ready,
turns end and others are admitted, until nothing more is due. Then the resources choose. What
their choices make ready at the same time is seen in the next round. The order of the events of a
round does not matter, so nothing depends on how they are stored.

Every function here and in `archsim.engine.events_folding` runs unchanged as plain Python and
compiled. All state is in ``mem``, so a run can stop and go on in the other form.
"""

from __future__ import annotations

from archsim.engine.events_folding import recur
from archsim.engine.events_layout import (
    ARRIVAL_STEP,
    ARRIVALS,
    AWAKE,
    AWAKE_SIZE,
    BORN,
    BUDGET,
    CLASS,
    CLASS_WIDTH,
    CLASSES,
    CLASSES_END,
    CRADLE,
    DONE,
    EVENTS,
    FCFS,
    FIRST,
    FIRST_PLACE,
    FOLDING,
    FREE,
    FRESH,
    FRESH_SIZE,
    HAS_STARTED,
    HEAD,
    HEAP,
    HEAP_SIZE,
    HEAP_WIDTH,
    IN,
    IN_END,
    INSTANCE_WIDTH,
    IS_AWAKE,
    IS_QUEUED,
    LAST_END,
    LEFT,
    LENGTH,
    LIMIT,
    LOG_ROOM,
    LOG_USED,
    LOG_WIDTH,
    LOGGING,
    LONGEST,
    NEXT,
    NOW,
    NUM_SITES,
    NUMBER,
    OCCUPANCY,
    OPEN_PERIOD,
    OPENINGS,
    OPENINGS_END,
    OUT,
    OUT_END,
    OVERFLOW,
    PLACE,
    PLACE_WIDTH,
    PLACES,
    PLACES_END,
    POINTER,
    PREVIOUS,
    QUEUED,
    QUOTA,
    RESOURCE,
    RESOURCES,
    RETIRE_AT,
    RETIRED,
    RING,
    RING_END,
    ROOM,
    ROUND_ROOM,
    RULE,
    SITE,
    SITE_WIDTH,
    SITES,
    SITES_END,
    STARTED,
    STUCK,
    TAIL,
    TIME,
    TIME_LIMIT,
    TURNS,
    USED,
    WAIT_WIDTH,
    WAY,
    WEIGHT,
    WEIGHTED,
    WINDOW,
)
from archsim.engine.layout import Memory


def push(mem: Memory, time: int, code: int) -> None:
    """Note that something happens at ``time``: an instance, a resource, or 0 for a turn's end."""
    heap = mem[HEAP]
    child = mem[HEAP_SIZE]
    mem[HEAP_SIZE] = child + 1
    while child > 0:
        parent = (child - 1) >> 1
        row = heap + HEAP_WIDTH * parent
        if mem[row] < time or (mem[row] == time and mem[row + 1] < code):
            break
        here = heap + HEAP_WIDTH * child
        mem[here] = mem[row]
        mem[here + 1] = mem[row + 1]
        child = parent
    here = heap + HEAP_WIDTH * child
    mem[here] = time
    mem[here + 1] = code


def pop(mem: Memory) -> int:
    """Take the earliest entry and return what happens.

    The hole goes down to a leaf along the earlier children, then the last entry up from there: it
    came late and rarely rises, and the way down needs no comparison with it. Entries of the same
    time leave in the order of their places, which is mostly that of the program: a burst then
    joins the end of its queue one by one, and not from the end forwards each time.
    """
    heap = mem[HEAP]
    found = mem[heap + 1]
    size = mem[HEAP_SIZE] - 1
    mem[HEAP_SIZE] = size
    hole = heap
    row = heap + HEAP_WIDTH
    end = heap + HEAP_WIDTH * size
    while row < end:
        time = mem[row]
        other = mem[row + HEAP_WIDTH]
        is_first = mem[row + HEAP_WIDTH + 1] < mem[row + 1]
        row += HEAP_WIDTH * ((other < time) | ((other == time) & is_first))
        mem[hole] = mem[row]
        mem[hole + 1] = mem[row + 1]
        hole = row
        row += row - heap + HEAP_WIDTH
    time = mem[end]
    code = mem[end + 1]
    child = (hole - heap) // HEAP_WIDTH
    while child > 0:
        parent = (child - 1) >> 1
        row = heap + HEAP_WIDTH * parent
        if mem[row] < time or (mem[row] == time and mem[row + 1] < code):
            break
        mem[hole] = mem[row]
        mem[hole + 1] = mem[row + 1]
        hole = row
        child = parent
    mem[hole] = time
    mem[hole + 1] = code
    return found


def await_time(mem: Memory, instance: int, time: int) -> None:
    """Let an instance whose sources have all started become ready at ``time``."""
    if time > mem[NOW]:
        push(mem, time, instance)
    else:
        mem[mem[FRESH] + mem[FRESH_SIZE]] = instance
        mem[FRESH_SIZE] += 1


def start(mem: Memory, log: Memory, instance: int, granted: int, time: int) -> None:
    """Let an instance start at ``time`` and tell those that wait for it."""
    site = mem[instance + SITE]
    if mem[LOGGING] != 0:
        row = mem[LOG_USED] * LOG_WIDTH
        log[row] = mem[instance + NUMBER]
        log[row + 1] = mem[instance + TIME]
        log[row + 2] = granted
        log[row + 3] = time
        mem[LOG_USED] += 1
    mem[instance] = HAS_STARTED
    mem[instance + TIME] = time
    mem[STARTED] += 1
    place = mem[instance + PLACE]
    mem[place + LEFT] -= 1
    end = time + mem[site + LENGTH]
    if end > mem[place + LAST_END]:
        mem[place + LAST_END] = end
    ring_end = mem[RING_END]
    for wait in range(mem[site + OUT], mem[site + OUT_END], WAIT_WIDTH):
        target = instance + mem[wait + WAY]
        if target >= ring_end:
            target -= ring_end - mem[RING]
        missing = mem[target]
        if missing > 0:
            asked = time + mem[wait + WEIGHT]
            if asked > mem[target + TIME]:
                mem[target + TIME] = asked
            mem[target] = missing - 1
            if missing == 1:
                await_time(mem, target, mem[target + TIME])


def wake(mem: Memory, resource: int) -> None:
    """Let a resource choose in this round."""
    if mem[resource + IS_AWAKE] == 0:
        mem[resource + IS_AWAKE] = 1
        mem[mem[AWAKE] + mem[AWAKE_SIZE]] = resource
        mem[AWAKE_SIZE] += 1


def become_ready(mem: Memory, log: Memory, instance: int) -> None:
    """Start an instance that needs no choice, or queue it behind what was ready before it."""
    now = mem[NOW]
    group = mem[mem[instance + SITE] + CLASS]
    if group == 0:
        start(mem, log, instance, now, now)
        return
    mem[instance] = IS_QUEUED
    mem[instance + TIME] = now
    number = mem[instance + NUMBER]
    before = mem[group + TAIL]
    after = 0
    while before != 0 and mem[before + TIME] == now and mem[before + NUMBER] > number:
        after = before
        before = mem[before + PREVIOUS]
    mem[instance + PREVIOUS] = before
    mem[instance + NEXT] = after
    if before != 0:
        mem[before + NEXT] = instance
    else:
        mem[group + HEAD] = instance
    if after != 0:
        mem[after + PREVIOUS] = instance
    else:
        mem[group + TAIL] = instance
    resource = mem[group + RESOURCE]
    mem[resource + QUEUED] += 1
    if mem[resource + FREE] > 0:
        wake(mem, resource)


def bear(mem: Memory) -> None:
    """Admit the next turn."""
    now = mem[NOW]
    turn = mem[BORN]
    instance = mem[CRADLE]
    ring = mem[RING]
    around = mem[RING_END] - ring
    number = turn * mem[NUM_SITES]
    place = mem[instance + PLACE]
    mem[place + LEFT] = mem[NUM_SITES]
    mem[place + LAST_END] = now
    for site in range(mem[SITES], mem[SITES_END], SITE_WIDTH):
        ready = now
        if mem[site + ARRIVALS] != 0:
            arrival = mem[mem[site + ARRIVALS] + turn * mem[site + ARRIVAL_STEP]]
            if arrival > ready:
                ready = arrival
        missing = 0
        for wait in range(mem[site + IN], mem[site + IN_END], WAIT_WIDTH):
            source = instance - mem[wait + WAY]
            if source < ring:
                source += around
            if mem[source] == HAS_STARTED:
                asked = mem[source + TIME] + mem[wait + WEIGHT]
                if asked > ready:
                    ready = asked
            else:
                missing += 1
        mem[instance] = missing
        mem[instance + TIME] = ready
        mem[instance + NUMBER] = number
        number += 1
        if missing == 0:
            await_time(mem, instance, ready)
        instance += INSTANCE_WIDTH
    mem[CRADLE] = instance if instance < mem[RING_END] else ring
    mem[BORN] = turn + 1


def retire(mem: Memory) -> None:
    """End the turns that have ended, oldest first, and admit others."""
    now = mem[NOW]
    while mem[FIRST] < mem[BORN]:
        place = mem[FIRST_PLACE]
        if mem[place + LEFT] != 0:
            break
        end = mem[place + LAST_END]
        if end > now:
            if mem[RETIRE_AT] != end:
                mem[RETIRE_AT] = end
                push(mem, end, 0)
            break
        mem[FIRST] += 1
        mem[RETIRED] += 1
        mem[EVENTS] += 1
        place += PLACE_WIDTH
        mem[FIRST_PLACE] = place if place < mem[PLACES_END] else mem[PLACES]
    while mem[BORN] < mem[TURNS] and mem[BORN] - mem[FIRST] < mem[WINDOW]:
        bear(mem)


def pick(mem: Memory, resource: int) -> int:
    """Return the class from which a resource serves next, or 0 if nothing waits."""
    first = mem[resource + CLASSES]
    last = mem[resource + CLASSES_END]
    rule = mem[resource + RULE]
    best = 0
    if rule == FCFS:
        for group in range(first, last, CLASS_WIDTH):
            head = mem[group + HEAD]
            if head != 0 and (best == 0 or mem[head + TIME] < mem[mem[best + HEAD] + TIME]):
                best = group
        return best
    group = first
    if rule == WEIGHTED:
        group = mem[resource + POINTER]
    for _ in range(first, last, CLASS_WIDTH):
        if mem[group + HEAD] != 0:
            return group
        group += CLASS_WIDTH
        if group == last:
            group = first
    return best


def pass_turn(mem: Memory, resource: int, group: int) -> None:
    """Count a grant against the quota of a requester; used up, the next one has the turn."""
    used = 1
    if group == mem[resource + POINTER]:
        used += mem[resource + USED]
    if used >= mem[group + QUOTA]:
        used = 0
        group += CLASS_WIDTH
        if group == mem[resource + CLASSES_END]:
            group = mem[resource + CLASSES]
    mem[resource + POINTER] = group
    mem[resource + USED] = used


def next_open(mem: Memory, resource: int, time: int) -> int:
    """Return the first time, not before ``time``, at which a resource lets work start."""
    low = mem[resource + OPENINGS]
    high = mem[resource + OPENINGS_END]
    if low == high:
        return time
    period = mem[resource + OPEN_PERIOD]
    phase = time % period
    while low < high:
        middle = low + (((high - low) >> 2) << 1)
        if mem[middle + 1] > phase:
            high = middle
        else:
            low = middle + 2
    if low == mem[resource + OPENINGS_END]:
        return time - phase + period + mem[mem[resource + OPENINGS]]
    begin = mem[low]
    return time - phase + (begin if begin > phase else phase)


def serve(mem: Memory, log: Memory, resource: int) -> None:
    """Let a resource fill its free servers with what waits."""
    now = mem[NOW]
    mem[resource + IS_AWAKE] = 0
    while mem[resource + FREE] > 0 and mem[resource + QUEUED] > 0:
        group = pick(mem, resource)
        instance = mem[group + HEAD]
        after = mem[instance + NEXT]
        mem[group + HEAD] = after
        if after != 0:
            mem[after + PREVIOUS] = 0
        else:
            mem[group + TAIL] = 0
        mem[resource + QUEUED] -= 1
        if mem[resource + RULE] == WEIGHTED:
            pass_turn(mem, resource, group)
        time = next_open(mem, resource, now)
        site = mem[instance + SITE]
        if time - mem[instance + TIME] > mem[site + LONGEST]:
            mem[site + LONGEST] = time - mem[instance + TIME]
        release = time + mem[site + OCCUPANCY]
        if release > now:
            mem[resource + FREE] -= 1
            push(mem, release, resource)
        start(mem, log, instance, now, time)


def happen(mem: Memory, log: Memory) -> None:
    """Let everything happen that is due now."""
    now = mem[NOW]
    resources, ring = mem[RESOURCES], mem[RING]
    heap = mem[HEAP]
    events = 0
    while mem[HEAP_SIZE] > 0 and mem[heap] == now:
        code = pop(mem)
        if code >= ring:
            events += 1
            become_ready(mem, log, code)
        elif code >= resources:
            events += 1
            mem[code + FREE] += 1
            if mem[code + QUEUED] > 0:
                wake(mem, code)
    # In the order in which they came, which is mostly that of the queues; more may come meanwhile.
    done = 0
    while done < mem[FRESH_SIZE]:
        become_ready(mem, log, mem[mem[FRESH] + done])
        done += 1
    mem[FRESH_SIZE] = 0
    mem[EVENTS] += events + done


def advance(mem: Memory, log: Memory) -> int:
    """Go on from where ``mem`` stands; return `DONE`, or why it stopped before the end."""
    while True:
        if mem[STARTED] > mem[LIMIT]:
            return BUDGET
        if mem[LOGGING] != 0 and mem[LOG_USED] + mem[ROUND_ROOM] > mem[LOG_ROOM]:
            return ROOM
        happen(mem, log)
        retire(mem)
        if mem[FRESH_SIZE] > 0:
            continue
        if mem[AWAKE_SIZE] > 0:
            while mem[AWAKE_SIZE] > 0:
                mem[AWAKE_SIZE] -= 1
                serve(mem, log, mem[mem[AWAKE] + mem[AWAKE_SIZE]])
            continue
        if mem[FIRST] == mem[TURNS]:
            return DONE
        if mem[RETIRED] > 0 and mem[FOLDING] != 0:
            recur(mem)
        mem[RETIRED] = 0
        if mem[HEAP_SIZE] == 0:
            return STUCK
        time = mem[mem[HEAP]]
        if time >= TIME_LIMIT:
            return OVERFLOW
        mem[NOW] = time
