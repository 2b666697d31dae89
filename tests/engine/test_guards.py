"""Runs that would never end are ended, and programs that no buffer could hold are named."""

from __future__ import annotations

import pytest

from archsim.engine import run_program
from archsim.errors import OperationBudgetError
from archsim.program import Program, ProgramBuilder, affine, table
from tests.engine.directed import directed_programs
from tests.engine.test_run import pipeline

BACKENDS = ["python", "jit", "auto"]


def rarely_run(turns: int, first: int) -> Program:
    """A loop whose inner loop is empty until turn ``first``."""
    b = ProgramBuilder("rarely")
    op = b.op("x", holds=[(b.resource("r"), 5)], latency=7)
    with b.loop(turns, "outer") as outer, b.loop(affine(-first, 1, outer), "inner"):
        b.place(op)
    return b.build()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("path", [True, False])
def test_loops_that_run_nothing_count_against_the_budget(backend, fold, path):
    program = rarely_run(10**15, 10**15 - 1)
    assert run_program(rarely_run(100, 98), fold=fold, path=path).instance_counts == (1,)
    rarely = rarely_run(10**15, 10**15 - 2)
    with pytest.raises(OperationBudgetError, match="more than 1000 passes over loops"):
        run_program(rarely, fold=fold, path=path, backend=backend, max_ops=1000)
    assert run_program(program, fold=fold, path=path, backend=backend).makespan_ps == 0


def test_the_budget_of_idle_passes_is_exact():
    for backend in BACKENDS:
        program = rarely_run(100, 98)
        run_program(program, backend=backend, max_ops=99)
        with pytest.raises(OperationBudgetError):
            run_program(program, backend=backend, max_ops=98)


@pytest.mark.parametrize("fold", [True, False])
def test_nests_in_which_every_dependent_trip_is_zero_take_no_time(fold):
    b = ProgramBuilder("nothing")
    op = b.op("x", holds=[(b.resource("r"), 5)], latency=7)
    after = b.op("y", holds=[(b.resource("r"), 3)], latency=3)
    with (
        b.loop(10**15, "outer") as outer,
        b.loop(affine(-(10**15), 1, outer), "middle"),
        b.loop(10**12, "inner"),
    ):
        b.place(op)
    b.place(after)
    timing = run_program(b.build(), fold=fold, max_ops=10)
    assert (timing.makespan_ps, timing.simulated) == (3, 1)


@pytest.mark.parametrize("fold", [True, False])
def test_a_table_of_zeros_takes_no_time(fold):
    b = ProgramBuilder("zeros")
    op = b.op("x", holds=[(b.resource("r"), 5)], latency=7)
    with (
        b.loop(10**12, "layers"),
        b.loop(4, "expert") as expert,
        b.loop(table([0, 0, 0, -1], expert), "tokens"),
    ):
        b.place(op)
    assert run_program(b.build(), fold=fold, max_ops=10).makespan_ps == 0


def test_counts_that_need_too_many_terms_are_refused():
    b = ProgramBuilder("cubic")
    with (
        b.loop(10**15, "a") as a,
        b.loop(affine(1, 1, a), "b") as middle,
        b.loop(affine(1, 1, middle), "c"),
    ):
        b.place(b.op("x"))
    with pytest.raises(OperationBudgetError, match="terms to count"):
        run_program(b.build())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_jump_does_not_count_against_the_budget(backend):
    program = pipeline(10**15).build()
    timing = run_program(program, backend=backend, max_ops=50)
    assert timing.simulated <= 50 < 10**15 < sum(timing.instance_counts)


def fed(back: int | None, turns: int = 10**6) -> Program:
    """Loads that feed slower work, with room for ``back`` of them or without a limit."""
    b = ProgramBuilder("fed")
    load = b.op("load", holds=[(b.resource("link"), 5)], latency=7)
    work = b.op("work", holds=[(b.resource("array"), 8)], latency=8)
    post = b.op("post", holds=[(b.resource("vector"), 4)], latency=4)
    with b.loop(turns, "tile"):
        for op in (load, work, post):
            b.place(op)
    b.after(work, load)
    b.after(post, work)
    if back:
        b.after(load, post, back=back)
    return b.build()


def test_an_operation_without_back_pressure_is_named():
    (warning,) = run_program(fed(None)).warnings
    assert warning == (
        "operation 'load' runs ever further ahead of 'work', which reads it: "
        "nothing makes it wait for a free buffer"
    )
    assert run_program(fed(None), path=False).warnings == ()


@pytest.mark.parametrize("back", [2, 3, 40, 4000])
def test_a_buffer_of_any_depth_is_back_pressure(back):
    """Even while it fills, which takes thousands of tiles, nothing is without bound."""
    assert run_program(fed(back)).warnings == ()


def test_a_shared_resource_is_back_pressure():
    b = ProgramBuilder("shared")
    port = b.resource("port")
    load = b.op("load", holds=[(port, 5)], latency=7)
    work = b.op("work", holds=[(port, 8), (b.resource("array"), 9)], latency=8)
    with b.loop(1000, "tile"):
        b.place(load)
        b.place(work)
    b.after(work, load)
    assert run_program(b.build()).warnings == ()


def test_the_warnings_of_the_program_come_first():
    b = ProgramBuilder("both")
    op = b.op("x", holds=[(b.resource("r"), 5)])
    b.place(op)
    b.after(op, op, back=3)
    program = b.build()
    assert run_program(program).warnings == program.warnings != ()


def test_no_directed_program_grows_with_its_budget():
    for program in directed_programs()[::9]:
        used = run_program(program, backend="jit").simulated
        idle = sum(1 for trip in program.trips if trip.loop >= 0) * 100
        timing = run_program(program, backend="jit", max_ops=max(used, idle))
        assert timing.simulated == used
