"""Critical paths of long logs, by the compiled walk."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

from archsim.engine import compiled, walking
from archsim.engine.layout import DONE, JUMP_WIDTH, LOG_WIDTH, ROOM
from archsim.engine.path import Repeat, Step
from archsim.engine.timeline import Log
from archsim.program.ir import BEGIN, END, Program

LONG = 10_000
"""Rows from which a log is walked compiled: in plain Python a step takes 3 to 6 µs (measured)."""

REPEAT_ROOM = 1000
"""Depth to which repeats may nest; loops nest far less deep (a choice)."""


class LongWalk:
    """A walk through a log kept as ``array("q")``; the same path as `archsim.engine.path.walk`.

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
        self._num_rows = log.num_rows
        of_op: list[list[int]] = [[] for _ in program.ops]
        for place in range(0, log.num_jump_rows * JUMP_WIDTH, JUMP_WIDTH):
            of_op[jumps[place + 1]] += jumps[place : place + JUMP_WIDTH]
        self._jumps_of_op = of_op
        self._trace = compiled.compiled_trace() if trace is None else trace
        self._out = array("q")

    def run(self, op: int, number: int) -> Counter[Step] | None:
        """Walk from an instance to time zero.

        Returns
        -------
        Counter of Step or None
            The edges that weigh; None where repeats nest deeper than there is room for.
        """
        mem, visits = self._memory(op, number)
        out = array("q", bytes(8 * walking.OUT_WIDTH * 4096))
        while True:
            mem[walking.OUT_ROOM] = len(out) // walking.OUT_WIDTH
            status = self._trace(mem, self._rows, visits, out)
            if status != ROOM:
                break
            out.extend(out)
        if status != DONE:
            return None
        self._out = out[: walking.OUT_WIDTH * mem[walking.USED]]
        return self._counts(mem)

    def path(self) -> list[Step | Repeat]:
        """Return the path that was walked, in compressed form."""
        out = self._out
        entries: list[Step | Repeat] = []
        for place in range(0, len(out), walking.OUT_WIDTH):
            code, first, second = out[place : place + walking.OUT_WIDTH]
            entries.append(Step(code, first) if code else Repeat(first, second))
        return entries

    def _memory(self, op: int, number: int) -> tuple[array[int], array[int]]:
        program = self._program
        num_ops, depth = len(program.ops), _depth(program)
        mem = array("q", bytes(8 * walking.WALK_HEADER))

        def table(values: Sequence[int]) -> int:
            mem.extend(values)
            return len(mem) - len(values)

        offsets = [0]
        for rows in self._jumps_of_op:
            offsets.append(offsets[-1] + len(rows) // JUMP_WIDTH)
        mem[walking.OP_AT], mem[walking.NUMBER_AT] = op, number
        mem[walking.NUM_ROWS], mem[walking.NUM_OPS] = self._num_rows, num_ops
        mem[walking.ROWS_OF] = table([0] * (num_ops + 1))
        mem[walking.ORDER] = table([0] * self._num_rows)
        mem[walking.JUMPS_OF] = table(offsets)
        mem[walking.JUMPS] = table([value for rows in self._jumps_of_op for value in rows])
        mem[walking.COPIES] = table([0] * (2 * depth + 2))
        mem[walking.DEPTH] = depth
        mem[walking.FACTORS] = table([0] * (2 * REPEAT_ROOM))
        mem[walking.FACTORS_END] = mem[walking.FACTORS] + 2 * REPEAT_ROOM
        mem[walking.NUM_WAITS] = len(program.sources)
        num_counts = len(program.sources) + len(program.hold_resources) * num_ops
        mem[walking.COUNTS] = table([0] * num_counts)
        return mem, array("q", bytes(8 * depth * (walking.VISIT_HEAD + 2 * depth) * self._num_rows))

    def _counts(self, mem: array[int]) -> Counter[Step]:
        program = self._program
        counts: Counter[Step] = Counter()
        num_waits, num_ops = len(program.sources), len(program.ops)
        first = mem[walking.COUNTS]
        waits = mem[first : first + num_waits]
        for wait, times in enumerate(waits):
            if times:
                counts[Step(1 + wait, program.sources[wait])] = times
        holds = mem[first + num_waits : first + num_waits + len(program.hold_resources) * num_ops]
        for place, times in enumerate(holds):
            if times:
                counts[Step(-1 - 2 * (place // num_ops), place % num_ops)] = times
        return counts


def suits(program: Program, log: Log) -> bool:
    """Whether the compiled walk pays: a long log, and tables that are small against it."""
    tables = len(program.hold_resources) * len(program.ops)
    return log.num_rows >= LONG and tables <= LOG_WIDTH * log.num_rows and compiled.is_loaded()


def _depth(program: Program) -> int:
    """Return how deep loops nest."""
    depth = deepest = 0
    for kind in program.tape_kinds:
        depth += (kind == BEGIN) - (kind == END)
        deepest = max(deepest, depth)
    return deepest
