"""Jumps over requests that repeat themselves, exactly.

A run of requests repeats itself after a period of requests. If a period later the whole state is
the same but for a shift in time and in rows, all periods until the next refresh, or until the run
ends, take as long as this one: ticks, legal ticks and rows move on, and commands are multiplied.
"""

from __future__ import annotations

from archsim.lazy_kernel import compiled_lean
from archsim.pim import kernel_layout as at
from archsim.pim.kernel_device import Grid

_ALIKE = at.ALIKE
_ARMED = at.ARMED
_AT_CHANNEL = at.AT_CHANNEL
_AT_INDEX = at.AT_INDEX
_AT_RUN = at.AT_RUN
_BARRIER = at.BARRIER
_BACK = at.BACK
_BEGIN = at.BEGIN
_BLOCKED = at.BLOCKED
_CHANNELS = at.CHANNELS
_CLOCK = at.CLOCK
_COLUMNS = at.COLUMNS
_COMMANDS = at.COMMANDS
_COUNT = at.COUNT
_COUNTS = at.COUNTS
_DUE = at.DUE
_ENTRY = at.ENTRY
_FIRST = at.FIRST
_GATE = at.GATE
_HINT = at.HINT
_HISTORY = at.HISTORY
_HORIZON = at.HORIZON
_KEYS = at.KEYS
_LENGTH = at.LENGTH
_LENGTH_NOW = at.LENGTH_NOW
_LEVELS = at.LEVELS
_LEAST_PERIODS = 5
_LONGEST_WAIT = 8
_MAX_COMMANDS = at.MAX_COMMANDS
_MAX_NODES = at.MAX_NODES
_MAX_WINDOW = at.MAX_WINDOW
_MODE_NOW = at.MODE_NOW
_NEXT_REFRESH = at.NEXT_REFRESH
_NONE = at.NONE
_NUM_NODES = at.NUM_NODES
_NUM_WINDOWS = at.NUM_WINDOWS
_OPEN_PARTS = at.OPEN_PARTS
_OPEN_ROWS = at.OPEN_ROWS
_PERIOD = at.PERIOD
_QUEUE = at.QUEUE
_Q_COMMAND = at.Q_COMMAND
_Q_HIT = at.Q_HIT
_Q_KEY = at.Q_KEY
_Q_NEED = at.Q_NEED
_Q_NODE = at.Q_NODE
_Q_ROW = at.Q_ROW
_READY = at.READY
_ROWS_ON = at.ROWS_ON
_START = at.START


@compiled_lean
def _rows_of_period(table: Grid, cursor: Grid, runs: Grid) -> int:
    """Return the rows that a period of the present run goes on."""
    run = cursor[_AT_RUN]
    rows: int = runs[run, _PERIOD] // runs[run, _LENGTH] // table[_COLUMNS]
    return rows


@compiled_lean
def _periods_left(table: Grid, cursor: Grid, runs: Grid) -> int:
    """Return how many whole periods of the present run are still to come for every channel.

    Periods within a row end with it.
    """
    run = cursor[_AT_RUN]
    if run == len(runs) or runs[run, _PERIOD] == 0:
        return 0
    index = cursor[_AT_INDEX]
    if cursor[_AT_CHANNEL] != runs[run, _FIRST]:
        # The first channels have this request already.
        index += 1
    left: int = runs[run, _COUNT] - index
    if _rows_of_period(table, cursor, runs) == 0:
        row = runs[run, _LENGTH] * table[_COLUMNS]
        left = min(left, row - (runs[run, _START] + index) % row)
    periods: int = left // runs[run, _PERIOD]
    return periods


@compiled_lean
def _keep(table: Grid, memory: Grid, cursor: Grid, kept: Grid, kept_cursor: Grid) -> None:
    """Keep the state, as far as it is compared."""
    for channel in range(table[_CHANNELS]):
        for word in range(_READY):
            kept[channel, word] = memory[channel, word]
        for node in range(table[_NUM_NODES]):
            line = _READY + node * _MAX_COMMANDS
            for word in range(line, line + table[_COMMANDS]):
                kept[channel, word] = memory[channel, word]
        first = memory[channel, _BEGIN] * _ENTRY
        for word in range(_QUEUE, _QUEUE + memory[channel, _LENGTH_NOW] * _ENTRY):
            kept[channel, word] = memory[channel, first + word]
        first = table[_HISTORY]
        for word in range(first, first + table[_NUM_WINDOWS] * _MAX_NODES * _MAX_WINDOW):
            kept[channel, word] = memory[channel, word]
    for word in range(len(cursor)):
        kept_cursor[word] = cursor[word]
    kept_cursor[_ARMED] = 1


@compiled_lean
def _entries_alike(table: Grid, memory: Grid, kept: Grid, channel: int, rows: int) -> bool:
    """Whether a queue holds what it held, each row further by some."""
    length = memory[channel, _LENGTH_NOW]
    if length != kept[channel, _LENGTH_NOW]:
        return False
    now = _QUEUE + memory[channel, _BEGIN] * _ENTRY
    then = _QUEUE
    for _ in range(length):
        command = memory[channel, now + _Q_COMMAND]
        if command != kept[channel, then + _Q_COMMAND]:
            return False
        for word in (_Q_NEED, _Q_HIT, _Q_KEY):
            if memory[channel, now + word] != kept[channel, then + word]:
                return False
        row = memory[channel, now + _Q_ROW]
        if row != _NONE and row - kept[channel, then + _Q_ROW] != rows:
            return False
        for word in range(_Q_NODE, _Q_NODE + table[_LEVELS] - 1):
            if command != _BARRIER and memory[channel, now + word] != kept[channel, then + word]:
                return False
        now += _ENTRY
        then += _ENTRY
    return True


@compiled_lean
def _rows_alike(table: Grid, memory: Grid, kept: Grid, channel: int, rows: int) -> bool:
    """Whether all open rows moved on by some."""
    for key in range(table[_KEYS]):
        now, then = memory[channel, _OPEN_ROWS + key], kept[channel, _OPEN_ROWS + key]
        if memory[channel, _OPEN_PARTS + key] != kept[channel, _OPEN_PARTS + key]:
            return False
        if (now == _NONE) != (then == _NONE) or (now != _NONE and now - then != rows):
            return False
    return True


@compiled_lean
def _times_alike(
    table: Grid, memory: Grid, kept: Grid, channel: int, clock: int, before: int
) -> bool:
    """Whether all legal ticks to come are as far away as they were."""
    for node in range(table[_NUM_NODES]):
        line = _READY + node * _MAX_COMMANDS
        for word in range(line, line + table[_COMMANDS]):
            now, then = memory[channel, word], kept[channel, word]
            if max(now - clock, 0) != max(then - before, 0):
                return False
    first = table[_HISTORY]
    for word in range(first, first + table[_NUM_WINDOWS] * _MAX_NODES * _MAX_WINDOW):
        age = max(memory[channel, word] - clock, -_HORIZON)
        if age != max(kept[channel, word] - before, -_HORIZON):
            return False
    return True


@compiled_lean
def _is_period(
    table: Grid, memory: Grid, cursor: Grid, kept: Grid, kept_cursor: Grid, rows: int
) -> bool:
    """Whether the state is as it was, but for a shift in time and by some rows."""
    if cursor[_AT_CHANNEL] != kept_cursor[_AT_CHANNEL]:
        return False
    if cursor[_NEXT_REFRESH] != kept_cursor[_NEXT_REFRESH]:
        return False
    clock, before = cursor[_CLOCK], kept_cursor[_CLOCK]
    if max(cursor[_GATE] - clock, 0) != max(kept_cursor[_GATE] - before, 0):
        return False
    if cursor[_BLOCKED] != kept_cursor[_BLOCKED]:
        return False
    for channel in range(table[_CHANNELS]):
        if memory[channel, _DUE] or kept[channel, _DUE]:
            return False
        if memory[channel, _MODE_NOW] != kept[channel, _MODE_NOW]:
            return False
        if not _entries_alike(table, memory, kept, channel, rows):
            return False
        if not _rows_alike(table, memory, kept, channel, rows):
            return False
        if not _times_alike(table, memory, kept, channel, clock, before):
            return False
    return True


@compiled_lean
def _shift(
    table: Grid,
    memory: Grid,
    kept: Grid,
    channel: int,
    times: int,
    rows: int,
    clock: int,
    shift: int,
) -> None:
    """Move a channel on by some periods: rows, and all ticks to come after a clock."""
    entry = _QUEUE + memory[channel, _BEGIN] * _ENTRY
    for _ in range(memory[channel, _LENGTH_NOW]):
        if memory[channel, entry + _Q_ROW] != _NONE:
            memory[channel, entry + _Q_ROW] += rows
        entry += _ENTRY
    for key in range(_OPEN_ROWS, _OPEN_ROWS + table[_KEYS]):
        if memory[channel, key] != _NONE:
            memory[channel, key] += rows
    for node in range(table[_NUM_NODES]):
        line = _READY + node * _MAX_COMMANDS
        for word in range(line, line + table[_COMMANDS]):
            if memory[channel, word] > clock:
                memory[channel, word] += shift
    first = table[_HISTORY]
    for word in range(first, first + table[_NUM_WINDOWS] * _MAX_NODES * _MAX_WINDOW):
        if memory[channel, word] - clock > -_HORIZON:
            memory[channel, word] += shift
    for word in range(_COUNTS, _COUNTS + table[_COMMANDS]):
        memory[channel, word] += (memory[channel, word] - kept[channel, word]) * times
    if memory[channel, _HINT] < (1 << 61):
        memory[channel, _HINT] += shift


@compiled_lean
def _jump(
    table: Grid,
    memory: Grid,
    cursor: Grid,
    kept: Grid,
    kept_cursor: Grid,
    left: int,
    rows: int,
) -> int:
    """Move time and rows on by whole periods that end before the next refresh; return how many."""
    clock = cursor[_CLOCK]
    ticks = clock - kept_cursor[_CLOCK]
    times: int = min(left, (cursor[_NEXT_REFRESH] - 1 - clock) // ticks)
    if times <= 0:
        return 0
    for channel in range(table[_CHANNELS]):
        _shift(table, memory, kept, channel, times, rows * times, clock, ticks * times)
    if cursor[_GATE] > clock:
        cursor[_GATE] += ticks * times
    cursor[_CLOCK] += ticks * times
    return times


@compiled_lean
def fold_run(
    table: Grid,
    memory: Grid,
    cursor: Grid,
    runs: Grid,
    kept: Grid,
    kept_cursor: Grid,
    misses: int,
) -> int:
    """Jump if a period of a run has come round; return how often none has in a row.

    After failures the next attempt waits longer, so that runs that never settle cost little.
    """
    run = cursor[_AT_RUN]
    if run == kept_cursor[_AT_RUN]:
        fed = cursor[_AT_INDEX] - kept_cursor[_AT_INDEX]
        if fed < runs[run, _PERIOD]:
            return misses
        if kept_cursor[_ARMED]:
            misses += 1
            rows = _rows_of_period(table, cursor, runs)
            if fed == runs[run, _PERIOD] and _is_period(
                table, memory, cursor, kept, kept_cursor, rows
            ):
                left = _periods_left(table, cursor, runs)
                times = _jump(table, memory, cursor, kept, kept_cursor, left, rows)
                misses = 0
                cursor[_AT_INDEX] += runs[run, _PERIOD] * times
                if cursor[_AT_INDEX] == runs[run, _COUNT]:
                    cursor[_AT_INDEX] = 0
                    cursor[_AT_RUN] += 1
                    if cursor[_AT_RUN] < len(runs):
                        cursor[_AT_CHANNEL] = runs[cursor[_AT_RUN], _FIRST]
    else:
        misses = 0
    kept_cursor[_AT_RUN] = cursor[_AT_RUN]
    kept_cursor[_AT_INDEX] = cursor[_AT_INDEX]
    kept_cursor[_ARMED] = 0
    if _periods_left(table, cursor, runs) >= _LEAST_PERIODS:
        turns = min(misses, _LONGEST_WAIT)
        period = runs[cursor[_AT_RUN], _PERIOD]
        if turns < 2 or cursor[_AT_INDEX] // period % turns == 0:
            _keep(table, memory, cursor, kept, kept_cursor)
    return misses


@compiled_lean
def fold_turns(
    table: Grid, memory: Grid, cursor: Grid, runs: Grid, kept: Grid, kept_cursor: Grid
) -> None:
    """Jump if a turn of several runs has come round: blocks of MACs, barriers and moves."""
    run = cursor[_AT_RUN]
    if run == len(runs):
        return
    back = runs[run, _BACK]
    before = kept_cursor[_AT_RUN]
    if back and kept_cursor[_ARMED] and run == before + back:
        if cursor[_AT_INDEX] < kept_cursor[_AT_INDEX]:
            return
        if cursor[_AT_INDEX] == kept_cursor[_AT_INDEX] and _is_period(
            table, memory, cursor, kept, kept_cursor, runs[run, _ROWS_ON]
        ):
            left = (runs[run, _ALIKE] - 1) // back
            rows = runs[run, _ROWS_ON]
            times = _jump(table, memory, cursor, kept, kept_cursor, left, rows)
            cursor[_AT_RUN] += back * times
            run = cursor[_AT_RUN]
        before = _NONE
    if before >= 0 and run < before + 4 and kept_cursor[_ARMED]:
        return
    kept_cursor[_ARMED] = 0
    kept_cursor[_AT_RUN] = _NONE
    ahead = run + 4
    if ahead < len(runs):
        for other in range(run + 2, ahead + 1):
            if runs[other, _BACK] == other - run and runs[other, _ALIKE] > runs[other, _BACK]:
                _keep(table, memory, cursor, kept, kept_cursor)
                return
