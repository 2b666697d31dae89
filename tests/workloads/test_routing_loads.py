"""Loads of experts from a word, a list, or a routing trace, and what they do to a run."""

import numpy as np
import pytest

from archsim.errors import ConfigError
from archsim.request import RunRequest
from workloads.traces.routing import RoutingTrace, calibrated, generate_routing
from workloads.traces.routing_files import write_routing
from workloads.traces.routing_loads import routing_of


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "routing.csv"
    write_routing(generate_routing(calibrated("mixtral"), tokens=32, layers=2, seed=4), path)
    return path


def test_words_and_lists():
    assert routing_of("uniform", 8) == "uniform"
    assert routing_of("balanced", 8) == "balanced"
    assert routing_of("8, 4,4,0", 8) == (8, 4, 4, 0)


def test_a_trace_gives_the_loads_of_its_first_tokens(trace):
    for layer in (0, 1):
        loads = routing_of(f"{trace}@{layer}", 8)
        assert sum(loads) == 16
        assert max(loads) <= 8
    assert routing_of(str(trace), 8) == routing_of(f"{trace}@0", 8)
    assert routing_of(str(trace), 8) != routing_of(str(trace), 16)
    with pytest.raises(ConfigError, match="fewer tokens than the pass; given 32; allowed: 33"):
        routing_of(str(trace), 33)
    with pytest.raises(ConfigError, match="no such layer; given 2; allowed: 0 to 1"):
        routing_of(f"{trace}@2", 8)
    with pytest.raises(ConfigError, match="cannot be read"):
        routing_of("none.parquet", 8)


@pytest.mark.parametrize("machine", ["array128-hbm2e", "h100-sxm"])
def test_fewer_experts_are_less_to_read(machine, tmp_path):
    def run(routing, **options):
        load = {"routing": routing}
        request = RunRequest(
            machine, "olmoe-1b-7b", load=load, ignore_capacity=True, **(DECODE | options)
        )
        return request.simulate()

    path = tmp_path / "same.csv"
    write_routing(RoutingTrace(np.tile(np.arange(8), (4, 1, 1))), path)
    spread, few = run("balanced"), run(str(path))
    assert few.latency_s < 0.6 * spread.latency_s
    assert few.dram_bytes < 0.6 * spread.dram_bytes
    assert few.config["workload"]["routing"] == [4] * 8
    assert run("4,4,4,4,4,4,4,4").latency_s == few.latency_s
    for options, message in (
        ({"phase": "generate", "new_tokens": 2}, "loads are those of one pass"),
        ({"batch": 3}, "loads must add up|at most once"),
    ):
        with pytest.raises(ConfigError, match=message):
            run("4,4,4,4,4,4,4,4", **options)


DECODE = {"phase": "decode", "batch": 4, "context": 64}


def test_a_mixed_batch_has_its_loads_too(trace):
    load = {"requests": "6, 2x1+40", "routing": str(trace)}
    result = RunRequest("h100-sxm", "mixtral-8x7b", load=load, ignore_capacity=True).simulate()
    assert sum(result.config["workload"]["routing"]) == 16
