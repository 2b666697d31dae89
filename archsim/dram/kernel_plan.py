"""Kernel, planning: the earliest command of a channel, from its state at a tick."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from archsim.dram import layout as at
from archsim.dram.jit import compiled
from archsim.dram.kernel_device import edge_tick, ready_tick, ready_tick_all

Ints = npt.NDArray[np.int64]


@compiled
def offer(st: Ints, on_rows: bool, tick: int, kind: int, index: int) -> None:
    """Take a command as the plan of a slot if it is earlier than what is planned there."""
    if on_rows:
        if tick < st[at.S_ROW_TICK]:
            st[at.S_ROW_TICK], st[at.S_ROW_KIND], st[at.S_ROW_INDEX] = tick, kind, index
    elif tick < st[at.S_TICK]:
        st[at.S_TICK], st[at.S_KIND], st[at.S_INDEX] = tick, kind, index


@compiled
def plan(tab: Ints, st: Ints, rq: Ints, clk: int) -> None:
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
    plan_active(tab, st, rq, clk)
    if st[at.S_TICK] > clk:
        plan_rest(tab, st, rq, clk, False)
    if half_open and st[at.S_TICK] > clk:
        st[at.S_TICK], st[at.S_KIND] = clk, at.K_ACT2


@compiled
def plan_rest(tab: Ints, st: Ints, rq: Ints, clk: int, rows_only: bool) -> None:
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
            mark_banks(tab, st, rq, kind)
        scan(tab, st, rq, clk, kind, rows_only)
    else:
        scan_ranked(tab, st, rq, clk, kind, rows_only)


@compiled
def choose_direction(tab: Ints, st: Ints) -> None:
    """Start or end draining writes: at the watermarks, or when there are no reads."""
    if st[at.S_WRITING] == 0:
        if st[at.S_LENGTH_WRITES] > tab[at.T_HIGH] or st[at.S_LENGTH] == 0:
            st[at.S_WRITING] = 1
    elif st[at.S_LENGTH_WRITES] < tab[at.T_LOW] and st[at.S_LENGTH] != 0:
        st[at.S_WRITING] = 0


@compiled
def plan_active(tab: Ints, st: Ints, rq: Ints, clk: int) -> None:
    """Plan the oldest of the requests whose row was opened for them."""
    base = tab[at.AT_ACTIVE]
    best_arrival = at.NEVER
    for index in range(st[at.S_ACTIVE]):
        request = st[base + index]
        bank = rq[request, at.R_BANK]
        command = at.WR if rq[request, at.R_WRITE] == 1 else at.RD
        tick = max(clk, ready_tick(tab, st, command, bank))
        tick = edge_tick(tab, st, command, bank, tick)
        arrival = rq[request, at.R_ARRIVAL]
        if tick < st[at.S_TICK] or (tick == st[at.S_TICK] and arrival < best_arrival):
            st[at.S_TICK], st[at.S_KIND], st[at.S_INDEX] = tick, at.K_ACTIVE, index
            best_arrival = arrival


@compiled
def plan_refresh(tab: Ints, st: Ints, clk: int) -> None:
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


@compiled
def plan_bank_refreshes(tab: Ints, st: Ints, clk: int) -> None:
    """Plan the earliest of the refreshes of single banks that wait."""
    base = tab[at.AT_BANK_QUEUE]
    for index in range(st[at.S_BANK_QUEUED]):
        bank = st[base + index]
        row = st[tab[at.AT_ROW] + bank]
        command = at.REFPB
        if row != at.CLOSED:
            command = at.PRE
            if row == at.ACTIVATING or st[tab[at.AT_ACTIVE_OF] + bank] > 0:
                continue
        tick = max(clk, ready_tick(tab, st, command, bank))
        tick = edge_tick(tab, st, command, bank, tick)
        offer(st, tab[at.T_SPLIT] == 1, tick, at.K_BANK_REFRESH, index)


@compiled
def mark_banks(tab: Ints, st: Ints, rq: Ints, kind: int) -> None:
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
        st[note] = min(st[note], rq[st[entry + at.L_REQUEST], at.R_ARRIVAL])


@compiled
def needed(tab: Ints, st: Ints, entry: int) -> int:
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


@compiled
def held_back(tab: Ints, st: Ints, rq: Ints, entry: int, command: int) -> bool:
    """Whether protection of row hits, or the cap on them, holds a request back.

    An older hit in a bank holds back a younger precharge of it; once a row has had its share of
    accesses, an older conflict holds back younger hits.
    """
    bank = st[entry + at.L_BANK]
    arrival = rq[st[entry + at.L_REQUEST], at.R_ARRIVAL]
    cap = tab[at.T_CAP]
    spent = cap > 0 and st[tab[at.AT_HITS] + bank] >= cap
    if command == at.PRE:
        hit = st[tab[at.AT_SEEN] + bank]
        return bool(tab[at.T_PROTECT] == 1 and hit <= arrival and not spent)
    if command in (at.RD, at.WR):
        return bool(spent and st[tab[at.AT_CONFLICT] + bank] < arrival)
    return False


@compiled
def same_address_before(st: Ints, rq: Ints, base: int, entry: int) -> bool:
    """Whether an older waiting request has the address of this one."""
    block = rq[st[entry + at.L_REQUEST], at.R_BLOCK]
    for other in range(base, entry, at.L_WIDTH):
        if rq[st[other + at.L_REQUEST], at.R_BLOCK] == block:
            return True
    return False


@compiled
def scan(tab: Ints, st: Ints, rq: Ints, clk: int, kind: int, rows_only: bool) -> None:
    """Plan the oldest request, among those that can go first, of a buffer."""
    which = 1 if kind == at.K_WRITES else 0
    base = tab[at.AT_LIST] + which * tab[at.T_LIST_SIZE] * at.L_WIDTH
    split = tab[at.T_SPLIT] == 1
    guarded = tab[at.T_PROTECT] == 1 or tab[at.T_CAP] > 0
    for index in range(st[at.S_LENGTH + which]):
        entry = base + index * at.L_WIDTH
        command = needed(tab, st, entry)
        if command < 0:
            continue
        on_rows = split and command in (at.ACT, at.PRE)
        if rows_only and not on_rows:
            continue
        if guarded and held_back(tab, st, rq, entry, command):
            continue
        bank = st[entry + at.L_BANK]
        tick = edge_tick(tab, st, command, bank, max(clk, ready_tick(tab, st, command, bank)))
        if tick >= (st[at.S_ROW_TICK] if on_rows else st[at.S_TICK]):
            continue
        if tab[at.T_ORDERED] == 1 and same_address_before(st, rq, base, entry):
            continue
        offer(st, on_rows, tick, kind, index)
        if tick == clk and (rows_only or not on_rows):
            return


@compiled
def scan_ranked(tab: Ints, st: Ints, rq: Ints, clk: int, kind: int, rows_only: bool) -> None:
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
        if tab[at.T_ORDERED] == 1 and same_address_before(st, rq, base, entry):
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
