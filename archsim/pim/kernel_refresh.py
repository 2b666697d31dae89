"""A due refresh: close all banks, then refresh one scope after another."""

from __future__ import annotations

from archsim.lazy_kernel import compiled_lean
from archsim.pim import kernel_layout as at
from archsim.pim.kernel_device import Grid, close, judge_all, note, raise_ready

_DUE = at.DUE
_HINT = at.HINT
_KEYS = at.KEYS
_MAX_COMMANDS = at.MAX_COMMANDS
_MODE_NOW = at.MODE_NOW
_NONE = at.NONE
_NUM_NODES = at.NUM_NODES
_OPEN_ROWS = at.OPEN_ROWS
_PRECHARGE_ALL = at.PRECHARGE_ALL
_READY = at.READY
_REFRESH = at.REFRESH
_SCOPES = at.SCOPES
_SCOPE_LEVEL = at.SCOPE_LEVEL
_STRICT = at.STRICT
_SWITCH = at.SWITCH


@compiled_lean
def refresh_command(table: Grid, memory: Grid, channel: int) -> int:
    """Return what a due refresh needs: itself, all banks closed, or the mode left."""
    if memory[channel, _MODE_NOW]:
        switch: int = table[_SWITCH]
        return switch
    for key in range(table[_KEYS]):
        if memory[channel, _OPEN_ROWS + key] != _NONE:
            closing: int = table[_PRECHARGE_ALL]
            return closing
    refresh: int = table[_REFRESH]
    return refresh


@compiled_lean
def refresh_ready(table: Grid, memory: Grid, channel: int, command: int, scope: int) -> int:
    """Return the first tick at which a due refresh may go on."""
    first: int = memory[channel, _READY + command]
    if not table[_STRICT]:
        return first
    if command != table[_REFRESH]:
        for node in range(1, table[_NUM_NODES]):
            first = max(first, memory[channel, _READY + node * _MAX_COMMANDS + command])
    elif table[_SCOPE_LEVEL]:
        first = max(first, memory[channel, _READY + (1 + scope) * _MAX_COMMANDS + command])
    return first


@compiled_lean
def turn_refresh(
    table: Grid, memory: Grid, cursor: Grid, log: Grid, channel: int, clock: int
) -> tuple[int, bool]:
    """Go on with a due refresh; return its next command and whether it was sent.

    Commands for all data buses wait for the refreshes of each.
    """
    scopes = table[_SCOPES]
    command = refresh_command(table, memory, channel)
    scope = (scopes - memory[channel, _DUE] % scopes) % scopes
    first = refresh_ready(table, memory, channel, command, scope)
    if first > clock:
        memory[channel, _HINT] = first
        return command, False
    note(table, memory, cursor, log, channel, _NONE, command, scope, clock)
    raise_ready(table, memory, channel, 0, 0, command, clock)
    if table[_SCOPE_LEVEL]:
        for other in range(scopes):
            if table[_STRICT] or other == scope:
                raise_ready(table, memory, channel, 1 + other, 1, command, clock)
    if command == table[_REFRESH]:
        memory[channel, _DUE] -= 1
        return command, True
    if command == table[_SWITCH]:
        memory[channel, _MODE_NOW] = 0
    else:
        close(table, memory, channel, _NONE)
    judge_all(table, memory, channel, _NONE)
    return command, True
