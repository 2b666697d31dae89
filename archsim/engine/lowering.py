"""Writes the memory of the kernel for a program."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from archsim.engine import layout as at
from archsim.errors import SimulationError, TimeOverflowError
from archsim.program.ir import BEGIN, PLACE, Program

MIN_RING = 2
"""At least two starts are kept, so that a snapshot also sees the last increment."""


@dataclass(slots=True)
class _Loop:
    """One loop of the tree that runs operations."""

    number: int
    depth: int
    ops: dict[int, int] = field(default_factory=dict)
    """Sites in the loop by operation."""
    is_plain: bool = True
    """No loop inside, so that a site runs once per iteration."""
    is_index_used: bool = False
    row: int = 0
    inner: list[int] = field(default_factory=list)
    """Loops inside."""
    foreign: list[int] = field(default_factory=list)
    """Rows of operations outside that waits in the loop look at."""
    ages: int = 0
    """Earlier starts that an activation may look at."""


@dataclass(frozen=True, slots=True)
class Lowered:
    """A program ready to run: memory, where to find results in it and where its times stand."""

    mem: list[int]
    op_rows: list[int]
    hold_places: list[int]
    wait_places: list[int]


def _check_counts(program: Program) -> None:
    if sum(program.instance_counts) >= at.TIME_LIMIT:
        raise TimeOverflowError(f"program {program.name!r} runs more than 2**61 operations")
    longest: list[int] = []
    for name, trip in zip(program.loops, program.trips, strict=True):
        if trip.loop >= 0 and not trip.values:
            last = max(longest[trip.loop] - 1, 0)
            longest.append(max(trip.base, trip.base + trip.slope * last, 0))
            lowest = min(trip.base, trip.base + trip.slope * last)
        else:
            longest.append(max(trip.base, *trip.values, 0))
            lowest = 0
        if longest[-1] >= at.TIME_LIMIT or lowest <= -at.TIME_LIMIT:
            raise TimeOverflowError(f"loop {name!r} would run more than 2**61 times")


def _tree(program: Program) -> tuple[list[tuple[int, int]], dict[int, _Loop]]:
    """Return the tape without loops that run nothing, and the loops that remain."""
    loops: dict[int, _Loop] = {}
    stack: list[_Loop] = []
    tape: list[tuple[int, int]] = []
    heads: list[int] = []
    for kind, arg in zip(program.tape_kinds, program.tape_args, strict=True):
        if kind == PLACE:
            tape.append((kind, arg))
            for loop in stack:
                loop.ops[arg] = loop.ops.pop(arg, 0) + 1
        elif kind == BEGIN:
            for loop in stack:
                loop.is_plain = False
            stack.append(_Loop(arg, len(stack)))
            heads.append(len(tape))
            tape.append((kind, arg))
        else:
            loop, head = stack.pop(), heads.pop()
            trip = program.trips[arg]
            never = trip.loop < 0 and trip.base <= 0
            if never or not any(program.instance_counts[op] for op in loop.ops):
                for inner, number in tape[head:]:
                    if inner == BEGIN:
                        loops.pop(number, None)
                del tape[head:]
                for outer in stack:
                    _forget_sites(outer, loop)
                continue
            tape.append((kind, arg))
            loops[arg] = loop
            for outer in stack:
                outer.inner.append(arg)
            if trip.loop >= 0 and (trip.slope or trip.values):
                loops_using = next(outer for outer in stack if outer.number == trip.loop)
                loops_using.is_index_used = True
    return tape, loops


def _forget_sites(outer: _Loop, inner: _Loop) -> None:
    for op, sites in inner.ops.items():
        if outer.ops[op] == sites:
            del outer.ops[op]
        else:
            outer.ops[op] -= sites


class _Writer:
    """Appends tables to the memory and remembers where they went."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.mem: list[int] = [0] * at.HEADER
        self.op_rows: list[int] = []
        self.resource_rows: list[int] = []
        self.con_rows: list[int] = []
        self.scoped: list[tuple[int, int]] = []
        """Operation and number of every wait with a scope."""

    def room(self, size: int, value: int = 0) -> int:
        position = len(self.mem)
        self.mem += [value] * size
        return position

    def rows(self, values: list[int]) -> int:
        position = len(self.mem)
        self.mem += values
        return position

    def resources(self) -> None:
        low = at.MINUS_INFINITY
        for capacity in self.program.capacities:
            row = self.rows([0, low, -1, -1, capacity, 0])
            self.mem += [low, -1, -1] * capacity
            self.resource_rows.append(row)

    def operations(self) -> None:
        program = self.program
        need = [MIN_RING] * len(program.ops)
        for source, back in zip(program.sources, program.backs, strict=True):
            if back > need[source]:
                need[source] = back
        first = self.room(at.OP_WIDTH * len(program.ops))
        self.mem[at.OPERATIONS] = first
        self.op_rows = [first + at.OP_WIDTH * op for op in range(len(program.ops))]
        for op, row in enumerate(self.op_rows):
            size = 1 << (need[op] - 1).bit_length()
            ring = self.room(size, at.MINUS_INFINITY)
            holds = self._holds(op)
            self.mem[row : row + at.OP_WIDTH] = [
                0, ring, size - 1, holds, len(self.mem), 0, 0, 0, 0, op, need[op], 0, 0,
            ]  # fmt: skip
        for op, row in enumerate(self.op_rows):
            self._constraints(op, row)

    def _holds(self, op: int) -> int:
        program = self.program
        position = len(self.mem)
        for h in range(program.hold_offsets[op], program.hold_offsets[op + 1]):
            number = program.hold_resources[h]
            row = self.resource_rows[number]
            slot = row + at.RES_WIDTH
            self.mem += [slot, program.occupancies_ps[h], program.capacities[number], row, h]
        return position

    def _constraints(self, op: int, row: int) -> None:
        program, mem = self.program, self.mem
        mem[row + at.CONS] = len(mem)
        scoped = -1
        for c in program.constraints(op):
            source = self.op_rows[program.sources[c]]
            if program.scopes[c] >= 0:
                self.scoped.append((op, c))
                scoped = len(mem) if scoped < 0 else scoped
            self.con_rows.append(len(mem))
            mem += [
                source, mem[source + at.RING], mem[source + at.MASK], program.backs[c],
                program.weight_ps(c), 0, -1, c,
            ]  # fmt: skip
        mem[row + at.SCOPED] = len(mem) if scoped < 0 else scoped
        mem[row + at.CONS_END] = len(mem)

    def loops(self, loops: dict[int, _Loop], *, fold: bool, recall: bool) -> None:
        program, mem = self.program, self.mem
        depth = 1 + max((loop.depth for loop in loops.values()), default=0)
        entries: dict[int, list[int]] = {}
        for c, scope in enumerate(program.scopes):
            if scope in loops:
                entries.setdefault(scope, []).append(self.con_rows[c])
                mem[self.con_rows[c] + at.SCOPE_DEPTH] = loops[scope].depth
        for loop in loops.values():
            loop.row = self.room(at.LOOP_WIDTH)
        tables: dict[tuple[int, ...], int] = {}
        deltas = [self.room(2 * len(program.ops)) for _ in range(depth)]
        mem[at.STACK] = self.room(depth)
        for loop in loops.values():
            row, trip = loop.row, program.trips[loop.number]
            ops = list(reversed(loop.ops))
            used = {number: None for op in ops for number, _ in program.holds(op)}
            dependent = trip.loop >= 0 and (trip.slope != 0 or bool(trip.values))
            if trip.values and trip.values not in tables:
                tables[trip.values] = self.rows(list(trip.values))
            mem[row + at.BASE] = trip.base
            mem[row + at.SLOPE] = trip.slope
            mem[row + at.OUTER] = loops[trip.loop].row if dependent else -1
            mem[row + at.TABLE] = tables[trip.values] if trip.values else -1
            mem[row + at.DEPTH] = loop.depth
            mem[row + at.FOLDABLE] = int(fold and not loop.is_index_used)
            mem[row + at.ENTRIES] = self.rows(entries.get(loop.number, []))
            mem[row + at.ENTRIES_END] = len(mem)
            mem[row + at.RESOURCES] = self.rows([self.resource_rows[r] for r in used])
            mem[row + at.RESOURCES_END] = len(mem)
            mem[row + at.OPS] = self.rows([self.op_rows[op] for op in ops])
            mem[row + at.OPS_END] = len(mem)
            if recall and fold and loop.depth > 0:
                loop.foreign = self._foreign(loop)
                mem += loop.foreign
            mem[row + at.FOREIGN_END] = len(mem)
            mem[row + at.AREAS] = -1
            if fold:
                self._waits(loop, loops)
                if recall and loop.depth > 0:
                    self._reads(loop, loops)
                    self._areas(loop, loops, used)
            mem[row + at.HINT] = 1
            mem[row + at.DELTA] = deltas[loop.depth]
            mem[row + at.MEMBER] = deltas[loop.depth] + len(program.ops)
            mem[row + at.PREVIOUS] = -1
            if mem[row + at.FOLDABLE]:
                state = sum(2 + mem[self.op_rows[op] + at.NEED] for op in ops)
                state += sum(2 + 2 * program.capacities[number] for number in used)
                mem[row + at.SNAPSHOT] = self.room(state)
                if not loop.is_plain or max(loop.ops.values()) > 1:
                    mem[row + at.PREVIOUS] = self.room(len(ops))

    def _waits(self, loop: _Loop, loops: dict[int, _Loop]) -> None:
        """Write which waits of a loop look at what was before an iteration or the activation."""
        program, mem, row = self.program, self.mem, loop.row
        own: list[int] = []
        outer: list[int] = []
        for op, c in self.scoped:
            if op in loop.ops:
                depth = loops[program.scopes[c]].depth
                if depth <= loop.depth:
                    (own if depth == loop.depth else outer).append(self.con_rows[c])
        mem[row + at.OUTER_WAITS] = self.rows(outer)
        mem[row + at.OUTER_WAITS_END] = len(mem)
        mem[row + at.WAITS] = self.rows(own + outer)
        mem[row + at.WAITS_END] = len(mem)

    def _foreign(self, loop: _Loop) -> list[int]:
        """Return the rows of operations outside a loop that waits in it look at."""
        program = self.program
        sources = {program.sources[c]: None for op in loop.ops for c in program.constraints(op)}
        return [self.op_rows[source] for source in sources if source not in loop.ops]

    def _reads(self, loop: _Loop, loops: dict[int, _Loop]) -> None:
        """Write which starts from before an activation of a loop its waits may look at."""
        program, mem, row = self.program, self.mem, loop.row
        reads: dict[int, list[int]] = {}
        backs: dict[int, list[int]] = {}
        for op in loop.ops:
            for c in program.constraints(op):
                scope = program.scopes[c]
                if scope < 0 or loops[scope].depth < loop.depth:
                    source = program.sources[c]
                    if source not in reads:
                        reads[source], backs[source] = [], []
                    reads[source] += (self.con_rows[c], self.op_rows[op])
                    backs[source].append(program.backs[c])
        sources: list[int] = []
        for source, waits in reads.items():
            last = max(backs[source])
            first = 1 if source in loop.ops else min(backs[source])
            loop.ages += last + 1 - first
            place = len(mem)
            mem += waits
            sources += (self.op_rows[source], first, last, place, len(mem))
        mem[row + at.SOURCES] = self.rows(sources)
        mem[row + at.SOURCES_END] = len(mem)

    def _areas(self, loop: _Loop, loops: dict[int, _Loop], used: Collection[int]) -> None:
        """Make room for summaries of a loop that may be entered more than once."""
        program, mem, row = self.program, self.mem, loop.row
        inner = [loops[number] for number in loop.inner if number in loops]
        outside = [each.row for each in inner if 0 <= self._outer_depth(each, loops) < loop.depth]
        mem[row + at.TRIPS] = self.rows(outside)
        mem[row + at.TRIPS_END] = len(mem)
        needs = [mem[self.op_rows[op] + at.NEED] for op in loop.ops]
        slots = sum(program.capacities[number] for number in used)
        reads = mem[row + at.OUTER_WAITS_END] - mem[row + at.OUTER_WAITS]
        counts = len(loop.ops) + len(loop.foreign) + slots
        key = 2 * slots + loop.ages + reads + len(outside)
        effect = sum(needs) + 3 * (len(needs) + len(used) + slots)
        mem[row + at.KEY_AT] = at.AREA_HEAD + counts
        mem[row + at.EFFECT_AT] = at.AREA_HEAD + counts + key
        mem[row + at.AREA] = at.AREA_HEAD + counts + key + effect
        mem[row + at.AREAS] = self.room(at.NUM_AREAS * mem[row + at.AREA])
        mem[row + at.WORK] = key
        mem[row + at.REFERENCE_ROWS] = counts + len(loop.ops)
        mem[row + at.SETTLE] = max(
            -(-need // sites) for need, sites in zip(needs, loop.ops.values(), strict=True)
        )

    def _outer_depth(self, loop: _Loop, loops: dict[int, _Loop]) -> int:
        """Return the depth of the loop whose index sets the trip of another, -1 if none does."""
        trip = self.program.trips[loop.number]
        depends = trip.loop >= 0 and (trip.slope != 0 or bool(trip.values))
        return loops[trip.loop].depth if depends else -1

    def tape(self, tape: list[tuple[int, int]], loops: dict[int, _Loop]) -> None:
        """Write runs of sites and loop instructions; the header then points at the first."""
        instructions: list[list[int]] = []
        sites: list[int] = []
        previous = -1
        for kind, arg in tape:
            if kind == PLACE:
                if previous != PLACE:
                    instructions.append([at.RUN, len(sites), 0])
                sites.append(self.op_rows[arg])
                instructions[-1][2] = len(sites)
            else:
                instructions.append([at.ENTER if kind == BEGIN else at.LEAVE, loops[arg].row, 0])
            previous = kind
        instructions.append([at.STOP, 0, 0])
        base_sites = self.rows(sites)
        base = len(self.mem)
        for number, row in enumerate(instructions):
            if row[0] == at.RUN:
                row[1] += base_sites
                row[2] += base_sites
            elif row[0] != at.STOP:
                here = base + at.TAPE_WIDTH * (number + 1)
                self.mem[row[1] + (at.BODY if row[0] == at.ENTER else at.EXIT)] = here
        for row in instructions:
            self.mem += row
        self.mem[at.PC] = base


class _Structure:
    """A program in the memory of the kernel, with the places of its times."""

    def __init__(self, program: Program, *, fold: bool, recall: bool) -> None:
        _check_counts(program)
        tape, loops = _tree(program)
        writer = _Writer(program)
        writer.resources()
        writer.operations()
        writer.loops(loops, fold=fold, recall=recall)
        writer.tape(tape, loops)
        mem = writer.mem
        mem[at.FOLDING] = int(fold)
        mem[at.NOBODY] = -1
        if any(row < at.HEADER for row in writer.op_rows):
            raise SimulationError(f"program {program.name!r} has no valid tape")
        self.program, self.options = program, (fold, recall)
        self.mem, self.op_rows = mem, writer.op_rows
        self.hold_places: list[int] = []
        self.wait_places: list[int] = []
        for row in writer.op_rows:
            holds = range(mem[row + at.HOLDS], mem[row + at.HOLDS_END], at.HOLD_WIDTH)
            waits = range(mem[row + at.CONS], mem[row + at.CONS_END], at.CON_WIDTH)
            self.hold_places += [hold + at.OCCUPANCY for hold in holds]
            self.wait_places += [wait + at.WEIGHT for wait in waits]

    def is_of(self, program: Program) -> bool:
        """Whether a program has this structure: was made from the same by changing times."""
        mine = self.program
        return program is mine or all(
            getattr(program, column) is getattr(mine, column) for column in STRUCTURE
        )


STRUCTURE = (
    "capacities", "hold_offsets", "hold_resources", "constraint_offsets", "sources", "backs",
    "scopes", "trips", "tape_kinds", "tape_args",
)  # fmt: skip
"""Columns of a program that say what its memory looks like, times aside."""

_last: list[_Structure] = []
"""The structure lowered last: a program is often run again, or with other times."""


def lower(program: Program, *, fold: bool, logging: bool, recall: bool = True) -> Lowered:
    """Return the memory of the kernel for a program.

    Parameters
    ----------
    program : Program
        What to run.
    fold : bool
        Whether loops may be folded.
    logging : bool
        Whether every simulated instance is written to the log.
    recall : bool
        Whether activations of loops may be taken from summaries of earlier ones.

    Returns
    -------
    Lowered
        Memory of its own, written anew from the structure lowered last if that is the same.

    Raises
    ------
    TimeOverflowError
        A count of instances or iterations does not fit in 61 bits.
    SimulationError
        The tape of the program is not a tree.
    """
    structure = _last[0] if _last else None
    if structure is None or structure.options != (fold, recall) or not structure.is_of(program):
        structure = _Structure(program, fold=fold, recall=recall)
        _last[:] = [structure]
    mem = structure.mem[:]
    mem[at.LOGGING] = int(logging)
    for place, time_ps in zip(structure.hold_places, program.occupancies_ps, strict=True):
        mem[place] = time_ps
    for c, place in enumerate(structure.wait_places):
        mem[place] = program.weight_ps(c)
    return Lowered(mem, structure.op_rows, structure.hold_places, structure.wait_places)
