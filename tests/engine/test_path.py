from __future__ import annotations

from collections import Counter

import pytest

from archsim.engine import run_program, sensitivities
from archsim.engine.path import Again, Repeat, Step, count_steps
from archsim.engine.timing import Timing
from archsim.program import Program, ProgramBuilder
from tests.engine.directed import directed_programs, dram_rows, triangular
from tests.engine.generators import generate
from tests.engine.test_run import pipeline


def by_cause(timing: Timing) -> dict[tuple[str, str, str], int]:
    return {(s.resource, s.cause, s.op): s.ps for s in timing.attribution}


def test_attribution_of_the_worked_example():
    timing = run_program(pipeline().build())
    assert by_cause(timing) == {
        ("array", "compute", "work"): 800,
        ("link", "bandwidth", "load"): 5,
        ("link", "latency", "load"): 2,
    }
    assert timing.attribution[1].tags == {"layer": "ffn"}


def test_delays_and_markers_in_the_attribution():
    b = ProgramBuilder("launches")
    launch = b.marker("launch", tags={"phase": "decode"})
    work = b.op("work", holds=[(b.resource("gpu"), 40)], latency=60)
    with b.loop(10, "kernel"):
        b.place(launch)
        b.place(work)
    b.after(launch, work, delay=-10)
    b.after(work, launch, delay=25, cause="launch")
    timing = run_program(b.build())
    assert by_cause(timing) == {
        ("", "launch", "work"): 250,
        ("", "latency", "launch"): -90,
        ("gpu", "compute", "work"): 400,
        ("gpu", "latency", "work"): 200,
    }
    assert timing.makespan_ps == 760


def test_path_through_jumps_is_short():
    timing = run_program(dram_rows(10**6, 32))
    assert len(timing.path) < 500
    assert any(isinstance(entry, Repeat) for entry in timing.path)
    assert sum(share.ps for share in timing.attribution) == timing.makespan_ps


def test_repeats_nest():
    a, b, c = Step(1, 0), Step(2, 0), Step(3, 0)
    path = [a, b, Repeat(1, 4), c, Repeat(4, 2), a]
    assert count_steps(path) == {a: 4, b: 15, c: 3}


def test_what_is_taken_again_takes_its_repeats_along():
    a, b, c = Step(1, 0), Step(2, 0), Step(3, 0)
    path = [a, b, Repeat(1, 4), c, Again(0, 3), Again(1, 4), Repeat(2, 9)]
    once = Counter({a: 1, b: 5})
    both = Counter({b: 5, c: 1}) + once
    total = Counter({a: 1, b: 5, c: 1})
    for _ in range(10):
        total += once + both
    assert count_steps(path) == total


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("kind", ["A", "B", "C"])
def test_counts_are_a_subgradient(kind, seed):
    """Left difference <= count <= right difference, for every weight of the path."""
    program = generate(kind, 7000 + seed)
    base = run_program(program, backend="jit")
    fields = {"hold": "occupancies_ps", "latency": "latencies_ps", "delay": "delays_ps"}
    step = 1

    def moved(field: str, number: int, by: int) -> int:
        times = list(getattr(program, field))
        times[number] += by
        made: Program = program.with_times(**{field: times})
        return run_program(made, path=False, backend="jit").makespan_ps

    for (kind_of, number), count in list(base.weight_counts.items())[:6]:
        field = fields[kind_of]
        assert moved(field, number, step) - base.makespan_ps >= count * step
        if getattr(program, field)[number] >= step or kind_of == "delay":
            assert base.makespan_ps - moved(field, number, -step) <= count * step


def test_counts_times_weights_sum_to_the_makespan():
    for program in directed_programs()[::7]:
        timing = run_program(program, backend="jit")
        total = 0
        for (kind, number), count in timing.weight_counts.items():
            times = {
                "hold": program.occupancies_ps,
                "latency": program.latencies_ps,
                "delay": program.delays_ps,
            }[kind]
            total += count * times[number]
        assert total == timing.makespan_ps


def test_sensitivities_sum_expressions_over_the_path():
    b = ProgramBuilder("bandwidth")
    rate, clock = 4.0e9, 1.0e9
    load = b.op(
        "load",
        holds=[(b.resource("dram"), 16_000)],
        latency=16_000 + 100_000,
        cause="bandwidth",
        occupancy_expr="64 * 1e12 / {hardware.components.dram.bandwidth}",
        latency_expr="64 * 1e12 / {hardware.components.dram.bandwidth} + 100000",
    )
    work = b.op(
        "work",
        holds=[(b.resource("array"), 7_000)],
        latency=7_000,
        occupancy_expr="7 * 1e12 / {hardware.clocks.core}",
        latency_expr="7 * 1e12 / {hardware.clocks.core}",
    )
    with b.loop(1000, "tile"):
        b.place(load)
        b.place(work)
    b.after(work, load)
    b.after(work, work, delay=3, delay_expr="3 * {hardware.clocks.core} / 1e9", anchor="start")
    program = b.build()
    values = {"hardware.components.dram.bandwidth": rate, "hardware.clocks.core": clock}
    timing = run_program(program)
    found = sensitivities(program, timing, values.__getitem__)
    assert timing.makespan_ps == 1000 * 16_000 + 100_000 + 7_000
    assert found["hardware.components.dram.bandwidth"] == pytest.approx(-16_000 * 1000 / rate)
    assert found["hardware.clocks.core"] == pytest.approx(-7_000 / clock)


def test_causal_attention_attributes_all_its_time():
    timing = run_program(triangular())
    assert {share.resource for share in timing.attribution} <= {"dma", "array", "vector", ""}
    assert sum(share.ps for share in timing.attribution) == timing.makespan_ps
