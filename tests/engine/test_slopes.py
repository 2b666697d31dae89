"""One-sided derivatives: left <= count <= right, exact at ties, through folded loops."""

from __future__ import annotations

from fractions import Fraction

import pytest

from archsim.engine import interpret, run_program, sensitivities
from archsim.engine.sensitivity import reasons
from archsim.engine.slopes import Direction, slope_along
from archsim.program import Program, ProgramBuilder
from tests.engine.directed import directed_programs, near_tie
from tests.engine.generators import generate

FINE = 10**6
"""Parts of a ps in which the reference run takes its finite difference."""


def sides(program: Program, makespan_ps: int, direction: Direction) -> tuple[Fraction, Fraction]:
    """Return the left and right derivative along a direction."""
    right = slope_along(program, makespan_ps, direction, simulated=10**6)
    left = slope_along(program, makespan_ps, direction.reversed(), simulated=10**6)
    assert right is not None
    assert left is not None
    return -left.change, right.change


def finite(program: Program, makespan_ps: int, direction: Direction) -> int:
    """Return the finite difference of the interpreter over a millionth of a step."""
    columns = (
        (program.occupancies_ps, direction.occupancies, 0),
        (program.latencies_ps, direction.latencies, 0),
        (program.delays_ps, direction.delays, -(1 << 59)),
    )
    moved = [
        [max(FINE * time + step, low) for time, step in zip(times, steps, strict=True)]
        for times, steps, low in columns
    ]
    names = ("occupancies_ps", "latencies_ps", "delays_ps")
    after = interpret(program.with_times(**dict(zip(names, moved, strict=True))))
    return after.makespan_ps - FINE * makespan_ps


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("kind", ["A", "B", "C"])
def test_counts_lie_between_the_derivatives_and_the_right_one_is_exact(kind, seed):
    program = generate(kind, 8000 + seed)
    timing = run_program(program, backend="jit")
    for weight, count in list(timing.weight_counts.items())[:5]:
        one = Direction.of(program, {weight: 1})
        left, right = sides(program, timing.makespan_ps, one)
        column = {"hold": program.occupancies_ps, "latency": program.latencies_ps}.get(weight[0])
        if column is None or column[weight[1]]:
            assert left <= count
        assert count <= right
        assert right == finite(program, timing.makespan_ps, one)


@pytest.mark.parametrize("seed", range(25))
def test_weights_off_the_path_gain_nothing(seed):
    program = generate("A", 8500 + seed)
    timing = run_program(program, backend="jit")
    weights = [("hold", h) for h, ps in enumerate(program.occupancies_ps) if ps]
    for weight in [w for w in weights if w not in timing.weight_counts][:4]:
        left, right = sides(program, timing.makespan_ps, Direction.of(program, {weight: 1}))
        assert left <= 0 <= right


@pytest.mark.parametrize("program", directed_programs()[::11], ids=lambda program: program.name)
def test_moving_every_time_in_proportion_moves_the_makespan_so(program):
    """Euler: the makespan is homogeneous of degree one in the times."""
    timing = run_program(program, backend="jit")
    along = Direction(program.occupancies_ps, program.latencies_ps, program.delays_ps)
    assert along.sum_over(timing.weight_counts) == timing.makespan_ps
    assert sides(program, timing.makespan_ps, along) == (timing.makespan_ps,) * 2


def double_buffered(load_ps: int, work_ps: int, turns: int) -> Program:
    """A load and a computation, each with a rate of its own."""
    b = ProgramBuilder("tie")
    load = b.op(
        "load",
        holds=[(b.resource("link"), load_ps)],
        latency=load_ps,
        cause="bandwidth",
        occupancy_expr=f"{load_ps} * 1e9 / {{hardware.link.bandwidth}}",
        latency_expr=f"{load_ps} * 1e9 / {{hardware.link.bandwidth}}",
    )
    work = b.op(
        "work",
        holds=[(b.resource("array"), work_ps)],
        latency=work_ps + 10,
        occupancy_expr=f"{work_ps} * 1e9 / {{hardware.clocks.core}}",
        latency_expr=f"{work_ps} * 1e9 / {{hardware.clocks.core}} + {{hardware.delay}} * 1e12",
    )
    with b.loop(turns, "tile"):
        b.place(load)
        b.place(work)
    b.after(work, load)
    b.after(load, work, back=2)
    return b.build()


VALUES = {
    "hardware.link.bandwidth": 1e9,
    "hardware.clocks.core": 1e9,
    "hardware.delay": 1e-11,
}


def elasticities(program: Program, side: str) -> dict[str, float]:
    timing = run_program(program)
    found = sensitivities(program, timing, VALUES.__getitem__, side=side)
    return {name: slope * VALUES[name] / timing.makespan_ps for name, slope in found.items()}


def two_units(turns: int) -> Program:
    """Two units of equal speed side by side: neither alone is what to improve."""
    b = ProgramBuilder("two-units")
    ops = [
        b.op(
            name,
            holds=[(b.resource(name), 1000)],
            latency=1000,
            occupancy_expr=f"1000 * 1e9 / {{hardware.{name}}}",
            latency_expr=f"1000 * 1e9 / {{hardware.{name}}}",
        )
        for name in ("left", "right")
    ]
    with b.loop(turns, "turn"):
        for op in ops:
            b.place(op)
    return b.build()


@pytest.mark.parametrize("turns", [1, 3, 10**6, 10**12])
def test_a_tie_gains_nothing_by_improving_one_side(turns):
    program = two_units(turns)
    timing = run_program(program)
    rates = {"hardware.left": 1e9, "hardware.right": 1e9}
    (count,) = sensitivities(program, timing, rates.__getitem__).values()
    (gain,) = sensitivities(program, timing, rates.__getitem__, side="gain").values()
    assert count * 1e9 == pytest.approx(-timing.makespan_ps)
    assert gain == 0.0
    for which in (0, 1):
        one = Direction.of(program, {("hold", which): 1, ("latency", which): 1})
        left, right = sides(program, timing.makespan_ps, one)
        assert (left, right) == (0, turns)


def test_without_a_tie_both_sides_are_the_count():
    for load, work in ((500, 900), (900, 500)):
        program = double_buffered(load, work, 10**6)
        assert elasticities(program, "gain") == elasticities(program, "count")


def test_gain_is_what_a_small_improvement_saves():
    for load, work in ((700, 700), (700, 701), (350, 700), (1000, 10)):
        program = double_buffered(load, work, 1000)
        gains = elasticities(program, "gain")
        before = run_program(program).makespan_ps
        scale = 10**4
        faster = program.with_times(
            occupancies_ps=[load * (scale - 1), work * scale],
            latencies_ps=[load * (scale - 1), (work + 10) * scale],
            delays_ps=[0] * len(program.delays_ps),
        )
        saved = scale * before - run_program(faster).makespan_ps
        gain = -gains.get("hardware.link.bandwidth", 0.0)
        assert gain == pytest.approx(saved / before, abs=1e-3)


def test_reasons_add_up_to_the_sensitivity():
    program = double_buffered(700, 900, 5000)
    timing = run_program(program)
    counted = sensitivities(program, timing, VALUES.__getitem__)
    found = reasons(program, timing, VALUES.__getitem__)
    assert {name: sum(parts.values()) for name, parts in found.items()} == pytest.approx(counted)
    assert list(found["hardware.link.bandwidth"]) == [("link", "bandwidth")]
    assert list(found["hardware.delay"]) == [("array", "latency")]


def test_scaling_takes_as_little_work_as_the_run():
    program = near_tie(100, 100, 10**9)
    timing = run_program(program)
    slope = slope_along(
        program, timing.makespan_ps, Direction.of(program, {("hold", 0): 1}), simulated=0
    )
    assert slope is not None
    assert slope.change == 10**9 - 1


def test_too_long_a_program_is_left_to_the_counts():
    program = double_buffered(700, 900, 10**15)
    timing = run_program(program)
    assert slope_along(program, timing.makespan_ps, Direction.of(program, {})) is None
    assert elasticities(program, "gain") == elasticities(program, "count")
