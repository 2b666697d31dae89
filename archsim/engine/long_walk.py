"""Critical paths of long logs, by the compiled walk."""

from __future__ import annotations

from array import array
from collections import Counter

from archsim.engine import compiled, walking
from archsim.engine.layout import DONE, LOG_WIDTH
from archsim.engine.path import Again, Entry, Repeat, Step
from archsim.engine.timeline import Log
from archsim.program.ir import BEGIN, END, Program

LONG = 10_000
"""Rows from which the compiled walk is loaded for a log: in plain Python a step takes 3 to 8 µs,
and loading takes about 0.1 s (measured)."""

SHORT = 500
"""Rows from which a log is walked compiled once that is loaded (a choice)."""

LARGE_TABLES = 1 << 20
"""Numbers in the table of counts that are worth writing for any log, 8 MB (a choice)."""

ROOM_AT_FIRST = 4096
"""Entries and records that there is room for at first; more is made when needed."""


class LongWalk:
    """A walk through a log kept as ``array("q")``; it takes the path of `path_walk.walk`.

    Parameters
    ----------
    program : Program
        What was run.
    log : Log
        Its log.
    trace : callable, optional
        The kernel, compiled unless given.
    """

    def __init__(self, program: Program, log: Log, trace: compiled.Trace | None = None) -> None:
        self._program = program
        rows, jumps = log.rows, log.jump_rows
        self._rows = rows if isinstance(rows, array) else array("q", rows)
        self._jumps = jumps if isinstance(jumps, array) else array("q", jumps)
        self._num_rows, self._num_jumps = log.num_rows, log.num_jump_rows
        self._trace = compiled.compiled_trace() if trace is None else trace
        self._out = array("q")

    def run(self, op: int, number: int) -> Counter[Step]:
        """Walk from an instance to time zero, and return the edges that weigh."""
        mem = self._memory(op, number)
        record = max(walking.RECORD_HEAD + 2 * mem[walking.DEPTH], walking.LEAST_RECORD)
        out = array("q", bytes(8 * walking.OUT_WIDTH * ROOM_AT_FIRST))
        pool = array("q", bytes(8 * record * ROOM_AT_FIRST))
        while True:
            mem[walking.OUT_ROOM] = len(out) // walking.OUT_WIDTH
            mem[walking.RECORD_ROOM] = len(pool) // record
            if self._trace(mem, self._rows, self._jumps, pool, out) == DONE:
                break
            out.extend(out)
            pool.extend(pool)
        self._out = out[: walking.OUT_WIDTH * mem[walking.USED]]
        return self._counts(mem)

    def path(self) -> list[Entry]:
        """Return the path that was walked, in compressed form."""
        out = self._out
        entries: list[Entry] = []
        for place in range(0, len(out), walking.OUT_WIDTH):
            code, first, second = out[place : place + walking.CHANGE]
            if code == walking.AGAIN:
                entries.append(Again(first, second))
            else:
                entries.append(Step(code, first) if code else Repeat(first, second))
        return entries

    def _memory(self, op: int, number: int) -> array[int]:
        program = self._program
        num_ops = len(program.ops)
        mem = array("q", bytes(8 * walking.WALK_HEADER))

        def table(size: int) -> int:
            mem.frombytes(bytes(8 * size))
            return len(mem) - size

        # An instance lies in at most one jump and one reference per loop around it.
        depth = 2 * _depth(program) + 1
        mem[walking.OP_AT], mem[walking.NUMBER_AT] = op, number
        mem[walking.NUM_ROWS], mem[walking.NUM_OPS] = self._num_rows, num_ops
        mem[walking.NUM_JUMPS] = self._num_jumps
        mem[walking.ROWS_OF], mem[walking.ROW_ORDER] = table(num_ops + 1), table(self._num_rows)
        mem[walking.JUMPS_OF], mem[walking.JUMP_ORDER] = table(num_ops + 1), table(self._num_jumps)
        mem[walking.DEPTH], mem[walking.OPEN] = depth, table(walking.OPEN_WIDTH * depth)
        mem[walking.CHAIN] = table(walking.LINK_WIDTH * depth)
        mem[walking.LAST_CHAIN] = table(walking.LINK_WIDTH * depth)
        mem[walking.HINTS] = table(num_ops * (depth + 1))
        mem[walking.NUM_WAITS] = len(program.sources)
        mem[walking.COUNTS] = table(len(program.sources) + len(program.hold_resources) * num_ops)
        size = 1 << self._num_rows.bit_length()
        mem[walking.HEADS], mem[walking.HEADS_MASK] = len(mem), size - 1
        mem.frombytes(b"\xff" * (8 * size))
        return mem

    def _counts(self, mem: array[int]) -> Counter[Step]:
        program = self._program
        counts: Counter[Step] = Counter()
        num_waits, num_ops = len(program.sources), len(program.ops)
        first = mem[walking.COUNTS]
        size = num_waits + len(program.hold_resources) * num_ops
        table = mem[first : first + size]
        for place in (n for n, times in enumerate(table) if times):
            if place < num_waits:
                counts[Step(1 + place, program.sources[place])] = table[place]
            else:
                hold, source = divmod(place - num_waits, num_ops)
                counts[Step(-1 - 2 * hold, source)] = table[place]
        return counts


def suits(program: Program, log: Log) -> bool:
    """Whether the compiled walk pays: a long log, and tables that are small against it."""
    tables = len(program.hold_resources) * len(program.ops)
    size = log.num_rows + log.num_jump_rows
    if tables > LARGE_TABLES + LOG_WIDTH * size:
        return False
    if compiled.is_trace_loaded():
        return size >= SHORT
    return size >= LONG and compiled.is_loaded()


def _depth(program: Program) -> int:
    """Return how deep loops nest."""
    depth = deepest = 0
    for kind in program.tape_kinds:
        depth += (kind == BEGIN) - (kind == END)
        deepest = max(deepest, depth)
    return deepest
