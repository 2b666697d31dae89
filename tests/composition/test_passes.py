"""Passes add up; folding changes no time; results keep everything."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import pytest

from archsim.composition import simulate, simulate_config
from archsim.engine import interpret, run_program
from archsim.errors import ConfigError
from archsim.results import Result
from tests.composition.samples import CACHE, machine, map_pass, run, small, tiny
from workloads import Workload, load_workload
from workloads.mixed_batch import load_mixed


@pytest.mark.parametrize("name", ["small", "array128-hbm2e"])
def test_generate_is_prefill_and_every_growing_step(name):
    on = small() if name == "small" else machine(name)
    whole = run(on, tiny("generate", batch=2, context=13, new_tokens=5))
    prefill = run(on, tiny("prefill", batch=2, context=13))
    steps = [run(on, tiny("decode", batch=2, context=13 + step)) for step in range(4)]
    parts = [prefill, *steps]
    assert whole.latency_s == pytest.approx(sum(part.latency_s for part in parts), rel=1e-12)
    assert whole.energy_j == pytest.approx(sum(part.energy_j for part in parts), rel=1e-12)
    assert whole.macs == sum(part.macs for part in parts)
    assert whole.dram_bytes == sum(part.dram_bytes for part in parts)
    assert whole.ttft_s == prefill.latency_s
    assert whole.tbt_s == pytest.approx(sum(step.latency_s for step in steps) / 4, rel=1e-12)
    assert whole.phases["decode"].num_steps == 4
    assert whole.tokens_per_s == pytest.approx(2 / whole.tbt_s, rel=1e-12)


def test_decode_of_several_tokens_is_its_steps():
    whole = run(small(), tiny("decode", context=9, new_tokens=3))
    steps = [run(small(), tiny("decode", context=9 + step)) for step in range(3)]
    assert whole.latency_s == pytest.approx(sum(step.latency_s for step in steps), rel=1e-12)


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("kib", [48, 512])
def test_a_whole_tiny_model_takes_the_same_time_folded_unfolded_and_interpreted(phase, kib):
    load = tiny(phase, batch=2, context=20)
    program = map_pass(small(kib), load if phase == "prefill" else load.step(0)).program
    folded = run_program(program)
    assert folded.makespan_ps == run_program(program, fold=False).makespan_ps
    assert folded.makespan_ps == interpret(program).makespan_ps
    assert sum(share.ps for share in folded.attribution) == folded.makespan_ps


def test_a_real_model_takes_the_same_time_unfolded():
    load = load_workload("llama3.2-1b", phase="decode", context=64)
    program = map_pass(machine("tpu-v4i"), load.step(0)).program
    folded, plain = run_program(program), run_program(program, fold=False)
    assert folded.makespan_ps == plain.makespan_ps
    assert folded.simulated < plain.simulated


@pytest.fixture(scope="module")
def result():
    return run(small(), tiny("generate", batch=2, context=13, new_tokens=3))


def test_shares_sum_to_one(result):
    path = [share for causes in result.critical_path.values() for share in causes.values()]
    assert sum(path) == pytest.approx(1.0, abs=1e-12)
    assert sum(result.breakdown.values()) == pytest.approx(1.0, abs=1e-12)
    resource, _, cause = result.bottleneck.rpartition(":")
    assert result.critical_path[resource][cause] == max(path)
    assert all(0 < share <= 1 for share in (*result.utilization.values(), *result.busy.values()))


def test_a_sensitivity_predicts_a_small_change(result):
    path = "hardware.components.dram.bandwidth"
    on = small(64, "2.02 GB/s")
    faster = run(on, tiny("generate", batch=2, context=13, new_tokens=3))
    gain = 1 - faster.latency_s / result.latency_s
    assert gain == pytest.approx(0.01 * result.sensitivities[path], rel=0.1)


def test_results_survive_json_pickle_and_copies(result):
    text = result.to_json()
    assert Result.from_json(text).to_json() == text
    assert pickle.loads(pickle.dumps(result)).to_json() == text
    assert copy.deepcopy(result).to_json() == text
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.latency_s = 0.0


@pytest.mark.parametrize("fidelity", ["tile", "roofline"])
def test_the_configuration_in_a_result_runs_again_to_the_same_bytes(fidelity):
    first = run("array128-hbm2e", load_workload("bert-base", context=32), fidelity=fidelity, seed=3)
    config = json.loads(first.to_json())["config"]
    again = simulate_config(config)
    assert again.to_json() == first.to_json()
    assert again.config_hash == first.config_hash


def test_a_cache_changes_nothing():
    cold = simulate(small(), tiny(), cache=type(CACHE)())
    assert cold.to_json() == run(small(), tiny()).to_json()


@pytest.mark.parametrize("key", ["hardware", "workload", "mapper", "options"])
def test_half_a_configuration_is_refused(result, key):
    config = json.loads(result.to_json())["config"]
    del config[key]
    with pytest.raises(ConfigError, match=f"{key}: not the configuration of a result"):
        simulate_config(config)


def test_progress_is_told_after_every_pass():
    told = []
    run(small(), tiny("generate", new_tokens=3), progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "load",
    [
        load_workload("llama3.2-1b", phase="prefill", context=64, history=32),
        load_workload("llama3.2-1b", phase="decode", context=64, draft_tokens=3),
        load_workload("llama3.2-1b", phase="decode", context=64, batch=4, adapters=2),
        load_workload("mixtral-8x7b", phase="decode", context=64, batch=2),
        load_workload("t5-small", context=64, source=32),
        load_workload("llama3.2-1b", phase="decode", context=64, sparsity="2:4", sampled=1),
        load_mixed("llama3.2-1b", [(1, 100), (1, 100), (32, 0)]),
    ],
    ids=["chunk", "verify", "adapters", "experts", "two-sided", "sparse", "mixed"],
)
def test_every_kind_of_pass_runs_again_to_the_same_bytes(load):
    first = run("array128-lpddr5", load, ignore_capacity=True)
    assert first.roofline.bound_s <= first.latency_s
    assert simulate_config(first.config).to_json() == first.to_json()


def test_a_configuration_has_every_choice_of_a_workload():
    made = {"stages", "warnings"}
    chosen = {item.name for item in dataclasses.fields(Workload)} - made
    assert chosen <= set(run(small(), tiny()).config["workload"])
