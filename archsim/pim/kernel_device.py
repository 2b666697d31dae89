"""What a channel keeps: open rows, and the first legal tick of each command at each node."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.gpu.compiling import compiled
from archsim.pim import kernel_layout as at

Grid: TypeAlias = NDArray[np.int64]
_CLOSES_WITH = at.CLOSES_WITH
_COMMAND = at.COMMAND
_COMMANDS = at.COMMANDS
_IS_CLOSING = at.IS_CLOSING
_IS_OPENING = at.IS_OPENING
_KEY = at.KEY
_LEVELS = at.LEVELS
_NODES = at.NODES
_NONE = at.NONE
_OPENS_WITH = at.OPENS_WITH
_PRECHARGE_ALL = at.PRECHARGE_ALL
_ROW_NUMBER = at.ROW_NUMBER
_SCOPE = at.SCOPE
_SCOPES = at.SCOPES
_STRICT = at.STRICT


@compiled
def next_command(
    requests: Grid,
    number: int,
    facts: Grid,
    rows: Grid,
    channel: int,
) -> int:
    """Return what a request needs now: itself, its activation or its precharge."""
    command: int = requests[number, _COMMAND]
    if command < 0 or facts[command, _OPENS_WITH] < 0:
        return command
    row = rows[channel, requests[number, _KEY]]
    if row == requests[number, _ROW_NUMBER]:
        return command
    if row == _NONE:
        opening: int = facts[command, _OPENS_WITH]
        return opening
    closing: int = facts[command, _CLOSES_WITH]
    return closing


@compiled
def ready_at(
    requests: Grid,
    number: int,
    command: int,
    facts: Grid,
    ready: Grid,
    channel: int,
) -> int:
    """Return the first tick at which the distances allow a request's command."""
    if command < 0:
        return 0
    first: int = ready[channel, 0, command]
    for level in range(facts[command, _SCOPE]):
        first = max(first, ready[channel, requests[number, _NODES + level], command])
    return first


@compiled
def is_hit(
    requests: Grid,
    number: int,
    facts: Grid,
    rows: Grid,
    channel: int,
) -> bool:
    """Whether a request finds its row open."""
    command = requests[number, _COMMAND]
    if command < 0 or facts[command, _OPENS_WITH] < 0:
        return False
    hit: bool = rows[channel, requests[number, _KEY]] == requests[number, _ROW_NUMBER]
    return hit


@compiled
def raise_ready(
    channel: int,
    node: int,
    command: int,
    level: int,
    rules: Grid,
    gaps: Grid,
    ready: Grid,
    clock: int,
    commands: int,
) -> None:
    """Move the first legal ticks at a node after a command."""
    row = level * commands + command
    for rule in range(rules[row], rules[row + 1]):
        following = gaps[rule, 0]
        ready[channel, node, following] = max(
            ready[channel, node, following], clock + gaps[rule, 1]
        )


@compiled
def issue(
    requests: Grid,
    number: int,
    command: int,
    facts: Grid,
    rows: Grid,
    ready: Grid,
    rules: Grid,
    gaps: Grid,
    clock: int,
    numbers: Grid,
    channel: int,
) -> None:
    """Send a request's command: distances at the nodes of its path, rows of its banks."""
    commands = numbers[_COMMANDS]
    raise_ready(channel, 0, command, 0, rules, gaps, ready, clock, commands)
    for level in range(1, numbers[_LEVELS]):
        node = requests[number, _NODES + level - 1]
        raise_ready(channel, node, command, level, rules, gaps, ready, clock, commands)
    if numbers[_STRICT]:
        for scope in range(1, numbers[_SCOPES]):
            raise_ready(channel, 1 + scope, command, 1, rules, gaps, ready, clock, commands)
    if facts[command, _IS_OPENING]:
        rows[channel, requests[number, _KEY]] = requests[number, _ROW_NUMBER]
    elif facts[command, _IS_CLOSING]:
        if command == numbers[_PRECHARGE_ALL]:
            rows[channel, :] = _NONE
        else:
            rows[channel, requests[number, _KEY]] = _NONE
