"""Where everything is in the memory of the kernel: one list of integers holds all state.

A header comes first, then tables of rows whose fields are the constants below, lists and rings. A
field that names a row or a list holds its position. `archsim.engine.lowering` writes it,
`archsim.engine.kernel` and `archsim.engine.folding` work on it.
"""

from __future__ import annotations

from collections.abc import MutableSequence

# Header. `ORIGIN` holds time zero, `NOBODY` the author of what time zero decides (-1): read from
# memory, so that the compiler sees integers and not constants of a type of their own. `SKIPPED` is
# the loops met that did not run: a turn that runs nothing counts against the budget through it.
PC, SIMULATED, LIMIT, FOLDING, LOGGING = 0, 1, 2, 3, 4
LOG_USED, LOG_ROOM, JUMP_USED, JUMP_ROOM, NUM_JUMPS = 5, 6, 7, 8, 9
NUM_RECORDING, STACK, ORIGIN, NOBODY, SKIPPED = 10, 11, 12, 13, 14
HEADER = 15
# Operation: ring of its last starts (head never wraps), its holds and constraints; its instance
# number is head + shift; `NEED` is how many of its last starts anything may look at.
HEAD, RING, MASK, HOLDS, HOLDS_END, CONS, SCOPED, CONS_END = 0, 1, 2, 3, 4, 5, 6, 7
SHIFT, OP, NEED, OP_WIDTH = 8, 9, 10, 12
# Constraint.
SOURCE, SOURCE_RING, SOURCE_MASK, BACK, WEIGHT, ENTRY, SCOPE_DEPTH, CON = 0, 1, 2, 3, 4, 5, 6, 7
CON_WIDTH = 8
# Hold.
SLOT, OCCUPANCY, SERVERS, RESOURCE, HOLD, HOLD_WIDTH = 0, 1, 2, 3, 4, 5
# Resource: last start on it (kept where there are several servers), then one slot per server.
POS, LAST, LAST_AUTHOR, LAST_NUMBER, CAPACITY, RES_WIDTH = 0, 1, 2, 3, 4, 5
RELEASE, AUTHOR, NUMBER, SLOT_WIDTH = 0, 1, 2, 3
# Loop.
INDEX, TRIP, BASE, SLOPE, OUTER, TABLE, DEPTH, FOLDABLE, BODY, EXIT = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
ENTRIES, ENTRIES_END, OPS, OPS_END, RESOURCES, RESOURCES_END = 10, 11, 12, 13, 14, 15
SNAPSHOT, PREVIOUS, PHASE, AT, PERIOD, BOUND, GAP, WAIT = 16, 17, 18, 19, 20, 21, 22, 23
FAILS, HINT, UNIFORM, JUMPED, DELTA, MEMBER, LOOP_WIDTH = 24, 25, 26, 27, 28, 29, 30
# Tape.
RUN, ENTER, LEAVE, STOP, TAPE_WIDTH = 0, 1, 2, 3, 3
# Phases of a loop: nothing known, snapshot taken, recording a period, recording refused.
BLANK, SNAPPED, RECORDING, REFUSED = 0, 1, 2, 3
# What `advance` returns.
DONE, BUDGET, ROOM, OVERFLOW = 0, 1, 2, 3

MINUS_INFINITY = -(1 << 62)
TIME_LIMIT_BITS = 61
TIME_LIMIT = 1 << TIME_LIMIT_BITS
NO_BOUND = 1 << 62
LOG_WIDTH = 6
JUMP_WIDTH = 6
MIN_FOLD, MAX_FAILS = 4, 40

Memory = MutableSequence[int]
