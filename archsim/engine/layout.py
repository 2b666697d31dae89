"""Where everything is in the memory of the kernel: one list of integers holds all state.

A header comes first, then tables of rows whose fields are the constants below, lists and rings. A
field that names a row or a list holds its position. `archsim.engine.lowering` writes it,
`archsim.engine.kernel` and `archsim.engine.folding` work on it.
"""

from __future__ import annotations

from collections.abc import MutableSequence

# Header. `ORIGIN` holds time zero, `NOBODY` the author of what time zero decides (-1): read from
# memory, so that the compiler sees integers and not constants of a type of their own. `SKIPPED` is
# the loops met that did not run, `COPIED` what summaries cost: turns that simulate nothing count
# against the budget through them. `MOVES` numbers jumps and references by twos, `STORED`
# counts summaries, `OWN` is 1 while a summary jumps, `OPERATIONS` is the place of operation 0.
PC, SIMULATED, LIMIT, FOLDING, LOGGING = 0, 1, 2, 3, 4
LOG_USED, LOG_ROOM, JUMP_USED, JUMP_ROOM, NUM_JUMPS = 5, 6, 7, 8, 9
NUM_RECORDING, STACK, ORIGIN, NOBODY, SKIPPED = 10, 11, 12, 13, 14
HITS, MOVES, COPIED, OPERATIONS, STORED, OWN = 15, 16, 17, 18, 19, 20
HEADER = 21
# Operation: ring of its last starts (head never wraps), its holds and constraints; its instance
# number is head + shift; `NEED` is how many of its last starts anything may look at. `MOVED` and
# `STAMP` are notes of a moment.
HEAD, RING, MASK, HOLDS, HOLDS_END, CONS, SCOPED, CONS_END = 0, 1, 2, 3, 4, 5, 6, 7
SHIFT, OP, NEED, MOVED, STAMP, OP_WIDTH = 8, 9, 10, 11, 12, 13
# Constraint.
SOURCE, SOURCE_RING, SOURCE_MASK, BACK, WEIGHT, ENTRY, SCOPE_DEPTH, CON = 0, 1, 2, 3, 4, 5, 6, 7
CON_WIDTH = 8
# Hold.
SLOT, OCCUPANCY, SERVERS, RESOURCE, HOLD, HOLD_WIDTH = 0, 1, 2, 3, 4, 5
# Resource: last start on it (kept where there are several servers), then one slot per server.
# `FLOOR` is the earliest release of a server when that was last asked.
POS, LAST, LAST_AUTHOR, LAST_NUMBER, CAPACITY, FLOOR, RES_WIDTH = 0, 1, 2, 3, 4, 5, 6
RELEASE, AUTHOR, NUMBER, SLOT_WIDTH = 0, 1, 2, 3
# Loop.
INDEX, TRIP, BASE, SLOPE, OUTER, TABLE, DEPTH, FOLDABLE, BODY, EXIT = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
ENTRIES, ENTRIES_END, OPS, OPS_END, RESOURCES, RESOURCES_END = 10, 11, 12, 13, 14, 15
SNAPSHOT, PREVIOUS, PHASE, AT, PERIOD, BOUND, GAP, WAIT = 16, 17, 18, 19, 20, 21, 22, 23
FAILS, HINT, UNIFORM, JUMPED, DELTA, MEMBER = 24, 25, 26, 27, 28, 29
WAITS, WAITS_END, FOREIGN_END, SOURCES, SOURCES_END, OUTER_WAITS, OUTER_WAITS_END = (
    30, 31, 32, 33, 34, 35, 36,
)  # fmt: skip
TRIPS, TRIPS_END, AREAS, AREA, SPARE, KEY_AT, EFFECT_AT, SETTLE = 37, 38, 39, 40, 41, 42, 43, 44
PENDING, WORK, ENTERED, MISSES, PAUSE, REFERENCE_ROWS, LOOP_WIDTH = 45, 46, 47, 48, 49, 50, 51
# Sources that an activation of a loop may read from before it: operation, ages of the starts, and
# the waits through which they are read, each with the operation that waits. `WAITS` are those whose
# scope is the loop or around it, `OUTER_WAITS` the latter.
WAIT_WIDTH = 2
READ, FIRST_AGE, LAST_AGE, READ_WAITS, READ_WAITS_END, READ_WIDTH = 0, 1, 2, 3, 4, 5
# Summary of an activation: whether there is one, iterations, period and its bound, latest release
# at entry; then instance counts at entry, key and effect. `FILLED` numbers the summaries from 1.
FILLED, SPAN, CYCLE, REACH, EPOCH, AREA_HEAD = 0, 1, 2, 3, 4, 5
NUM_AREAS = 4
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
# Row of what was copied: move (odd for the jump of a summary: its period lies in the reference
# before it), operation, first instance copied, how many, advance of a copy in ps,
# copies (-n: a reference to the activation of summary n, copied once), first copy, and by how much
# instance numbers of this operation as a source move per copy.
MOVE, MOVED_OP, BASED, COUNT, ADVANCE, COPIES, FIRST, STEP, JUMP_WIDTH = 0, 1, 2, 3, 4, 5, 6, 7, 8
MIN_FOLD, MAX_FAILS = 4, 40

Memory = MutableSequence[int]
