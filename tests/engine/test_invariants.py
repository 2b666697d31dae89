from __future__ import annotations

import random

import pytest

from archsim.engine import interpret, run_program
from archsim.program import Program, ProgramBuilder
from tests.engine.directed import (
    coprime_cycles,
    dram_rows,
    gpu_waves,
    near_tie,
    shared_definitions,
    two_speed_groups,
)
from tests.engine.generators import generate
from tests.engine.recurring import experts, heads_of_rows, tile_rows


def programs(count: int) -> list[Program]:
    return [generate(kind, seed) for kind in "ABC" for seed in range(3000, 3000 + count)]


@pytest.mark.parametrize("program", programs(40), ids=lambda program: program.name)
def test_raising_a_time_never_lowers_the_makespan(program):
    rng = random.Random(program.name)
    before = run_program(program, backend="jit").makespan_ps
    kind = rng.choice(["occupancies_ps", "latencies_ps", "delays_ps"])
    times = list(getattr(program, kind))
    if times:
        times[rng.randrange(len(times))] += rng.randint(1, 100)
        changed = program.with_times(**{kind: times})
        assert run_program(changed, backend="jit").makespan_ps >= before


@pytest.mark.parametrize("program", programs(40), ids=lambda program: program.name)
def test_scaling_every_time_scales_every_start(program):
    scaled = program.with_times(
        occupancies_ps=[7 * t for t in program.occupancies_ps],
        latencies_ps=[7 * t for t in program.latencies_ps],
        delays_ps=[7 * t for t in program.delays_ps],
    )
    one, seven = run_program(program, backend="jit"), run_program(scaled, backend="jit")
    assert seven.makespan_ps == 7 * one.makespan_ps
    for op in program.ops:
        assert seven.starts_ps(op) == [7 * start for start in one.starts_ps(op)]
    assert dict(seven.weight_counts) == dict(one.weight_counts)


@pytest.mark.parametrize("program", programs(40), ids=lambda program: program.name)
def test_no_resource_is_over_subscribed_and_starts_are_in_order(program):
    timing = run_program(program, backend="jit")
    slices: list[list[tuple[int, int]]] = [[] for _ in program.resources]
    for op, name in enumerate(program.ops):
        starts = timing.starts_ps(name)
        assert starts == sorted(starts)
        for resource, occupancy in program.holds(op):
            slices[resource] += [(start, start + occupancy) for start in starts if occupancy]
    for resource, held in enumerate(slices):
        # At one instant releases come before new holds.
        events = sorted([(start, 1) for start, _ in held] + [(end, -1) for _, end in held])
        busy = 0
        for _, step in sorted(events, key=lambda event: (event[0], event[1])):
            busy += step
            assert busy <= program.capacities[resource]


@pytest.mark.parametrize("program", programs(40), ids=lambda program: program.name)
def test_makespan_is_at_least_the_busiest_resource(program):
    timing = run_program(program, backend="jit")
    for resource, busy in timing.busy_ps.items():
        servers = program.capacities[program.resources.index(resource)]
        assert timing.makespan_ps * servers >= busy


@pytest.mark.parametrize("seed", range(30))
def test_adding_a_wait_never_lowers_the_makespan(seed):
    def build(extra: bool) -> Program:
        rng = random.Random(seed)
        b = ProgramBuilder("waits")
        ops = [
            b.op(f"o{i}", holds=[(b.resource(f"r{i % 3}"), rng.randint(1, 50))], latency=60)
            for i in range(5)
        ]
        with b.loop(200, "loop"):
            for op in ops:
                b.place(op)
        for _ in range(6):
            b.after(rng.choice(ops), rng.choice(ops), back=rng.randint(2, 5), delay=-20)
        if extra:
            b.after(rng.choice(ops), rng.choice(ops), back=rng.randint(2, 5), delay=30)
        return b.build()

    assert run_program(build(True)).makespan_ps >= run_program(build(False)).makespan_ps


def test_translation_by_a_root_marker_moves_every_start():
    def build(delay: int) -> Program:
        b = ProgramBuilder("moved")
        root = b.op("root", latency=delay)
        b.place(root)
        b.embed(two_speed_groups(9, 3, 120, 11), after=root, name="body")
        return b.build()

    zero, later = run_program(build(1)), run_program(build(1_000_001))
    assert later.makespan_ps == zero.makespan_ps + 1_000_000
    for op in zero.program.ops[1:]:
        assert later.starts_ps(op) == [start + 1_000_000 for start in zero.starts_ps(op)]
    assert later.simulated == zero.simulated


@pytest.mark.parametrize("turns", [60, 61])
@pytest.mark.parametrize("first", [0, 1, 17, 60])
def test_splitting_a_loop_changes_nothing(turns, first):
    def build(parts: list[int]) -> Program:
        b = ProgramBuilder("split")
        load = b.op("load", holds=[(b.resource("dma"), 12)], latency=20)
        work = b.op("work", holds=[(b.resource("array"), 15)], latency=18)
        for part in parts:
            with b.loop(part, "part"):
                b.place(load)
                b.place(work)
        b.after(work, load)
        b.after(load, work, back=3)
        return b.build()

    whole, split = run_program(build([turns])), run_program(build([first, turns - first]))
    assert split.makespan_ps == whole.makespan_ps
    for op in whole.program.ops:
        assert split.starts_ps(op) == whole.starts_ps(op)
    assert split.attribution == whole.attribution


def test_a_loop_of_one_iteration_changes_nothing():
    def build(wrap: int) -> Program:
        b = ProgramBuilder("wrapped")
        op = b.op("x", holds=[(b.resource("r"), 12)], latency=20)
        with b.loop(wrap, "outer"), b.loop(50, "inner"), b.loop(wrap, "innermost"):
            b.place(op)
        b.after(op, op, back=2, delay=9)
        return b.build()

    assert run_program(build(1)).starts_ps("x") == interpret(build(1)).starts("x")


def two_rates(turns: int, lead: int) -> Program:
    """Two rates that nothing couples, in a nest, with a wait that never decides."""
    b = ProgramBuilder("two-rates")
    slow = b.op("slow", holds=[(b.resource("a"), 20)], latency=20)
    fast = b.op("fast", holds=[(b.resource("b"), 10)], latency=10)
    with b.loop(turns, "outer"), b.loop(50, "inner"):
        b.place(slow)
        b.place(fast)
    b.after(slow, fast, delay=-lead, anchor="start")
    return b.build()


@pytest.mark.parametrize(
    "make",
    [
        lambda turns: near_tie(100, 100, turns),
        lambda turns: shared_definitions(turns),
        lambda turns: gpu_waves(turns, 37),
        lambda turns: dram_rows(turns, 8),
        lambda turns: heads_of_rows(turns, 9),
        lambda turns: experts((7, 0, 30, 7, 1), turns),
        lambda turns: two_speed_groups(4, 5, 0, turns),
        lambda turns: coprime_cycles((2, 3, 5), turns),
        lambda turns: tile_rows(turns, 100),
        lambda turns: two_rates(turns, 20_000),
    ],
)
def test_simulated_operations_do_not_grow_with_the_outer_trip(make):
    small, large = run_program(make(1000)), run_program(make(10**9))
    assert large.simulated <= small.simulated
    assert large.makespan_ps > 10**5 * small.makespan_ps
    assert large.attribution[0].ps > 0
