"""Kernel, one turn: issue what is planned, answer requests, and let refreshes fall due."""

from __future__ import annotations

from archsim.dram import layout as at
from archsim.dram.kernel_device import issue_to_all, issue_to_bank, ready_tick
from archsim.dram.kernel_plan import plan_rest
from archsim.dram.layout import Memory


def write_down(
    tab: Memory,
    g: Memory,
    log: Memory,
    clk: int,
    channel: int,
    command: int,
    where: int,
    request: int,
) -> None:
    """Append a command to the log, if one is kept."""
    if tab[at.T_LOG] == 1:
        entry = g[at.G_LOGGED] * at.C_WIDTH
        log[entry + at.C_TICK] = clk
        log[entry + at.C_CHANNEL] = channel
        log[entry + at.C_COMMAND] = command
        log[entry + at.C_WHERE] = where
        log[entry + at.C_REQUEST] = request
        g[at.G_LOGGED] += 1


def respond(
    tab: Memory, st: Memory, g: Memory, rq: Memory, ring: Memory, request: int, tick: int
) -> None:
    """Note when the response of a request leaves the controller; responses never overtake."""
    tick = max(tick, st[at.S_RELEASED])
    st[at.S_RELEASED] = tick
    rq[request + at.R_RELEASE] = tick
    g[at.G_LAST] = max(g[at.G_LAST], tick)
    st[at.S_DONE] += 1
    if tab[at.T_WINDOW] > 0 and tab[at.T_ARBITER] != at.IN_ORDER:
        ring[st[at.S_RING_TAIL] % tab[at.T_RING]] = tick
        st[at.S_RING_TAIL] += 1


def finish_read(
    tab: Memory,
    st: Memory,
    g: Memory,
    rq: Memory,
    ring: Memory,
    answers: Memory,
    request: int,
    tick: int,
) -> None:
    """Take the data of a read at a tick; with a FIFO response queue older reads answer first."""
    rq[request + at.R_DONE] = tick
    if tab[at.T_FIFO_RESPONSE] == 0:
        respond(tab, st, g, rq, ring, request, tick)
        return
    while st[at.S_RESPOND_HEAD] < st[at.S_RESPOND_TAIL]:
        oldest = answers[st[at.S_RESPOND_AT] + st[at.S_RESPOND_HEAD]]
        if rq[oldest + at.R_DONE] < 0:
            return
        respond(tab, st, g, rq, ring, oldest, rq[oldest + at.R_DONE])
        st[at.S_RESPOND_HEAD] += 1


def finish_write(tab: Memory, st: Memory, g: Memory, rq: Memory, request: int, tick: int) -> None:
    """Complete a write; unless writes are posted, its requester hears of it now."""
    rq[request + at.R_DONE] = tick
    g[at.G_LAST] = max(g[at.G_LAST], tick)
    if tab[at.T_POSTED] == 0:
        rq[request + at.R_RELEASE] = tick
        g[at.G_OUTSTANDING] -= 1
    st[at.S_DONE] += 1


def drop_entry(tab: Memory, st: Memory, which: int, index: int) -> None:
    """Take a request out of a buffer; the younger ones move up."""
    base = tab[at.AT_LIST] + which * tab[at.T_LIST_SIZE] * at.L_WIDTH
    st[at.S_LENGTH + which] -= 1
    st[tab[at.AT_HELD] + st[base + index * at.L_WIDTH + at.L_BANK]] -= 1
    end = base + st[at.S_LENGTH + which] * at.L_WIDTH
    for place in range(base + index * at.L_WIDTH, end):
        st[place] = st[place + at.L_WIDTH]


def note_outcome(tab: Memory, st: Memory, rq: Memory, request: int) -> None:
    """Classify a request by the state of its bank when its first command issues."""
    if rq[request + at.R_OUTCOME] != 0:
        return
    row = st[tab[at.AT_ROW] + rq[request + at.R_BANK]]
    if row == rq[request + at.R_ROW]:
        rq[request + at.R_OUTCOME] = at.HIT
    elif row == at.CLOSED:
        rq[request + at.R_OUTCOME] = at.MISS
    else:
        rq[request + at.R_OUTCOME] = at.CONFLICT


def closes_too(tab: Memory, st: Memory, rq: Memory, request: int, bank: int) -> bool:
    """Whether the page policy lets this access close its row.

    Closed: always. Open-adaptive: if a request for another row of the bank waits and none for this
    row. Closed-adaptive: if none for this row waits.
    """
    page = tab[at.T_PAGE]
    if page == at.OPEN:
        return False
    if page == at.CLOSE:
        return True
    row = rq[request + at.R_ROW]
    conflict = False
    for which in range(2):
        base = tab[at.AT_LIST] + which * tab[at.T_LIST_SIZE] * at.L_WIDTH
        end = base + st[at.S_LENGTH + which] * at.L_WIDTH
        for entry in range(base, end, at.L_WIDTH):
            if st[entry + at.L_BANK] != bank or st[entry + at.L_REQUEST] == request:
                continue
            if st[entry + at.L_ROW] == row:
                return False
            conflict = True
    return conflict or page == at.CLOSE_ADAPTIVE


def issue_access(
    tab: Memory,
    st: Memory,
    g: Memory,
    rq: Memory,
    ring: Memory,
    answers: Memory,
    log: Memory,
    clk: int,
    channel: int,
    kind: int,
    index: int,
) -> None:
    """Issue the read or write of a request and take the request out of where it waited."""
    which = 1 if kind == at.K_WRITES else 0
    if kind == at.K_ACTIVE:
        request = st[tab[at.AT_ACTIVE] + index * at.L_WIDTH + at.L_REQUEST]
    else:
        base = tab[at.AT_LIST] + which * tab[at.T_LIST_SIZE] * at.L_WIDTH
        request = st[base + index * at.L_WIDTH + at.L_REQUEST]
    bank = rq[request + at.R_BANK]
    write = rq[request + at.R_WRITE] == 1
    note_outcome(tab, st, rq, request)
    if kind == at.K_ACTIVE:
        st[at.S_ACTIVE] -= 1
        first = tab[at.AT_ACTIVE] + index * at.L_WIDTH
        for place in range(first, tab[at.AT_ACTIVE] + st[at.S_ACTIVE] * at.L_WIDTH):
            st[place] = st[place + at.L_WIDTH]
        st[tab[at.AT_ACTIVE_OF] + bank] -= 1
        st[tab[at.AT_ACTIVE_IN] + bank // tab[at.T_SCOPE_BANKS]] -= 1
    else:
        drop_entry(tab, st, which, index)
    command = at.WR if write else at.RD
    if st[tab[at.AT_ACTIVE_OF] + bank] == 0 and closes_too(tab, st, rq, request, bank):
        closing = at.WRA if write else at.RDA
        if ready_tick(tab, st, closing, bank) <= clk:
            command = closing
    issue_to_bank(tab, st, command, bank, rq[request + at.R_ROW], clk)
    write_down(tab, g, log, clk, channel, command, bank, request)
    st[at.S_LAST_WRITE] = 1 if write else 0
    if tab[at.T_TWO_PART] == 1:
        hold = tab[at.T_WCK_WR] if write else tab[at.T_WCK_RD]
        end = tab[at.AT_WCK_END] + bank // tab[at.T_SCOPE_BANKS]
        st[end] = max(st[end], clk + hold)
    if write:
        finish_write(tab, st, g, rq, request, clk)
    else:
        finish_read(tab, st, g, rq, ring, answers, request, clk + tab[at.T_RL])


def issue_second_part(
    tab: Memory, st: Memory, g: Memory, rq: Memory, log: Memory, clk: int, channel: int
) -> None:
    """Issue the second part of a split activation; its request then waits for its row only."""
    bank, request = st[at.S_ACT2_BANK], st[at.S_ACT2_REQUEST]
    issue_to_bank(tab, st, at.ACT2, bank, rq[request + at.R_ROW], clk)
    write_down(tab, g, log, clk, channel, at.ACT2, bank, request)
    make_active(tab, st, rq, request)
    st[at.S_ACT2_BANK] = -1


def make_active(tab: Memory, st: Memory, rq: Memory, request: int) -> None:
    """Let a request wait for the row that was opened for it."""
    entry = tab[at.AT_ACTIVE] + st[at.S_ACTIVE] * at.L_WIDTH
    st[entry + at.L_REQUEST] = request
    st[entry + at.L_BANK] = rq[request + at.R_BANK]
    st[entry + at.L_COMMAND] = at.WR if rq[request + at.R_WRITE] == 1 else at.RD
    st[entry + at.L_ARRIVAL] = rq[request + at.R_ARRIVAL]
    st[at.S_ACTIVE] += 1


def issue_row_command(
    tab: Memory,
    st: Memory,
    g: Memory,
    rq: Memory,
    log: Memory,
    clk: int,
    channel: int,
    kind: int,
    index: int,
) -> None:
    """Issue the activation or precharge that a waiting request needs."""
    which = 1 if kind == at.K_WRITES else 0
    entry = tab[at.AT_LIST] + (which * tab[at.T_LIST_SIZE] + index) * at.L_WIDTH
    request, bank = st[entry + at.L_REQUEST], st[entry + at.L_BANK]
    note_outcome(tab, st, rq, request)
    opening = st[tab[at.AT_ROW] + bank] == at.CLOSED
    command = at.ACT if opening else at.PRE
    issue_to_bank(tab, st, command, bank, st[entry + at.L_ROW], clk)
    write_down(tab, g, log, clk, channel, command, bank, request)
    note_pair(tab, st, command, bank // tab[at.T_SCOPE_BANKS], bank, clk)
    if not opening:
        return
    drop_entry(tab, st, which, index)
    st[tab[at.AT_ACTIVE_OF] + bank] += 1
    st[tab[at.AT_ACTIVE_IN] + bank // tab[at.T_SCOPE_BANKS]] += 1
    if tab[at.T_TWO_PART] == 1:
        st[at.S_ACT2_BANK], st[at.S_ACT2_REQUEST] = bank, request
        st[at.S_ACT2_DEADLINE] = clk + tab[at.T_AAD]
    else:
        make_active(tab, st, rq, request)


def note_pair(tab: Memory, st: Memory, command: int, scope: int, bank: int, clk: int) -> None:
    """Remember a row command on a rising edge until the falling edge that pairs with it."""
    if tab[at.T_HALF] == 1 and clk % 2 == 1:
        st[at.S_PAIR_TICK] = clk + (3 if command == at.ACT else 1)
        st[at.S_PAIR_SCOPE], st[at.S_PAIR_BANK] = scope, bank


def issue_refresh(
    tab: Memory, st: Memory, g: Memory, log: Memory, clk: int, channel: int, command: int
) -> None:
    """Issue a refresh to all banks, or the precharge before it."""
    scope = st[tab[at.AT_QUEUE]]
    issue_to_all(tab, st, command, scope, clk)
    write_down(tab, g, log, clk, channel, command, scope, -1)
    note_pair(tab, st, command, scope, -1, clk)
    if command == at.REFAB:
        st[at.S_QUEUED] -= 1
        for place in range(tab[at.AT_QUEUE], tab[at.AT_QUEUE] + st[at.S_QUEUED]):
            st[place] = st[place + 1]
        st[tab[at.AT_DEBT] + scope] -= 1
        st[tab[at.AT_PENDING] + scope] -= 1
        st[tab[at.AT_OPTIONAL] + scope] = 0


def issue_bank_refresh(
    tab: Memory, st: Memory, g: Memory, log: Memory, clk: int, channel: int, index: int
) -> None:
    """Issue a refresh of one bank, or the precharge before it."""
    base = tab[at.AT_BANK_QUEUE]
    bank = st[base + index]
    command = at.REFPB if st[tab[at.AT_ROW] + bank] == at.CLOSED else at.PRE
    scope = bank // tab[at.T_SCOPE_BANKS]
    issue_to_bank(tab, st, command, bank, 0, clk)
    write_down(tab, g, log, clk, channel, command, bank, -1)
    note_pair(tab, st, command, scope, bank, clk)
    if command == at.REFPB:
        st[at.S_BANK_QUEUED] -= 1
        for place in range(base + index, base + st[at.S_BANK_QUEUED]):
            st[place] = st[place + 1]
        st[tab[at.AT_BLOCKED] + bank] = 0
        hold_next_bank(tab, st, scope)
        st[tab[at.AT_DEBT] + scope] -= 1
        st[tab[at.AT_PENDING] + scope] -= 1
        st[tab[at.AT_OPTIONAL] + scope] = 0


def ask_for_refresh(tab: Memory, st: Memory, scope: int) -> None:
    """Queue one refresh of a scope: of all banks, or of the next bank in turn."""
    st[tab[at.AT_PENDING] + scope] += 1
    if tab[at.T_REFRESH] == at.ALL_BANK:
        st[tab[at.AT_QUEUE] + st[at.S_QUEUED]] = scope
        st[at.S_QUEUED] += 1
        return
    turn = st[tab[at.AT_TURN_OF] + scope]
    st[tab[at.AT_TURN_OF] + scope] = (turn + 1) % tab[at.T_SCOPE_BANKS]
    bank = scope * tab[at.T_SCOPE_BANKS] + tab[tab[at.AT_TURN] + turn]
    st[tab[at.AT_BANK_QUEUE] + st[at.S_BANK_QUEUED]] = bank
    st[at.S_BANK_QUEUED] += 1
    if st[tab[at.AT_PENDING] + scope] == 1:
        hold_next_bank(tab, st, scope)


def hold_next_bank(tab: Memory, st: Memory, scope: int) -> None:
    """Hold back requests for the bank of a scope that is refreshed next; all others go on."""
    base = tab[at.AT_BANK_QUEUE]
    for place in range(base, base + st[at.S_BANK_QUEUED]):
        if st[place] // tab[at.T_SCOPE_BANKS] == scope:
            st[tab[at.AT_BLOCKED] + st[place]] = 1
            return


def fall_due(tab: Memory, st: Memory) -> None:
    """Let refreshes fall due: what may no longer be postponed is queued."""
    interval = tab[at.T_REFI] if tab[at.T_REFRESH] == at.ALL_BANK else tab[at.T_REFI_BANK]
    for scope in range(tab[at.T_SCOPES]):
        due = st[tab[at.AT_DEBT] + scope] + 1
        st[tab[at.AT_DEBT] + scope] = due
        if due > tab[at.T_POSTPONE]:
            st[tab[at.AT_OPTIONAL] + scope] = 0
            while st[tab[at.AT_PENDING] + scope] < due:
                ask_for_refresh(tab, st, scope)
    st[at.S_REFRESH_TICK] += interval


def refresh_while_idle(tab: Memory, st: Memory) -> None:
    """Do refreshes that are owed or may be done ahead while there is nothing else to serve.

    One that has not begun when a request arrives is given up again; what fell due stays.
    """
    waiting = st[at.S_LENGTH] + st[at.S_LENGTH_WRITES] + st[at.S_ACTIVE]
    if st[at.S_ACT2_BANK] >= 0:
        waiting += 1
    for scope in range(tab[at.T_SCOPES]):
        if waiting > 0 and st[tab[at.AT_OPTIONAL] + scope] == 1:
            give_up_refresh(tab, st, scope)
    if waiting + st[at.S_QUEUED] + st[at.S_BANK_QUEUED] > 0:
        return
    for scope in range(tab[at.T_SCOPES]):
        if st[tab[at.AT_DEBT] + scope] > -tab[at.T_PULL_IN]:
            ask_for_refresh(tab, st, scope)
            st[tab[at.AT_OPTIONAL] + scope] = 1


def give_up_refresh(tab: Memory, st: Memory, scope: int) -> None:
    """Take back the one optional refresh of a scope, which is its only one that waits."""
    st[tab[at.AT_OPTIONAL] + scope] = 0
    st[tab[at.AT_PENDING] + scope] -= 1
    if tab[at.T_REFRESH] == at.ALL_BANK:
        place = tab[at.AT_QUEUE]
        while st[place] != scope:
            place += 1
        st[at.S_QUEUED] -= 1
        for later in range(place, tab[at.AT_QUEUE] + st[at.S_QUEUED]):
            st[later] = st[later + 1]
        return
    banks = tab[at.T_SCOPE_BANKS]
    place = tab[at.AT_BANK_QUEUE]
    while st[place] // banks != scope:
        place += 1
    st[tab[at.AT_BLOCKED] + st[place]] = 0
    st[at.S_BANK_QUEUED] -= 1
    for later in range(place, tab[at.AT_BANK_QUEUE] + st[at.S_BANK_QUEUED]):
        st[later] = st[later + 1]
    turn_of = tab[at.AT_TURN_OF] + scope
    st[turn_of] = (st[turn_of] + banks - 1) % banks


def turn(
    tab: Memory,
    st: Memory,
    g: Memory,
    rq: Memory,
    ring: Memory,
    answers: Memory,
    log: Memory,
    clk: int,
    channel: int,
) -> None:
    """Issue what a channel has planned for a tick, on each of its command buses."""
    if st[at.S_TICK] == clk:
        kind, index = st[at.S_KIND], st[at.S_INDEX]
        if kind == at.K_ACT2:
            issue_second_part(tab, st, g, rq, log, clk, channel)
        elif kind == at.K_CAS:
            kind, index = st[at.S_CAS_KIND], st[at.S_CAS_INDEX]
            st[at.S_CAS_KIND] = at.K_NONE
            issue_access(tab, st, g, rq, ring, answers, log, clk, channel, kind, index)
        elif kind == at.K_REFRESH:
            issue_refresh(tab, st, g, log, clk, channel, index)
        elif kind == at.K_BANK_REFRESH:
            issue_bank_refresh(tab, st, g, log, clk, channel, index)
        elif kind == at.K_ACTIVE or is_access(tab, st, kind, index):
            if not synchronise(tab, st, g, rq, log, clk, channel, kind, index):
                issue_access(tab, st, g, rq, ring, answers, log, clk, channel, kind, index)
        else:
            issue_row_command(tab, st, g, rq, log, clk, channel, kind, index)
        if tab[at.T_SPLIT] == 0:
            return
        st[at.S_ROW_TICK], st[at.S_ROW_KIND] = at.NEVER, at.K_NONE
        plan_rest(tab, st, clk, True)
    if tab[at.T_SPLIT] == 1 and st[at.S_ROW_TICK] == clk:
        kind, index = st[at.S_ROW_KIND], st[at.S_ROW_INDEX]
        if kind == at.K_REFRESH:
            issue_refresh(tab, st, g, log, clk, channel, index)
        elif kind == at.K_BANK_REFRESH:
            issue_bank_refresh(tab, st, g, log, clk, channel, index)
        else:
            issue_row_command(tab, st, g, rq, log, clk, channel, kind, index)


def is_access(tab: Memory, st: Memory, kind: int, index: int) -> bool:
    """Whether a planned request of a buffer is at its read or write."""
    which = 1 if kind == at.K_WRITES else 0
    entry = tab[at.AT_LIST] + (which * tab[at.T_LIST_SIZE] + index) * at.L_WIDTH
    return bool(st[tab[at.AT_ROW] + st[entry + at.L_BANK]] == st[entry + at.L_ROW])


def synchronise(
    tab: Memory,
    st: Memory,
    g: Memory,
    rq: Memory,
    log: Memory,
    clk: int,
    channel: int,
    kind: int,
    index: int,
) -> bool:
    """Issue what must come before an access whose data clock has stopped; False if nothing must.

    The synchronising command takes this tick and the access the next; if a split activation must
    be completed by then, it goes first.
    """
    if tab[at.T_TWO_PART] == 0:
        return False
    if kind == at.K_ACTIVE:
        request = st[tab[at.AT_ACTIVE] + index * at.L_WIDTH + at.L_REQUEST]
    else:
        which = 1 if kind == at.K_WRITES else 0
        entry = tab[at.AT_LIST] + (which * tab[at.T_LIST_SIZE] + index) * at.L_WIDTH
        request = st[entry + at.L_REQUEST]
    bank = rq[request + at.R_BANK]
    if clk < st[tab[at.AT_WCK_END] + bank // tab[at.T_SCOPE_BANKS]]:
        return False
    if st[at.S_ACT2_BANK] >= 0 and st[at.S_ACT2_DEADLINE] <= clk + 1:
        issue_second_part(tab, st, g, rq, log, clk, channel)
        return True
    command = at.CAS_WR if rq[request + at.R_WRITE] == 1 else at.CAS_RD
    issue_to_bank(tab, st, command, bank, 0, clk)
    write_down(tab, g, log, clk, channel, command, bank, request)
    st[at.S_CAS_KIND], st[at.S_CAS_INDEX] = kind, index
    return True
