from __future__ import annotations

import json

import pytest

from archsim.bench import measure
from archsim.bench.engine import CASES, run, same_results
from archsim.bench.programs import flat_body, tile_nest
from archsim.engine import run_program


@pytest.fixture(scope="module")
def result():
    return run(turns=3000, repeats=1)


def test_shape_and_exactness(result):
    assert result["bench"] == "engine"
    assert result["exact"] is True
    assert json.loads(json.dumps(result)) == result
    assert all(set(entry) == {"name", "value", "unit", "ratio_to"} for entry in result["metrics"])
    metrics = {entry["name"]: entry for entry in result["metrics"]}
    assert len(metrics) == len(result["metrics"])
    assert set(metrics) >= {"calibration_loop", "retimed_small_programs"}
    for case in CASES:
        assert metrics[f"{case.name}_unfolded"]["ratio_to"]["calibration_loop"] > 0
        assert metrics[f"{case.name}_simulated"]["value"] > 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_program_folds_and_its_full_size_is_as_described(case):
    small, full = case.build(3000), case.build(1_000_000)
    assert sum(full.instance_counts) > 10**6
    folded = run_program(full, path=False, backend="jit")
    assert folded.simulated < sum(full.instance_counts) / 50
    assert run_program(small, path=False, backend="jit").simulated > 0


def test_one_wrong_start_is_noticed():
    program = tile_nest(5, 5)
    one, other = run_program(program), run_program(program, fold=False)
    assert same_results(one, other)
    other.log.rows[2 + 6 * 7] += 1
    assert not same_results(one, other)


def test_exact_notices_a_difference():
    one, other = run_program(flat_body(50)), run_program(tile_nest(5, 5))
    assert same_results(one, run_program(flat_body(50), fold=False))
    assert not same_results(one, run_program(flat_body(51)))
    assert not same_results(one, other)


def test_best_of_several_runs_counts():
    calls = []
    assert measure.best_cpu_s(lambda: calls.append(1), 3) > 0
    assert len(calls) == 3
