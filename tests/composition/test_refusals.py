"""What does not fit is a typed result; what makes no sense is one located error."""

from __future__ import annotations

import json

import pytest

from archsim import registry
from archsim.cli import main
from archsim.composition import simulate
from archsim.errors import ConfigError, MappingError
from mappers.gemm import GemmMapper
from tests.composition.samples import machine, run, small, tiny
from workloads import load_workload


def serving(kind):
    """Return the ids of the installed mappers of a class, as messages list them."""
    made = {name: registry.mappers.get(name) for name in registry.mappers.names()}
    return ", ".join(name for name, make in sorted(made.items()) if kind in make().classes)


def test_a_model_that_is_too_large_is_infeasible_with_need_and_have():
    load = load_workload("llama3-70b", phase="decode", context=1000)
    result = run("array128-hbm2e", load)
    assert not result.feasible
    assert result.latency_s is None
    bad = result.infeasible
    assert (bad.resource, bad.unit) == ("dram", "B")
    assert bad.have == 16 * 2**30
    stored = load.weight_bytes() + load.kv_bytes()
    assert stored <= bad.need <= stored + load.activation_bytes()
    assert "weights" in bad.detail
    assert "KV cache" in bad.detail


def test_the_last_byte_counts():
    """What the refusal says is needed is enough, and one byte less is not."""
    load = tiny("decode", context=500)
    need = run(small(64, "2 GB/s", "components.dram.capacity=1 KiB"), load).infeasible.need
    assert need >= load.weight_bytes() + load.kv_bytes()
    short = run(small(64, "2 GB/s", f"components.dram.capacity={need - 1} B"), load)
    assert (short.infeasible.need, short.infeasible.have) == (need, need - 1)
    assert run(small(64, "2 GB/s", f"components.dram.capacity={need} B"), load).feasible


def test_the_roofline_needs_weights_and_caches_only():
    load = tiny("decode", context=500)
    need = load.weight_bytes() + load.kv_bytes()
    for room, fits in ((need, True), (need - 1, False)):
        on = small(64, "2 GB/s", f"components.dram.capacity={room} B")
        assert run(on, load, fidelity="roofline").feasible == fits


def test_activations_count_too():
    load = tiny("prefill", context=64)
    room = load.weight_bytes() + load.kv_bytes()
    result = run(small(32, "2 GB/s", f"components.dram.capacity={room} B"), load)
    assert result.infeasible.need > room
    assert "activations" in result.infeasible.detail


def test_ignoring_capacity_is_an_assumption():
    load = tiny("decode", context=500)
    on = small(64, "2 GB/s", "components.dram.capacity=1 KiB")
    result = run(on, load, ignore_capacity=True)
    assert result.feasible
    assert "the capacity of dram is ignored" in result.assumptions
    assert result.latency_s == run(small(), load).latency_s


def test_unbounded_capacity_is_an_assumption():
    on = small(64, "2 GB/s", "components.dram.capacity=unbounded")
    result = run(on, tiny())
    assert result.feasible
    assert any(text.startswith("dram has unbounded capacity") for text in result.assumptions)


def test_a_buffer_too_small_for_any_tile_is_named():
    on = machine(
        "array128-hbm2e",
        "components.buffer.capacity=4 B",
        "components.buffer.banks=1",
        "components.buffer.read_width=2 B",
        "components.buffer.write_width=2 B",
    )
    result = run(on, tiny())
    assert not result.feasible
    assert result.infeasible.resource == "buffer"
    assert result.infeasible.need > result.infeasible.have
    assert result.infeasible.detail


def test_the_command_line_exits_3(capsys):
    words = ["run", "array128-hbm2e", "llama3-70b", "--phase", "decode", "--context", "100"]
    assert main([*words, "--json"]) == 3
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert data["feasible"] is False
    assert data["infeasible"]["need"] > data["infeasible"]["have"] == 16 * 2**30
    assert err.startswith("archsim: infeasible: dram needs ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            {"gem": "gemm"},
            "mapper.gem: there is no such mapper class; given 'gem'; "
            "allowed: attention, gemm, vector; did you mean 'gemm'?",
        ),
        (
            {"gemm": "gem"},
            "mapper.gemm: no mapper of that name serves the class gemm; given 'gem'; "
            f"allowed: {serving('gemm')}; did you mean 'gemm'?",
        ),
        (
            {"attention": "vector"},
            "mapper.attention: no mapper of that name serves the class attention; "
            f"given 'vector'; allowed: {serving('attention')}",
        ),
    ],
)
def test_a_mapper_choice_that_makes_no_sense(choice, message):
    with pytest.raises(ConfigError) as caught:
        run(small(), tiny(), mapper=choice)
    assert str(caught.value) == message


class SecondMapper(GemmMapper):
    """A second mapper of products, equal to the first."""

    id = "second"


class UnwillingMapper(GemmMapper):
    """A mapper that supports nothing."""

    id = "unwilling"

    def supports(self, cascade, machine):
        del cascade, machine
        return "it is unwilling"


class NoMapper:
    """Something else."""


@pytest.fixture
def plugged():
    """Register mappers for one test."""
    names = []

    def plug(name, value):
        registry.mappers.register(name, value)
        names.append(name)

    yield plug
    for name in names:
        registry.mappers.unregister(name)


def test_several_candidates_without_a_default_are_listed(plugged):
    plugged("second", SecondMapper)
    on = small(64, "2 GB/s", "mappers={attention: unfused, vector: vector}")
    with pytest.raises(ConfigError) as caught:
        run(on, tiny())
    assert "second" in serving("gemm")
    assert str(caught.value) == (
        "hardware.mappers.gemm: several mappers serve the class gemm and the machine names no "
        f"default; allowed: {serving('gemm')}"
    )
    chosen = run(on, tiny(), mapper={"gemm": "second"})
    assert chosen.mapper["gemm"] == "second"
    assert chosen.latency_s == run(small(), tiny()).latency_s


def test_a_mapper_that_cannot_is_an_error_that_says_why(plugged):
    plugged("unwilling", UnwillingMapper)
    with pytest.raises(MappingError, match=r"mapper unwilling cannot map .*: it is unwilling"):
        run(small(), tiny(), mapper={"gemm": "unwilling"})


def test_something_that_is_no_mapper_is_refused(plugged):
    plugged("nothing", NoMapper)
    with pytest.raises(ConfigError, match="mapper nothing does not follow the mapper protocol"):
        run(small(), tiny())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fidelity": "command"}, r"16 channels of hbm2-2400 give .*, not the memory.s bandwidth"),
        ({"fidelity": "tiles"}, r"options.fidelity: there is no such rung; .*did you mean 'tile'"),
        ({"overrides": ["options.batch=2"]}, r"options.batch: is an argument of this call"),
        ({"overrides": ["mapper.gemm=gemm"]}, r"mapper.gemm: is an argument of this call"),
        ({"overrides": ["hardware.clocks.core=1 GHz"]}, "built already takes no overrides"),
        ({"overrides": ["workload.layers=2"]}, "built already takes no overrides"),
        ({"phase": "prefill"}, "built already takes no phase"),
        ({"context": 4}, "built already takes no context"),
    ],
)
def test_arguments_that_contradict_each_other(options, message):
    with pytest.raises(ConfigError, match=message):
        simulate(small(), tiny(), **options)


@pytest.mark.parametrize(
    ("hardware", "model", "message"),
    [
        ("array128-hbm2", "llama3-8b", r"unknown hardware.*did you mean 'array128-hbm2e'\?"),
        ("array128-hbm2e", "lama3-8b", r"unknown model.*did you mean 'llama3-8b'\?"),
    ],
)
def test_unknown_names(hardware, model, message):
    with pytest.raises(ConfigError, match=message):
        simulate(hardware, model)


def test_a_rung_may_stand_in_for_one_that_is_missing():
    asked = run(small(), tiny(), fidelity="command", fidelity_fallback=True)
    assert asked.fidelity.requested == "command"
    assert set(asked.fidelity.used.values()) == {"tile"}
    assert asked.latency_s == run(small(), tiny()).latency_s
