"""What a run returns: makespan, counts, and where the time went."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from archsim.engine.long_walk import LongWalk, suits
from archsim.engine.path import Entry, Weight, count_steps, count_weights
from archsim.engine.path_walk import walk
from archsim.engine.pressure import missing_back_pressure
from archsim.engine.timeline import Log
from archsim.engine.totals import busy_by_resource, instances_by_operation
from archsim.errors import SimulationError
from archsim.program.ir import Program


@dataclass(frozen=True, slots=True)
class PathShare:
    """A part of the makespan, by what the critical path spent it on.

    Parameters
    ----------
    resource : str
        The resource whose time it was; empty for a stated delay or a private resource.
    cause : str
        What the time was spent on: the cause of the operation, or ``latency`` for what its result
        takes beyond its longest hold, or the cause of a delay.
    op : str
        The operation whose time it was.
    tags : mapping of str to str
        Labels of that operation.
    ps : int
        Time in ps; negative only for negative delays.
    """

    resource: str
    cause: str
    op: str
    tags: Mapping[str, str]
    ps: int


@dataclass(frozen=True, eq=False)
class Timing:
    """Result of a run, exact, in ps.

    Parameters
    ----------
    program : Program
        What was run.
    makespan_ps : int
        The latest end of an instance; 0 if nothing ran.
    instance_counts : tuple of int
        Instances by operation number.
    last_starts_ps : tuple of int
        Start of the last instance by operation number, -1 if it never ran.
    simulated : int
        Operations that were simulated one by one.
    jumps : int
        Times that a loop was folded.
    recalls : int
        Activations of a loop that were taken from the summary of an earlier one.
    log : Log or None
        The log, if the run kept one.
    """

    program: Program
    makespan_ps: int
    instance_counts: tuple[int, ...]
    last_starts_ps: tuple[int, ...]
    simulated: int
    jumps: int
    recalls: int
    log: Log | None

    @cached_property
    def num_instances(self) -> Mapping[str, int]:
        """Instances of each operation."""
        return instances_by_operation(self.program, self.instance_counts)

    @cached_property
    def busy_ps(self) -> Mapping[str, int]:
        """Time for which each shared resource was held, in ps, summed over its servers."""
        return busy_by_resource(self.program, self.instance_counts)

    @cached_property
    def missing_back_pressure(self) -> tuple[str, ...]:
        """A sentence for each operation that ran ahead of its readers without bound.

        They show in loops that were folded, in a run that kept its log.
        """
        return () if self.log is None else missing_back_pressure(self.program, self.log)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader should know: of the program, and of operations without back-pressure."""
        return self.program.warnings + self.missing_back_pressure

    def start_ps(self, op: str, number: int) -> int:
        """Return the start of an instance in ps.

        Parameters
        ----------
        op : str
            Name of the operation.
        number : int
            Which instance, from 0 in order of execution.

        Raises
        ------
        SimulationError
            There is no such instance, or the run kept no log.
        """
        known = self.program.op_ids.get(op)
        if known is None or not 0 <= number < self.instance_counts[known]:
            raise SimulationError(f"operation {op!r} has no instance {number}")
        return self._kept_log().start_ps(known, number)

    def starts_ps(self, op: str) -> list[int]:
        """Return the start of every instance of an operation in ps, spelled out.

        Raises
        ------
        SimulationError
            There is no such operation, or the run kept no log.
        """
        known = self.program.op_ids.get(op)
        if known is None:
            raise SimulationError(f"no operation is called {op!r}")
        return self._kept_log().starts_ps(known)

    @cached_property
    def path(self) -> tuple[Entry, ...]:
        """The critical path in compressed form, from the end back to time zero."""
        log = self._kept_log()
        last = self._last_op()
        if last is None:
            return ()
        return tuple(walk(log, last, self.instance_counts[last] - 1))

    @cached_property
    def weight_counts(self) -> Mapping[Weight, int]:
        """How often each hold, latency and delay lies on the critical path.

        This is a subgradient of the makespan in those times: between its left and right
        derivative, equal to both where there is no tie.
        """
        last = self._last_op()
        if last is None:
            return {}
        log = self._kept_log()
        if suits(self.program, log):
            steps = LongWalk(self.program, log).run(last, self.instance_counts[last] - 1)
        else:
            steps = count_steps(self.path)
        return count_weights(self.program, steps, last)

    @cached_property
    def attribution(self) -> tuple[PathShare, ...]:
        """The makespan split by what the critical path spent it on, largest first; sums exactly.

        Among several critical paths it is the one that prefers resources to constraints and
        earlier ones of each to later ones.
        """
        shares: dict[tuple[str, str, int], int] = {}
        for (kind, number), count in self.weight_counts.items():
            for resource, cause, op, ps in split(self.program, kind, number):
                if ps:
                    key = (resource, cause, op)
                    shares[key] = shares.get(key, 0) + ps * count
        if sum(shares.values()) != self.makespan_ps:
            raise SimulationError(
                f"the critical path of program {self.program.name!r} adds up to "
                f"{sum(shares.values())} ps and not to the makespan, {self.makespan_ps} ps"
            )
        program = self.program
        ranked = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
        return tuple(
            PathShare(resource, cause, program.ops[op], program.tags[op], ps)
            for (resource, cause, op), ps in ranked
        )

    def _last_op(self) -> int | None:
        for op, start_ps in enumerate(self.last_starts_ps):
            if start_ps >= 0 and start_ps + self.program.end_ps(op) == self.makespan_ps:
                return op
        return None

    def _kept_log(self) -> Log:
        if self.log is None:
            raise SimulationError("the run kept no log; run it with path=True")
        return self.log


def split(program: Program, kind: str, number: int) -> list[tuple[str, str, int, int]]:
    """Return the parts of a weight as (resource, cause, operation, ps).

    A latency has two: what the longest hold takes of it, and the rest.
    """
    if kind == "delay":
        op = bisect_right(program.constraint_offsets, number) - 1
        return [("", program.delay_causes[number] or "latency", op, program.delays_ps[number])]
    if kind == "hold":
        op = bisect_right(program.hold_offsets, number) - 1
        return [(_shown(program, number), program.causes[op], op, program.occupancies_ps[number])]
    first, last = program.hold_offsets[number], program.hold_offsets[number + 1]
    longest = max(range(first, last), key=lambda h: program.occupancies_ps[h])
    latency_ps = program.latencies_ps[number]
    busy_ps = min(latency_ps, program.occupancies_ps[longest])
    resource = _shown(program, longest)
    return [
        (resource, program.causes[number], number, busy_ps),
        (resource, "latency", number, latency_ps - busy_ps),
    ]


def _shown(program: Program, hold: int) -> str:
    resource = program.hold_resources[hold]
    return "" if program.private[resource] else program.resources[resource]
