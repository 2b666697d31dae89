"""Runs that cannot go on, would never end or leave the range of times say so."""

from __future__ import annotations

import pytest

from archsim.engine import events_layout as at
from archsim.engine import simulate_events
from archsim.engine.events_flat import flatten
from archsim.engine.events_lowering import MAX_INSTANCES, lower_events
from archsim.engine.events_run import EventRun
from archsim.errors import OperationBudgetError, SimulationError, TimeOverflowError
from archsim.program import Program, ProgramBuilder, affine
from archsim.program.arbitration import fcfs

BACKENDS = ["python", "jit", "auto"]


def requests(turns: int, occupancy: int = 5) -> Program:
    """Two requests a turn on one bus."""
    b = ProgramBuilder("requests")
    bus = b.resource("bus")
    with b.loop(turns, "turn"):
        for name in "xy":
            b.place(b.op(name, holds=[(bus, occupancy)], latency=occupancy))
    return b.build()


BUS = {"bus": fcfs()}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("log", [True, False])
def test_the_budget_ends_a_run(backend, log):
    program = requests(10**6)
    with pytest.raises(OperationBudgetError, match="more than 1000 simulated operations"):
        simulate_events(program, BUS, window=2, fold=False, max_ops=1000, backend=backend, log=log)
    timing = simulate_events(program, BUS, window=2, max_ops=1000, backend=backend, log=log)
    assert timing.makespan_ps == 10**7
    assert timing.simulated < 100


@pytest.mark.parametrize("backend", BACKENDS)
def test_turns_that_take_no_time_count_against_the_budget(backend):
    program = requests(10**15, occupancy=0)
    with pytest.raises(OperationBudgetError):
        simulate_events(program, BUS, window=2, max_ops=10_000, backend=backend, log=False)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("fold", [True, False])
def test_a_run_beyond_the_range_of_times_is_refused(backend, fold):
    for turns in (20, 10**9):
        program = requests(turns, occupancy=1 << 58)
        with pytest.raises(TimeOverflowError):
            simulate_events(program, BUS, window=2, fold=fold, backend=backend)


def test_a_folded_makespan_beyond_the_range_is_refused():
    with pytest.raises(TimeOverflowError, match="beyond 2"):
        simulate_events(requests(10**12, occupancy=1 << 30), BUS, window=2)
    assert simulate_events(requests(10**8, occupancy=1 << 30), BUS, window=2).jumps == 1


@pytest.mark.parametrize("backend", ["python", "jit"])
def test_a_deadlock_is_named(backend):
    """Programs cannot have one, for waits point backwards; a broken machine can."""
    program = requests(3)
    flat = flatten(program, [0])
    lowered = lower_events(flat, {0: fcfs()}, window=2, arrivals_ps={}, fold=True, logging=False)
    lowered.mem[lowered.resource_rows[0] + at.FREE] = 0
    run = EventRun(flat, lowered, 1000)
    with pytest.raises(SimulationError, match=r"stuck at 0 ps: nothing .* lets 'x', 'y' start"):
        run.in_python(1000) if backend == "python" else run.in_machine_code()


def test_waits_into_the_past_are_refused():
    b = ProgramBuilder("past")
    x = b.op("x", holds=[(b.resource("bus"), 5)], latency=5)
    with b.loop(5, "turn"):
        b.place(x)
    b.after(x, x, delay=-7, anchor="start")
    with pytest.raises(SimulationError, match="'x' may start 7 ps before 'x'"):
        simulate_events(b.build(), BUS)


def test_two_resources_that_choose_cannot_be_held_at_once():
    b = ProgramBuilder("both")
    bus, port = b.resource("bus"), b.resource("port")
    x = b.op("x", holds=[(bus, 5), (port, 3)], latency=5)
    b.place(x)
    b.place(x)
    program = b.build()
    with pytest.raises(SimulationError, match="'bus' and 'port', which both choose"):
        simulate_events(program, fcfs())
    assert simulate_events(program, BUS).makespan_ps == 10


def test_a_window_needs_one_loop():
    b = ProgramBuilder("triangle")
    x = b.op("x", holds=[(b.resource("bus"), 5)], latency=5)
    with b.loop(4, "outer") as outer, b.loop(affine(1, 1, outer), "inner"):
        b.place(x)
    assert simulate_events(b.build(), BUS).makespan_ps == 50
    with pytest.raises(SimulationError, match="laid out whole"):
        simulate_events(b.build(), BUS, window=2)
    with pytest.raises(SimulationError, match="given 0"):
        simulate_events(requests(3), BUS, window=0)


def test_too_much_in_flight_is_refused_with_a_hint():
    with pytest.raises(OperationBudgetError, match="give a window"):
        simulate_events(requests(MAX_INSTANCES), BUS)
    b = ProgramBuilder("wide")
    with b.loop(2, "outer"), b.loop(1 << 21, "inner"):
        b.place(b.op("x", holds=[(b.resource("bus"), 1)]))
    with pytest.raises(OperationBudgetError, match="in a turn of its outer loop"):
        simulate_events(b.build(), BUS)


def test_arrivals_must_fit_the_operation():
    program = requests(3)
    for arrivals, message in (
        ({"z": [1]}, "no operation is called 'z'"),
        ({"x": [1, 2]}, "runs 3 times; given 2 arrivals"),
        ({"x": [1, 2, -3]}, "must arrive from 0"),
        ({"x": [1, 2, 3.5]}, "must arrive at whole ps"),
        ({"x": [1, 2, 1 << 70]}, "must arrive at whole ps"),
    ):
        with pytest.raises(SimulationError, match=message):
            simulate_events(program, BUS, arrivals_ps=arrivals)


def test_results_say_what_they_do_not_have():
    program = requests(3)
    timing = simulate_events(program, BUS, log=False)
    with pytest.raises(SimulationError, match="kept no log"):
        timing.starts_ps("x")
    timing = simulate_events(program, BUS)
    for ask in (
        lambda: timing.start_ps("x", 3),
        lambda: timing.starts_ps("z"),
        lambda: timing.grants("port"),
    ):
        with pytest.raises(SimulationError, match="no "):
            ask()
    with pytest.raises(SimulationError, match="unknown backend"):
        simulate_events(program, BUS, backend="fast")


@pytest.mark.parametrize("turns", [0, 1])
def test_programs_that_run_nothing_take_no_time(turns):
    b = ProgramBuilder("nothing")
    x = b.op("x", holds=[(b.resource("bus"), 5)], latency=5)
    with b.loop(turns, "outer"), b.loop(0, "inner"):
        b.place(x)
    timing = simulate_events(b.build(), BUS)
    assert (timing.makespan_ps, timing.simulated, timing.instance_counts) == (0, 0, (0,))
    assert timing.starts_ps("x") == []
