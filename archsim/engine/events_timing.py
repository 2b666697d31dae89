"""What a run with run-time arbitration gives: times, waits, and the log with its one jump."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from archsim.engine.events_flat import FlatLoop
from archsim.engine.events_layout import LOG_WIDTH
from archsim.engine.totals import busy_by_resource, instances_by_operation
from archsim.errors import SimulationError
from archsim.program.ir import Program


class Served(NamedTuple):
    """One instance: when it became ready, was granted its resource, and started, in ps.

    Where nothing is chosen the three are the same. Granted and started differ where a resource
    was closed.
    """

    ready_ps: int
    granted_ps: int
    start_ps: int


class Grant(NamedTuple):
    """One grant of a resource: to which instance of which operation, and its times."""

    op: str
    number: int
    served: Served


@dataclass(frozen=True, slots=True)
class Jump:
    """Periods that were not run: everything repeats every ``turns`` turns and ``advance_ps``.

    Parameters
    ----------
    copies : int
        How many periods were left out.
    turns : int
        Turns of a period.
    advance_ps : int
        Length of a period in ps.
    first, last : int
        Rows ``first:last`` of the log are the period that was run before.
    """

    copies: int
    turns: int
    advance_ps: int
    first: int
    last: int


class EventLog:
    """Every start that was simulated, with access to every instance.

    Parameters
    ----------
    flat : FlatLoop
        What was run.
    rows : sequence of int
        Rows of number (turn times sites plus site), ready, granted and start.
    num_rows : int
        Rows in use.
    jump : Jump or None
        What was left out.
    """

    def __init__(
        self, flat: FlatLoop, rows: Sequence[int], num_rows: int, jump: Jump | None
    ) -> None:
        self.flat = flat
        self.rows = rows
        self.num_rows = num_rows
        self.jump = jump

    @cached_property
    def _row_of(self) -> Mapping[int, int]:
        """Row of every simulated instance by its number, turns counted as they really were."""
        sites = len(self.flat.ops)
        skipped = self.jump.copies * self.jump.turns * sites if self.jump else 0
        last = self.jump.last if self.jump else 0
        return {
            self.rows[row * LOG_WIDTH] + (skipped if row >= last else 0): row
            for row in range(self.num_rows)
        }

    @cached_property
    def _period(self) -> Mapping[tuple[int, int], int]:
        """Row of the period by site and turn modulo the period."""
        if self.jump is None:
            return {}
        found = {}
        for row in range(self.jump.first, self.jump.last):
            turn, site = divmod(self.rows[row * LOG_WIDTH], len(self.flat.ops))
            found[site, turn % self.jump.turns] = row
        return found

    @cached_property
    def sites_of(self) -> tuple[list[int], ...]:
        """Sites of each operation, in program order."""
        found: tuple[list[int], ...] = tuple([] for _ in self.flat.program.ops)
        for site, op in enumerate(self.flat.ops):
            found[op].append(site)
        return found

    def find(self, op: int, number: int) -> tuple[int, int]:
        """Return the row that stands for an instance, and how much later in ps it happens."""
        turn, ordinal = divmod(number, self.flat.per_turn[op])
        site = self.sites_of[op][ordinal]
        row = self._row_of.get(turn * len(self.flat.ops) + site)
        jump = self.jump
        if jump is None:
            if row is None:
                raise SimulationError(f"operation {op} has no instance {number}")
            return row, 0
        if row is not None:
            return row, jump.copies * jump.advance_ps if row >= jump.last else 0
        row = self._period[site, turn % jump.turns]
        copies = (turn - self.rows[row * LOG_WIDTH] // len(self.flat.ops)) // jump.turns
        return row, copies * jump.advance_ps

    def served(self, op: int, number: int) -> Served:
        """Return the times of instance ``number`` of operation ``op``."""
        row, later_ps = self.find(op, number)
        place = row * LOG_WIDTH
        return Served(*(self.rows[place + field] + later_ps for field in (1, 2, 3)))


@dataclass(frozen=True, eq=False)
class EventTiming:
    """Result of a run with run-time arbitration, exact, in ps.

    There are no sensitivities: with choices at run time a faster unit can make a schedule longer
    (Graham's anomalies), so only the difference of two runs says what a change brings.

    Parameters
    ----------
    program : Program
        What was run.
    makespan_ps : int
        The latest end of an instance; 0 if nothing ran.
    instance_counts : tuple of int
        Instances by operation number.
    longest_waits_ps : tuple of int
        By operation number, the longest time from ready to start on a resource that chooses.
    simulated : int
        Operations that were simulated one by one.
    events : int
        What happened one by one: instances that became ready, servers that came free, turns that
        ended.
    jumps : int
        Times that a recurrence was used, 0 or 1.
    log : EventLog or None
        The log, if the run kept one.
    """

    program: Program
    makespan_ps: int
    instance_counts: tuple[int, ...]
    longest_waits_ps: tuple[int, ...]
    simulated: int
    events: int
    jumps: int
    log: EventLog | None

    @cached_property
    def num_instances(self) -> Mapping[str, int]:
        """Instances of each operation."""
        return instances_by_operation(self.program, self.instance_counts)

    @cached_property
    def longest_wait_ps(self) -> Mapping[str, int]:
        """Longest time in ps that an instance of each operation was ready and did not start."""
        return dict(zip(self.program.ops, self.longest_waits_ps, strict=True))

    @cached_property
    def busy_ps(self) -> Mapping[str, int]:
        """Time for which each shared resource was held, in ps, summed over its servers."""
        return busy_by_resource(self.program, self.instance_counts)

    def served(self, op: str, number: int) -> Served:
        """Return when an instance became ready, was granted its resource, and started.

        Parameters
        ----------
        op : str
            Name of the operation.
        number : int
            Which instance, from 0 in program order.

        Raises
        ------
        SimulationError
            There is no such instance, or the run kept no log.
        """
        known = self.program.op_ids.get(op)
        if known is None or not 0 <= number < self.instance_counts[known]:
            raise SimulationError(f"operation {op!r} has no instance {number}")
        return self._kept_log().served(known, number)

    def start_ps(self, op: str, number: int) -> int:
        """Return the start of an instance in ps; see `served`."""
        return self.served(op, number).start_ps

    def end_ps(self, op: str, number: int) -> int:
        """Return the end of an instance in ps: its start plus latency or longest hold."""
        return self.start_ps(op, number) + self.program.end_ps(self.program.op_ids[op])

    def starts_ps(self, op: str) -> list[int]:
        """Return the start of every instance of an operation in ps, in program order.

        Raises
        ------
        SimulationError
            There is no such operation, or the run kept no log.
        """
        known = self.program.op_ids.get(op)
        if known is None:
            raise SimulationError(f"no operation is called {op!r}")
        log = self._kept_log()
        return [log.served(known, n).start_ps for n in range(self.instance_counts[known])]

    def grants(self, resource: str) -> list[Grant]:
        """Return every grant of a resource, in the order in which they were made.

        Raises
        ------
        SimulationError
            There is no such resource, or the run kept no log.
        """
        program = self.program
        if resource not in program.resources:
            raise SimulationError(f"no resource is called {resource!r}")
        number = program.resources.index(resource)
        log = self._kept_log()
        found = [
            (log.served(op, n), log.find(op, n)[0], op, n)
            for op, count in enumerate(self.instance_counts)
            if any(held == number for held, _ in program.holds(op))
            for n in range(count)
        ]
        found.sort(key=lambda each: (each[0].granted_ps, each[1]))
        return [Grant(program.ops[op], n, served) for served, _, op, n in found]

    def _kept_log(self) -> EventLog:
        if self.log is None:
            raise SimulationError("the run kept no log; run it with log=True")
        return self.log
