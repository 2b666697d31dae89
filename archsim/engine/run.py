"""Runs programs: the kernel as plain Python while a run is small, compiled when it is not."""

from __future__ import annotations

import time
from array import array
from typing import Literal

from archsim.engine import compiled, layout
from archsim.engine.kernel import advance
from archsim.engine.lowering import Lowered, lower
from archsim.engine.timeline import Log
from archsim.engine.timing import Timing
from archsim.errors import OperationBudgetError, SimulationError, TimeOverflowError
from archsim.program.ir import Program

Backend = Literal["auto", "jit", "python"]

PYTHON_BUDGET = 20_000
"""Operations of one run that plain Python simulates before the compiled kernel takes over. At 2 to
5 µs an operation (measured) this is at most 0.1 s; importing numba and loading the kernel takes
0.5 s, compiling it 4 s."""

PYTHON_TOTAL = 100_000
"""Operations of all runs of a process together, after which runs start compiled: by then they took
about as long as importing numba and loading the kernel does."""

_spent = {"operations": 0}

MAX_SIMULATED = 10**10
"""Operations that a run simulates at most unless the caller says otherwise: two to four minutes of
the compiled kernel (at 45 to 90 million a second, measured)."""

MAX_LOGGED = 2 * 10**7
"""The same for a run that keeps its log, which takes 48 B an operation: 1 GB."""


def run_program(
    program: Program,
    *,
    fold: bool = True,
    path: bool = True,
    recall: bool = True,
    backend: Backend = "auto",
    max_ops: int | None = None,
) -> Timing:
    """Time a program exactly.

    Parameters
    ----------
    program : Program
        What to run.
    fold : bool
        Replace proven repetition by arithmetic; the results are the same without.
    path : bool
        Keep the log that starts, critical path and attribution need.
    recall : bool
        Take an activation of a loop that is like an earlier one from the summary of that, where
        loops are folded; the results are the same without.
    backend : {"auto", "jit", "python"}
        The kernel as compiled or as plain Python code; ``auto`` begins in plain Python unless the
        compiled one is loaded, and changes over when the run turns out to be long.
    max_ops : int, optional
        Give up rather than simulate more operations than this, pass by more loops that run
        nothing, or copy more from summaries; the default is `MAX_SIMULATED`, and `MAX_LOGGED`
        with the log.

    Returns
    -------
    Timing
        Makespan, counts, and on request everything else. The same for every backend.

    Raises
    ------
    OperationBudgetError
        ``max_ops`` would be exceeded.
    TimeOverflowError
        A start would reach 2**61 ps (26.7 days).
    """
    if backend not in ("auto", "jit", "python"):
        raise SimulationError(f"unknown backend {backend!r}; allowed: auto, jit, python")
    lowered = lower(program, fold=fold, logging=path, recall=recall)
    if max_ops is None:
        max_ops = MAX_LOGGED if path else MAX_SIMULATED
    use_python = backend == "python" or (
        backend == "auto" and not compiled.is_loaded() and _spent["operations"] < PYTHON_TOTAL
    )
    run = _Run(program, lowered, max_ops)
    if use_python and not run.in_python(PYTHON_BUDGET if backend == "auto" else max_ops):
        use_python = False
    if not use_python:
        run.in_machine_code()
    return run.timing()


class _Run:
    """One run: the memory of the kernel and the lists it fills."""

    def __init__(self, program: Program, lowered: Lowered, limit: int) -> None:
        self.program = program
        self.op_rows = lowered.op_rows
        self.mem: layout.Memory = lowered.mem
        self.limit = limit
        logging = bool(self.mem[layout.LOGGING])
        self.log: layout.Memory = [0] * (layout.LOG_WIDTH * (1024 if logging else 0))
        self.jumps: layout.Memory = [0] * (layout.JUMP_WIDTH * (256 if logging else 0))

    def in_python(self, budget: int) -> bool:
        """Run as plain Python; return whether the program came to its end within ``budget``."""
        self.mem[layout.LIMIT] = min(budget, self.limit)
        status = self._advance(advance)
        _spent["operations"] += self.mem[layout.SIMULATED] + self.mem[layout.COPIED]
        if status == layout.DONE:
            return True
        if self.limit <= budget:
            self._refuse()
        return False

    def in_machine_code(self) -> None:
        """Run, or go on, compiled."""
        kernel = compiled.compiled_advance()
        self.mem[layout.LIMIT] = self.limit
        self.mem = array("q", self.mem)
        if self.mem[layout.SIMULATED]:
            self.log, self.jumps = array("q", self.log), array("q", self.jumps)
        else:
            self.log = array("q", bytes(8 * len(self.log)))
            self.jumps = array("q", bytes(8 * len(self.jumps)))
        if self._advance(kernel) != layout.DONE:
            self._refuse()

    def _advance(self, kernel: compiled.Advance) -> int:
        while True:
            self.mem[layout.LOG_ROOM] = len(self.log) // layout.LOG_WIDTH
            self.mem[layout.JUMP_ROOM] = len(self.jumps) // layout.JUMP_WIDTH
            status = kernel(self.mem, self.log, self.jumps)
            if status == layout.OVERFLOW:
                raise TimeOverflowError(
                    f"program {self.program.name!r} reaches 2**61 ps (26.7 days) of simulated time"
                )
            if status != layout.ROOM:
                return int(status)
            if self.mem[self.mem[layout.PC]] == layout.RUN:
                self.log.extend(self.log)
            else:
                self.jumps.extend(self.jumps)

    def _refuse(self) -> None:
        what = "simulated operations"
        if self.mem[layout.SKIPPED] > self.limit:
            what = "passes over loops that do not run"
        elif self.mem[layout.COPIED] > self.limit:
            what = "operations in summaries of loops"
        raise OperationBudgetError(
            f"program {self.program.name!r} needs more than {self.limit} {what}"
        )

    def timing(self) -> Timing:
        """Read the results from the memory."""
        mem, program = self.mem, self.program
        counts: list[int] = []
        starts: list[int] = []
        makespan_ps = 0
        for op, row in enumerate(self.op_rows):
            head = mem[row + layout.HEAD]
            count = head + mem[row + layout.SHIFT]
            start = mem[mem[row + layout.RING] + ((head - 1) & mem[row + layout.MASK])]
            counts.append(count)
            starts.append(start if count else -1)
            if count:
                makespan_ps = max(makespan_ps, start + program.end_ps(op))
        if makespan_ps >= layout.TIME_LIMIT:
            raise TimeOverflowError(
                f"program {program.name!r} ends at {makespan_ps} ps, beyond 2**61 ps (26.7 days)"
            )
        log = None
        if mem[layout.LOGGING]:
            used, jumped = mem[layout.LOG_USED], mem[layout.JUMP_USED]
            log = Log(len(counts), self.log, used, self.jumps, jumped)
        return Timing(
            program=program,
            makespan_ps=makespan_ps,
            instance_counts=tuple(counts),
            last_starts_ps=tuple(starts),
            simulated=mem[layout.SIMULATED],
            jumps=mem[layout.NUM_JUMPS],
            recalls=mem[layout.HITS],
            log=log,
        )


def warmup() -> dict[str, float]:
    """Compile the kernels, or load them from the cache on disk.

    Returns
    -------
    dict
        ``cpu_s``: processor time it took, in s.
    """
    from archsim.engine import events_compiled
    from archsim.program.builder import ProgramBuilder

    begun = time.process_time()
    builder = ProgramBuilder("warmup")
    op = builder.op("op", holds=[(builder.resource("unit"), 1)], latency=1)
    with builder.loop(16, "loop"):
        builder.place(op)
    run_program(builder.build(), backend="jit")
    events_compiled.compiled_advance()
    return {"cpu_s": time.process_time() - begun}
