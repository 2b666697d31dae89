"""The contract between the two kernels: given the order, they agree on every start."""

from __future__ import annotations

import random

import pytest

from archsim.engine import EventTiming, run_program, simulate_events
from archsim.engine.events_layout import LOG_WIDTH
from archsim.program import Program, ProgramBuilder
from archsim.program.builder import OpRef
from tests.engine.event_programs import EventCase, draw_arbitration, draw_loop
from tests.engine.generators import generate


def loops(first: int, last: int):
    """Yield a generator of choices and a flat loop, for each seed."""
    for seed in range(first, last):
        rng = random.Random(f"flat {seed}")
        yield rng, draw_loop(rng, rng.choice((3, 20, 60)))


@pytest.mark.parametrize("chunk", range(10))
def test_in_program_order_both_kernels_agree(chunk):
    for _, program in loops(chunk * 100, (chunk + 1) * 100):
        expected = run_program(program, backend="jit")
        timing = simulate_events(program, {}, backend="jit")
        assert timing.makespan_ps == expected.makespan_ps
        for op in program.ops:
            assert timing.starts_ps(op) == expected.starts_ps(op)


def test_programs_that_are_laid_out_agree_too():
    """Nests, triangles, tables, scopes, several holds: whatever has no negative wait."""
    agreed = 0
    for seed in range(200):
        program = generate("A", seed)
        if sum(program.instance_counts) > 2000:
            continue
        delays = [max(delay, 0) for delay in program.delays_ps]
        program = program.with_times(delays_ps=delays)
        expected = run_program(program, backend="jit")
        timing = simulate_events(program, {}, backend="jit")
        assert timing.makespan_ps == expected.makespan_ps
        for op in program.ops:
            assert timing.starts_ps(op) == expected.starts_ps(op)
        agreed += 1
    assert agreed > 100


class Replay:
    """A max-plus program of the instances of a run, placed in the order in which they started."""

    def __init__(self, case: EventCase, timing: EventTiming) -> None:
        assert timing.log is not None
        self.case, self.timing, self.flat = case, timing, timing.log.flat
        self.log = timing.log
        self.builder = ProgramBuilder("replay")
        self.placed: dict[int, OpRef] = {}
        self.ended: list[OpRef] = []
        self.left = [len(self.flat.ops)] * self.flat.turns

    def program(self) -> Program:
        self.builder.place(self.builder.op("zero"))
        for row in range(self.log.num_rows):
            self.place(self.log.rows[row * LOG_WIDTH])
        return self.builder.build()

    def place(self, number: int) -> None:
        b, program = self.builder, self.case.program
        turn, site = divmod(number, len(self.flat.ops))
        op = self.flat.ops[site]
        holds = [
            (b.resource(program.resources[r], program.capacities[r]), ps)
            for r, ps in program.holds(op)
            if program.resources[r] in self.case.arbitration
        ]
        item = b.op(f"i{number}", holds=holds, latency=program.end_ps(op))
        b.place(item)
        for source, back, weight in self.flat.waits[site]:
            if turn >= back:
                source_number = (turn - back) * len(self.flat.ops) + source
                b.after(item, self.placed[source_number], anchor="start", delay=weight)
        if self.case.window is not None and turn >= self.case.window:
            b.after(item, self.ended[turn - self.case.window])
        times = self.case.arrivals_ps.get(program.ops[op])
        if times:
            index = turn * self.flat.per_turn[op] + self.flat.ordinals[site]
            b.after(item, b.find("zero"), delay=times[index])
        self.placed[number] = item
        self.left[turn] -= 1
        while len(self.ended) < self.flat.turns and self.left[len(self.ended)] == 0:
            self.end(len(self.ended))

    def end(self, turn: int) -> None:
        end = self.builder.marker(f"end{turn}")
        self.builder.place(end)
        for site in range(len(self.flat.ops)):
            self.builder.after(end, self.placed[turn * len(self.flat.ops) + site])
        if self.ended:
            self.builder.after(end, self.ended[-1])
        self.ended.append(end)


@pytest.mark.parametrize("chunk", range(10))
def test_the_order_of_any_rule_replays_to_the_same_starts(chunk):
    """A resource with one server never idles by choice, so its order decides every start."""
    replayed = 0
    for rng, program in loops(2000 + chunk * 30, 2000 + (chunk + 1) * 30):
        rules = draw_arbitration(rng, program, openings=False)
        alone = {
            name: rule
            for name, rule in rules.items()
            if program.capacities[program.resources.index(name)] == 1
        }
        case = EventCase(program, alone, rng.choice((1, 2, 5)))
        if sum(program.instance_counts) > 150 or not alone:
            continue
        timing = case.run(fold=False, backend="jit")
        replay = Replay(case, timing)
        expected = run_program(replay.program(), backend="jit")
        for number in replay.placed:
            turn, site = divmod(number, len(replay.flat.ops))
            op = replay.flat.ops[site]
            index = turn * replay.flat.per_turn[op] + replay.flat.ordinals[site]
            assert timing.start_ps(program.ops[op], index) == expected.start_ps(f"i{number}", 0)
        assert timing.makespan_ps == max(
            timing.end_ps(name, n)
            for name in program.ops
            for n in range(timing.num_instances[name])
        )
        replayed += 1
    assert replayed > 5
