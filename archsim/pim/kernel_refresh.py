"""A due refresh: close all banks, then refresh one scope after another."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.gpu.compiling import compiled
from archsim.pim import kernel_layout as at
from archsim.pim.kernel_device import raise_ready

Grid: TypeAlias = NDArray[np.int64]
_COMMANDS = at.COMMANDS
_KEYS = at.KEYS
_NONE = at.NONE
_PRECHARGE_ALL = at.PRECHARGE_ALL
_REFRESH = at.REFRESH
_SCOPES = at.SCOPES
_STRICT = at.STRICT


@compiled
def refresh_command(
    rows: Grid,
    channel: int,
    numbers: Grid,
) -> int:
    """Return what a due refresh needs: itself, or all banks closed."""
    for key in range(numbers[_KEYS]):
        if rows[channel, key] != _NONE:
            closing: int = numbers[_PRECHARGE_ALL]
            return closing
    refresh: int = numbers[_REFRESH]
    return refresh


@compiled
def refresh_ready(
    command: int,
    scope: int,
    ready: Grid,
    numbers: Grid,
    channel: int,
) -> int:
    """Return the first tick at which a due refresh may go on."""
    first: int = ready[channel, 0, command]
    if numbers[_STRICT]:
        if command == numbers[_REFRESH]:
            first = max(first, ready[channel, 1 + scope, command])
        else:
            for node in range(1, ready.shape[1]):
                first = max(first, ready[channel, node, command])
    return first


@compiled
def send_refresh(
    command: int,
    scope: int,
    rows: Grid,
    ready: Grid,
    rules: Grid,
    gaps: Grid,
    clock: int,
    numbers: Grid,
    channel: int,
) -> None:
    """Send a due refresh, or the precharge before it.

    Commands for all data buses wait for the refreshes of each.
    """
    commands = numbers[_COMMANDS]
    raise_ready(channel, 0, command, 0, rules, gaps, ready, clock, commands)
    for other in range(numbers[_SCOPES]):
        if numbers[_STRICT] or other == scope:
            raise_ready(channel, 1 + other, command, 1, rules, gaps, ready, clock, commands)
    if command != numbers[_REFRESH]:
        rows[channel, :] = _NONE


@compiled
def turn_refresh(
    due: Grid,
    rows: Grid,
    ready: Grid,
    rules: Grid,
    gaps: Grid,
    clock: int,
    numbers: Grid,
    channel: int,
) -> tuple[int, int, bool]:
    """Go on with a due refresh; return its next command and whether it was sent."""
    scopes = numbers[_SCOPES]
    command = refresh_command(rows, channel, numbers)
    scope = (scopes - due[channel] % scopes) % scopes
    if refresh_ready(command, scope, ready, numbers, channel) > clock:
        return command, scope, False
    send_refresh(command, scope, rows, ready, rules, gaps, clock, numbers, channel)
    if command == numbers[_REFRESH]:
        due[channel] -= 1
    return command, scope, True
