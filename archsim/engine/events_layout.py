"""Where everything is in the memory of the event kernel: one list of 64-bit integers.

A header, then tables of rows whose fields are the constants below. A field that names a row holds
its position; 0, which is inside the header, means none. `archsim.engine.events_lowering` writes
it, `archsim.engine.events_kernel` and `archsim.engine.events_folding` work on it.
"""

from __future__ import annotations

# Header: where the run stands. Turns `FIRST:BORN` of `TURNS` are in flight.
NOW, FIRST, BORN, TURNS, WINDOW, STARTED, EVENTS, LIMIT = 0, 1, 2, 3, 4, 5, 6, 7
LOGGING, LOG_USED, LOG_ROOM, ROUND_ROOM, RETIRE_AT = 8, 9, 10, 11, 12
# Header: tables. A turn takes `TURN_SIZE` of the ring `RING:RING_END` of `DEPTH` turns; the next
# to be born goes to `CRADLE`. `PLACES:PLACES_END` has a row for each turn of the ring.
SITES, SITES_END, NUM_SITES, RING, RING_END, TURN_SIZE, CRADLE = 13, 14, 15, 16, 17, 18, 19
PLACES, PLACES_END, FIRST_PLACE, HEAP, HEAP_SIZE, FRESH, FRESH_SIZE = 20, 21, 22, 23, 24, 25, 26
AWAKE, AWAKE_SIZE, RESOURCES, RESOURCES_END = 27, 28, 29, 30
# Header: folding. What was taken at the last snapshot, and the jump.
FOLDING, SNAPSHOT, SNAP_FIRST, SNAP_NOW, SNAP_STARTED, GAP = 31, 32, 33, 34, 35, 36
COPIES, PERIOD, ADVANCE, JUMP_STARTED, RETIRED = 37, 38, 39, 40, 41
HEADER = 42

# Site: an operation at its place in the turn. `HORIZON` is how long after its start it matters.
CLASS, OCCUPANCY, LENGTH, HORIZON, IN, IN_END, OUT, OUT_END = 0, 1, 2, 3, 4, 5, 6, 7
ARRIVALS, ARRIVAL_STEP, LONGEST, SITE_WIDTH = 8, 9, 10, 11
# Wait of a site, seen from either end: way to the other instance round the ring, weight.
WAY, WEIGHT, WAIT_WIDTH = 0, 1, 2
# Instance: `STATE` counts the sources still to start, or is one of the two below; `TIME` is then
# the latest that they ask for, the time when it became ready, or its start.
STATE, TIME, NEXT, PREVIOUS, NUMBER, SITE, PLACE, INSTANCE_WIDTH = 0, 1, 2, 3, 4, 5, 6, 8
HAS_STARTED, IS_QUEUED = -1, -2
# Turn in the ring: instances that have not started, latest end of the others.
LEFT, LAST_END, PLACE_WIDTH = 0, 1, 2
# Class: instances that wait for a resource with the same rank or requester, first come first.
HEAD, TAIL, RESOURCE, QUOTA, CLASS_WIDTH = 0, 1, 2, 3, 4
# Resource. `OPENINGS:OPENINGS_END` are pairs of begin and end within `OPEN_PERIOD`.
FREE, QUEUED, RULE, CLASSES, CLASSES_END, POINTER, USED, IS_AWAKE = 0, 1, 2, 3, 4, 5, 6, 7
OPENINGS, OPENINGS_END, OPEN_PERIOD, RESOURCE_WIDTH = 8, 9, 10, 11
FCFS, PRIORITY, WEIGHTED = 0, 1, 2

LOG_WIDTH = 4
"""Log row: number (turn times sites plus site), ready, granted, start."""
HEAP_WIDTH = 2
SNAP_WIDTH = 2
SNAP_RESOURCE = 3

# What `advance` returns.
DONE, BUDGET, ROOM, OVERFLOW, STUCK = 0, 1, 2, 3, 4

LONG_AGO = -(1 << 62)
TIME_LIMIT = 1 << 61
