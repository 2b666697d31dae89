"""The queue of a channel: what goes in, and which request is served next."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.gpu.compiling import compiled
from archsim.pim import kernel_layout as at
from archsim.pim.kernel_device import is_hit, issue, next_command, ready_at

Grid: TypeAlias = NDArray[np.int64]
_FAR = 1 << 62
_ALIKE = at.ALIKE
_BARRIER = at.BARRIER
_BUS = at.BUS
_COMMAND = at.COMMAND
_FIRST = at.FIRST
_IS_CLOSING = at.IS_CLOSING
_IS_OPENING = at.IS_OPENING
_LAST = at.LAST
_LEVELS = at.LEVELS
_NODES = at.NODES
_NONE = at.NONE


@compiled
def _awaited(
    queues: Grid,
    channel: int,
    length: int,
    requests: Grid,
    number: int,
    facts: Grid,
    rows: Grid,
    levels: int,
) -> bool:
    """Whether a queued request hits a row of the bank that a request addresses."""
    bank = requests[number, _NODES + levels - 2]
    for place in range(length):
        other = queues[channel, place]
        if place and requests[other, _ALIKE] and queues[channel, place - 1] == other - 1:
            continue
        if requests[other, _NODES + levels - 2] == bank and is_hit(
            requests, other, facts, rows, channel
        ):
            return True
    return False


@compiled
def _drop(
    queues: Grid,
    channel: int,
    length: int,
    place: int,
) -> int:
    """Take an entry out of a queue; return its new length."""
    for later in range(place, length - 1):
        queues[channel, later] = queues[channel, later + 1]
    return length - 1


@compiled
def _select(
    queues: Grid,
    channel: int,
    length: int,
    requests: Grid,
    facts: Grid,
    rows: Grid,
    ready: Grid,
    clock: int,
    levels: int,
    hints: Grid,
) -> int:
    """Return the place in the queue of the request to serve, minus one if none is legal.

    Requests alike that stand behind one another are looked at once. Where none is legal, the hint
    is the first tick at which distances allow one.
    """
    last = queues[channel, 0]
    command = next_command(requests, last, facts, rows, channel)
    event = ready_at(requests, last, command, facts, ready, channel)
    if event <= clock:
        return 0
    behind = False
    for place in range(1, length):
        number = queues[channel, place]
        alike = requests[number, _ALIKE] and number == last + 1
        last = number
        if alike:
            continue
        if requests[number, _COMMAND] == _BARRIER:
            behind = True
            continue
        command = next_command(requests, number, facts, rows, channel)
        if behind and not (facts[command, _IS_OPENING] or facts[command, _IS_CLOSING]):
            continue
        first = ready_at(requests, number, command, facts, ready, channel)
        if first > clock:
            event = min(event, first)
            continue
        if command == requests[number, _COMMAND] and is_hit(requests, number, facts, rows, channel):
            return place
        if not _awaited(queues, channel, length, requests, number, facts, rows, levels):
            return place
    hints[channel] = event
    return -1


@compiled
def serve(
    queues: Grid,
    lengths: Grid,
    requests: Grid,
    facts: Grid,
    rows: Grid,
    ready: Grid,
    rules: Grid,
    gaps: Grid,
    clock: int,
    numbers: Grid,
    beside: int,
    channel: int,
    hints: Grid,
) -> tuple[int, int]:
    """Send one command from a queue, on another bus than `beside` if one was sent.

    Returns
    -------
    tuple of int
        The command, or minus one; the request. The hint says when to look again at the latest.
    """
    length = lengths[channel]
    if length and requests[queues[channel, 0], _COMMAND] == _BARRIER:
        length = _drop(queues, channel, length, 0)
        lengths[channel] = length
        hints[channel] = clock + 1
    if length == 0:
        hints[channel] = _FAR
        return _NONE, _NONE
    if beside == _BARRIER:
        return _NONE, _NONE
    place = _select(
        queues, channel, length, requests, facts, rows, ready, clock, numbers[_LEVELS], hints
    )
    if place < 0:
        return _NONE, _NONE
    hints[channel] = clock + 1
    number = queues[channel, place]
    command = next_command(requests, number, facts, rows, channel)
    if command == _BARRIER:
        if beside == _NONE:
            lengths[channel] = _drop(queues, channel, length, place)
            return _BARRIER, number
        return _NONE, _NONE
    if beside != _NONE and facts[beside, _BUS] == facts[command, _BUS]:
        return _NONE, _NONE
    issue(requests, number, command, facts, rows, ready, rules, gaps, clock, numbers, channel)
    if command == requests[number, _COMMAND]:
        lengths[channel] = _drop(queues, channel, length, place)
    return command, number


@compiled
def feed(
    requests: Grid,
    queues: Grid,
    lengths: Grid,
    position: int,
    channel: int,
    room: int,
) -> tuple[int, int, bool]:
    """Put requests into queues in order until one is full.

    Returns
    -------
    tuple
        Request and channel where the stream stands, and whether a queue got something that is not
        like its last entry.
    """
    fresh = False
    while position < len(requests) and lengths[channel] < room:
        length = lengths[channel]
        if (
            length == 0
            or not requests[position, _ALIKE]
            or queues[channel, length - 1] != position - 1
        ):
            fresh = True
        queues[channel, length] = position
        lengths[channel] = length + 1
        channel += 1
        if channel == requests[position, _LAST]:
            position += 1
            if position < len(requests):
                channel = requests[position, _FIRST]
    return position, channel, fresh
