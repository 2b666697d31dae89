"""One structure under many times equals programs of their own."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from archsim.engine import run_program, simulate_many
from archsim.engine.retiming import Times
from archsim.errors import SimulationError, TimeOverflowError
from archsim.program import Program, ProgramBuilder
from tests.engine.directed import directed_programs
from tests.engine.generators import generate
from tests.engine.test_run import pipeline


def other_times(program: Program, seed: int) -> Times:
    rng = random.Random(seed)

    def changed(times, low):
        return [max(ps + rng.randint(-30, 60), low) for ps in times]

    return Times(
        changed(program.occupancies_ps, 0),
        changed(program.latencies_ps, 0),
        changed(program.delays_ps, -(10**6)),
    )


@pytest.mark.parametrize(
    "program",
    [
        *(generate(kind, seed) for kind in "AB" for seed in range(13000, 13020)),
        *directed_programs()[::30],
    ],
    ids=lambda program: program.name,
)
def test_many_runs_equal_single_ones(program):
    sets = [Times.of(program), *(other_times(program, seed) for seed in range(5))]
    expected = []
    for occupancies, latencies, delays in sets:
        made = program.with_times(
            occupancies_ps=occupancies, latencies_ps=latencies, delays_ps=delays
        )
        expected.append(run_program(made, path=False, backend="jit").makespan_ps)
    assert simulate_many(program, sets) == expected


def test_an_empty_program_and_no_times():
    program = ProgramBuilder("nothing").build()
    assert simulate_many(program, [Times((), (), ())] * 2) == [0, 0]
    assert simulate_many(pipeline().build(), []) == []


def test_threads_side_by_side_give_the_same():
    programs = [pipeline(turns).build() for turns in (10, 1000, 10**6)]
    work = [[Times.of(program)] * 50 for program in programs]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(simulate_many, programs, work))
    assert found == [[7 + 8 * turns] * 50 for turns in (10, 1000, 10**6)]


def test_wrong_sets_are_refused():
    program = pipeline().build()
    with pytest.raises(SimulationError, match="occupancies_ps needs 2 values; given 1"):
        simulate_many(program, [Times([1], [1, 1], [0, 0])])
    with pytest.raises(SimulationError, match="latencies_ps must lie from 0"):
        simulate_many(program, [Times([1, 1], [1, -1], [0, 0])])
    with pytest.raises(TimeOverflowError):
        simulate_many(pipeline(10**9).build(), [Times([1 << 58] * 2, [1, 1], [0, 0])])


def test_small_programs_take_microseconds():
    program = pipeline(4).build()
    sets = [Times((5, 8 + n % 7), (7, 8), (0, 0)) for n in range(4000)]
    simulate_many(program, sets[:1])
    seconds = []
    for _ in range(3):
        begun = time.process_time()
        simulate_many(program, sets)
        seconds.append(time.process_time() - begun)
    assert len(sets) / min(seconds) > 8_000
