"""Many runs of one structure with other times: lowered once, patched for each run."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from archsim.engine import compiled, layout
from archsim.engine.lowering import lower
from archsim.engine.run import MAX_SIMULATED
from archsim.errors import OperationBudgetError, SimulationError, TimeOverflowError
from archsim.program.ir import MAX_WEIGHT_PS, Program


class Times(NamedTuple):
    """Times of a structure in ps: per hold, per operation and per wait, in the program's order."""

    occupancies_ps: Sequence[int]
    latencies_ps: Sequence[int]
    delays_ps: Sequence[int]

    @classmethod
    def of(cls, program: Program) -> Times:
        """Return the times that a program has."""
        return cls(program.occupancies_ps, program.latencies_ps, program.delays_ps)


class _Structure:
    """A program in the memory of the kernel, with the places of its times."""

    def __init__(self, program: Program) -> None:
        self.program = program
        lowered = lower(program, fold=True, logging=False)
        lowered.mem[layout.LIMIT] = MAX_SIMULATED
        self.template = array("q", lowered.mem)
        self.op_rows = lowered.op_rows
        self.hold_places, self.wait_places = lowered.hold_places, lowered.wait_places
        self.holds = [
            range(program.hold_offsets[op], program.hold_offsets[op + 1])
            for op in range(len(program.ops))
        ]
        self.latent = [
            source if from_result else -1
            for source, from_result in zip(program.sources, program.from_result, strict=True)
        ]

    def makespan_ps(self, times: Times, advance: compiled.Advance, log: array[int]) -> int:
        self.check(times)
        mem = self.template[:]
        occupancies_ps, latencies_ps, delays_ps = times
        for place, time_ps in zip(self.hold_places, occupancies_ps, strict=True):
            mem[place] = time_ps
        for place, time_ps, source in zip(self.wait_places, delays_ps, self.latent, strict=True):
            mem[place] = time_ps if source < 0 else time_ps + latencies_ps[source]
        status = advance(mem, log, log)
        if status == layout.OVERFLOW:
            raise TimeOverflowError(f"program {self.program.name!r} reaches 2**61 ps (26.7 days)")
        if status != layout.DONE:
            raise OperationBudgetError(
                f"program {self.program.name!r} needs more than {MAX_SIMULATED} operations"
            )
        latest_ps = 0
        for op, row in enumerate(self.op_rows):
            head = mem[row]
            if head + mem[row + layout.SHIFT]:
                start_ps = mem[mem[row + layout.RING] + ((head - 1) & mem[row + layout.MASK])]
                longest_ps = latencies_ps[op]
                for hold in self.holds[op]:
                    longest_ps = max(longest_ps, occupancies_ps[hold])
                latest_ps = max(latest_ps, start_ps + longest_ps)
        if latest_ps >= layout.TIME_LIMIT:
            raise TimeOverflowError(f"program {self.program.name!r} ends beyond 2**61 ps")
        return latest_ps

    def check(self, times: Times) -> None:
        needed = Times.of(self.program)
        for name, given, own in zip(Times._fields, times, needed, strict=True):
            if len(given) != len(own):
                raise SimulationError(
                    f"program {self.program.name!r}: {name} needs {len(own)} values; "
                    f"given {len(given)}"
                )
            lowest = 1 - MAX_WEIGHT_PS // 2 if name == "delays_ps" else 0
            if given and not lowest <= min(given) <= max(given) < MAX_WEIGHT_PS // 2:
                raise SimulationError(
                    f"program {self.program.name!r}: {name} must lie from {lowest} to "
                    f"{MAX_WEIGHT_PS // 2 - 1} ps"
                )


def simulate_many(program: Program, times: Iterable[Times]) -> list[int]:
    """Return the makespan of one structure under each of many sets of times.

    Parameters
    ----------
    program : Program
        The structure; its own times do not matter.
    times : iterable of Times
        What to run it with.

    Returns
    -------
    list of int
        Makespans in ps, each equal to that of ``run_program(program.with_times(...))``.

    Raises
    ------
    SimulationError
        A set has the wrong length or holds a time out of range.
    TimeOverflowError, OperationBudgetError
        As for `archsim.engine.run_program`.

    Notes
    -----
    The program is checked and lowered once. Runs of several structures may go side by side in
    threads: the kernel releases the interpreter lock.
    """
    structure = _Structure(program)
    advance = compiled.compiled_advance()
    log = array("q", [0])
    return [structure.makespan_ps(each, advance, log) for each in times]
