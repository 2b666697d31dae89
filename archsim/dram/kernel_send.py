"""Kernel, the requester: what is sent to which channel, and what is outstanding."""

from __future__ import annotations

from archsim.dram import layout as at
from archsim.dram.kernel_turn import finish_read
from archsim.dram.layout import Memory, shifted

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
            g[at.G_OUTSTANDING] -= 1
        return True
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
        g[at.G_OUTSTANDING] -= 1
        st[at.S_DONE] += 1
        return
    rq[request + at.R_OUTCOME] = at.FORWARDED
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
        g[at.G_OUTSTANDING] += 1
        if not accept(tab, st, g, rq, ring, answers, request, clk):
            g[at.G_OUTSTANDING] -= 1
            g[at.G_BLOCKED] = FULL
            return
        changed[channel] = 1
        g[at.G_NEXT] += 1
    g[at.G_SEND_AT] = clk + 1
    g[at.G_BLOCKED] = FREE


def admit(tab: Memory, sts: Memory, g: Memory, rq: Memory, rings: Memory, clk: int) -> bool:
    """Let requests into the queues of their channels; return whether only time holds the next."""
    while g[at.G_NEXT] < tab[at.T_NUM]:
        earliest = rq[g[at.G_NEXT] * at.R_WIDTH + at.R_EARLIEST]
        if earliest > clk:
            g[at.G_SEND_AT] = min(g[at.G_SEND_AT], earliest)
            return True
        if window_full(tab, g):
            g[at.G_SEND_AT] = min(g[at.G_SEND_AT], next_release(tab, sts, g, rq, rings))
            return False
        g[at.G_NEXT] += 1
        g[at.G_OUTSTANDING] += 1
    return False


def send_queued(
    tab: Memory,
    sts: Memory,
    g: Memory,
    rq: Memory,
    rings: Memory,
    answers: Memory,
    changed: Memory,
    order: Memory,
    clk: int,
) -> None:
    """Send from a queue for each channel: one that is full holds up its own requests only."""
    release_until(tab, sts, g, rq, rings, clk)
    g[at.G_SEND_AT] = at.NEVER
    only_time = admit(tab, sts, g, rq, rings, clk)
    each = max(1, tab[at.T_PER_TICK] // tab[at.T_CHANNELS])
    for channel in range(tab[at.T_CHANNELS]):
        st = shifted(sts, channel * tab[at.T_STATE])
        ring = shifted(rings, channel * tab[at.T_RING])
        for _ in range(each):
            if st[at.S_CURSOR] == st[at.S_CURSOR_END] or order[st[at.S_CURSOR]] >= g[at.G_NEXT]:
                break
            request = order[st[at.S_CURSOR]] * at.R_WIDTH
            only_time = False
            if not accept(tab, st, g, rq, ring, answers, request, clk):
                break
            changed[channel] = 1
            st[at.S_CURSOR] += 1
            g[at.G_SEND_AT] = clk + 1
    g[at.G_BLOCKED] = GAP if only_time else FREE
