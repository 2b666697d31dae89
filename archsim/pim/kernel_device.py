"""What a channel keeps: open rows, and the first legal tick of each command at each node.

`table` holds what does not change, `memory` a line for each class of channels, both laid out in
:mod:`archsim.pim.kernel_layout`; `cursor` says where the stream stands.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.lazy_kernel import compiled_lean
from archsim.pim import kernel_layout as at

Grid: TypeAlias = NDArray[np.int64]
_BARRIER = at.BARRIER
_BEGIN = at.BEGIN
_BROADCAST = at.BROADCAST
_CLOSERS = at.CLOSERS
_CLOSES_WITH = at.CLOSES_WITH
_COUNTS = at.COUNTS
_ENTRY = at.ENTRY
_FACTS = at.FACTS
_FACT_COLUMNS = at.FACT_COLUMNS
_GAPS = at.GAPS
_HISTORY = at.HISTORY
_HITS = at.HITS
_IS_CLOSING = at.IS_CLOSING
_IS_OPENING = at.IS_OPENING
_KEYS = at.KEYS
_LENGTH_NOW = at.LENGTH_NOW
_LEVELS = at.LEVELS
_LOGGED = at.LOGGED
_LOGGING = at.LOGGING
_LOG_CHANNEL = at.LOG_CHANNEL
_LOG_COLUMN = at.LOG_COLUMN
_LOG_COMMAND = at.LOG_COMMAND
_LOG_NODE = at.LOG_NODE
_LOG_PART = at.LOG_PART
_LOG_ROW = at.LOG_ROW
_LOG_SCOPE = at.LOG_SCOPE
_LOG_TICK = at.LOG_TICK
_MAX_COMMANDS = at.MAX_COMMANDS
_MAX_NODES = at.MAX_NODES
_MAX_WINDOW = at.MAX_WINDOW
_MODE = at.MODE
_MODE_NOW = at.MODE_NOW
_NEEDS = at.NEEDS
_NONE = at.NONE
_OPENS_WITH = at.OPENS_WITH
_OPEN_PARTS = at.OPEN_PARTS
_OPEN_ROWS = at.OPEN_ROWS
_PARTS = at.PARTS
_PART_GROUPS = at.PART_GROUPS
_PART_LEVEL = at.PART_LEVEL
_PART_RANKS = at.PART_RANKS
_PRECHARGE_ALL = at.PRECHARGE_ALL
_QUEUE = at.QUEUE
_Q_COLUMN = at.Q_COLUMN
_Q_COMMAND = at.Q_COMMAND
_Q_HIT = at.Q_HIT
_Q_KEY = at.Q_KEY
_Q_NEED = at.Q_NEED
_Q_NODE = at.Q_NODE
_Q_ROW = at.Q_ROW
_READY = at.READY
_RULES = at.RULES
_SCOPE = at.SCOPE
_SCOPES = at.SCOPES
_SCOPE_LEVEL = at.SCOPE_LEVEL
_STRICT = at.STRICT
_SWITCH = at.SWITCH
_WINDOWS = at.WINDOWS
_WINDOW_RULES = at.WINDOW_RULES


@compiled_lean
def judge(table: Grid, memory: Grid, channel: int, entry: int) -> None:
    """Note what an entry needs now: itself, a mode, its activation or its precharge."""
    command = memory[channel, entry + _Q_COMMAND]
    hit = 0
    need = command
    if command != _BARRIER:
        facts = _FACTS + command * _FACT_COLUMNS
        if table[facts + _MODE] != memory[channel, _MODE_NOW]:
            need = table[_SWITCH]
        elif table[facts + _OPENS_WITH] >= 0:
            key = memory[channel, entry + _Q_KEY]
            row = memory[channel, _OPEN_ROWS + key]
            if row == _NONE:
                need = table[facts + _OPENS_WITH]
            elif row != memory[channel, entry + _Q_ROW]:
                need = table[facts + _CLOSES_WITH]
            else:
                # A row that is open in part must not be closed either.
                hit = 1
                if memory[channel, _OPEN_PARTS + key] < table[facts + _PARTS]:
                    need = table[facts + _OPENS_WITH]
    memory[channel, entry + _Q_HIT] = hit
    memory[channel, entry + _Q_NEED] = need


@compiled_lean
def enter(table: Grid, memory: Grid, channel: int, entry: int, sign: int) -> None:
    """Count an entry among the needs and hits of its channel, or take it out of them."""
    need = memory[channel, entry + _Q_NEED]
    if need >= 0:
        memory[channel, _NEEDS + need] += sign
    if memory[channel, entry + _Q_HIT]:
        last = memory[channel, entry + _Q_NODE + table[_LEVELS] - 2]
        memory[channel, _HITS + last] += sign


@compiled_lean
def judge_all(table: Grid, memory: Grid, channel: int, key: int) -> None:
    """Look at entries of a row-state key (none: all) again after rows or the mode changed."""
    begin = memory[channel, _BEGIN]
    for slot in range(begin, begin + memory[channel, _LENGTH_NOW]):
        entry = _QUEUE + slot * _ENTRY
        if key != _NONE and memory[channel, entry + _Q_KEY] != key:
            continue
        enter(table, memory, channel, entry, -1)
        judge(table, memory, channel, entry)
        enter(table, memory, channel, entry, 1)


@compiled_lean
def node_of(table: Grid, memory: Grid, channel: int, entry: int, level: int, command: int) -> int:
    """Return the node of an entry's path, that of the row's next part for an activation."""
    node: int = memory[channel, entry + _Q_NODE + level - 1]
    if table[_FACTS + command * _FACT_COLUMNS + _PARTS] > 1:
        part = memory[channel, _OPEN_PARTS + memory[channel, entry + _Q_KEY]]
        ranks = table[_PART_RANKS]
        if level == table[_PART_LEVEL]:
            node += part % ranks * table[_PART_GROUPS] + part // ranks
        elif level == table[_PART_LEVEL] - 1:
            node += part % ranks
    return node


@compiled_lean
def ready_at(table: Grid, memory: Grid, channel: int, entry: int) -> int:
    """Return the first tick at which the distances allow what an entry needs."""
    command = memory[channel, entry + _Q_NEED]
    first: int = memory[channel, _READY + command]
    facts = _FACTS + command * _FACT_COLUMNS
    if table[facts + _PARTS] == 1:
        for node_at in range(entry + _Q_NODE, entry + _Q_NODE + table[facts + _SCOPE]):
            line = _READY + memory[channel, node_at] * _MAX_COMMANDS
            first = max(first, memory[channel, line + command])
        return first
    for level in range(1, table[facts + _SCOPE] + 1):
        node = node_of(table, memory, channel, entry, level, command)
        first = max(first, memory[channel, _READY + node * _MAX_COMMANDS + command])
    return first


@compiled_lean
def raise_ready(
    table: Grid, memory: Grid, channel: int, node: int, level: int, command: int, clock: int
) -> None:
    """Move the first legal ticks at a node after a command."""
    line = level * _MAX_COMMANDS + command
    ready = _READY + node * _MAX_COMMANDS
    for rule in range(table[_RULES + line], table[_RULES + line + 1]):
        gap = table[_GAPS] + 2 * rule
        following = ready + table[gap]
        memory[channel, following] = max(memory[channel, following], clock + table[gap + 1])
    for rule in range(table[_WINDOW_RULES + line], table[_WINDOW_RULES + line + 1]):
        place = table[_WINDOWS] + 3 * rule
        window = table[place + 1]
        past = table[_HISTORY] + (rule * _MAX_NODES + node) * _MAX_WINDOW
        for turn in range(window - 1, 0, -1):
            memory[channel, past + turn] = memory[channel, past + turn - 1]
        memory[channel, past] = clock
        following = ready + table[place]
        first = memory[channel, past + window - 1] + table[place + 2]
        memory[channel, following] = max(memory[channel, following], first)


@compiled_lean
def note(
    table: Grid,
    memory: Grid,
    cursor: Grid,
    log: Grid,
    channel: int,
    entry: int,
    command: int,
    scope: int,
    clock: int,
) -> None:
    """Count a command, and log it if asked."""
    memory[channel, _COUNTS + command] += 1
    if not table[_LOGGING]:
        return
    line = cursor[_LOGGED]
    cursor[_LOGGED] += 1
    if line >= len(log):
        return
    log[line, _LOG_TICK] = clock
    log[line, _LOG_COMMAND] = command
    log[line, _LOG_CHANNEL] = channel
    log[line, _LOG_SCOPE] = scope
    if entry < 0:
        return
    log[line, _LOG_ROW] = memory[channel, entry + _Q_ROW]
    log[line, _LOG_COLUMN] = memory[channel, entry + _Q_COLUMN]
    log[line, _LOG_PART] = memory[channel, _OPEN_PARTS + memory[channel, entry + _Q_KEY]]
    for level in range(1, table[_LEVELS]):
        log[line, _LOG_NODE + level - 1] = memory[channel, entry + _Q_NODE + level - 1]


@compiled_lean
def close(table: Grid, memory: Grid, channel: int, key: int) -> None:
    """Close the rows of a key, or of all if it is none."""
    if key == _NONE:
        for other in range(table[_KEYS]):
            memory[channel, _OPEN_ROWS + other] = _NONE
            memory[channel, _OPEN_PARTS + other] = 0
    else:
        memory[channel, _OPEN_ROWS + key] = _NONE
        memory[channel, _OPEN_PARTS + key] = 0


@compiled_lean
def issue(
    table: Grid, memory: Grid, cursor: Grid, log: Grid, channel: int, entry: int, clock: int
) -> int:
    """Send what an entry needs: distances at the nodes of its path, rows of its banks."""
    command: int = memory[channel, entry + _Q_NEED]
    facts = _FACTS + command * _FACT_COLUMNS
    note(table, memory, cursor, log, channel, entry, command, _NONE, clock)
    raise_ready(table, memory, channel, 0, 0, command, clock)
    for level in range(1, table[_LEVELS]):
        node = node_of(table, memory, channel, entry, level, command)
        raise_ready(table, memory, channel, node, level, command, clock)
    if table[_STRICT] and table[_SCOPE_LEVEL] and table[facts + _BROADCAST]:
        for scope in range(1, table[_SCOPES]):
            raise_ready(table, memory, channel, 1 + scope, 1, command, clock)
    key = memory[channel, entry + _Q_KEY]
    if command == table[_SWITCH]:
        memory[channel, _MODE_NOW] = 1 - memory[channel, _MODE_NOW]
        key = _NONE
    elif table[facts + _IS_OPENING]:
        memory[channel, _OPEN_ROWS + key] = memory[channel, entry + _Q_ROW]
        memory[channel, _OPEN_PARTS + key] += 1
        own = _FACTS + memory[channel, entry + _Q_COMMAND] * _FACT_COLUMNS
        memory[channel, _CLOSERS + key] = table[own + _CLOSES_WITH]
    elif table[facts + _IS_CLOSING]:
        if command == table[_PRECHARGE_ALL]:
            key = _NONE
        close(table, memory, channel, key)
    else:
        return command
    judge_all(table, memory, channel, key)
    return command
