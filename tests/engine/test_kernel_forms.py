"""The kernel as plain Python, compiled, checked for bounds, and changed over in mid-run."""

from __future__ import annotations

import os
import subprocess
import sys
from array import array

import numba
import numpy as np
import pytest

from archsim.engine import compiled, layout, run_program, warmup
from archsim.engine.kernel import advance
from archsim.engine.long_walk import LongWalk
from archsim.engine.lowering import lower
from archsim.engine.run import MAX_SIMULATED, _Run
from tests.engine.comparison import check_program
from tests.engine.directed import directed_programs, triangular
from tests.engine.generators import generate
from tests.engine.recurring import recurring_programs

SOME = [generate(kind, seed) for kind in "ABC" for seed in range(5000, 5020)]


@pytest.mark.parametrize("program", SOME, ids=lambda program: program.name)
def test_plain_python_gives_the_same_results(program):
    _, python = check_program(program, "python")
    machine = run_program(program, backend="jit")
    assert python.simulated == machine.simulated
    assert python.jumps == machine.jumps
    assert python.attribution == machine.attribution


def test_lists_never_index_from_the_end():
    class Checked(list):
        def __getitem__(self, index):
            assert isinstance(index, slice) or index >= 0
            return super().__getitem__(index)

        def __setitem__(self, index, value):
            assert index >= 0
            super().__setitem__(index, value)

    for program in [*SOME[::3], *directed_programs()[::12], *recurring_programs()]:
        lowered = lower(program, fold=True, logging=True)
        run = _Run(program, lowered, MAX_SIMULATED)
        run.mem, run.log, run.jumps = Checked(run.mem), Checked(run.log), Checked(run.jumps)
        assert run.in_python(MAX_SIMULATED)
        assert run.timing().makespan_ps == run_program(program, backend="jit").makespan_ps


@pytest.mark.slow
def test_arrays_with_bounds_checks_give_the_same_results():
    entry = compiled.linked_advance(lambda function: numba.njit(boundscheck=True)(function))
    checked = numba.njit(boundscheck=True)(entry)
    for program in [*SOME, *directed_programs()[::6], *recurring_programs()]:
        for logging in (False, True):
            lowered = lower(program, fold=True, logging=logging)
            mem = np.array(lowered.mem, dtype=np.int64)
            mem[layout.LIMIT] = MAX_SIMULATED
            mem[layout.LOG_ROOM] = mem[layout.JUMP_ROOM] = size = 100_000 * logging
            log = np.zeros(size * layout.LOG_WIDTH, dtype=np.int64)
            jumps = np.zeros(size * layout.JUMP_WIDTH, dtype=np.int64)
            assert checked(mem, log, jumps) == layout.DONE
            lean = run_program(program, path=False, backend="jit")
            assert mem[layout.SIMULATED] == lean.simulated
            heads = [mem[row] + mem[row + layout.SHIFT] for row in lowered.op_rows]
            assert tuple(heads) == lean.instance_counts
    assert len(checked.signatures) == 1


@pytest.mark.slow
def test_the_walk_with_bounds_checks_takes_the_same_path():
    entry = compiled.linked_trace(lambda function: numba.njit(boundscheck=True)(function))
    checked = numba.njit(boundscheck=True)(entry)

    def trace(*memories):
        return int(checked(*(np.frombuffer(memory, dtype=np.int64) for memory in memories)))

    for program in [*SOME, *directed_programs()[::6], *recurring_programs()]:
        timing = run_program(program, backend="jit")
        ends = [
            op
            for op, start in enumerate(timing.last_starts_ps)
            if start >= 0 and start + program.end_ps(op) == timing.makespan_ps
        ]
        if ends and timing.log.num_jump_rows:
            walk = LongWalk(program, timing.log, trace)
            walk.run(ends[0], timing.instance_counts[ends[0]] - 1)
            assert walk.path() == list(timing.path)


@pytest.mark.parametrize("budget", [1, 3, 10, 40, 100, 300])
def test_a_run_can_change_over_at_any_point(budget):
    for program in [triangular(), *SOME[:10]]:
        whole = run_program(program, backend="jit")
        run = _Run(program, lower(program, fold=True, logging=True), MAX_SIMULATED)
        if not run.in_python(budget):
            run.in_machine_code()
        timing = run.timing()
        assert timing.makespan_ps == whole.makespan_ps
        assert timing.attribution == whole.attribution
        assert (timing.simulated, timing.jumps) == (whole.simulated, whole.jumps)


@pytest.mark.parametrize("backend", ["python", "jit"])
def test_log_and_jumps_grow(backend):
    program = triangular()
    whole = run_program(program, backend=backend)
    run = _Run(program, lower(program, fold=True, logging=True), MAX_SIMULATED)
    run.log, run.jumps = [0] * layout.LOG_WIDTH, [0] * layout.JUMP_WIDTH
    if backend == "python":
        assert run.in_python(MAX_SIMULATED)
    else:
        run.in_machine_code()
    timing = run.timing()
    assert timing.attribution == whole.attribution
    assert [timing.starts_ps(op) for op in program.ops] == [
        whole.starts_ps(op) for op in program.ops
    ]


def test_every_kernel_function_is_linked():
    called = {
        name
        for function in (*compiled.CALLEES_FIRST, advance)
        for name in function.__code__.co_names
        if name.islower()
    }
    known = {function.__name__ for function in compiled.CALLEES_FIRST}
    assert called - known <= {"range"}


def test_memory_of_compiled_runs_is_64_bit():
    assert array("q").itemsize == 8


def test_warmup_reports_its_time():
    assert warmup()["cpu_s"] >= 0


SCRIPT = """
import sys
from archsim.program import ProgramBuilder
b = ProgramBuilder("p")
op = b.op("x", holds=[(b.resource("r"), 5)], latency=7)
with b.loop(1000, "loop"):
    b.place(op)
from archsim.engine import run_program
timing = run_program(b.build())
assert timing.makespan_ps == 999 * 5 + 7 and timing.attribution
loaded = {"numpy", "numba"} & set(sys.modules)
assert not loaded, loaded
assert run_program(b.build(), backend="jit").makespan_ps == timing.makespan_ps
"""


@pytest.mark.parametrize("variables", [{}, {"NUMBA_DISABLE_JIT": "1"}])
def test_small_runs_import_neither_numpy_nor_numba(variables):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_compiled_code_is_kept_where_asked(tmp_path):
    script = "from archsim.engine import warmup; print(warmup()['cpu_s'])"
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", script],
                env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for _ in range(2)
    ]
    assert list(tmp_path.rglob("*.nbc"))
    assert times[1] < 0.5 * times[0]
