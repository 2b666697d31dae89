from __future__ import annotations

import numba
import pytest

from archsim.engine import run_program
from tests.engine.comparison import check_program
from tests.engine.generators import generate

CHUNK = 10 if numba.config.DISABLE_JIT else 50
"""Programs of a test; plain Python takes ten times as long for one."""


@pytest.mark.parametrize("chunk", range(14))
@pytest.mark.parametrize("kind", ["A", "B", "C"])
def test_folded_unrolled_and_interpreted_agree_on_every_start(kind, chunk):
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        program = generate(kind, seed)
        try:
            check_program(program)
        except AssertionError as error:
            raise AssertionError(f"generator {kind}, seed {seed}") from error


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(34))
@pytest.mark.parametrize("kind", ["A", "B", "C"])
def test_fifty_thousand_programs_agree_on_every_start(kind, chunk):
    for seed in range(10_000 + chunk * 500, 10_000 + (chunk + 1) * 500):
        program = generate(kind, seed)
        try:
            check_program(program)
        except AssertionError as error:
            raise AssertionError(f"generator {kind}, seed {seed}") from error


@pytest.mark.parametrize("kind", ["A", "B", "C"])
def test_random_programs_do_fold(kind):
    timings = [run_program(generate(kind, seed), backend="jit") for seed in range(200)]
    simulated = sum(timing.simulated for timing in timings)
    total = sum(sum(timing.instance_counts) for timing in timings)
    assert simulated < 0.5 * total
    assert sum(timing.jumps for timing in timings) > 200
    assert sum(timing.recalls for timing in timings) > 200
