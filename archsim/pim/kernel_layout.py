"""Where things stand in the tables of the PIM controller kernel."""

from __future__ import annotations

from typing import Final

BARRIER: Final = -2
"""Stands for a barrier where a command is expected; it issues nothing."""
NONE: Final = -1
"""No command, no entry, never opened."""

ROW, COLUMN = 0, 1
"""Command buses: one row and one column command may issue in a tick."""

COMMAND, ROW_NUMBER, KEY, FIRST, LAST = 0, 1, 2, 3, 4
"""Columns of a request: command, row, row-state key, its channels: the first, one past the last."""
NODES: Final = 5
"""Column of the first node of a request's path; four: data bus, rank, bank group, bank."""
ALIKE: Final = 9
"""Column that says whether a request is the same as the one before it, column address apart."""
COLUMN_NUMBER: Final = 10
"""Column of the column address; for the log only."""
WIDTH: Final = 11
"""Columns of a request."""

BUS, OPENS_WITH, CLOSES_WITH, IS_OPENING, IS_CLOSING, SCOPE = 0, 1, 2, 3, 4, 5
"""Columns of a command's facts."""

(
    CHANNELS,
    QUEUE_ROOM,
    KEYS,
    LEVELS,
    SCOPES,
    INTERVAL,
    PRECHARGE_ALL,
    REFRESH,
    STRICT,
    LOG,
    COMMANDS,
) = range(11)
"""Numbers of a run: classes of channels, queue entries, row states of a channel, levels from the
channel to the bank, refresh scopes, ticks between refreshes (0: none), precharge and refresh
commands, whether refreshes check all levels, whether to log, number of commands."""

LOG_COLUMNS: Final = 4
"""Columns of the log: tick, command, class of channels, request (or minus one minus the scope)."""
