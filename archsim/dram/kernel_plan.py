"""Kernel, planning: the earliest command of a channel, from its state at a tick."""

from __future__ import annotations

from archsim.dram import layout as at
from archsim.dram.kernel_device import edge_tick, ready_tick, ready_tick_all
from archsim.dram.layout import Memory


def offer(st: Memory, on_rows: bool, tick: int, kind: int, index: int) -> None:
    """Take a command as the plan of a slot if it is earlier than what is planned there."""
    if on_rows:
        if tick < st[at.S_ROW_TICK]:
            st[at.S_ROW_TICK], st[at.S_ROW_KIND], st[at.S_ROW_INDEX] = tick, kind, index
    elif tick < st[at.S_TICK]:
        st[at.S_TICK], st[at.S_KIND], st[at.S_INDEX] = tick, kind, index


def plan(tab: Memory, st: Memory, clk: int) -> None:
    """Plan the first command of a channel from a tick on; with two buses, of both buses.

    Order of preference at one tick: requests whose row was opened for them, refreshes that are due,
    then the buffer that is being served. Refreshes to all banks hold back new requests.
    """
    st[at.S_TICK], st[at.S_KIND] = at.NEVER, at.K_NONE
    st[at.S_ROW_TICK], st[at.S_ROW_KIND] = at.NEVER, at.K_NONE
    if st[at.S_CAS_KIND] != at.K_NONE:
        offer(st, False, clk, at.K_CAS, 0)
        return
    half_open = tab[at.T_TWO_PART] == 1 and st[at.S_ACT2_BANK] >= 0
    if half_open and st[at.S_ACT2_DEADLINE] <= clk:
        offer(st, False, clk, at.K_ACT2, 0)
        return
    plan_active(tab, st, clk)
    if st[at.S_TICK] > clk:
        plan_rest(tab, st, clk, False)
    if half_open and st[at.S_TICK] > clk:
        st[at.S_TICK], st[at.S_KIND] = clk, at.K_ACT2


def plan_rest(tab: Memory, st: Memory, clk: int, rows_only: bool) -> None:
    """Plan refreshes and, unless one to all banks waits, waiting requests."""
    if st[at.S_QUEUED] > 0:
        plan_refresh(tab, st, clk)
        return
    if st[at.S_BANK_QUEUED] > 0:
        plan_bank_refreshes(tab, st, clk)
    kind = at.K_LIST
    if tab[at.T_BUFFERS] == at.READ_WRITE:
        choose_direction(tab, st)
        if st[at.S_WRITING] == 1:
            kind = at.K_WRITES
    if tab[at.T_SCHEDULER] == at.FRFCFS:
        if tab[at.T_PROTECT] == 1 or tab[at.T_CAP] > 0:
            mark_banks(tab, st, kind)
        scan(tab, st, clk, kind, rows_only)
    else:
        scan_ranked(tab, st, clk, kind, rows_only)


def choose_direction(tab: Memory, st: Memory) -> None:
    """Start or end draining writes: at the watermarks, or when there are no reads."""
    if st[at.S_WRITING] == 0:
        if st[at.S_LENGTH_WRITES] > tab[at.T_HIGH] or st[at.S_LENGTH] == 0:
            st[at.S_WRITING] = 1
    elif st[at.S_LENGTH_WRITES] < tab[at.T_LOW] and st[at.S_LENGTH] != 0:
        st[at.S_WRITING] = 0


def plan_active(tab: Memory, st: Memory, clk: int) -> None:
    """Plan the oldest of the requests whose row was opened for them."""
    base = tab[at.AT_ACTIVE]
    best_arrival = at.NEVER
    for index in range(st[at.S_ACTIVE]):
        entry = base + index * at.L_WIDTH
        bank, command = st[entry + at.L_BANK], st[entry + at.L_COMMAND]
        tick = edge_tick(tab, st, command, bank, max(clk, ready_tick(tab, st, command, bank)))
        arrival = st[entry + at.L_ARRIVAL]
        if tick < st[at.S_TICK] or (tick == st[at.S_TICK] and arrival < best_arrival):
            st[at.S_TICK], st[at.S_KIND], st[at.S_INDEX] = tick, at.K_ACTIVE, index
            best_arrival = arrival


def plan_refresh(tab: Memory, st: Memory, clk: int) -> None:
    """Plan the first refresh to all banks that waits, or the precharge that it needs."""
    scope = st[tab[at.AT_QUEUE]]
    command = at.REFAB
    if st[tab[at.AT_OPEN] + scope] > 0:
        command = at.PREAB
        if st[tab[at.AT_ACTIVE_IN] + scope] > 0:
            return
    tick = max(clk, ready_tick_all(tab, st, command, scope))
    tick = edge_tick(tab, st, command, scope, tick)
    offer(st, tab[at.T_SPLIT] == 1, tick, at.K_REFRESH, command)


def plan_bank_refreshes(tab: Memory, st: Memory, clk: int) -> None:
    """Plan the earliest of the refreshes of single banks that wait, each scope's in their turn."""
    base = tab[at.AT_BANK_QUEUE]
    for index in range(st[at.S_BANK_QUEUED]):
        bank = st[base + index]
        if st[tab[at.AT_BLOCKED] + bank] == 0:
            continue
        row = st[tab[at.AT_ROW] + bank]
        command = at.REFPB
        if row != at.CLOSED:
            command = at.PRE
            if row == at.ACTIVATING or st[tab[at.AT_ACTIVE_OF] + bank] > 0:
                continue
        tick = max(clk, ready_tick(tab, st, command, bank))
        tick = edge_tick(tab, st, command, bank, tick)
        offer(st, tab[at.T_SPLIT] == 1, tick, at.K_BANK_REFRESH, index)


def mark_banks(tab: Memory, st: Memory, kind: int) -> None:
    """Note for each bank the arrival of the oldest waiting row hit and of the oldest conflict."""
    which = 1 if kind == at.K_WRITES else 0
    length = st[at.S_LENGTH + which]
    base = tab[at.AT_LIST] + which * tab[at.T_LIST_SIZE] * at.L_WIDTH
    for entry in range(base, base + length * at.L_WIDTH, at.L_WIDTH):
        bank = st[entry + at.L_BANK]
        st[tab[at.AT_SEEN] + bank] = at.NEVER
        st[tab[at.AT_CONFLICT] + bank] = at.NEVER
    for entry in range(base, base + length * at.L_WIDTH, at.L_WIDTH):
        bank = st[entry + at.L_BANK]
        row = st[tab[at.AT_ROW] + bank]
        if row < 0:
            continue
        note = tab[at.AT_CONFLICT if row != st[entry + at.L_ROW] else at.AT_SEEN] + bank
        st[note] = min(st[note], st[entry + at.L_ARRIVAL])


def needed(tab: Memory, st: Memory, entry: int) -> int:
    """Return the next command of a waiting request, or -1 if it must wait for others."""
    bank = st[entry + at.L_BANK]
    row = st[tab[at.AT_ROW] + bank]
    if st[tab[at.AT_BLOCKED] + bank] > 0:
        return -1
    if row == st[entry + at.L_ROW]:
        return int(st[entry + at.L_COMMAND])
    if row == at.CLOSED:
        if tab[at.T_TWO_PART] == 1 and st[at.S_ACT2_BANK] >= 0:
            return -1
        return at.ACT
    if row == at.ACTIVATING or st[tab[at.AT_ACTIVE_OF] + bank] > 0:
        return -1
    return at.PRE


def held_back(tab: Memory, st: Memory, entry: int, command: int) -> bool:
    """Whether protection of row hits, or the cap on them, holds a request back.

    An older hit in a bank holds back a younger precharge of it; once a row has had its share of
    accesses, an older conflict holds back younger hits.
    """
    bank = st[entry + at.L_BANK]
    arrival = st[entry + at.L_ARRIVAL]
    cap = tab[at.T_CAP]
    spent = cap > 0 and st[tab[at.AT_HITS] + bank] >= cap
    if command == at.PRE:
        hit = st[tab[at.AT_SEEN] + bank]
        return bool(tab[at.T_PROTECT] == 1 and hit <= arrival and not spent)
    if command in (at.RD, at.WR):
        return bool(spent and st[tab[at.AT_CONFLICT] + bank] < arrival)
    return False


def same_address_before(st: Memory, base: int, entry: int) -> bool:
    """Whether an older waiting request has the address of this one."""
    block = st[entry + at.L_BLOCK]
    other = base
    while other < entry and st[other + at.L_BLOCK] != block:
        other += at.L_WIDTH
    return other < entry


def scan(tab: Memory, st: Memory, clk: int, kind: int, rows_only: bool) -> None:
    """Plan the oldest request, among those that can go first, of a buffer.

    Of the requests of a bank that need the same command only the oldest can be chosen, so each is
    looked at once: ``AT_TRIED`` notes what was tried for a bank in this scan.
    """
    which = 1 if kind == at.K_WRITES else 0
    base = tab[at.AT_LIST] + which * tab[at.T_LIST_SIZE] * at.L_WIDTH
    rows, tried = tab[at.AT_ROW], tab[at.AT_TRIED]
    split = tab[at.T_SPLIT] == 1
    guarded = tab[at.T_PROTECT] == 1 or tab[at.T_CAP] > 0
    st[at.S_SCAN] += 1
    nothing = st[at.S_SCAN] * 8
    for index in range(st[at.S_LENGTH + which]):
        entry = base + index * at.L_WIDTH
        bank = st[entry + at.L_BANK]
        mark = max(nothing, st[tried + bank])
        hit = st[rows + bank] == st[entry + at.L_ROW]
        bit = 1
        if hit:
            bit = 2 if st[entry + at.L_COMMAND] == at.RD else 4
        if mark & bit != 0:
            continue
        on_rows = split and not hit
        if rows_only and not on_rows:
            continue
        command = needed(tab, st, entry)
        ordered = tab[at.T_ORDERED] == 0 or not same_address_before(st, base, entry)
        if ordered:
            st[tried + bank] = mark | bit
        if command < 0 or not ordered or (guarded and held_back(tab, st, entry, command)):
            continue
        tick = edge_tick(tab, st, command, bank, max(clk, ready_tick(tab, st, command, bank)))
        offer(st, on_rows, tick, kind, index)
        if tick == clk and (rows_only or not on_rows):
            return


def scan_ranked(tab: Memory, st: Memory, clk: int, kind: int, rows_only: bool) -> None:
    """Plan a request of a buffer in strict order, or hits of the current direction first.

    In order: only the oldest request of the buffer (of its bank, with buffers by bank) may go, and
    only when no request before it waits for its row. Grouped: at one tick, row hits that need no
    turn of the data bus, then other hits, then the oldest.
    """
    which = 1 if kind == at.K_WRITES else 0
    base = tab[at.AT_LIST] + which * tab[at.T_LIST_SIZE] * at.L_WIDTH
    split = tab[at.T_SPLIT] == 1
    in_order = tab[at.T_SCHEDULER] == at.FIFO
    by_bank = tab[at.T_BUFFERS] == at.BANKWISE
    length = st[at.S_LENGTH + which]
    best_rank = 3
    if in_order and by_bank:
        for entry in range(base, base + length * at.L_WIDTH, at.L_WIDTH):
            st[tab[at.AT_SEEN] + st[entry + at.L_BANK]] = 0
    for index in range(length):
        entry = base + index * at.L_WIDTH
        bank = st[entry + at.L_BANK]
        if in_order and by_bank:
            before = st[tab[at.AT_SEEN] + bank] + st[tab[at.AT_ACTIVE_OF] + bank]
            st[tab[at.AT_SEEN] + bank] = 1
            if before > 0:
                continue
        elif in_order and index + st[at.S_ACTIVE] > 0:
            return
        command = needed(tab, st, entry)
        if command < 0:
            continue
        on_rows = split and command in (at.ACT, at.PRE)
        if rows_only and not on_rows:
            continue
        if tab[at.T_ORDERED] == 1 and same_address_before(st, base, entry):
            continue
        tick = edge_tick(tab, st, command, bank, max(clk, ready_tick(tab, st, command, bank)))
        rank = 2
        if not in_order and command in (at.RD, at.WR):
            rank = 0 if (command == at.WR) == (st[at.S_LAST_WRITE] == 1) else 1
        planned = st[at.S_ROW_TICK] if on_rows else st[at.S_TICK]
        chosen = st[at.S_ROW_KIND] if on_rows else st[at.S_KIND]
        if tick < planned:
            offer(st, on_rows, tick, kind, index)
            best_rank = rank if not on_rows else best_rank
        elif tick == planned and not on_rows and rank < best_rank and chosen == kind:
            st[at.S_INDEX] = index
            best_rank = rank
