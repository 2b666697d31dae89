"""Kernel, the run: who sends when, and the jump from event to event."""

from __future__ import annotations

from archsim.dram import layout as at
from archsim.dram.kernel_plan import plan
from archsim.dram.kernel_turn import fall_due, finish_read, refresh_while_idle, turn
from archsim.dram.layout import Memory, shifted

FINISHED, LOG_FULL, STUCK = range(3)
"""Why the kernel came back."""
PATIENCE = 1000
"""Refresh intervals without a request sent or answered after which a run counts as stuck."""
LOG_ROOM = 64
"""Free log entries without which no further tick is begun: a tick adds at most two a channel."""
(FREE, FULL, WINDOW_FULL, GAP) = range(4)
"""Why sending waits."""


def accept(
    tab: Memory,
    st: Memory,
    g: Memory,
    rq: Memory,
    ring: Memory,
    answers: Memory,
    request: int,
    clk: int,
) -> bool:
    """Offer a request to its channel at a tick; False if there is no room.

    A read of an address with a waiting write takes its data from there; a write to such an address
    replaces the waiting data. Neither needs a place.
    """
    write = rq[request + at.R_WRITE] == 1
    split = tab[at.T_BUFFERS] == at.READ_WRITE
    which = 1 if split and write else 0
    if tab[at.T_MERGE if write else at.T_FORWARD] == 1:
        found = waiting_write(tab, st, 1 if split else 0, rq[request + at.R_BLOCK])
        if found:
            take_over(tab, st, g, rq, ring, answers, request, clk)
            return True
    length = st[at.S_LENGTH + which]
    bank = rq[request + at.R_BANK]
    if tab[at.T_BUFFERS] == at.BANKWISE:
        if st[tab[at.AT_HELD] + bank] >= tab[at.T_READ_SIZE]:
            return False
    elif length >= (tab[at.T_WRITE_SIZE] if which == 1 else tab[at.T_READ_SIZE]):
        return False
    entry = tab[at.AT_LIST] + (which * tab[at.T_LIST_SIZE] + length) * at.L_WIDTH
    st[entry + at.L_REQUEST] = request
    st[entry + at.L_BANK] = bank
    st[entry + at.L_ROW] = rq[request + at.R_ROW]
    st[entry + at.L_COMMAND] = at.WR if write else at.RD
    st[entry + at.L_ARRIVAL] = clk
    st[entry + at.L_BLOCK] = rq[request + at.R_BLOCK]
    st[at.S_LENGTH + which] = length + 1
    st[tab[at.AT_HELD] + bank] += 1
    rq[request + at.R_ARRIVAL] = clk
    if write:
        if tab[at.T_POSTED] == 1:
            rq[request + at.R_RELEASE] = clk
        else:
            g[at.G_OUTSTANDING] += 1
        return True
    g[at.G_OUTSTANDING] += 1
    if tab[at.T_FIFO_RESPONSE] == 1:
        answers[st[at.S_RESPOND_AT] + st[at.S_RESPOND_TAIL]] = request
        st[at.S_RESPOND_TAIL] += 1
    return True


def waiting_write(tab: Memory, st: Memory, which: int, block: int) -> bool:
    """Whether a write to a block waits in a buffer."""
    base = tab[at.AT_LIST] + which * tab[at.T_LIST_SIZE] * at.L_WIDTH
    end = base + st[at.S_LENGTH + which] * at.L_WIDTH
    for entry in range(base, end, at.L_WIDTH):
        if st[entry + at.L_BLOCK] == block and st[entry + at.L_COMMAND] == at.WR:
            return True
    return False


def take_over(
    tab: Memory,
    st: Memory,
    g: Memory,
    rq: Memory,
    ring: Memory,
    answers: Memory,
    request: int,
    clk: int,
) -> None:
    """Answer a request from a waiting write: a read at the next tick, a write at once."""
    rq[request + at.R_ARRIVAL] = clk
    if rq[request + at.R_WRITE] == 1:
        rq[request + at.R_OUTCOME] = at.MERGED
        rq[request + at.R_DONE] = clk
        rq[request + at.R_RELEASE] = clk
        g[at.G_LAST] = max(g[at.G_LAST], clk)
        st[at.S_DONE] += 1
        return
    rq[request + at.R_OUTCOME] = at.FORWARDED
    g[at.G_OUTSTANDING] += 1
    if tab[at.T_FIFO_RESPONSE] == 1:
        answers[st[at.S_RESPOND_AT] + st[at.S_RESPOND_TAIL]] = request
        st[at.S_RESPOND_TAIL] += 1
    finish_read(tab, st, g, rq, ring, answers, request, clk + 1)


def release_until(tab: Memory, sts: Memory, g: Memory, rq: Memory, rings: Memory, clk: int) -> None:
    """Count the responses that have reached the requester by a tick."""
    if tab[at.T_WINDOW] == 0:
        return
    if tab[at.T_ARBITER] == at.IN_ORDER:
        head = g[at.G_HEAD]
        while head < g[at.G_NEXT] and 0 <= rq[head * at.R_WIDTH + at.R_RELEASE] <= clk:
            head += 1
        g[at.G_HEAD] = head
        return
    for channel in range(tab[at.T_CHANNELS]):
        st = shifted(sts, channel * tab[at.T_STATE])
        while st[at.S_RING_HEAD] < st[at.S_RING_TAIL]:
            if rings[channel * tab[at.T_RING] + st[at.S_RING_HEAD] % tab[at.T_RING]] > clk:
                break
            st[at.S_RING_HEAD] += 1
            g[at.G_OUTSTANDING] -= 1


def next_release(tab: Memory, sts: Memory, g: Memory, rq: Memory, rings: Memory) -> int:
    """Return the tick of the next response that the requester waits for."""
    tick = at.NEVER
    if tab[at.T_ARBITER] == at.IN_ORDER:
        release = rq[g[at.G_HEAD] * at.R_WIDTH + at.R_RELEASE]
        return release if release >= 0 else tick
    for channel in range(tab[at.T_CHANNELS]):
        st = shifted(sts, channel * tab[at.T_STATE])
        if st[at.S_RING_HEAD] < st[at.S_RING_TAIL]:
            tick = min(tick, rings[channel * tab[at.T_RING] + st[at.S_RING_HEAD] % tab[at.T_RING]])
    return tick


def window_full(tab: Memory, g: Memory) -> bool:
    """Whether as many requests are outstanding as may be."""
    window = tab[at.T_WINDOW]
    if window == 0:
        return False
    if tab[at.T_ARBITER] == at.IN_ORDER:
        return bool(g[at.G_NEXT] - g[at.G_HEAD] >= window)
    return bool(g[at.G_OUTSTANDING] >= window)


def send(
    tab: Memory,
    sts: Memory,
    g: Memory,
    rq: Memory,
    rings: Memory,
    answers: Memory,
    changed: Memory,
    clk: int,
) -> None:
    """Send requests in program order after a tick, up to the first that must wait."""
    release_until(tab, sts, g, rq, rings, clk)
    g[at.G_SEND_AT] = at.NEVER
    for _ in range(tab[at.T_PER_TICK]):
        if g[at.G_NEXT] >= tab[at.T_NUM]:
            return
        request = g[at.G_NEXT] * at.R_WIDTH
        if rq[request + at.R_EARLIEST] > clk:
            g[at.G_SEND_AT] = rq[request + at.R_EARLIEST]
            g[at.G_BLOCKED] = GAP
            return
        if window_full(tab, g):
            g[at.G_SEND_AT] = next_release(tab, sts, g, rq, rings)
            g[at.G_BLOCKED] = WINDOW_FULL
            return
        channel = rq[request + at.R_CHANNEL]
        st = shifted(sts, channel * tab[at.T_STATE])
        ring = shifted(rings, channel * tab[at.T_RING])
        if not accept(tab, st, g, rq, ring, answers, request, clk):
            g[at.G_BLOCKED] = FULL
            return
        changed[channel] = 1
        g[at.G_NEXT] += 1
    g[at.G_SEND_AT] = clk + 1
    g[at.G_BLOCKED] = FREE


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
            send(tab, sts, g, rq, rings, answers, changed, clk)
        for channel in range(channels):
            if changed[channel] == 1:
                changed[channel] = 0
                st = shifted(sts, channel * tab[at.T_STATE])
                if eager:
                    refresh_while_idle(tab, st)
                plan(tab, st, clk + 1)
