"""Kernel, the device: when a command is legal, and what issuing it does to times and banks."""

from __future__ import annotations

from archsim.dram import layout as at
from archsim.dram.layout import Memory


def ready_tick(tab: Memory, st: Memory, command: int, bank: int) -> int:
    """Return the first tick at which a command to one bank keeps every distance."""
    levels = tab[at.T_LEVELS]
    path = tab[at.AT_PATH] + bank * levels
    base = tab[at.AT_READY] + command
    ready = 0
    for level in range(levels):
        ready = max(ready, st[base + tab[path + level]])
    return ready


def ready_tick_all(tab: Memory, st: Memory, command: int, scope: int) -> int:
    """Return the first legal tick of a command to all banks of a refresh scope."""
    ready = 0
    banks = tab[at.T_SCOPE_BANKS]
    for level in range(tab[at.T_LEVELS]):
        per_node = tab[tab[at.AT_BANKS_PER] + level]
        first = scope * banks // per_node
        count = 1
        if level > tab[at.T_SCOPE_LEVEL]:
            if tab[tab[at.AT_LATER] + level * at.ROLES + command] == 0:
                continue
            count = banks // per_node
        base = tab[at.AT_READY] + command
        offset = tab[tab[at.AT_OFFSET] + level]
        for node in range(first, first + count):
            ready = max(ready, st[base + (offset + node) * at.ROLES])
    return ready


def keep_distances(tab: Memory, st: Memory, level: int, node: int, command: int, clk: int) -> None:
    """Move the ready times of one node after a command at it."""
    of = level * at.ROLES + command
    past = tab[tab[at.AT_PAST_OF] + of]
    if past >= 0:
        depth = tab[tab[at.AT_PAST_DEPTH] + of]
        past += tab[at.AT_PAST] + node * depth
        for k in range(depth - 1, 0, -1):
            st[past + k] = st[past + k - 1]
        st[past] = clk
    ready = tab[at.AT_READY] + (tab[tab[at.AT_OFFSET] + level] + node) * at.ROLES
    rules = tab[at.AT_RULES_OF] + of
    for rule in range(tab[rules], tab[rules + 1]):
        entry = tab[at.AT_RULES] + 3 * rule
        later = ready + tab[entry]
        window = tab[entry + 2]
        since = clk if window == 1 else st[past + window - 1]
        if since >= 0:
            st[later] = max(st[later], since + tab[entry + 1])
    rules = tab[at.AT_SIBLINGS_OF] + of
    if tab[rules] == tab[rules + 1]:
        return
    fanout = tab[tab[at.AT_FANOUT] + level]
    first = node - node % fanout
    for other in range(first, first + fanout):
        if other == node:
            continue
        ready = tab[at.AT_READY] + (tab[tab[at.AT_OFFSET] + level] + other) * at.ROLES
        for rule in range(tab[rules], tab[rules + 1]):
            entry = tab[at.AT_SIBLINGS] + 2 * rule
            later = ready + tab[entry]
            st[later] = max(st[later], clk + tab[entry + 1])


def issue_to_bank(tab: Memory, st: Memory, command: int, bank: int, row: int, clk: int) -> None:
    """Issue a command to one bank: distances, then the bank's state."""
    for level in range(tab[at.T_LEVELS]):
        node = bank // tab[tab[at.AT_BANKS_PER] + level]
        keep_distances(tab, st, level, node, command, clk)
    st[tab[at.AT_COUNT] + command] += 1
    state = tab[at.AT_ROW] + bank
    if command == at.ACT:
        st[state] = at.ACTIVATING if tab[at.T_TWO_PART] == 1 else row
        st[tab[at.AT_HITS] + bank] = 0
        scope = bank // tab[at.T_SCOPE_BANKS]
        if st[tab[at.AT_OPEN] + scope] == 0:
            st[tab[at.AT_OPEN_SINCE] + scope] = clk
        st[tab[at.AT_OPEN] + scope] += 1
    elif command == at.ACT2:
        st[state] = row
    elif command in (at.RD, at.WR):
        st[tab[at.AT_HITS] + bank] += 1
    elif command in (at.PRE, at.RDA, at.WRA):
        close_bank(tab, st, bank, clk)


def close_bank(tab: Memory, st: Memory, bank: int, clk: int) -> None:
    """Note that a bank is closed from a tick on."""
    if st[tab[at.AT_ROW] + bank] == at.CLOSED:
        return
    st[tab[at.AT_ROW] + bank] = at.CLOSED
    scope = bank // tab[at.T_SCOPE_BANKS]
    st[tab[at.AT_OPEN] + scope] -= 1
    if st[tab[at.AT_OPEN] + scope] == 0:
        st[tab[at.AT_OPEN_TICKS] + scope] += clk - st[tab[at.AT_OPEN_SINCE] + scope]


def issue_to_all(tab: Memory, st: Memory, command: int, scope: int, clk: int) -> None:
    """Issue a command to all banks of a refresh scope."""
    banks = tab[at.T_SCOPE_BANKS]
    for level in range(tab[at.T_LEVELS]):
        per_node = tab[tab[at.AT_BANKS_PER] + level]
        first = scope * banks // per_node
        count = 1
        if level > tab[at.T_SCOPE_LEVEL]:
            count = banks // per_node
        for node in range(first, first + count):
            keep_distances(tab, st, level, node, command, clk)
    st[tab[at.AT_COUNT] + command] += 1
    if command == at.PREAB:
        for bank in range(scope * banks, (scope + 1) * banks):
            close_bank(tab, st, bank, clk)


def edge_tick(tab: Memory, st: Memory, command: int, where: int, ready: int) -> int:
    """Return the first tick from a ready one at which the clock's edge admits a command.

    With two ticks a clock, odd ticks are rising edges. All commands start on rising edges;
    precharges may use falling ones, but on the falling edge that pairs with a row command of the
    same scope only a precharge of another single bank may follow a single-bank command.
    """
    if tab[at.T_HALF] == 0:
        return ready
    if ready % 2 == 1:
        return ready
    if command not in (at.PRE, at.PREAB):
        return ready + 1
    if ready != st[at.S_PAIR_TICK]:
        return ready
    scope = where if command == at.PREAB else where // tab[at.T_SCOPE_BANKS]
    if scope != st[at.S_PAIR_SCOPE]:
        return ready
    paired = st[at.S_PAIR_BANK]
    if command == at.PRE and paired >= 0 and paired != where:
        return ready
    return ready + 1
