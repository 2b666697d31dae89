"""The PIM controller, tick by tick where something happens: refresh, then the queue in its order.

One request stream feeds a queue in each channel, in program order over all channels, and stops
where a queue is full. A channel sends at most one row and one column command in a tick, or one
command where there is one bus. A due refresh goes first: it closes all banks and refreshes its
scopes one after another; column commands may go on beside it. Otherwise the oldest request whose
next command is legal is served, except that

* nothing but activations and precharges passes a barrier;
* a command that is no row hit does not pass a row hit of its bank that only waits for its turn.

Other policies serve strictly in order, or as :mod:`archsim.pim.kernel_fenced` says. Channels that
get the same requests behave alike, and are simulated once; requests that repeat themselves are
folded (:mod:`archsim.pim.kernel_fold`).
"""

from __future__ import annotations

from archsim.lazy_kernel import compiled_lean
from archsim.pim import kernel_layout as at
from archsim.pim.kernel_device import Grid
from archsim.pim.kernel_feed import feed
from archsim.pim.kernel_fenced import serve_fenced
from archsim.pim.kernel_fold import fold_run, fold_turns
from archsim.pim.kernel_queue import serve
from archsim.pim.kernel_refresh import turn_refresh

_FAR = 1 << 62
_AT_RUN = at.AT_RUN
_BARRIER = at.BARRIER
_BLOCKED = at.BLOCKED
_BUSES = at.BUSES
_CHANNELS = at.CHANNELS
_CLOCK = at.CLOCK
_DUE = at.DUE
_FENCED = at.SERVE_FENCED
_FOLDING = at.FOLDING
_GATE = at.GATE
_HINT = at.HINT
_INTERVAL = at.INTERVAL
_IN_ORDER = at.SERVE_IN_ORDER
_LENGTH_NOW = at.LENGTH_NOW
_NEXT_REFRESH = at.NEXT_REFRESH
_NONE = at.NONE
_POLICY = at.POLICY
_SCOPES = at.SCOPES


@compiled_lean
def _turn(table: Grid, memory: Grid, cursor: Grid, log: Grid, channel: int, clock: int) -> int:
    """Send what a channel may send in a tick; return when to look again at the latest."""
    beside = _NONE
    wake: int = _FAR
    if memory[channel, _DUE]:
        beside, sent = turn_refresh(table, memory, cursor, log, channel, clock)
        wake = clock + 1 if sent else memory[channel, _HINT]
        if table[_POLICY] == _IN_ORDER or (sent and table[_BUSES] == 1):
            return wake
    if table[_POLICY] == _FENCED:
        serve_fenced(table, memory, cursor, log, channel, clock, beside != _NONE)
        return min(wake, int(memory[channel, _HINT]))
    if beside == _NONE:
        beside = serve(table, memory, cursor, log, channel, clock, _NONE)
        if beside < 0:
            wake = memory[channel, _HINT]
            beside = _BARRIER
        if table[_BUSES] == 1:
            return min(wake, int(memory[channel, _HINT]))
    serve(table, memory, cursor, log, channel, clock, beside)
    return min(wake, int(memory[channel, _HINT]))


@compiled_lean
def drive(
    table: Grid,
    memory: Grid,
    cursor: Grid,
    log: Grid,
    runs: Grid,
    places: Grid,
    kept: Grid,
    kept_cursor: Grid,
) -> int:
    """Run a request stream to its end; return the last tick.

    Parameters
    ----------
    table, runs, places
        By which rules, and what is to be done: see :mod:`archsim.pim.kernel_layout`.
    memory, cursor, log
        Fresh state of each class of channels and of the stream, and room for the log; changed.
    kept, kept_cursor
        Room for two copies of memory and cursor.
    """
    event = 1
    misses = 0
    clock = 0
    kept_cursor[0, _AT_RUN] = _NONE
    kept_cursor[1, _AT_RUN] = _NONE
    while True:
        fresh = feed(table, memory, cursor, runs, places, clock + 1)
        if table[_FOLDING] and cursor[_AT_RUN] < len(runs):
            cursor[_CLOCK] = clock
            misses = fold_run(table, memory, cursor, runs, kept[0], kept_cursor[0], misses)
            fold_turns(table, memory, cursor, runs, kept[1], kept_cursor[1])
            event += cursor[_CLOCK] - clock
            clock = cursor[_CLOCK]
        clock = clock + 1 if fresh else max(clock + 1, min(event, cursor[_NEXT_REFRESH]))
        if clock == cursor[_NEXT_REFRESH]:
            cursor[_NEXT_REFRESH] += table[_INTERVAL]
            for channel in range(table[_CHANNELS]):
                memory[channel, _DUE] += table[_SCOPES]
        pending = cursor[_AT_RUN] < len(runs)
        event = _FAR
        for channel in range(table[_CHANNELS]):
            event = min(event, _turn(table, memory, cursor, log, channel, clock))
            if memory[channel, _LENGTH_NOW] or memory[channel, _DUE]:
                pending = True
        if not pending:
            return clock
        if cursor[_GATE] > clock + 1 and not cursor[_BLOCKED]:
            event = min(event, cursor[_GATE] - 1)
