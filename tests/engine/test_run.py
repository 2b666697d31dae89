from __future__ import annotations

import pytest

from archsim.engine import interpret, run_program
from archsim.errors import OperationBudgetError, SimulationError, TimeOverflowError
from archsim.program import ProgramBuilder
from tests.engine.comparison import check_program


def pipeline(turns: int = 100) -> ProgramBuilder:
    """The worked example of the folding theorem: makespan 7 + 8 n."""
    b = ProgramBuilder("worked-example")
    link, array = b.resource("link"), b.resource("array")
    load = b.op("load", holds=[(link, 5)], latency=7, cause="bandwidth", tags={"layer": "ffn"})
    work = b.op("work", holds=[(array, 8)], latency=8, cause="compute")
    with b.loop(turns, "tile"):
        b.place(load)
        b.place(work)
    b.after(work, load)
    b.after(load, work, back=2)
    return b


def test_worked_example_of_the_theorem():
    _, timing = check_program(pipeline().build())
    assert timing.starts_ps("load")[:5] == [0, 5, 15, 23, 31]
    assert timing.starts_ps("work")[:5] == [7, 15, 23, 31, 39]
    assert timing.makespan_ps == 7 + 8 * 100
    assert timing.simulated <= 20
    assert timing.jumps == 1
    assert run_program(pipeline(10**15).build()).makespan_ps == 7 + 8 * 10**15


def test_slack_that_runs_out_bounds_the_jump():
    b = ProgramBuilder("second-example")
    slow = b.op("slow", holds=[(b.resource("a"), 1_000_001)], latency=0)
    fast = b.op("fast", holds=[(b.resource("b"), 1_000_000)], latency=0)
    join = b.op("join", holds=[(b.resource("c"), 1)], latency=0)
    with b.loop(1000, "loop"):
        for op in (slow, fast, join):
            b.place(op)
    b.after(join, slow)
    b.after(join, fast, delay=100)
    _, timing = check_program(b.build())
    assert timing.jumps == 2
    assert timing.starts_ps("join")[99:102] == [99_000_100 - 0, 100_000_100, 101_000_101]


def test_end_is_the_longer_of_occupancy_and_latency():
    b = ProgramBuilder("ends")
    b.place(b.op("held", holds=[(b.resource("r"), 9), (b.resource("s"), 20)], latency=4))
    timing = run_program(b.build())
    assert timing.makespan_ps == 20
    assert [(s.resource, s.cause, s.ps) for s in timing.attribution] == [("s", "compute", 20)]
    assert dict(timing.busy_ps) == {"r": 9, "s": 20}


def test_servers_are_taken_in_turn_and_issue_in_order():
    b = ProgramBuilder("servers")
    wide = b.resource("wide", 2)
    late = b.op("late", holds=[(wide, 10)], latency=10)
    early = b.op("early", holds=[(wide, 10)], latency=10)
    first = b.op("first", holds=[(b.resource("other"), 50)], latency=50)
    for op in (first, late, early):
        b.place(op)
    b.after(late, first)
    timing = run_program(b.build())
    assert timing.start_ps("late", 0) == timing.start_ps("early", 0) == 50


def test_scope_keeps_an_earlier_activation_out():
    def build(scoped: bool) -> ProgramBuilder:
        b = ProgramBuilder("scope")
        op = b.op("x", holds=[(b.resource("r"), 1)], latency=1)
        with b.loop(3, "row"), b.loop(2, "column") as column:
            b.place(op)
        b.after(op, op, delay=100, anchor="start", scope=column if scoped else None)
        return b

    assert run_program(build(True).build()).starts_ps("x") == [0, 100, 101, 201, 202, 302]
    assert run_program(build(False).build()).starts_ps("x") == [0, 100, 200, 300, 400, 500]


def test_empty_program_takes_no_time():
    timing = run_program(ProgramBuilder("nothing").build())
    assert (timing.makespan_ps, timing.attribution, timing.simulated) == (0, (), 0)


def test_operation_that_never_runs_has_no_instances():
    b = ProgramBuilder("never")
    with b.loop(0, "zero"):
        b.place(b.op("x", latency=5))
    timing = run_program(b.build())
    assert timing.num_instances == {"x": 0}
    assert timing.starts_ps("x") == []
    with pytest.raises(SimulationError, match="has no instance 0"):
        timing.start_ps("x", 0)


@pytest.mark.parametrize("backend", ["python", "jit", "auto"])
@pytest.mark.parametrize("fold", [True, False])
def test_time_beyond_the_range_is_refused(backend, fold):
    b = ProgramBuilder("long")
    op = b.op("x", holds=[(b.resource("r"), (1 << 60) - 1)], latency=0)
    with b.loop(100, "loop"):
        b.place(op)
    with pytest.raises(TimeOverflowError, match=r"26\.7 days"):
        run_program(b.build(), fold=fold, backend=backend)


@pytest.mark.parametrize("backend", ["python", "jit"])
def test_jump_beyond_the_range_is_refused(backend):
    with pytest.raises(TimeOverflowError):
        run_program(pipeline(1 << 59).build(), backend=backend)


def test_last_end_beyond_the_range_is_refused():
    b = ProgramBuilder("tail")
    op = b.op("x", holds=[(b.resource("r"), (1 << 60) - 1)], latency=0)
    with b.loop(2, "loop"):
        b.place(op)
    b.place(b.op("y", holds=[(b.resource("r"), 5)], latency=1 << 59))
    with pytest.raises(TimeOverflowError, match="ends at"):
        run_program(b.build())


def test_more_operations_than_61_bits_are_refused():
    b = ProgramBuilder("many")
    with b.loop(1 << 40, "outer"), b.loop(1 << 40, "inner"):
        b.place(b.op("x"))
    with pytest.raises(TimeOverflowError, match="2\\*\\*61 operations"):
        run_program(b.build())


@pytest.mark.parametrize("backend", ["python", "jit", "auto"])
def test_budget_of_simulated_operations(backend):
    program = pipeline(1000).build()
    assert run_program(program, max_ops=50, backend=backend).simulated <= 50
    with pytest.raises(OperationBudgetError, match="more than 50 simulated"):
        run_program(program, fold=False, max_ops=50, backend=backend)
    with pytest.raises(OperationBudgetError):
        interpret(program, max_ops=50)


def test_unknown_backend_is_refused():
    with pytest.raises(SimulationError, match="allowed: auto, jit, python"):
        run_program(pipeline().build(), backend="gpu")


def test_a_lean_run_keeps_no_path():
    timing = run_program(pipeline().build(), path=False)
    assert timing.makespan_ps == 807
    with pytest.raises(SimulationError, match="path=True"):
        _ = timing.attribution
    with pytest.raises(SimulationError, match="no operation"):
        timing.starts_ps("nobody")
