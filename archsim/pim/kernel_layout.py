"""Where things stand in the tables of the PIM controller kernel."""

from __future__ import annotations

from typing import Final

BARRIER: Final = -2
"""Stands for a barrier where a command is expected; it issues nothing."""
NONE: Final = -1
"""No command, no entry, never opened."""

ROW, COLUMN = 0, 1
"""Command buses: one row and one column command may issue in a tick."""

SERVE_FIRST_READY, SERVE_IN_ORDER, SERVE_FENCED = 0, 1, 2
"""Policies: the oldest ready request, where activations and precharges pass barriers; strictly in
order; column commands before activations before precharges, where nothing passes a barrier and rows
that nobody before the barrier wants are closed."""

(
    COMMAND,
    COUNT,
    START,
    PATTERN,
    LENGTH,
    REPEAT,
    ROW_NUMBER,
    FIRST,
    LAST,
    PERIOD,
    BACK,
    ALIKE,
    ROWS_ON,
) = range(13)
"""Columns of a run of requests: command, how many, index of the first, its places (offset into the
table of places and their number), how often each place is taken before the next, row of index 0,
channels (the first, one past the last), requests after which the run repeats itself; runs back to
one that it is like, how many runs from here on are like those as far back, and by how many rows
these go on."""
WIDTH: Final = 13
"""Columns of a run of requests."""

KEY: Final = 0
"""Columns of a place: row-state key, then nodes below the channel."""
NODES: Final = 1
"""First node of a place."""
MAX_LEVELS: Final = 4
"""Levels between channel and row, at most."""

(Q_COMMAND, Q_ROW, Q_KEY, Q_NODE) = range(4)
"""Columns of a queue entry: command, row, row-state key, first node of its path."""
Q_COLUMN, Q_RUN, Q_NEED, Q_HIT = 8, 9, 10, 11
"""Columns of a queue entry: column, run of entries alike, what it needs now, whether it hits."""
ENTRY: Final = 12
"""Columns of a queue entry."""

(
    BUS,
    OPENS_WITH,
    CLOSES_WITH,
    IS_OPENING,
    IS_CLOSING,
    SCOPE,
    ALONE,
    MODE,
    BLOCKS,
    PARTS,
    BROADCAST,
) = range(11)
"""Columns of a command's facts: bus, activation and precharge of its row, whether it is one, levels
at which it is checked, whether no other command shares its tick, mode it needs, ticks for which the
host waits behind it (0: not), activations that open its row, whether it is for all data buses."""
FACT_COLUMNS: Final = 12
"""Columns kept for a command's facts."""

(
    CHANNELS,
    QUEUE_ROOM,
    KEYS,
    LEVELS,
    SCOPES,
    SCOPE_LEVEL,
    INTERVAL,
    FIRST_REFRESH,
    PRECHARGE_ALL,
    REFRESH,
    SWITCH,
    STRICT,
    LOGGING,
    COMMANDS,
    COLUMNS,
    POLICY,
    BUSES,
    PART_LEVEL,
    PART_RANKS,
    PART_GROUPS,
    FOLDING,
    NUM_NODES,
    HISTORY,
    NUM_WINDOWS,
    GAPS,
    WINDOWS,
) = range(26)
"""Numbers of a run: classes of channels, queue entries, row states of a channel, levels from the
channel to the bank, refresh scopes and their level, ticks between refreshes (0: none) and to the
first, precharge and refresh and mode-switch commands, whether refreshes check all levels, whether
to log, commands, bursts of a row, policy, command buses, level of the bank groups that the
activations of one row open in turn, ranks that they alternate between, groups of each, whether to
fold, nodes of a channel; where in a channel the history begins, windowed rules; where in the table
gaps and windows begin."""
NUMBERS: Final = 32
"""Room for them."""

(
    AT_RUN,
    AT_INDEX,
    AT_CHANNEL,
    LOGGED,
    BLOCKED,
    GATE,
    RUNS,
    NEXT_REFRESH,
    CLOCK,
) = range(9)
"""Where the stream stands: run, index and channel; rows of the log; blocking requests under way and
the tick from which the host goes on; runs of entries alike; next refresh; tick."""
ROOM: Final = 9
"""In the cursor: entries that the buffer of a queue holds."""
CURSOR: Final = 10
"""How many of them."""

HORIZON: Final = 1 << 14
"""Ticks after which no window of a rule counts any more."""
ARMED: Final = LOGGED
"""In the cursor of a kept state: whether it is a whole copy to compare with."""

LOG_TICK, LOG_COMMAND, LOG_CHANNEL, LOG_SCOPE, LOG_ROW, LOG_COLUMN, LOG_PART = range(7)
"""Columns of the log: tick, command, class of channels, refresh scope (or -1), row, column, which
of the activations of a row."""
LOG_NODE: Final = 7
"""First of the nodes in the log."""
LOG_COLUMNS: Final = 11
"""Columns of the log."""


MAX_COMMANDS: Final = 32
MAX_KEYS: Final = 64
MAX_NODES: Final = 96
MAX_DEPTH: Final = 6
"""The most commands, row states, nodes of a channel, and levels from the channel to the bank."""

FACTS: Final = NUMBERS
"""Table: numbers first, then facts of each command,"""
KEY_PLACES: Final = FACTS + MAX_COMMANDS * FACT_COLUMNS
"""nodes of the bank that stands for a row-state key,"""
RULES: Final = KEY_PLACES + MAX_KEYS * MAX_LEVELS
"""offsets of the gaps (later command, ticks) of a level and an earlier command,"""
WINDOW_RULES: Final = RULES + MAX_DEPTH * MAX_COMMANDS + 1
"""offsets of windowed rules (later command, window, ticks), likewise; then gaps and windows."""
TABLE: Final = WINDOW_RULES + MAX_DEPTH * MAX_COMMANDS + 1
"""Where gaps begin."""

BEGIN, LENGTH_NOW, MODE_NOW, DUE, HINT = range(5)
"""Channel: first entry of its queue and how many, mode, refreshes due, tick to look again at,"""
NEEDS: Final = 8
"""entries by the command that they need now,"""
COUNTS: Final = NEEDS + MAX_COMMANDS
"""commands sent,"""
HITS: Final = COUNTS + MAX_COMMANDS
"""entries that hit, by the last node of their path,"""
OPEN_ROWS: Final = HITS + MAX_NODES
"""open row of each key,"""
OPEN_PARTS: Final = OPEN_ROWS + MAX_KEYS
"""its activations so far,"""
CLOSERS: Final = OPEN_PARTS + MAX_KEYS
"""the command that closes it,"""
READY: Final = CLOSERS + MAX_KEYS
"""first legal tick by node and command,"""
QUEUE: Final = READY + MAX_NODES * MAX_COMMANDS
"""queue entries, a window of the buffer that moves forward; then last ticks by windowed rule and
node, the newest first."""
MAX_WINDOW: Final = 8
"""Ticks kept of a windowed rule."""
