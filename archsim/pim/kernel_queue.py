"""The queue of a channel: which request is served next, and what leaves."""

from __future__ import annotations

from archsim.lazy_kernel import compiled_lean
from archsim.pim import kernel_layout as at
from archsim.pim.kernel_device import Grid, enter, issue, ready_at

_FAR = 1 << 62
_ALONE = at.ALONE
_BARRIER = at.BARRIER
_BEGIN = at.BEGIN
_BLOCKED = at.BLOCKED
_BLOCKS = at.BLOCKS
_BUS = at.BUS
_COMMANDS = at.COMMANDS
_ENTRY = at.ENTRY
_FACTS = at.FACTS
_FACT_COLUMNS = at.FACT_COLUMNS
_GATE = at.GATE
_HINT = at.HINT
_HITS = at.HITS
_IN_ORDER = at.SERVE_IN_ORDER
_IS_CLOSING = at.IS_CLOSING
_IS_OPENING = at.IS_OPENING
_LENGTH_NOW = at.LENGTH_NOW
_LEVELS = at.LEVELS
_NEEDS = at.NEEDS
_NONE = at.NONE
_POLICY = at.POLICY
_QUEUE = at.QUEUE
_Q_COMMAND = at.Q_COMMAND
_Q_HIT = at.Q_HIT
_Q_NEED = at.Q_NEED
_Q_NODE = at.Q_NODE
_Q_RUN = at.Q_RUN
_READY = at.READY


@compiled_lean
def drop(table: Grid, memory: Grid, channel: int, place: int) -> None:
    """Take an entry out of a queue; those before it move up."""
    begin = memory[channel, _BEGIN]
    first = _QUEUE + begin * _ENTRY
    enter(table, memory, channel, first + place * _ENTRY, -1)
    for at_word in range(first + (place + 1) * _ENTRY - 1, first + _ENTRY - 1, -1):
        memory[channel, at_word] = memory[channel, at_word - _ENTRY]
    memory[channel, _BEGIN] = begin + 1
    memory[channel, _LENGTH_NOW] -= 1


@compiled_lean
def drop_barrier(table: Grid, memory: Grid, channel: int, clock: int) -> None:
    """Take a barrier away that has nothing before it."""
    entry = _QUEUE + memory[channel, _BEGIN] * _ENTRY
    if memory[channel, _LENGTH_NOW] and memory[channel, entry + _Q_COMMAND] == _BARRIER:
        drop(table, memory, channel, 0)
        memory[channel, _HINT] = clock + 1


@compiled_lean
def select(table: Grid, memory: Grid, channel: int, clock: int) -> int:
    """Return the place in the queue of the request to serve, minus one if none is legal.

    Requests alike that stand behind one another are looked at once. Where none is legal, the hint
    is the first tick at which distances allow one.
    """
    entry = _QUEUE + memory[channel, _BEGIN] * _ENTRY
    if memory[channel, entry + _Q_COMMAND] == _BARRIER:
        return 0
    event = ready_at(table, memory, channel, entry)
    if event <= clock:
        return 0
    bound = _FAR
    for command in range(table[_COMMANDS]):
        if memory[channel, _NEEDS + command]:
            bound = min(bound, memory[channel, _READY + command])
    if bound > clock:
        memory[channel, _HINT] = bound
        return _NONE
    memory[channel, _HINT] = event
    if table[_POLICY] == _IN_ORDER:
        return _NONE
    behind = False
    last = _Q_NODE + table[_LEVELS] - 2
    for place in range(1, memory[channel, _LENGTH_NOW]):
        entry += _ENTRY
        if memory[channel, entry + _Q_RUN] == memory[channel, entry - _ENTRY + _Q_RUN]:
            continue
        need = memory[channel, entry + _Q_NEED]
        if need == _BARRIER:
            behind = True
            continue
        facts = _FACTS + need * _FACT_COLUMNS
        if behind and not (table[facts + _IS_OPENING] or table[facts + _IS_CLOSING]):
            continue
        first = memory[channel, _READY + need]
        if first > clock:
            event = min(event, first)
            continue
        hits = memory[channel, _HITS + memory[channel, entry + last]]
        if hits and not memory[channel, entry + _Q_HIT]:
            continue
        first = ready_at(table, memory, channel, entry)
        if first <= clock:
            return place
        event = min(event, first)
    memory[channel, _HINT] = event
    return _NONE


@compiled_lean
def send(
    table: Grid, memory: Grid, cursor: Grid, log: Grid, channel: int, place: int, clock: int
) -> None:
    """Send what an entry needs; it leaves if that was its own command."""
    entry = _QUEUE + (memory[channel, _BEGIN] + place) * _ENTRY
    own = memory[channel, entry + _Q_COMMAND]
    if issue(table, memory, cursor, log, channel, entry, clock) == own:
        blocks = table[_FACTS + own * _FACT_COLUMNS + _BLOCKS]
        if blocks:
            cursor[_BLOCKED] -= 1
            cursor[_GATE] = max(cursor[_GATE], clock + blocks)
        drop(table, memory, channel, place)


@compiled_lean
def serve(
    table: Grid, memory: Grid, cursor: Grid, log: Grid, channel: int, clock: int, beside: int
) -> int:
    """Send one command from a queue, on another bus than `beside` if one was sent.

    Returns
    -------
    int
        The command, or minus one. The hint says when to look again at the latest.
    """
    drop_barrier(table, memory, channel, clock)
    if memory[channel, _LENGTH_NOW] == 0:
        memory[channel, _HINT] = _FAR
        return _NONE
    other = _FACTS + beside * _FACT_COLUMNS
    if beside == _BARRIER or (beside >= 0 and table[other + _ALONE]):
        return _NONE
    place = select(table, memory, channel, clock)
    if place < 0:
        return _NONE
    memory[channel, _HINT] = clock + 1
    entry = _QUEUE + (memory[channel, _BEGIN] + place) * _ENTRY
    need: int = memory[channel, entry + _Q_NEED]
    if need == _BARRIER:
        if beside == _NONE:
            drop(table, memory, channel, place)
            return _BARRIER
        return _NONE
    own = _FACTS + need * _FACT_COLUMNS
    if beside != _NONE and (table[other + _BUS] == table[own + _BUS] or table[own + _ALONE]):
        return _NONE
    send(table, memory, cursor, log, channel, place, clock)
    return need
