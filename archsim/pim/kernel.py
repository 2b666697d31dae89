"""The PIM controller, tick by tick where something happens: refresh, then the queue in its order.

One request stream feeds a queue in each channel, in program order over all channels, and stops
where a queue is full. A channel sends at most one row and one column command in a tick. A due
refresh goes first: it closes all banks and refreshes its scopes one after another; column commands
go on beside it. Otherwise the oldest request whose next command is legal is served, except that

* nothing but activations and precharges passes a barrier;
* a command that is no row hit does not pass a row hit of its bank that only waits for its turn.

Channels that get the same requests behave alike, and are simulated once.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.gpu.compiling import compiled
from archsim.pim import kernel_layout as at
from archsim.pim.kernel_queue import feed, serve
from archsim.pim.kernel_refresh import refresh_ready, turn_refresh

Grid: TypeAlias = NDArray[np.int64]
_FAR = 1 << 62
_BARRIER = at.BARRIER
_CHANNELS = at.CHANNELS
_COMMANDS = at.COMMANDS
_FIRST = at.FIRST
_INTERVAL = at.INTERVAL
_KEYS = at.KEYS
_LOG = at.LOG
_NONE = at.NONE
_QUEUE_ROOM = at.QUEUE_ROOM
_SCOPES = at.SCOPES


@compiled
def _note(
    log: Grid,
    logged: int,
    clock: int,
    command: int,
    channel: int,
    number: int,
    numbers: Grid,
) -> int:
    """Write a row of the log; return how many there are."""
    if not numbers[_LOG]:
        return logged
    log[logged, 0] = clock
    log[logged, 1] = command
    log[logged, 2] = channel
    log[logged, 3] = number
    return logged + 1


@compiled
def drive(
    requests: Grid,
    facts: Grid,
    rules: Grid,
    gaps: Grid,
    numbers: Grid,
    num_nodes: int,
    log: Grid,
) -> tuple[int, Grid, int]:
    """Run a request stream to its end.

    Parameters
    ----------
    requests
        int64[n, 11]: see :mod:`archsim.pim.kernel_layout`.
    facts
        int64[commands, 6].
    rules, gaps
        Rows of the constraint table by level and earlier command: int64[levels * commands + 1]
        offsets into int64[rules, 2] of later command and ticks.
    numbers
        int64[11].
    num_nodes
        Nodes of a channel that requests address.
    log
        int64[m, 4] to fill if asked.

    Returns
    -------
    tuple
        Last tick, commands sent by class of channels and command, rows of the log.
    """
    channels, room = numbers[_CHANNELS], numbers[_QUEUE_ROOM]
    queues = np.zeros((channels, room + 1), np.int64)
    lengths = np.zeros(channels, np.int64)
    rows = np.full((channels, numbers[_KEYS]), _NONE, np.int64)
    ready = np.zeros((channels, num_nodes, numbers[_COMMANDS]), np.int64)
    due = np.zeros(channels, np.int64)
    counts = np.zeros((channels, numbers[_COMMANDS]), np.int64)
    interval = numbers[_INTERVAL]
    next_refresh = interval if interval else _FAR
    hints = np.zeros(channels, np.int64)
    position, logged, clock, event = 0, 0, 0, 1
    channel_at = requests[0, _FIRST] if len(requests) else 0
    while True:
        position, channel_at, fresh = feed(requests, queues, lengths, position, channel_at, room)
        clock = clock + 1 if fresh else max(clock + 1, min(event, next_refresh))
        if clock == next_refresh:
            next_refresh += interval
            due += numbers[_SCOPES]
        pending = position < len(requests)
        event = _FAR
        for channel in range(channels):
            beside = _BARRIER
            wake = _FAR
            if due[channel]:
                beside, scope, sent = turn_refresh(
                    due, rows, ready, rules, gaps, clock, numbers, channel
                )
                if sent:
                    counts[channel, beside] += 1
                    logged = _note(log, logged, clock, beside, channel, -1 - scope, numbers)
                    wake = clock + 1
                else:
                    wake = refresh_ready(beside, scope, ready, numbers, channel)
            else:
                # fmt: off
                beside, number = serve(
                    queues, lengths, requests, facts, rows, ready, rules, gaps, clock, numbers,
                    _NONE, channel, hints,
                )
                # fmt: on
                if beside >= 0:
                    counts[channel, beside] += 1
                    logged = _note(log, logged, clock, beside, channel, number, numbers)
                else:
                    wake = hints[channel]
                    beside = _BARRIER
            # fmt: off
            command, number = serve(
                queues, lengths, requests, facts, rows, ready, rules, gaps, clock, numbers,
                beside, channel, hints,
            )
            # fmt: on
            if command >= 0:
                counts[channel, command] += 1
                logged = _note(log, logged, clock, command, channel, number, numbers)
            event = min(event, wake, hints[channel])
            if lengths[channel] or due[channel]:
                pending = True
        if not pending:
            return clock, counts, logged
