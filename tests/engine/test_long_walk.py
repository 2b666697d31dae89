"""The compiled walk takes the path of the plain one, edge by edge."""

from __future__ import annotations

import subprocess
import sys

import pytest

from archsim.engine import compiled, run_program, walking
from archsim.engine.long_walk import LongWalk, suits
from archsim.engine.path import count_steps, count_weights
from archsim.engine.path_walk import walk
from archsim.program import Program, ProgramBuilder, affine
from tests.engine.directed import directed_programs, dram_rows, gpu_waves, triangular
from tests.engine.generators import generate


def causal(rows: int) -> Program:
    """Causal attention: the inner trip is the row."""
    b = ProgramBuilder("causal")
    load = b.op("load", holds=[(b.resource("dma"), 30)], latency=55)
    score = b.op("score", holds=[(b.resource("array"), 40)], latency=60)
    soft = b.op("soft", holds=[(b.resource("vector"), 25)], latency=25)
    with b.loop(rows, "row") as row, b.loop(affine(1, 1, row), "column") as column:
        for op in (load, score, soft):
            b.place(op)
    b.after(score, load)
    b.after(load, score, back=2)
    b.after(soft, score)
    b.after(soft, soft, delay=31, anchor="start", scope=column)
    return b.build()


PROGRAMS = [
    *[generate(kind, seed) for kind in "AB" for seed in range(12000, 12060)],
    *directed_programs()[::5],
    triangular(),
    gpu_waves(300, 7),
    dram_rows(10**9, 32),
    causal(200),
]


@pytest.mark.parametrize("trace", [walking.trace, None], ids=["python", "jit"])
def test_the_path_is_that_of_the_plain_walk(trace):
    for program in PROGRAMS:
        timing = run_program(program, backend="jit")
        if not timing.makespan_ps:
            continue
        last = next(
            op
            for op, start in enumerate(timing.last_starts_ps)
            if start >= 0 and start + program.end_ps(op) == timing.makespan_ps
        )
        number = timing.instance_counts[last] - 1
        long = LongWalk(program, timing.log, trace)
        steps = long.run(last, number)
        expected = walk(timing.log, last, number)
        assert long.path() == expected, program.name
        weights = count_weights(program, count_steps(expected), last)
        assert count_weights(program, steps, last) == weights == timing.weight_counts


def test_long_logs_are_walked_compiled_with_the_same_result():
    program = causal(2000)
    timing = run_program(program, backend="jit")
    assert suits(program, timing.log)
    assert sum(share.ps for share in timing.attribution) == timing.makespan_ps
    plain = run_program(program, backend="python")
    last = program.op_ids["soft"]
    assert timing.weight_counts == count_weights(program, count_steps(plain.path), last)


def test_a_path_that_outgrows_its_room_goes_on():
    timing = run_program(causal(2500), backend="jit")
    long = LongWalk(timing.program, timing.log)
    last = timing.program.op_ids["soft"]
    long.run(last, timing.instance_counts[last] - 1)
    assert len(long.path()) == len(timing.path) > 4096


def test_every_walk_function_is_linked():
    functions = (*compiled.WALK_CALLEES_FIRST, walking.trace)
    called = {name for f in functions for name in f.__code__.co_names if name.islower()}
    assert called - {f.__name__ for f in compiled.WALK_CALLEES_FIRST} <= {"range"}


def test_short_runs_never_load_the_compiled_walk():
    script = """
import sys
from archsim.engine import compiled, run_program
from tests.engine.directed import triangular
assert run_program(triangular(), backend="python").attribution
assert compiled.compiled_trace.cache_info().currsize == 0 and "numba" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
