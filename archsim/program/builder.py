"""Writes programs: resources, operations, loops, sites, waits, markers, embedded programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from archsim.errors import SimulationError, nearest
from archsim.program.assembly import Parts, Wait, assemble
from archsim.program.embedding import splice
from archsim.program.ir import BEGIN, END, MAX_BACK, MAX_WEIGHT_PS, PLACE, CountKey, Program, Trip

MAX_TRIP = 1 << 60
"""Longest loop; larger counts would leave 64 bits (a choice: estimate)."""


@dataclass(frozen=True, slots=True)
class ResourceRef:
    """A resource of a program being built."""

    builder: ProgramBuilder
    number: int


@dataclass(frozen=True, slots=True)
class OpRef:
    """An operation (or marker) of a program being built."""

    builder: ProgramBuilder
    number: int


@dataclass(frozen=True, slots=True)
class LoopRef:
    """A loop of a program being built."""

    builder: ProgramBuilder
    number: int


@dataclass(frozen=True, slots=True)
class DependentTrip:
    """A trip count that depends on the index of an enclosing loop."""

    loop: LoopRef
    base: int = 0
    slope: int = 0
    values: tuple[int, ...] = ()


def affine(base: int, slope: int, loop: LoopRef) -> DependentTrip:
    """Return the trip ``base + slope * index(loop)``; zero or less skips the loop."""
    return DependentTrip(loop, base=base, slope=slope)


def table(values: Sequence[int], loop: LoopRef) -> DependentTrip:
    """Return the trip ``values[index(loop)]``; zero or less skips the loop."""
    return DependentTrip(loop, values=tuple(values))


class ProgramBuilder:
    """Writes one program, top to bottom in issue order.

    Parameters
    ----------
    name : str
        Name of the program.

    Examples
    --------
    >>> b = ProgramBuilder("double-buffered")
    >>> link, array = b.resource("link"), b.resource("array")
    >>> load = b.op("load", holds=[(link, 5)], latency=7, cause="bandwidth")
    >>> compute = b.op("compute", holds=[(array, 8)], latency=8, cause="compute")
    >>> with b.loop(100, "tile"):
    ...     b.place(load)
    ...     b.place(compute)
    >>> b.after(compute, load)
    >>> b.after(load, compute, back=2)
    >>> b.build().num_instances()
    {'load': 100, 'compute': 100}
    """

    def __init__(self, name: str) -> None:
        self._parts = Parts(name)
        self._open: list[int] = []

    def resource(self, name: str, capacity: int = 1) -> ResourceRef:
        """Return the resource of that name, making it on first use.

        Parameters
        ----------
        name : str
            Name; the same name is the same resource.
        capacity : int
            Servers, which issue in program order.

        Raises
        ------
        SimulationError
            The capacity is below 1 or differs from the earlier one.
        """
        number = self._parts.resource(name, capacity)
        return ResourceRef(self, number)

    def op(
        self,
        name: str,
        *,
        holds: Sequence[tuple[ResourceRef, int]] = (),
        latency: int = 0,
        cause: str = "compute",
        counts: Mapping[CountKey, int] | None = None,
        tags: Mapping[str, str] | None = None,
        occupancy_expr: str | Sequence[str | None] | None = None,
        latency_expr: str | None = None,
    ) -> OpRef:
        """Define an operation; it runs where it is placed.

        Parameters
        ----------
        name : str
            Unique name within the program.
        holds : sequence of (ResourceRef, int)
            Resources taken at the start and the time in ps for which each is busy. Without any
            the operation gets a private one, so that its instances start in order.
        latency : int
            Time in ps from the start to the result.
        cause : str
            What the time is spent on, in lower case, such as ``compute`` or ``bandwidth``.
        counts : mapping of (component, action, format) to int, optional
            Actions of one instance.
        tags : mapping of str to str, optional
            Labels carried into every result, such as ``layer``, ``einsum`` and ``phase``.
        occupancy_expr, latency_expr : str or sequence of str, optional
            The unrounded times as arithmetic over dotted paths; one per hold, or one for all.

        Raises
        ------
        SimulationError
            A name is taken, a time is out of range, or a resource is held twice.
        """
        parts = self._parts
        parts.check_name(name)
        latency = _check_time(name, "latency", latency)
        if isinstance(occupancy_expr, str) or occupancy_expr is None:
            exprs: Sequence[str | None] = [occupancy_expr] * max(len(holds), 1)
        else:
            exprs = occupancy_expr
            if len(exprs) != len(holds):
                raise SimulationError(
                    f"operation {name!r}: {len(exprs)} occupancy expressions for {len(holds)} holds"
                )
        pairs: list[tuple[int, int]] = []
        for resource, occupancy in holds:
            self._own(resource, f"operation {name!r}")
            pairs.append((resource.number, _check_time(name, "occupancy", occupancy)))
        if len({number for number, _ in pairs}) < len(pairs):
            raise SimulationError(f"operation {name!r} holds the same resource twice")
        if not pairs:
            pairs, exprs = [(parts.private_resource(name), 0)], [None]
        number = parts.operation(name, pairs, exprs, latency, latency_expr, cause)
        parts.tags.append(dict(tags) if tags else {})
        parts.counts.append(dict(counts) if counts else {})
        return OpRef(self, number)

    def marker(self, name: str, *, tags: Mapping[str, str] | None = None) -> OpRef:
        """Define an operation that takes no time and no shared resource; place it like any."""
        return self.op(name, cause="marker", tags=tags)

    def place(self, op: OpRef) -> None:
        """Put an operation at the current point of the tree; several sites are allowed."""
        self._own(op, "place")
        self._parts.tape_kinds.append(PLACE)
        self._parts.tape_args.append(op.number)

    @contextmanager
    def loop(self, trip: int | DependentTrip, name: str = "loop") -> Iterator[LoopRef]:
        """Open a loop; what is placed inside the ``with`` block is its body.

        Parameters
        ----------
        trip : int or DependentTrip
            Iterations: a constant, or `affine` or `table` of an enclosing loop's index.
        name : str
            Name for reports.

        Raises
        ------
        SimulationError
            The trip refers to a loop that is not open here, or is too long.
        """
        parts = self._parts
        made = self._trip(trip, name)
        number = len(parts.loops)
        parts.loops.append(name)
        parts.trips.append(made)
        parts.tape_kinds.append(BEGIN)
        parts.tape_args.append(number)
        self._open.append(number)
        yield LoopRef(self, number)
        if self._open.pop() != number:
            raise SimulationError(f"loop {name!r} was closed while a loop inside it was open")
        parts.tape_kinds.append(END)
        parts.tape_args.append(number)

    def after(
        self,
        target: OpRef,
        source: OpRef,
        *,
        back: int = 1,
        delay: int = 0,
        anchor: Literal["result", "start"] = "result",
        scope: LoopRef | None = None,
        delay_expr: str | None = None,
        cause: str | None = None,
    ) -> None:
        """Let ``target`` start no earlier than a recent instance of ``source`` allows.

        Parameters
        ----------
        target, source : OpRef
            The operation that waits and the one it waits for.
        back : int
            Which instance: 1 is the most recently executed one in program order. Where there is
            no such instance the wait does not apply.
        delay : int
            Time in ps added to the anchor; may be negative.
        anchor : {"result", "start"}
            Whether to wait for the start of the source or for start + latency.
        scope : LoopRef, optional
            Count only instances executed since this loop was last entered.
        delay_expr : str, optional
            The unrounded delay as arithmetic over dotted paths.
        cause : str, optional
            What the delay stands for; the default is ``latency``.

        Raises
        ------
        SimulationError
            A recency below 1 or above the limit, a foreign operation, a time out of range.
        """
        for ref in (target, source):
            self._own(ref, "after")
        if not 1 <= back <= MAX_BACK:
            raise SimulationError(f"a wait looks {back} instances back; allowed: 1 to {MAX_BACK}")
        if not -MAX_WEIGHT_PS < delay < MAX_WEIGHT_PS:
            raise SimulationError(
                f"a wait has a delay of {delay} ps; allowed: less than {MAX_WEIGHT_PS} either way"
            )
        if anchor not in ("result", "start"):
            raise SimulationError(f"a wait has the anchor {anchor!r}; allowed: result, start")
        number = -1
        if scope is not None:
            self._own(scope, "after")
            number = scope.number
        from_result = anchor == "result"
        self._parts.waits.append(
            Wait(target.number, source.number, back, delay, from_result, number, delay_expr, cause)
        )

    def embed(
        self,
        program: Program,
        *,
        after: OpRef | None = None,
        name: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> OpRef:
        """Splice a finished program in at the current point.

        Resources unify by name; operations and loops are new definitions, named
        ``name/operation``. Every operation of the fragment that nothing inside it is sure to hold
        back waits for the result of ``after``.

        Parameters
        ----------
        program : Program
            The fragment.
        after : OpRef, optional
            What the fragment waits for; None lets it start as soon as its resources allow.
        name : str, optional
            Prefix of the new names; the default is the name of the fragment.
        tags : mapping of str to str, optional
            Labels added to every operation (over those of the fragment).

        Returns
        -------
        OpRef
            A marker, placed behind the fragment, that waits for the result of every operation.

        Raises
        ------
        SimulationError
            A resource of the same name has another capacity.
        """
        if after is not None:
            self._own(after, "embed")
        parts = self._parts
        prefix = parts.free_prefix(program.name if name is None else name)
        base = splice(parts, program, prefix, None if after is None else after.number, tags)
        end = self.marker(f"{prefix}/end", tags=tags)
        for op, instances in enumerate(program.instance_counts):
            if instances:
                parts.waits.append(Wait(end.number, base + op, 1, 0, True, -1, None, None))
        self.place(end)
        return end

    def build(self) -> Program:
        """Return the finished program.

        Raises
        ------
        SimulationError
            An operation is never placed, a loop is still open, or a scope does not hold both
            ends of its wait.
        """
        if self._open:
            raise SimulationError(f"loop {self._parts.loops[self._open[-1]]!r} is still open")
        return assemble(self._parts)

    def _trip(self, trip: int | DependentTrip, name: str) -> Trip:
        if isinstance(trip, DependentTrip):
            self._own(trip.loop, f"loop {name!r}")
            loop = trip.loop.number
            if loop not in self._open:
                raise SimulationError(
                    f"the trip of loop {name!r} uses the index of "
                    f"{self._parts.loops[loop]!r}, which does not enclose it"
                )
            made = Trip(trip.base, trip.slope, loop, trip.values)
            longest = max(map(abs, (trip.base, trip.slope, *trip.values)))
            outer = self._parts.trips[loop]
            if trip.values and (outer.loop >= 0 or outer.base > len(trip.values)):
                raise SimulationError(
                    f"the trip table of loop {name!r} has {len(trip.values)} entries; "
                    f"its outer loop {self._parts.loops[loop]!r} needs a constant trip within that"
                )
        else:
            made = Trip(int(trip))
            longest = made.base
        if longest > MAX_TRIP:
            raise SimulationError(f"loop {name!r} runs {longest} times; allowed: up to {MAX_TRIP}")
        return made

    def _own(self, ref: ResourceRef | OpRef | LoopRef, where: str) -> None:
        if ref.builder is not self:
            kind = type(ref).__name__.removesuffix("Ref").lower()
            raise SimulationError(f"{where}: the {kind} belongs to another program")

    def find(self, name: str) -> OpRef:
        """Return the operation of that name.

        Raises
        ------
        SimulationError
            There is none.
        """
        number = self._parts.op_numbers.get(name)
        if number is None:
            near = nearest(name, self._parts.op_numbers)
            hint = f"; did you mean {near!r}?" if near else ""
            raise SimulationError(f"no operation is called {name!r}{hint}")
        return OpRef(self, number)


def _check_time(name: str, what: str, value: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise SimulationError(f"operation {name!r}: {what} must be whole ps; given {value!r}")
    if not 0 <= value < MAX_WEIGHT_PS:
        raise SimulationError(
            f"operation {name!r}: {what} is {value} ps; allowed: 0 to {MAX_WEIGHT_PS - 1}"
        )
    return int(value)
