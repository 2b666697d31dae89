"""Kernel, the run: who sends when, and the jump from event to event."""

from __future__ import annotations

from archsim.dram import layout as at
from archsim.dram.kernel_plan import plan
from archsim.dram.kernel_send import GAP, send, send_queued
from archsim.dram.kernel_turn import fall_due, refresh_while_idle, turn
from archsim.dram.layout import Memory, shifted

FINISHED, LOG_FULL, STUCK = range(3)
"""Why the kernel came back."""
PATIENCE = 1000
"""Refresh intervals without a request sent or answered after which a run counts as stuck."""
LOG_ROOM = 64
"""Free log entries without which no further tick is begun: a tick adds at most two a channel."""


def num_finished(tab: Memory, sts: Memory) -> int:
    """Return the requests that have been answered."""
    finished = 0
    for channel in range(tab[at.T_CHANNELS]):
        finished += sts[channel * tab[at.T_STATE] + at.S_DONE]
    return finished


def next_event(tab: Memory, sts: Memory, g: Memory) -> int:
    """Return the next tick at which something happens: a command, a refresh due, a sending."""
    clk = g[at.G_SEND_AT]
    for channel in range(tab[at.T_CHANNELS]):
        st = shifted(sts, channel * tab[at.T_STATE])
        clk = min(clk, st[at.S_TICK], st[at.S_ROW_TICK])
        if tab[at.T_REFRESH] != at.NO_REFRESH:
            clk = min(clk, st[at.S_REFRESH_TICK])
    return int(clk)


def is_stuck(tab: Memory, g: Memory, finished: int, clk: int) -> bool:
    """Whether nothing will happen any more, or only refreshes have for very long."""
    if clk >= at.NEVER:
        return True
    if g[at.G_SEND_AT] < at.NEVER or finished + g[at.G_NEXT] != g[at.G_SEEN]:
        g[at.G_SEEN] = finished + g[at.G_NEXT]
        g[at.G_PROGRESS] = clk
    patience = PATIENCE * (1 + tab[at.T_REFI] + tab[at.T_REFI_BANK])
    return bool(clk - g[at.G_PROGRESS] > patience)


def serve_channels(
    tab: Memory,
    sts: Memory,
    g: Memory,
    rq: Memory,
    rings: Memory,
    answers: Memory,
    log: Memory,
    changed: Memory,
    clk: int,
) -> bool:
    """Let every channel do what falls on a tick; return whether a command issued."""
    issued = False
    for channel in range(tab[at.T_CHANNELS]):
        st = shifted(sts, channel * tab[at.T_STATE])
        if tab[at.T_REFRESH] != at.NO_REFRESH and st[at.S_REFRESH_TICK] == clk:
            fall_due(tab, st)
            plan(tab, st, clk)
        if min(st[at.S_TICK], st[at.S_ROW_TICK]) == clk:
            ring = shifted(rings, channel * tab[at.T_RING])
            turn(tab, st, g, rq, ring, answers, log, clk, channel)
            changed[channel] = 1
            issued = True
    return issued


def drive(
    tab: Memory,
    sts: Memory,
    g: Memory,
    rq: Memory,
    rings: Memory,
    answers: Memory,
    log: Memory,
    changed: Memory,
    order: Memory,
) -> int:
    """Run until every request is answered; returns early, resumable, when the log is full."""
    channels = tab[at.T_CHANNELS]
    eager = tab[at.T_REFRESH] != at.NO_REFRESH and tab[at.T_POSTPONE] + tab[at.T_PULL_IN] > 0
    num = tab[at.T_NUM]
    while True:
        if tab[at.T_LOG] == 1 and g[at.G_LOGGED] + LOG_ROOM + 2 * channels > tab[at.T_LOG_ROOM]:
            return LOG_FULL
        finished = num_finished(tab, sts)
        clk = next_event(tab, sts, g)
        if finished == num:
            if clk > g[at.G_LAST]:
                return FINISHED
        elif is_stuck(tab, g, finished, clk):
            return STUCK
        issued = serve_channels(tab, sts, g, rq, rings, answers, log, changed, clk)
        if g[at.G_SEND_AT] <= clk or (issued and g[at.G_BLOCKED] != GAP):
            if tab[at.T_ARBITER] == at.SIMPLE:
                send(tab, sts, g, rq, rings, answers, changed, clk)
            else:
                send_queued(tab, sts, g, rq, rings, answers, changed, order, clk)
        for channel in range(channels):
            if changed[channel] == 1:
                changed[channel] = 0
                st = shifted(sts, channel * tab[at.T_STATE])
                if eager:
                    refresh_while_idle(tab, st)
                plan(tab, st, clk + 1)
