"""The `command` rung: every transfer of a mapped pass to or from a memory becomes its commands.

A program of the tile rung holds a memory for as long as a transfer takes at its sustained
bandwidth. Here each such operation is replaced by a begin, the stream of activations and bursts
that the busiest data bus sees, and an end. What waited for the operation waits for its end, and
what the operation waited for holds its begin, so recency keeps its meaning.

Data buses work alike and one stands for all; row commands of one transfer go ahead of the bursts of
the transfer before, as far as banks allow. Reads behind writes, and writes behind reads, keep the
distance of the turnaround.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from archsim.accounting import MEMORY_TAG
from archsim.command_transfer import TransferCommands, moved_bytes
from archsim.components.base import ANY_FORMAT
from archsim.components.dram import BoundDram
from archsim.errors import ConfigError
from archsim.program import ProgramBuilder
from archsim.program.builder import DependentTrip
from archsim.program.ir import BEGIN, PLACE

if TYPE_CHECKING:
    from archsim.accounting import Totals
    from archsim.machine import Machine
    from archsim.mapped_model import MappedPass
    from archsim.program import LoopRef, OpRef, Program, ResourceRef


def command_machine(machine: Machine) -> Machine:
    """Return the machine with its memories at the level of commands.

    Raises
    ------
    ConfigError
        A memory that is a level of the machine names no standard.
    """
    changed = dict(machine.components)
    for name in machine.levels:
        item = machine.component(name)
        if isinstance(item, BoundDram):
            _ = item.command_memory
            changed[name] = replace(item, at_commands=True)
    if changed == machine.components:
        raise ConfigError(
            f"no level of machine {machine.name} is a memory with commands",
            path="hardware.levels",
            given=", ".join(machine.levels),
            allowed="a component of kind dram, or --fidelity-fallback to let tile stand in",
        )
    return replace(machine, components=changed)


def lower_program(program: Program, machine: Machine) -> Program:
    """Return a program with every memory transfer replaced by its commands.

    Parameters
    ----------
    program
        Of the tile rung: a transfer holds the memory's resource and counts its bytes.
    machine
        At the level of commands, as :func:`command_machine` returns it.
    """
    return _Rewriter(program, machine).rewritten()


def command_memories(machine: Machine) -> list[tuple[str, BoundDram]]:
    """Return the memories that are at the level of commands, with their names."""
    return [
        (name, item)
        for name, item in machine.components.items()
        if isinstance(item, BoundDram) and item.at_commands
    ]


def with_refreshes(totals: Totals, machine: Machine) -> Totals:
    """Return the totals with the all-bank refreshes of their time, on the command rung.

    Refreshes go on whatever a memory does, so their number follows from the latency alone.
    """
    counts = dict(totals.counts)
    for name, item in command_memories(machine):
        memory = item.command_memory
        if memory.refreshed:
            refresh = memory.standard.refresh
            scopes = memory.channels
            for level in memory.standard.levels[1 : refresh.scope_level + 1]:
                scopes *= level.size
            times = totals.latency_ps // memory.standard.time_ps(refresh.interval_ticks)
            counts[name, "refresh", ANY_FORMAT] = scopes * times
    return replace(totals, counts=counts)


def command_classes(mapped: MappedPass, machine: Machine) -> dict[str, str]:
    """Return the rung of each mapper class: ``tile`` where none of its fragments moves memory."""
    names = {name for name, _ in command_memories(machine)}
    rungs: dict[str, str] = {}
    for stage in mapped.stages:
        for fragment, piece in zip(stage.fragments, stage.pieces, strict=True):
            moves = any(key[0] in names for counts in piece.program.counts for key in counts)
            if moves or fragment.mapper_class not in rungs:
                rungs[fragment.mapper_class] = "command" if moves else "tile"
    return rungs


@dataclass(slots=True)
class _Ends:
    """Where waits for an operation, and of it, are attached."""

    begin: OpRef
    end: OpRef


@dataclass(slots=True)
class _Rewriter:
    """Copies a program, and writes streams in place of transfers."""

    program: Program
    machine: Machine
    builder: ProgramBuilder = field(init=False)
    ends: list[_Ends] = field(default_factory=list)
    loops: dict[int, LoopRef] = field(default_factory=dict)
    streams: dict[int, TransferCommands] = field(default_factory=dict)
    turns: dict[tuple[str, str], OpRef] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.builder = ProgramBuilder(self.program.name)

    def rewritten(self) -> Program:
        """Return the new program."""
        memories = {item.resource("read"): item for _, item in command_memories(self.machine)}
        for op in range(len(self.program.ops)):
            held = {self.program.resources[number] for number, _ in self.program.holds(op)}
            memory = next((memories[name] for name in memories if name in held), None)
            moved = moved_bytes(self.program.counts[op], memory.name) if memory else None
            if memory is None or moved is None:
                copied = self._copied(op)
                self.ends.append(_Ends(copied, copied))
                continue
            action, num_bytes = moved
            holds = self._holds(op, without=memory.resource(action))
            made = TransferCommands(self.builder, self.program, op, memory, action, num_bytes)
            made.hold_ports([(self._resource(name), ps, text) for name, ps, text in holds])
            self.streams[op] = made
            self.ends.append(_Ends(made.begin, made.end))
        self._tape()
        self._waits()
        return self.builder.build()

    def _holds(self, op: int, without: str = "") -> list[tuple[str, int, str | None]]:
        """Return (resource, ps, expression) of the shared resources of an operation."""
        program = self.program
        first = program.hold_offsets[op]
        return [
            (program.resources[number], ps, program.occupancy_exprs[first + index])
            for index, (number, ps) in enumerate(program.holds(op))
            if not program.private[number] and program.resources[number] != without
        ]

    def _copied(self, op: int) -> OpRef:
        program, builder = self.program, self.builder
        holds = self._holds(op)
        return builder.op(
            program.ops[op],
            holds=[(self._resource(name), ps) for name, ps, _ in holds],
            latency=program.latencies_ps[op],
            cause=program.causes[op],
            counts=program.counts[op],
            tags=program.tags[op],
            occupancy_expr=[text for _, _, text in holds] or None,
            latency_expr=program.latency_exprs[op],
        )

    def _resource(self, name: str) -> ResourceRef:
        capacity = self.program.capacities[self.program.resources.index(name)]
        return self.builder.resource(name, capacity)

    def _turn(self, memory: str, access: str) -> OpRef:
        key = (memory, access)
        if key not in self.turns:
            self.turns[key] = self.builder.marker(
                f"{memory}/last {access}", tags={MEMORY_TAG: memory}
            )
        return self.turns[key]

    def _tape(self) -> None:
        program, builder = self.program, self.builder
        with ExitStack() as outermost:
            nesting = [outermost]
            for kind, arg in zip(program.tape_kinds, program.tape_args, strict=True):
                if kind == PLACE:
                    if arg in self.streams:
                        stream = self.streams[arg]
                        stream.place()
                        builder.place(self._turn(stream.memory.name, stream.action))
                    else:
                        builder.place(self.ends[arg].begin)
                elif kind == BEGIN:
                    inner = nesting[-1].enter_context(ExitStack())
                    loop = builder.loop(self._trip(arg), program.loops[arg])
                    self.loops[arg] = inner.enter_context(loop)
                    nesting.append(inner)
                else:
                    nesting.pop().close()

    def _trip(self, loop: int) -> int | DependentTrip:
        trip = self.program.trips[loop]
        if trip.loop < 0:
            return trip.base
        return DependentTrip(self.loops[trip.loop], trip.base, trip.slope, trip.values)

    def _waits(self) -> None:
        program = self.program
        for op in range(len(program.ops)):
            for number in program.constraints(op):
                source = self.ends[program.sources[number]]
                from_result = program.from_result[number]
                scope = program.scopes[number]
                self.builder.after(
                    self.ends[op].begin,
                    source.end if from_result else source.begin,
                    back=program.backs[number],
                    delay=program.delays_ps[number],
                    anchor="result" if from_result else "start",
                    scope=self.loops[scope] if scope >= 0 else None,
                    delay_expr=program.delay_exprs[number],
                    cause=program.delay_causes[number],
                )
        for (memory, access), marker in self.turns.items():
            for stream in self.streams.values():
                if stream.memory.name == memory:
                    stream.keep_turnaround(access, marker)
