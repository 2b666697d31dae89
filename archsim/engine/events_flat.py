"""A program as one flat loop of sites, each with the earlier sites that it waits for.

What is fixed before the run becomes a plain wait: constraints, issue order on resources that serve
in program order, servers that come free in turn. Only resources with an arbitration stay
resources.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from archsim.errors import OperationBudgetError, SimulationError
from archsim.program.ir import BEGIN, END, PLACE, Program

MAX_SITES = 1 << 20
"""Sites of one turn: each takes 0.5 to 1 kB and some 5 µs to lay out (measured)."""

_Wait = Callable[[int, int, int], None]
"""Adds a wait: source site, turns back, least time in ps."""


@dataclass(frozen=True, slots=True)
class FlatLoop:
    """A loop whose turns all hold the same sites.

    Parameters
    ----------
    program : Program
        What it was made from.
    is_loop : bool
        Whether the turns are those of the program's outer loop; if not, the whole program is laid
        out as one turn.
    turns : int
        How often the sites run.
    ops : tuple of int
        Operation of each site, in program order.
    ordinals : tuple of int
        Which of the sites of its operation each one is, from 0.
    per_turn : tuple of int
        Sites by operation.
    waits : tuple of tuple of (int, int, int)
        Per site: source site, how many turns back, and least time in ps from start to start. Where
        there is no such turn the wait does not apply.
    """

    program: Program
    is_loop: bool
    turns: int
    ops: tuple[int, ...]
    ordinals: tuple[int, ...]
    per_turn: tuple[int, ...]
    waits: tuple[tuple[tuple[int, int, int], ...], ...]

    @property
    def reach(self) -> int:
        """The most turns that a wait looks back."""
        return max((back for waits in self.waits for _, back, _ in waits), default=0)


def flatten(program: Program, chosen: Collection[int]) -> FlatLoop:
    """Return the flat loop of a program.

    Parameters
    ----------
    program : Program
        What to run.
    chosen : collection of int
        Resources that are arbitrated at run time.

    Raises
    ------
    SimulationError
        A wait reaches into the past of its source (a negative weight): what happens at run time
        cannot depend on what happens later.
    OperationBudgetError
        A turn has more than `MAX_SITES` sites.

    Notes
    -----
    A program that is one loop of constant trip, whose inner trips do not depend on its index, is
    a flat loop. Any other program is laid out in full as a single turn.
    """
    is_loop = _is_flat(program)
    turns = program.trips[program.tape_args[0]].at(0) if is_loop else 1
    total = sum(program.instance_counts) // max(turns, 1)
    if total > MAX_SITES:
        raise OperationBudgetError(
            f"program {program.name!r} has {total} operations in a turn of its outer loop; "
            f"with run-time arbitration up to {MAX_SITES} are run"
        )
    walk = list(_walk(program, is_loop)) if turns else []
    ops = [number for kind, number in walk if kind == PLACE]
    layer = _Layout(program, chosen, ops, turns)
    for kind, number in walk:
        if kind == PLACE:
            layer.place(number)
        else:
            layer.enter(number)
    return FlatLoop(
        program=program,
        is_loop=is_loop,
        turns=turns,
        ops=tuple(ops),
        ordinals=tuple(layer.ordinals),
        per_turn=tuple(map(len, layer.sites_of)),
        waits=tuple(layer.waits),
    )


def _is_flat(program: Program) -> bool:
    kinds, args = program.tape_kinds, program.tape_args
    if not kinds or kinds[0] != BEGIN or kinds.index(END) < 0:
        return False
    root = args[0]
    if kinds[-1] != END or args[-1] != root:
        return False
    return not any(trip.loop == root and (trip.slope or trip.values) for trip in program.trips)


def _walk(program: Program, is_loop: bool) -> Iterator[tuple[int, int]]:
    """Yield (`PLACE`, op) and (`BEGIN`, loop) of a turn, inner loops spelled out."""
    kinds, args = program.tape_kinds, program.tape_args
    foot = {arg: at for at, (kind, arg) in enumerate(zip(kinds, args, strict=True)) if kind == END}
    index: dict[int, int] = {}

    def body(first: int, last: int) -> Iterator[tuple[int, int]]:
        at = first
        while at < last:
            arg = args[at]
            if kinds[at] == PLACE:
                yield PLACE, arg
            else:
                trip = program.trips[arg]
                times = trip.at(index.get(trip.loop, 0))
                if times:
                    yield BEGIN, arg
                for turn in range(times):
                    index[arg] = turn
                    yield from body(at + 1, foot[arg])
                at = foot[arg]
            at += 1

    yield from body(1, len(kinds) - 1) if is_loop else body(0, len(kinds))


class _Layout:
    """Resolves the waits of one site after another."""

    def __init__(
        self, program: Program, chosen: Collection[int], ops: list[int], turns: int
    ) -> None:
        self.program = program
        self.turns = turns
        self.sites_of: list[list[int]] = [[] for _ in program.ops]
        self.holders: list[list[tuple[int, int]]] = [[] for _ in program.resources]
        held = [
            [(number, ps) for number, ps in program.holds(op) if number not in chosen]
            for op in range(len(program.ops))
        ]
        self.held = held
        for site, op in enumerate(ops):
            self.sites_of[op].append(site)
            for number, ps in held[op]:
                self.holders[number].append((site, ps))
        self.ran = [0] * len(program.ops)
        self.served = [0] * len(program.resources)
        self.entered: dict[int, list[int]] = {}
        self.scopes = {scope for scope in program.scopes if scope >= 0}
        self.waits: list[tuple[tuple[int, int, int], ...]] = []
        self.ordinals: list[int] = []

    def enter(self, loop: int) -> None:
        """Note what ran before a loop, for waits that count from there."""
        if loop in self.scopes:
            self.entered[loop] = self.ran[:]

    def place(self, op: int) -> None:
        """Add a site."""
        found: dict[tuple[int, int], int] = {}

        def wait(source: int, back: int, weight_ps: int) -> None:
            if back < self.turns and found.get((source, back), -1) < weight_ps:
                found[source, back] = weight_ps

        self._hold_back_by_order(op, wait)
        self._hold_back_by_waits(op, wait)
        self.ordinals.append(self.ran[op])
        self.ran[op] += 1
        for number, _ in self.held[op]:
            self.served[number] += 1
        self.waits.append(tuple((site, back, ps) for (site, back), ps in sorted(found.items())))

    def _hold_back_by_order(self, op: int, wait: _Wait) -> None:
        for number, _ in self.held[op]:
            holders, servers = self.holders[number], self.program.capacities[number]
            turn, place = divmod(self.served[number] - servers, len(holders))
            site, occupancy_ps = holders[place]
            wait(site, -turn, occupancy_ps)
            if servers > 1:
                turn, place = divmod(self.served[number] - 1, len(holders))
                wait(holders[place][0], -turn, 0)

    def _hold_back_by_waits(self, op: int, wait: _Wait) -> None:
        program = self.program
        for c in program.constraints(op):
            source, scope = program.sources[c], program.scopes[c]
            sites = self.sites_of[source]
            index = self.ran[source] - program.backs[c]
            entered = self.entered.get(scope)
            if not sites or (entered is not None and index < entered[source]):
                continue
            weight_ps = program.weight_ps(c)
            turn, place = divmod(index, len(sites))
            if weight_ps < 0 and -turn < self.turns:
                raise SimulationError(
                    f"operation {program.ops[op]!r} may start {-weight_ps} ps before "
                    f"{program.ops[source]!r}, for which it waits: with run-time arbitration a "
                    f"wait must be 0 ps or more"
                )
            wait(sites[place], -turn, weight_ps)
