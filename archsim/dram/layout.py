"""Where everything stands in the kernel's arrays.

The kernel works on flat int64 arrays: ``tab`` (standard and policy, read only), one row of ``st``
for each channel (its state), ``rq`` (one row for each request), ``log`` (one row for each command)
and ``g`` (what the channels share). The numbers below are indices into them; names that start with
``AT_`` index places of ``tab`` that hold where an array begins in a row of ``st`` or in ``tab``.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Memory: TypeAlias = npt.NDArray[np.int64]
"""A flat array; the compiled kernel takes its address."""

NEVER = 1 << 62
"""A tick that never comes."""
CLOSED = -1
ACTIVATING = -2
"""What stands for the open row of a bank without one, and between the two parts of ACT."""

(ACT, PRE, PREAB, RD, WR, RDA, WRA, REFAB, REFPB, ACT2, CAS_RD, CAS_WR, RFMAB, RFMPB) = range(14)
ROLES = 14
"""Commands in the kernel's order; ACT also stands for the first part of a split activation."""
ROLE_NAMES = (
    *("ACT", "PREpb", "PREab", "RD", "WR", "RDA", "WRA", "REFab", "REFpb", "ACT2"),
    *("CAS_RD", "CAS_WR", "RFMab", "RFMpb"),
)

(OPEN, CLOSE, OPEN_ADAPTIVE, CLOSE_ADAPTIVE) = range(4)
"""Page policies."""
(FRFCFS, GROUPED, FIFO) = range(3)
"""Schedulers; protection of row hits and the cap on them are settings of FRFCFS."""
(READ_WRITE, SHARED, BANKWISE) = range(3)
"""Buffers."""
(NO_REFRESH, ALL_BANK, PER_BANK) = range(3)
"""Refresh policies."""
(SIMPLE, QUEUED, IN_ORDER) = range(3)
"""Arbiters."""

(T_LEVELS, T_BANKS, T_SPLIT, T_HALF, T_TWO_PART, T_RL, T_AAD, T_WCK_RD, T_WCK_WR) = range(9)
(T_SCOPES, T_SCOPE_BANKS, T_SCOPE_LEVEL, T_REFI, T_REFI_BANK) = range(9, 14)
"""Places of ``tab``: the device and its refresh."""
(T_SCHEDULER, T_PROTECT, T_CAP, T_PAGE, T_BUFFERS, T_ORDERED) = range(14, 20)
(T_READ_SIZE, T_WRITE_SIZE, T_LIST_SIZE, T_HIGH, T_LOW, T_FORWARD, T_MERGE) = range(20, 27)
(T_REFRESH, T_POSTPONE, T_PULL_IN, T_FIFO_RESPONSE, T_POSTED) = range(27, 32)
"""Places of ``tab``: the controller's policies."""
(T_CHANNELS, T_PER_TICK, T_WINDOW, T_ARBITER, T_NUM, T_LOG, T_RING) = range(32, 39)
(T_STATE, T_LOG_ROOM) = range(73, 75)
"""Places of ``tab``: the run."""
(AT_PATH, AT_RULES_OF, AT_RULES, AT_SIBLINGS_OF, AT_SIBLINGS, AT_OFFSET) = range(39, 45)
(AT_BANKS_PER, AT_FANOUT, AT_PAST_OF, AT_PAST_DEPTH, AT_LATER, AT_TURN) = range(45, 51)
"""Places of ``tab``: where its own arrays begin."""
(AT_READY, AT_PAST, AT_ROW, AT_HITS, AT_ACTIVE_OF, AT_BLOCKED, AT_SEEN, AT_CONFLICT) = range(51, 59)
(AT_OPEN, AT_OPEN_SINCE, AT_OPEN_TICKS, AT_ACTIVE_IN, AT_DEBT, AT_TURN_OF) = range(59, 65)
(AT_PENDING, AT_LIST, AT_ACTIVE, AT_QUEUE, AT_BANK_QUEUE, AT_HELD, AT_COUNT) = range(65, 72)
AT_TRIED = 72
AT_WCK_END = 75
AT_OPTIONAL = 76
"""Places of ``tab``: where the arrays of a channel's state begin."""
T_HEADER = 77

(L_REQUEST, L_BANK, L_ROW, L_COMMAND, L_ARRIVAL, L_BLOCK) = range(6)
L_WIDTH = 6
"""Columns of a waiting request in a list of a channel."""

(S_LENGTH, S_LENGTH_WRITES, S_ACTIVE, S_QUEUED, S_BANK_QUEUED, S_WRITING) = range(6)
(S_TICK, S_KIND, S_INDEX, S_ROW_TICK, S_ROW_KIND, S_ROW_INDEX) = range(6, 12)
(S_ACT2_BANK, S_ACT2_REQUEST, S_ACT2_DEADLINE, S_CAS_KIND, S_CAS_INDEX) = range(12, 17)
(S_PAIR_TICK, S_PAIR_SCOPE, S_PAIR_BANK, S_LAST_WRITE, S_REFRESH_TICK, S_RELEASED) = range(18, 24)
(S_RESPOND_HEAD, S_RESPOND_TAIL, S_RESPOND_AT, S_RING_HEAD, S_RING_TAIL, S_DONE) = range(24, 30)
(S_SCAN, S_CURSOR, S_CURSOR_END) = range(30, 33)
"""Scalars of a channel."""
S_HEADER = 33

(K_NONE, K_ACTIVE, K_LIST, K_WRITES, K_REFRESH, K_BANK_REFRESH, K_ACT2, K_CAS) = range(8)
"""What is planned next."""

(R_CHANNEL, R_BANK, R_ROW, R_COLUMN, R_WRITE, R_BLOCK, R_EARLIEST) = range(7)
(R_ARRIVAL, R_DONE, R_RELEASE, R_OUTCOME) = range(7, 11)
R_WIDTH = 11
"""Columns of a request; ticks that are not known yet are -1."""

(HIT, MISS, CONFLICT, FORWARDED, MERGED) = range(1, 6)
"""Outcomes of a request."""

(G_NEXT, G_OUTSTANDING, G_SEND_AT, G_LOGGED, G_LAST, G_HEAD, G_BLOCKED) = range(7)
(G_PROGRESS, G_SEEN) = range(7, 9)
G_WIDTH = 9
"""What the channels share: next request, those outstanding, next tick of sending, log entries,
tick of the last response, oldest request without response, why sending waits; when the run last got
on, and how far it was then."""

(C_TICK, C_CHANNEL, C_COMMAND, C_WHERE, C_REQUEST, C_WIDTH) = range(6)
"""Columns of a logged command; ``where`` is a bank, or a refresh scope for commands to all."""


def shifted(memory: Memory, by: int) -> Memory:
    """Return the part of a memory from an index on; compiled code replaces this function."""
    return memory[by:]
