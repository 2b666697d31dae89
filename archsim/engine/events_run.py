"""Runs programs whose resources choose at run time."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence

from archsim.engine import events_compiled, events_kernel
from archsim.engine import events_layout as at
from archsim.engine.events_flat import FlatLoop, flatten
from archsim.engine.events_lowering import LoweredEvents, lower_events
from archsim.engine.events_timing import EventLog, EventTiming, Jump
from archsim.engine.layout import Memory
from archsim.engine.run import Backend
from archsim.errors import OperationBudgetError, SimulationError, TimeOverflowError
from archsim.program.arbitration import Arbitration, by_resource
from archsim.program.ir import MAX_WEIGHT_PS, Program

PYTHON_BUDGET = 5_000
"""Operations of a run that plain Python simulates before the compiled kernel takes over. At 10 µs
an operation (measured) this is 0.05 s; loading the compiled kernel takes 0.5 s."""

MAX_SIMULATED = 10**10
"""Operations that a run simulates at most unless the caller says otherwise: a quarter of an hour
of the compiled kernel (at 10 million a second, measured)."""

MAX_LOGGED = 10**7
"""The same for a run that keeps its log, which takes 32 B an operation, doubled as it grows."""


def arrivals_by_op(
    program: Program, arrivals_ps: Mapping[str, Sequence[int]] | None
) -> dict[int, array[int]]:
    """Return the arrivals by operation number.

    Raises
    ------
    SimulationError
        An operation does not exist, does not run as often as its table is long, or arrives at a
        time out of range.
    """
    found: dict[int, array[int]] = {}
    for name, times in (arrivals_ps or {}).items():
        op = program.op_ids.get(name)
        if op is None:
            raise SimulationError(f"no operation is called {name!r}")
        if len(times) != program.instance_counts[op]:
            raise SimulationError(
                f"operation {name!r} runs {program.instance_counts[op]} times; "
                f"given {len(times)} arrivals"
            )
        try:
            found[op] = array("q", times)
        except (OverflowError, TypeError) as error:
            raise SimulationError(f"operation {name!r} must arrive at whole ps: {error}") from error
        if found[op] and not 0 <= min(found[op]) <= max(found[op]) < MAX_WEIGHT_PS:
            raise SimulationError(
                f"operation {name!r} must arrive from 0 to {MAX_WEIGHT_PS - 1} ps"
            )
    return found


def simulate_events(
    program: Program,
    arbitration: Arbitration | Mapping[str, Arbitration],
    *,
    window: int | None = None,
    arrivals_ps: Mapping[str, Sequence[int]] | None = None,
    fold: bool = True,
    log: bool = True,
    backend: Backend = "auto",
    max_ops: int | None = None,
) -> EventTiming:
    """Time a program some of whose resources choose at run time.

    Parameters
    ----------
    program : Program
        What to run.
    arbitration : Arbitration or mapping of str to Arbitration
        How resources choose, by name; those not named serve in program order. A single one
        applies to every shared resource.
    window : int, optional
        Turns of the program's outer loop in flight at most: a turn is admitted when all turns up
        to ``window`` before it have ended. None admits all at time zero; then nothing folds.
    arrivals_ps : mapping of str to sequence of int, optional
        For operations by name, the time in ps before which each instance is not ready, in program
        order. Then nothing folds.
    fold : bool
        Leave out what is proven to repeat; the results are the same without.
    log : bool
        Keep the log that the times of single instances need.
    backend : {"auto", "jit", "python"}
        The kernel as compiled or as plain Python code; ``auto`` begins in plain Python unless the
        compiled one is loaded, and changes over when the run turns out to be long.
    max_ops : int, optional
        Give up rather than simulate more operations than this; the default is `MAX_SIMULATED`, and
        `MAX_LOGGED` with the log.

    Returns
    -------
    EventTiming
        Makespan, counts, longest waits, and with the log the times of every instance. The same
        for every backend.

    Raises
    ------
    OperationBudgetError
        ``max_ops`` would be exceeded, or too many operations be in flight.
    TimeOverflowError
        A start would reach 2**61 ps (26.7 days).
    SimulationError
        The program cannot be arbitrated at run time, or nothing can go on.
    """
    if backend not in ("auto", "jit", "python"):
        raise SimulationError(f"unknown backend {backend!r}; allowed: auto, jit, python")
    arbitrations = by_resource(program, arbitration)
    arrivals = arrivals_by_op(program, arrivals_ps)
    flat = flatten(program, arbitrations)
    if window is not None and (not flat.is_loop or window < 1):
        what = f"given {window}" if flat.is_loop else "this program is laid out whole"
        raise SimulationError(
            f"program {program.name!r}: a window counts turns of one outer loop whose inner trips "
            f"do not depend on it, at least 1; {what}"
        )
    lowered = lower_events(
        flat, arbitrations, window=window, arrivals_ps=arrivals, fold=fold, logging=log
    )
    limit = max_ops if max_ops is not None else MAX_LOGGED if log else MAX_SIMULATED
    run = EventRun(flat, lowered, limit)
    use_python = backend == "python" or (backend == "auto" and not events_compiled.is_loaded())
    if use_python and not run.in_python(PYTHON_BUDGET if backend == "auto" else limit):
        use_python = False
    if not use_python:
        run.in_machine_code()
    return run.timing()


class EventRun:
    """One run: the memory of the kernel and the log that it fills."""

    def __init__(self, flat: FlatLoop, lowered: LoweredEvents, limit: int) -> None:
        self.flat = flat
        self.mem: Memory = lowered.mem
        self.limit = limit
        rows = max(1024, self.mem[at.ROUND_ROOM]) if self.mem[at.LOGGING] else 0
        self.log: Memory = array("q", bytes(8 * at.LOG_WIDTH * rows))

    def in_python(self, budget: int) -> bool:
        """Run as plain Python; return whether the program came to its end within ``budget``."""
        if self._advance(events_kernel.advance, min(budget, self.limit)) == at.DONE:
            return True
        if self.limit <= budget:
            self._refuse()
        return False

    def in_machine_code(self) -> None:
        """Run, or go on, compiled."""
        if self._advance(events_compiled.compiled_advance(), self.limit) != at.DONE:
            self._refuse()

    def _advance(self, kernel: events_compiled.Advance, limit: int) -> int:
        if not self.flat.ops or not self.flat.turns:
            return at.DONE
        mem, name = self.mem, self.flat.program.name
        mem[at.LIMIT] = limit
        while True:
            mem[at.LOG_ROOM] = len(self.log) // at.LOG_WIDTH
            status = kernel(mem, self.log)
            if status == at.OVERFLOW:
                raise TimeOverflowError(
                    f"program {name!r} reaches 2**61 ps (26.7 days) of simulated time"
                )
            if status == at.STUCK:
                raise SimulationError(
                    f"program {name!r} is stuck at {mem[at.NOW]} ps: nothing can happen that lets "
                    f"{self._waiting()} start"
                )
            if status != at.ROOM:
                return status
            self.log.extend(self.log)

    def _refuse(self) -> None:
        raise OperationBudgetError(
            f"program {self.flat.program.name!r} needs more than {self.limit} simulated operations"
        )

    def _waiting(self) -> str:
        """Name operations whose instances have not started."""
        mem, found = self.mem, dict[str, None]()
        for instance in range(mem[at.RING], mem[at.RING_END], at.INSTANCE_WIDTH):
            if mem[instance] != at.HAS_STARTED:
                site = (mem[instance + at.SITE] - mem[at.SITES]) // at.SITE_WIDTH
                found[repr(self.flat.program.ops[self.flat.ops[site]])] = None
        return ", ".join(list(found)[:5])

    def timing(self) -> EventTiming:
        """Read the results from the memory."""
        mem, flat, program = self.mem, self.flat, self.flat.program
        makespan_ps = mem[at.NOW] + mem[at.COPIES] * mem[at.ADVANCE]
        if makespan_ps >= at.TIME_LIMIT:
            raise TimeOverflowError(
                f"program {program.name!r} ends at {makespan_ps} ps, beyond 2**61 ps (26.7 days)"
            )
        longest = [0] * len(program.ops)
        rows = range(mem[at.SITES], mem[at.SITES_END], at.SITE_WIDTH)
        for op, row in zip(flat.ops, rows, strict=True):
            longest[op] = max(longest[op], mem[row + at.LONGEST])
        jump = None
        if mem[at.COPIES]:
            jump = Jump(
                copies=mem[at.COPIES],
                turns=mem[at.PERIOD],
                advance_ps=mem[at.ADVANCE],
                first=mem[at.SNAP_STARTED],
                last=mem[at.JUMP_STARTED],
            )
        kept = bool(mem[at.LOGGING])
        return EventTiming(
            program=program,
            makespan_ps=makespan_ps,
            instance_counts=tuple(flat.turns * count for count in flat.per_turn),
            longest_waits_ps=tuple(longest),
            simulated=mem[at.STARTED],
            events=mem[at.EVENTS],
            jumps=int(jump is not None),
            log=EventLog(flat, self.log, mem[at.LOG_USED], jump) if kept else None,
        )
