"""Writes the memory of the event kernel for a flat loop and its arbitrations."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archsim.engine import events_layout as at
from archsim.engine.events_flat import FlatLoop
from archsim.errors import OperationBudgetError, SimulationError
from archsim.program.arbitration import Arbitration

MAX_INSTANCES = 1 << 22
"""Instances in flight: the memory for them is 110 B each, 0.5 GB (from the layout)."""

RULES = {"fcfs": at.FCFS, "priority": at.PRIORITY, "weighted": at.WEIGHTED}


@dataclass(frozen=True, slots=True)
class LoweredEvents:
    """A flat loop ready to run."""

    mem: array[int]
    resource_rows: Mapping[int, int]


def _chosen_hold(
    flat: FlatLoop, op: int, arbitrations: Mapping[int, Arbitration]
) -> tuple[int, int] | None:
    """Return the resource of an operation that chooses at run time, with the occupancy."""
    program = flat.program
    found = [(number, ps) for number, ps in program.holds(op) if number in arbitrations]
    if len(found) > 1:
        names = " and ".join(repr(program.resources[number]) for number, _ in found)
        raise SimulationError(
            f"operation {program.ops[op]!r} holds {names}, which both choose at run time; "
            f"allowed: one, the others in program order"
        )
    return found[0] if found else None


class _Writer:
    """Appends tables to the memory and remembers where they went."""

    def __init__(self, flat: FlatLoop, depth: int) -> None:
        self.flat = flat
        self.depth = depth
        self.mem: list[int] = [0] * at.HEADER
        self.resource_rows: dict[int, int] = {}
        self.classes: dict[tuple[int, int], int] = {}
        self.turn_size = at.INSTANCE_WIDTH * len(flat.ops)

    def rows(self, values: Sequence[int]) -> int:
        position = len(self.mem)
        self.mem += values
        return position

    def classes_of(self, arbitrations: Mapping[int, Arbitration]) -> None:
        """Write the classes of every resource: by rank, or one for each requester."""
        program = self.flat.program
        for number, arbitration in arbitrations.items():
            if arbitration.rule == "weighted":
                ranks = list(range(len(arbitration.weights)))
            else:
                users = {
                    arbitration.rank(name)
                    for op, name in enumerate(program.ops)
                    if any(held == number for held, _ in program.holds(op))
                }
                ranks = sorted(users)
            for rank in ranks:
                quota = arbitration.weights[rank] if arbitration.weights else 0
                self.classes[number, rank] = self.rows([0, 0, 0, quota])

    def openings_of(self, arbitrations: Mapping[int, Arbitration]) -> dict[int, tuple[int, int]]:
        """Write the openings; return where those of each resource begin and end."""
        found = {}
        for number, arbitration in arbitrations.items():
            opening = arbitration.opening
            edges = [edge for pair in opening.open_ps for edge in pair] if opening else []
            found[number] = (self.rows(edges), len(self.mem))
        return found

    def resources(self, arbitrations: Mapping[int, Arbitration]) -> None:
        """Write the resources."""
        self.classes_of(arbitrations)
        openings = self.openings_of(arbitrations)
        self.mem[at.RESOURCES] = len(self.mem)
        for number, arbitration in arbitrations.items():
            own = [row for (owner, _), row in self.classes.items() if owner == number]
            first = own[0] if own else 0
            last = own[-1] + at.CLASS_WIDTH if own else 0
            period = arbitration.opening.period_ps if arbitration.opening else 0
            row = self.rows(
                [self.flat.program.capacities[number], 0, RULES[arbitration.rule], first, last]
            )
            self.mem += [first, 0, 0, *openings[number], period]
            self.resource_rows[number] = row
            for group in own:
                self.mem[group + at.RESOURCE] = row
        self.mem[at.RESOURCES_END] = len(self.mem)

    def sites(
        self, arbitrations: Mapping[int, Arbitration], arrivals_ps: Mapping[int, Sequence[int]]
    ) -> None:
        """Write the sites and their waits from both ends."""
        flat, mem, program = self.flat, self.mem, self.flat.program
        chosen = [_chosen_hold(flat, op, arbitrations) for op in range(len(program.ops))]
        tables = {op: self.rows(times) for op, times in arrivals_ps.items()}
        out: list[list[int]] = [[] for _ in flat.ops]
        farthest = [0] * len(flat.ops)
        incoming: list[tuple[int, int]] = []
        for site, waits in enumerate(flat.waits):
            position = len(mem)
            for source, back, weight_ps in waits:
                way = at.INSTANCE_WIDTH * (site - source) + back * self.turn_size
                mem += [way, weight_ps]
                out[source] += [way, weight_ps]
                farthest[source] = max(farthest[source], weight_ps)
            incoming.append((position, len(mem)))
        outgoing = [(self.rows(pairs), len(mem)) for pairs in out]
        mem[at.SITES] = len(mem)
        for site, op in enumerate(flat.ops):
            hold = chosen[op]
            group, occupancy_ps = 0, 0
            if hold is not None:
                group = self.classes[hold[0], arbitrations[hold[0]].rank(program.ops[op])]
                occupancy_ps = hold[1]
            length_ps = program.end_ps(op)
            table = tables[op] + flat.ordinals[site] if op in tables else 0
            mem += [group, occupancy_ps, length_ps, max(length_ps, farthest[site])]
            mem += [*incoming[site], *outgoing[site], table, flat.per_turn[op], 0]
        mem[at.SITES_END] = len(mem)
        mem[at.NUM_SITES] = len(flat.ops)

    def ring(self) -> array[int]:
        """Write the instances and return the whole memory."""
        mem, depth, num = self.mem, self.depth, len(self.flat.ops)
        awake = self.rows([0] * max(len(self.resource_rows), 1))
        places = self.rows([0] * (depth * at.PLACE_WIDTH))
        ring = len(mem)
        turn: list[int] = []
        for site in range(mem[at.SITES], mem[at.SITES_END], at.SITE_WIDTH):
            turn += [at.HAS_STARTED, at.LONG_AGO, 0, 0, 0, site, 0, 0]
        whole = array("q", mem)
        one = array("q", turn)
        for place in range(places, ring, at.PLACE_WIDTH):
            for instance in range(at.PLACE, len(one), at.INSTANCE_WIDTH):
                one[instance] = place
            whole.extend(one)
        ring_end = len(whole)
        heap = ring_end
        fresh = heap + at.HEAP_WIDTH * (num * depth + 1)
        snapshot = fresh + num * depth
        resources = len(self.resource_rows)
        end = snapshot + 1 + at.SNAP_RESOURCE * resources + at.SNAP_WIDTH * num * depth
        whole.frombytes(bytes(8 * (end - ring_end)))
        fields = {
            at.RING: ring, at.RING_END: ring_end, at.TURN_SIZE: self.turn_size, at.CRADLE: ring,
            at.PLACES: places, at.PLACES_END: ring, at.FIRST_PLACE: places, at.HEAP: heap,
            at.FRESH: fresh, at.AWAKE: awake, at.SNAPSHOT: snapshot,
        }  # fmt: skip
        for field, value in fields.items():
            whole[field] = value
        return whole


def lower_events(
    flat: FlatLoop,
    arbitrations: Mapping[int, Arbitration],
    *,
    window: int | None,
    arrivals_ps: Mapping[int, Sequence[int]],
    fold: bool,
    logging: bool,
) -> LoweredEvents:
    """Return the memory of the event kernel.

    Parameters
    ----------
    flat : FlatLoop
        What to run.
    arbitrations : mapping of int to Arbitration
        Resources that choose at run time, by number.
    window : int or None
        Turns in flight at most; None admits all at time zero.
    arrivals_ps : mapping of int to sequence of int
        By operation number, when each instance arrives, in ps.
    fold : bool
        Whether to look for recurrence. A run with arrivals is never folded: they are absolute.
    logging : bool
        Whether every start is written to the log.

    Raises
    ------
    OperationBudgetError
        More than `MAX_INSTANCES` would be in flight.
    SimulationError
        An operation holds two resources that choose.
    """
    admitted = flat.turns if window is None else min(window, flat.turns)
    depth = admitted + min(flat.reach, flat.turns) + 1
    if depth * len(flat.ops) > MAX_INSTANCES:
        hint = "; give a window" if window is None and flat.is_loop else ""
        raise OperationBudgetError(
            f"program {flat.program.name!r} keeps {depth * len(flat.ops)} operations in flight; "
            f"up to {MAX_INSTANCES} are run{hint}"
        )
    writer = _Writer(flat, depth)
    writer.resources(arbitrations)
    writer.sites(arbitrations, arrivals_ps)
    mem = writer.ring()
    mem[at.TURNS] = flat.turns
    mem[at.WINDOW] = admitted
    mem[at.FOLDING] = int(fold and not arrivals_ps)
    mem[at.LOGGING] = int(logging)
    mem[at.RETIRE_AT] = -1
    mem[at.ROUND_ROOM] = min(2 * depth, flat.turns) * len(flat.ops)
    return LoweredEvents(mem, writer.resource_rows)
