"""From runs of requests to queue entries, in program order over all channels."""

from __future__ import annotations

from archsim.lazy_kernel import compiled_lean
from archsim.pim import kernel_layout as at
from archsim.pim.kernel_device import Grid, enter, judge

_AT_CHANNEL = at.AT_CHANNEL
_AT_INDEX = at.AT_INDEX
_AT_RUN = at.AT_RUN
_BARRIER = at.BARRIER
_BEGIN = at.BEGIN
_BLOCKED = at.BLOCKED
_BLOCKS = at.BLOCKS
_COLUMNS = at.COLUMNS
_COMMAND = at.COMMAND
_COUNT = at.COUNT
_ENTRY = at.ENTRY
_FACTS = at.FACTS
_FACT_COLUMNS = at.FACT_COLUMNS
_FIRST = at.FIRST
_GATE = at.GATE
_KEY = at.KEY
_LAST = at.LAST
_LENGTH = at.LENGTH
_LENGTH_NOW = at.LENGTH_NOW
_LEVELS = at.LEVELS
_NODES = at.NODES
_NONE = at.NONE
_OPENS_WITH = at.OPENS_WITH
_PATTERN = at.PATTERN
_QUEUE = at.QUEUE
_QUEUE_ROOM = at.QUEUE_ROOM
_Q_COLUMN = at.Q_COLUMN
_Q_COMMAND = at.Q_COMMAND
_Q_KEY = at.Q_KEY
_Q_NODE = at.Q_NODE
_Q_ROW = at.Q_ROW
_Q_RUN = at.Q_RUN
_REPEAT = at.REPEAT
_ROOM = at.ROOM
_ROW_NUMBER = at.ROW_NUMBER
_RUNS = at.RUNS
_START = at.START


@compiled_lean
def _next_entry(memory: Grid, cursor: Grid, channel: int) -> int:
    """Return where the next entry of a queue goes; move the queue back where the room ends."""
    begin, length = memory[channel, _BEGIN], memory[channel, _LENGTH_NOW]
    if begin + length == cursor[_ROOM]:
        first = _QUEUE + begin * _ENTRY
        for word in range(length * _ENTRY):
            memory[channel, _QUEUE + word] = memory[channel, first + word]
        memory[channel, _BEGIN] = 0
        begin = 0
    entry: int = _QUEUE + (begin + length) * _ENTRY
    return entry


@compiled_lean
def _is_fresh(table: Grid, memory: Grid, channel: int, entry: int) -> bool:
    """Whether an entry is unlike the one before it, its column apart."""
    command = memory[channel, entry + _Q_COMMAND]
    if memory[channel, _LENGTH_NOW] == 0 or command == _BARRIER:
        return True
    for word in range(_Q_NODE + table[_LEVELS] - 1):
        if memory[channel, entry + word] != memory[channel, entry - _ENTRY + word]:
            return True
    return False


@compiled_lean
def _push(
    table: Grid,
    memory: Grid,
    cursor: Grid,
    runs: Grid,
    places: Grid,
    run: int,
    index: int,
    channel: int,
) -> bool:
    """Put a request into a queue; return whether it is unlike the entry before it."""
    entry = _next_entry(memory, cursor, channel)
    command = runs[run, _COMMAND]
    memory[channel, entry + _Q_COMMAND] = command
    memory[channel, entry + _Q_ROW] = _NONE
    memory[channel, entry + _Q_COLUMN] = 0
    memory[channel, entry + _Q_KEY] = 0
    facts = _FACTS + command * _FACT_COLUMNS
    if command != _BARRIER:
        at_index = runs[run, _START] + index
        repeat, length = runs[run, _REPEAT], runs[run, _LENGTH]
        step = at_index // repeat
        place = runs[run, _PATTERN] + step % length
        memory[channel, entry + _Q_KEY] = places[place, _KEY]
        for level in range(table[_LEVELS] - 1):
            memory[channel, entry + _Q_NODE + level] = places[place, _NODES + level]
        if table[facts + _OPENS_WITH] >= 0:
            turn = step // length * repeat + at_index % repeat
            columns = table[_COLUMNS]
            memory[channel, entry + _Q_ROW] = runs[run, _ROW_NUMBER] + turn // columns
            memory[channel, entry + _Q_COLUMN] = turn % columns
        if table[facts + _BLOCKS]:
            cursor[_BLOCKED] += 1
    fresh: bool = _is_fresh(table, memory, channel, entry)
    if fresh:
        cursor[_RUNS] += 1
        memory[channel, entry + _Q_RUN] = cursor[_RUNS]
    else:
        memory[channel, entry + _Q_RUN] = memory[channel, entry - _ENTRY + _Q_RUN]
    memory[channel, _LENGTH_NOW] += 1
    judge(table, memory, channel, entry)
    enter(table, memory, channel, entry, 1)
    return fresh


@compiled_lean
def feed(table: Grid, memory: Grid, cursor: Grid, runs: Grid, places: Grid, clock: int) -> bool:
    """Put requests into queues in order until one is full or the host waits.

    Returns
    -------
    bool
        Whether a queue got something that is not like its last entry.
    """
    run, index, channel = cursor[_AT_RUN], cursor[_AT_INDEX], cursor[_AT_CHANNEL]
    fresh = False
    while run < len(runs):
        begins = channel == runs[run, _FIRST]
        if begins and (cursor[_BLOCKED] or clock < cursor[_GATE]):
            break
        if memory[channel, _LENGTH_NOW] >= table[_QUEUE_ROOM]:
            break
        if _push(table, memory, cursor, runs, places, run, index, channel):
            fresh = True
        channel += 1
        if channel == runs[run, _LAST]:
            index += 1
            if index == runs[run, _COUNT]:
                index = 0
                run += 1
            if run < len(runs):
                channel = runs[run, _FIRST]
    cursor[_AT_RUN], cursor[_AT_INDEX], cursor[_AT_CHANNEL] = run, index, channel
    return fresh
