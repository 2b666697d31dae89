"""A FLAT mapping on a machine: its closed form, and its program of overlapped row blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from mappers.attention_tiles import array_work
from mappers.closed_form import ClosedForm, Phase, Tally
from mappers.flat_form import FlatCounts, FlatDecisions, FlatSizes, buffered_values, flat_counts
from mappers.work import Work, apart, port_work, service_work, transfer_work

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapping import Placement
    from archsim.program import Program
    from mappers.attention_problem import AttentionProblem

SOFTMAX = {"max": 1, "exp": 1, "add": 1, "div": 1}
"""Operations on each score."""

IN_FLIGHT = 4
"""Row blocks under way at once: one in each of scores, softmax, context and the way out."""


def sizes_of(problem: AttentionProblem, machine: Machine, room_bytes: int | None) -> FlatSizes:
    """Return the sizes of one head; heads that share keys are taken one by one."""
    array = machine.array
    assert array is not None
    rows, keys = problem.queries, problem.keys
    return FlatSizes(
        {"P": rows, "M": keys, "E": problem.depth, "F": problem.width},
        array.law.rows,
        array.law.columns * array.law.count,
        None if room_bytes is None else room_bytes // problem.score.bytes(1),
    )


@dataclass(frozen=True)
class FlatPlan:
    """Decisions for one attention on one machine.

    Attributes
    ----------
    problem, machine, placement
        What, where, and where the tensors stand.
    decisions, sizes
        What was decided, for one head of these sizes.
    """

    problem: AttentionProblem
    machine: Machine
    decisions: FlatDecisions
    sizes: FlatSizes
    placement: Placement

    @cached_property
    def counts(self) -> FlatCounts:
        """Traffic and cycles of one head."""
        return flat_counts(self.sizes, self.decisions)

    @property
    def num_heads(self) -> int:
        """Query heads."""
        return self.problem.groups * self.problem.heads

    @property
    def chunks(self) -> int:
        """Pieces of a head that follow one another through the units."""
        return -(-self.sizes.extents["P"] // self.sizes.array_columns)

    @property
    def footprints(self) -> Mapping[str, int]:
        """Bytes used by level: what the decisions keep, at most what there is."""
        values = buffered_values(self.sizes, self.decisions)
        room = self.sizes.buffer_values
        kept = values if room is None else min(values, room)
        return {self.machine.innermost: self.problem.score.bytes(kept)}

    def moved_bytes(self) -> float:
        """Return the memory traffic of one head."""
        each = self.problem.score.bytes(1)
        return each * (self.counts.product_values + self.counts.softmax_values)

    def estimate_ps(self) -> float:
        """Return the time of one head without rounding."""
        array, outer = self.machine.array, self.machine.component(self.machine.outermost)
        assert array is not None
        array_ps = sum(self.counts.cycles.values()) * array.clock.period_ps
        memory_ps = self.moved_bytes() / outer.bandwidth_bytes_per_s("read") * 1e12
        return max(float(array_ps), memory_ps, float(self._softmax().occupancies[self._vector]))

    @property
    def _vector(self) -> str:
        assert self.machine.vector is not None
        return self.machine.vector.name

    def _softmax(self, parts: int = 1) -> Work:
        """Return the softmax work of a head, or of one of several pieces of it."""
        vector = self.machine.vector
        assert vector is not None
        rows = -(-self.sizes.extents["P"] // parts)
        lanes = vector.unit.lanes
        # A row of scores takes whole turns of the lanes, as in the source.
        each = rows * -(-self.sizes.extents["M"] // lanes) * lanes
        operations = {**SOFTMAX}
        for action, count in self.problem.shaping.items():
            operations[action] = operations.get(action, 0) + count
        counted = {action: n * each for action, n in operations.items()}
        return service_work(vector, "elementwise", counted, self.problem.number)

    def _product(self, name: str, parts: int = 1) -> Work:
        """Return the work of a product of a head, or of one of several pieces of it."""
        array = self.machine.array
        assert array is not None
        cycles = -(-self.counts.cycles[name] // parts)
        held = (array.law.rows, array.law.columns * array.law.count)
        work = array_work(array, array.held_product(*held, cycles, self.problem.number))
        depth = self.problem.depth if name == "QK" else self.problem.width
        rows = -(-self.sizes.extents["P"] // parts)
        macs = rows * self.sizes.extents["M"] * depth
        counts = dict.fromkeys(work.counts, macs)
        return Work(work.holds, work.latency_ps, work.latency_expr, counts, work.cause)

    def _traffic(self, write: bool, parts: int = 1) -> Work:
        """Return the memory traffic of a head, or of one of several pieces of it."""
        counts = self.counts
        written = sum(counts.writes.values()) + counts.softmax_values / 2
        values = written if write else counts.product_values + counts.softmax_values - written
        num_bytes = self.problem.score.bytes(max(0, round(values))) // parts
        ends = (self.machine.outermost, self.machine.innermost)
        source, target = reversed(ends) if write else ends
        return transfer_work(self.machine, source, target, num_bytes, self.problem.score.name)

    def _port(self, write: bool, parts: int = 1) -> Work | None:
        """Return what units read or write in the buffer for a head, or one of several pieces."""
        counts = self.counts
        values = counts.buffer_writes if write else counts.buffer_reads
        num_bytes = self.problem.score.bytes(-(-values // parts))
        action: Literal["read", "write"] = "write" if write else "read"
        return port_work(self.machine, action, [(num_bytes, self.problem.score.name)])

    def closed_form(self) -> ClosedForm:
        """Return the closed form: the slowest of memory, array and 1D unit."""
        problem = self.problem
        tally = Tally()
        tally.add(problem.scores, self._product("QK"), 1)
        tally.add(problem.context, self._product("AV"), 1)
        tally.add(problem.softmax[-1], self._softmax(), 1)
        for write in (False, True):
            tally.add(problem.scores, self._traffic(write), 1)
            port = self._port(write)
            if port is not None:
                tally.add(problem.scores, port, 1)
        assert self.machine.array is not None
        times = [(busy, name) for name, busy in sorted(tally.busy_ps.items())]
        time_ps, limit = max(times, key=lambda item: item[0])
        on_unit = limit in (self.machine.array.name, self._vector)
        phase = Phase("flat", time_ps, "compute" if on_unit else "bandwidth", tally)
        return ClosedForm("flat", self.num_heads, (phase,), problem.tags)

    def program(self) -> Program:
        """Return the engine program: row blocks one behind the other through the units."""
        from archsim.program import ProgramBuilder

        builder, problem = ProgramBuilder("flat"), self.problem
        parts = self.chunks
        inner = self.machine.innermost

        def tags(einsum: str) -> dict[str, str]:
            return {**problem.tags, "einsum": einsum}

        read, fill = apart(self._traffic(write=False, parts=parts), inner)
        write, drain = apart(self._traffic(write=True, parts=parts), inner)
        load = read.define(builder, "load", tags(problem.scores))
        score = self._product("QK", parts).define(builder, "scores", tags(problem.scores))
        softmax = self._softmax(parts).define(builder, "softmax", tags(problem.softmax[-1]))
        context = self._product("AV", parts).define(builder, "context", tags(problem.context))
        store = write.define(builder, "store", tags(problem.context))
        ports = [
            (work or Work((), 0)).define(builder, name, problem.tags)
            for work, name in (
                *((fill, "fill"), (drain, "drain")),
                *((self._port(False, parts), "port_read"), (self._port(True, parts), "port_write")),
            )
        ]
        total = self.num_heads * parts
        # Issue order on the array: scores of a block before the context of the one two before.
        first = min(IN_FLIGHT - 1, total)
        stages = ((load, ports[0], score), (softmax,), (context, *ports[2:]), (store, ports[1]))
        chain = (score, softmax, context, store)
        ticks = [builder.marker(name) for name in ("scored", "weighed", "summed")]

        def step(running: range) -> None:
            for number, stage in enumerate(stages):
                for op in stage if number in running else ():
                    builder.place(op)
                # Ticks count steps, so that the last blocks wait like all others.
                if number < len(ticks):
                    builder.place(ticks[number])

        for number in range(first):
            step(range(number + 1))
        with builder.loop(total - first, "row_blocks"):
            step(range(IN_FLIGHT))
        for number in range(1, IN_FLIGHT):
            step(range(number, min(IN_FLIGHT, number + total)))
        builder.after(score, load)
        for number, tick in enumerate(ticks):
            builder.after(tick, chain[number])
            builder.after(chain[number + 1], tick, back=2)
        if total > IN_FLIGHT:
            builder.after(load, store)
        return builder.build()
