"""The program as immutable parallel tuples, and the questions it answers without running.

Times are integer picoseconds. Operations, resources, loops and constraints are numbered; a
constraint belongs to its target operation and the constraints of one operation are contiguous,
those without a scope first (this order is also the order in which ties are decided).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from archsim.errors import SimulationError
from archsim.program.counting import count_sites

CountKey = tuple[str, str, str]
"""What is counted: (component, action, number format)."""

PLACE, BEGIN, END = 0, 1, 2
"""Kinds of tape entry: an operation site, the head of a loop, the foot of a loop."""

MAX_BACK = 4096
"""Largest recency of a constraint (it costs ring memory); a choice, not a law: estimate."""

MAX_WEIGHT_PS = 1 << 60
"""Occupancies, latencies and constraint weights stay below this, so sums fit in 64 bits."""


@dataclass(frozen=True)
class Trip:
    """How often a loop runs: ``base + slope * index(loop)``, or ``values[index(loop)]``.

    Parameters
    ----------
    base, slope : int
        Iterations. A constant has slope 0. A result of zero or less skips the loop.
    loop : int
        Number of the enclosing loop whose index is used, -1 for none.
    values : tuple of int
        Table of iterations by index; empty unless the trip is a table.
    """

    base: int
    slope: int = 0
    loop: int = -1
    values: tuple[int, ...] = ()

    def at(self, index: int) -> int:
        """Return the iterations, never negative, when the loop referred to is at ``index``."""
        raw = self.values[index] if self.values else self.base + self.slope * index
        return max(raw, 0)


@dataclass(frozen=True)
class Program:
    """Nested loops of operations on in-order resources; see ``archsim.program`` for the idea.

    Parameters
    ----------
    name : str
        Name of the program.
    resources, capacities, private : tuple
        Name, number of servers and whether the resource exists only to order one operation.
    ops, latencies_ps, causes, tags, counts, latency_exprs : tuple
        Per operation: unique name, time from start to result, cause label, tags, actions counted
        per instance, and the unrounded latency as an expression of dotted paths (or None).
    hold_offsets, hold_resources, occupancies_ps, occupancy_exprs : tuple
        Holds of operation i are ``hold_offsets[i]:hold_offsets[i + 1]``.
    constraint_offsets, sources, backs, delays_ps, from_result, scopes, delay_exprs, \
delay_causes : tuple
        Constraints of operation i are ``constraint_offsets[i]:constraint_offsets[i + 1]``: not
        before the start (or result) of the ``backs``-th most recent instance of ``sources`` plus
        the delay, counting only instances since loop ``scopes`` (-1: any) was last entered.
    loops, trips : tuple
        Per loop: name and trip count.
    tape_kinds, tape_args : tuple of int
        The tree in order: `PLACE` operation, `BEGIN` loop, `END` loop.
    """

    name: str
    resources: tuple[str, ...]
    capacities: tuple[int, ...]
    private: tuple[bool, ...]
    ops: tuple[str, ...]
    latencies_ps: tuple[int, ...]
    causes: tuple[str, ...]
    tags: tuple[Mapping[str, str], ...]
    counts: tuple[Mapping[CountKey, int], ...]
    latency_exprs: tuple[str | None, ...]
    hold_offsets: tuple[int, ...]
    hold_resources: tuple[int, ...]
    occupancies_ps: tuple[int, ...]
    occupancy_exprs: tuple[str | None, ...]
    constraint_offsets: tuple[int, ...]
    sources: tuple[int, ...]
    backs: tuple[int, ...]
    delays_ps: tuple[int, ...]
    from_result: tuple[bool, ...]
    scopes: tuple[int, ...]
    delay_exprs: tuple[str | None, ...]
    delay_causes: tuple[str | None, ...]
    loops: tuple[str, ...]
    trips: tuple[Trip, ...]
    tape_kinds: tuple[int, ...]
    tape_args: tuple[int, ...]
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def op_ids(self) -> Mapping[str, int]:
        """Number of each operation by name."""
        return {name: i for i, name in enumerate(self.ops)}

    @cached_property
    def instance_counts(self) -> tuple[int, ...]:
        """Instances of each operation by number, exact, by arithmetic on the trips."""
        return count_sites(len(self.ops), self.trips, self.tape_kinds, self.tape_args)

    def num_instances(self) -> dict[str, int]:
        """Return the exact number of instances of every operation, without running it."""
        return dict(zip(self.ops, self.instance_counts, strict=True))

    def total_counts(self) -> dict[CountKey, int]:
        """Return the actions of the whole program: instances times counts, exact."""
        totals: dict[CountKey, int] = {}
        for instances, counts in zip(self.instance_counts, self.counts, strict=True):
            for key, amount in counts.items():
                totals[key] = totals.get(key, 0) + instances * amount
        return totals

    def holds(self, op: int) -> Iterator[tuple[int, int]]:
        """Yield (resource number, occupancy in ps) of every hold of operation ``op``."""
        for h in range(self.hold_offsets[op], self.hold_offsets[op + 1]):
            yield self.hold_resources[h], self.occupancies_ps[h]

    def constraints(self, op: int) -> range:
        """Return the numbers of the constraints on operation ``op``."""
        return range(self.constraint_offsets[op], self.constraint_offsets[op + 1])

    def weight_ps(self, constraint: int) -> int:
        """Least time from the start of the source to the start of the target, in ps."""
        latency = self.latencies_ps[self.sources[constraint]] if self.from_result[constraint] else 0
        return self.delays_ps[constraint] + latency

    def end_ps(self, op: int) -> int:
        """Time from the start of an operation to its end: its latency or longest hold, in ps."""
        first, last = self.hold_offsets[op], self.hold_offsets[op + 1]
        return max(self.latencies_ps[op], *self.occupancies_ps[first:last], 0)

    def with_times(
        self,
        *,
        occupancies_ps: Sequence[int] | None = None,
        latencies_ps: Sequence[int] | None = None,
        delays_ps: Sequence[int] | None = None,
    ) -> Program:
        """Return the same structure with other durations.

        Parameters
        ----------
        occupancies_ps, latencies_ps, delays_ps : sequence of int, optional
            New times in ps per hold, operation and constraint, in the order of this program.

        Raises
        ------
        SimulationError
            A sequence has the wrong length or holds a time out of range.
        """
        times: dict[str, Sequence[int]] = {
            "occupancies_ps": self.occupancies_ps if occupancies_ps is None else occupancies_ps,
            "latencies_ps": self.latencies_ps if latencies_ps is None else latencies_ps,
            "delays_ps": self.delays_ps if delays_ps is None else delays_ps,
        }
        for key, values in times.items():
            given = len(getattr(self, key))
            if len(values) != given:
                raise SimulationError(
                    f"program {self.name!r}: {key} needs {given} values; given {len(values)}"
                )
            lowest = -MAX_WEIGHT_PS + 1 if key == "delays_ps" else 0
            for value in values:
                if not lowest <= value < MAX_WEIGHT_PS:
                    raise SimulationError(
                        f"program {self.name!r}: {key} holds {value} ps; "
                        f"allowed: {lowest} to {MAX_WEIGHT_PS - 1}"
                    )
        made = replace(
            self,
            occupancies_ps=tuple(times["occupancies_ps"]),
            latencies_ps=tuple(times["latencies_ps"]),
            delays_ps=tuple(times["delays_ps"]),
        )
        made.check_weights()
        return made

    def check_weights(self) -> None:
        """Refuse a constraint whose latency plus delay leaves the range of times."""
        for c, source in enumerate(self.sources):
            weight = self.weight_ps(c)
            if abs(weight) >= MAX_WEIGHT_PS:
                raise SimulationError(
                    f"program {self.name!r}: a constraint on {self.ops[source]!r} weighs "
                    f"{weight} ps; allowed: less than {MAX_WEIGHT_PS}"
                )

    def structure_hash(self) -> str:
        """Return a hash of everything but times, counts, tags and expressions (16 hex digits)."""
        shape = [
            self.capacities,
            self.hold_offsets,
            self.hold_resources,
            self.constraint_offsets,
            self.sources,
            self.backs,
            self.from_result,
            self.scopes,
            [[t.base, t.slope, t.loop, t.values] for t in self.trips],
            self.tape_kinds,
            self.tape_args,
        ]
        text = json.dumps(shape, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, object]:
        """Return the program as JSON-able data with a version."""
        from archsim.program.serial import to_json

        return to_json(self)

    @staticmethod
    def from_json(data: Mapping[str, object]) -> Program:
        """Read what `to_json` wrote.

        Raises
        ------
        SimulationError
            The data is not a program of this version.
        """
        from archsim.program.serial import from_json

        return from_json(data)

    @cached_property
    def heads(self) -> tuple[int, ...]:
        """Operations that nothing inside the program is sure to hold back."""
        from archsim.program.embedding import find_heads

        return find_heads(self)
