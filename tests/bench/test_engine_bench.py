from __future__ import annotations

import json

from archsim.bench import measure
from archsim.bench.engine import flat_body, run, same_results, tile_nest
from archsim.engine import run_program


def test_shape_and_exactness():
    result = run(turns=3000, repeats=1)
    assert result["bench"] == "engine"
    assert result["exact"] is True
    metrics = {entry["name"]: entry for entry in result["metrics"]}
    assert set(metrics) >= {
        "calibration_loop",
        "unfolded_flat_body",
        "unfolded_tile_nest",
        "folded_speed_up",
        "causal_time",
        "causal_time_with_critical_path",
        "retimed_small_programs",
    }
    assert all(set(entry) == {"name", "value", "unit", "ratio_to"} for entry in result["metrics"])
    assert metrics["unfolded_flat_body"]["ratio_to"]["calibration_loop"] > 0
    assert json.loads(json.dumps(result)) == result


def test_exact_notices_a_difference():
    one, other = run_program(flat_body(50)), run_program(tile_nest(5, 5))
    assert same_results(one, run_program(flat_body(50), fold=False))
    assert not same_results(one, run_program(flat_body(51)))
    assert not same_results(one, other)


def test_best_of_several_runs_counts():
    calls = []
    assert measure.best_cpu_s(lambda: calls.append(1), 3) > 0
    assert len(calls) == 3
