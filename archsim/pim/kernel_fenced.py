"""A controller that lets nothing pass a barrier and closes rows that nobody asks for.

Column commands go first, then activations, then precharges, one command a tick. Only requests up to
the first barrier count, the last of them only once it is the oldest; a row that none of them wants
is closed as soon as it may be.
"""

from __future__ import annotations

from archsim.lazy_kernel import compiled_lean
from archsim.pim import kernel_layout as at
from archsim.pim.kernel_device import Grid, close, judge_all, note, raise_ready, ready_at
from archsim.pim.kernel_queue import drop_barrier, send

_FAR = 1 << 62
_BARRIER = at.BARRIER
_BEGIN = at.BEGIN
_CLOSERS = at.CLOSERS
_ENTRY = at.ENTRY
_FACTS = at.FACTS
_FACT_COLUMNS = at.FACT_COLUMNS
_HINT = at.HINT
_IS_CLOSING = at.IS_CLOSING
_IS_OPENING = at.IS_OPENING
_KEYS = at.KEYS
_KEY_PLACES = at.KEY_PLACES
_LENGTH_NOW = at.LENGTH_NOW
_LEVELS = at.LEVELS
_MAX_COMMANDS = at.MAX_COMMANDS
_MAX_LEVELS = at.MAX_LEVELS
_NONE = at.NONE
_OPENS_WITH = at.OPENS_WITH
_OPEN_ROWS = at.OPEN_ROWS
_QUEUE = at.QUEUE
_Q_COMMAND = at.Q_COMMAND
_Q_KEY = at.Q_KEY
_Q_NEED = at.Q_NEED
_Q_ROW = at.Q_ROW
_READY = at.READY


@compiled_lean
def _until_barrier(memory: Grid, channel: int) -> int:
    """Return how many entries stand before the first barrier."""
    entry = _QUEUE + memory[channel, _BEGIN] * _ENTRY
    for place in range(memory[channel, _LENGTH_NOW]):
        if memory[channel, entry + _Q_COMMAND] == _BARRIER:
            return place
        entry += _ENTRY
    length: int = memory[channel, _LENGTH_NOW]
    return length


@compiled_lean
def _is_wanted(table: Grid, memory: Grid, channel: int, key: int, entries: int) -> bool:
    """Whether one of the first entries wants the open row of a key."""
    entry = _QUEUE + memory[channel, _BEGIN] * _ENTRY
    row = memory[channel, _OPEN_ROWS + key]
    for _ in range(entries):
        command = memory[channel, entry + _Q_COMMAND]
        if (
            table[_FACTS + command * _FACT_COLUMNS + _OPENS_WITH] >= 0
            and memory[channel, entry + _Q_KEY] == key
            and memory[channel, entry + _Q_ROW] == row
        ):
            return True
        entry += _ENTRY
    return False


@compiled_lean
def _close_unwanted(
    table: Grid, memory: Grid, cursor: Grid, log: Grid, channel: int, clock: int, entries: int
) -> tuple[bool, int]:
    """Close one row that nobody wants; return whether one was, and when one may be."""
    event = _FAR
    for key in range(table[_KEYS]):
        if memory[channel, _OPEN_ROWS + key] == _NONE:
            continue
        if _is_wanted(table, memory, channel, key, entries):
            continue
        command = memory[channel, _CLOSERS + key]
        first = memory[channel, _READY + command]
        places = _KEY_PLACES + key * _MAX_LEVELS
        for level in range(1, table[_LEVELS]):
            node = table[places + level - 1]
            first = max(first, memory[channel, _READY + node * _MAX_COMMANDS + command])
        if first > clock:
            event = min(event, first)
            continue
        note(table, memory, cursor, log, channel, _NONE, command, -2 - key, clock)
        raise_ready(table, memory, channel, 0, 0, command, clock)
        for level in range(1, table[_LEVELS]):
            node = table[places + level - 1]
            raise_ready(table, memory, channel, node, level, command, clock)
        close(table, memory, channel, key)
        judge_all(table, memory, channel, key)
        return True, clock + 1
    return False, event


@compiled_lean
def serve_fenced(
    table: Grid,
    memory: Grid,
    cursor: Grid,
    log: Grid,
    channel: int,
    clock: int,
    only_columns: bool,
) -> None:
    """Send one command; the hint says when to look again at the latest."""
    drop_barrier(table, memory, channel, clock)
    entries = _until_barrier(memory, channel)
    begin = _QUEUE + memory[channel, _BEGIN] * _ENTRY
    event = _FAR
    opening = _NONE
    # The last request before a barrier waits until it is the oldest.
    ready_entries = entries
    if 1 < entries < memory[channel, _LENGTH_NOW]:
        ready_entries -= 1
    for place in range(ready_entries):
        need = memory[channel, begin + place * _ENTRY + _Q_NEED]
        facts = _FACTS + need * _FACT_COLUMNS
        if table[facts + _IS_CLOSING]:
            continue
        first = ready_at(table, memory, channel, begin + place * _ENTRY)
        if first > clock:
            event = min(event, first)
        elif table[facts + _IS_OPENING]:
            opening = place if opening == _NONE else opening
        else:
            send(table, memory, cursor, log, channel, place, clock)
            memory[channel, _HINT] = clock + 1
            return
    if opening != _NONE and not only_columns:
        send(table, memory, cursor, log, channel, opening, clock)
        memory[channel, _HINT] = clock + 1
        return
    if not only_columns:
        sent, first = _close_unwanted(table, memory, cursor, log, channel, clock, entries)
        event = clock + 1 if sent else min(event, first)
    if memory[channel, _LENGTH_NOW] and entries == 0:
        event = clock + 1
    memory[channel, _HINT] = event
