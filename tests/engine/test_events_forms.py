"""The event kernel as plain Python, compiled, checked for bounds, and changed over in mid-run."""

from __future__ import annotations

import os
import subprocess
import sys
from array import array

import numba
import numpy as np
import pytest

from archsim.engine import events_compiled, events_kernel
from archsim.engine import events_layout as at
from archsim.engine.events_flat import flatten
from archsim.engine.events_lowering import lower_events
from archsim.engine.events_run import EventRun, arrivals_by_op
from archsim.program.arbitration import by_resource
from tests.engine.event_programs import EventCase, case_of, check_case, stream_of

SOME = [draw(seed) for seed in range(5000, 5040) for draw in (case_of, stream_of)]


def prepare(case: EventCase, *, logging: bool = True) -> EventRun:
    """Return a run that has not begun."""
    rules = by_resource(case.program, case.arbitration)
    flat = flatten(case.program, rules)
    arrivals = arrivals_by_op(case.program, case.arrivals_ps)
    lowered = lower_events(
        flat, rules, window=case.window, arrivals_ps=arrivals, fold=True, logging=logging
    )
    return EventRun(flat, lowered, 10**6)


def test_plain_python_gives_the_same_results():
    for case in SOME:
        check_case(case, backends=("python", "jit"))


def test_lists_never_index_from_the_end():
    class Checked(list):
        def __getitem__(self, index):
            assert index >= 0
            return super().__getitem__(index)

        def __setitem__(self, index, value):
            assert index >= 0
            super().__setitem__(index, value)

    for case in SOME[::2]:
        run = prepare(case)
        run.mem = Checked(run.mem)
        assert run.in_python(10**6)
        assert run.timing().makespan_ps == case.run(backend="jit").makespan_ps


@pytest.mark.slow
def test_arrays_with_bounds_checks_give_the_same_results():
    entry = events_compiled.linked_advance(lambda f: numba.njit(boundscheck=True)(f))
    checked = numba.njit(boundscheck=True)(entry)
    for case in SOME:
        run = prepare(case)
        mem = np.array(run.mem, dtype=np.int64)
        mem[at.LIMIT] = 10**6
        log = np.zeros(at.LOG_WIDTH * (10**4), dtype=np.int64)
        mem[at.LOG_ROOM] = 10**4
        if not run.flat.ops:
            continue
        assert checked(mem, log) == at.DONE
        assert mem[at.STARTED] == case.run(backend="jit").simulated
    assert len(checked.signatures) == 1


@pytest.mark.parametrize("budget", [1, 10, 60, 200])
def test_a_run_can_change_over_at_any_point(budget):
    for case in SOME[:20]:
        whole = case.run(backend="jit")
        run = prepare(case)
        if not run.in_python(budget):
            run.in_machine_code()
        timing = run.timing()
        assert timing.makespan_ps == whole.makespan_ps
        assert (timing.simulated, timing.events) == (whole.simulated, whole.events)
        for op in case.program.ops:
            assert timing.starts_ps(op) == whole.starts_ps(op)


def test_the_log_grows():
    for case in SOME[:20]:
        run = prepare(case)
        run.log = array("q", bytes(8 * at.LOG_WIDTH))
        run.in_machine_code()
        timing, whole = run.timing(), case.run(backend="jit")
        for op in case.program.ops:
            assert timing.starts_ps(op) == whole.starts_ps(op)


def test_every_kernel_function_is_linked():
    called = {
        name
        for function in (*events_compiled.CALLEES_FIRST, events_kernel.advance)
        for name in function.__code__.co_names
        if name.islower()
    }
    known = {function.__name__ for function in events_compiled.CALLEES_FIRST}
    assert called - known <= {"range"}


SCRIPT = """
import sys
from archsim.engine import simulate_events
from archsim.program import ProgramBuilder
from archsim.program.arbitration import fcfs
b = ProgramBuilder("p")
op = b.op("x", holds=[(b.resource("r"), 5)], latency=7)
with b.loop(1000, "loop"):
    b.place(op)
timing = simulate_events(b.build(), fcfs(), window=3)
assert timing.makespan_ps > 5000 and timing.jumps
loaded = {"numpy", "numba"} & set(sys.modules)
assert not loaded, loaded
again = simulate_events(b.build(), fcfs(), window=3, backend="jit")
assert again.makespan_ps == timing.makespan_ps
print(timing.makespan_ps, timing.starts_ps("x")[::99])
"""


def test_small_runs_import_nothing_heavy_and_are_the_same_everywhere():
    told = set()
    for variables in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2", "NUMBA_DISABLE_JIT": "1"}):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told.add(done.stdout)
    assert len(told) == 1
