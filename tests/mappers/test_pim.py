"""Models on machines that compute in their memory: sides, sums, bounds, room and refusals."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.cli import main
from archsim.composition import simulate
from archsim.errors import ArchsimError, ConfigError, MappingError
from archsim.fragments import cut
from archsim.machine import load_hardware
from archsim.mapping import Infeasible, MapContext, MemoryCache, Placement
from archsim.pim.device import load_device
from archsim.pim.operations import Attention, Gemv, run_operation
from mappers.pim_attention import PimAttentionMapper
from mappers.pim_experts import best_split
from mappers.pim_matrix import PimGemmMapper, PimGpuGemmMapper
from workloads import load_mixed, load_workload

TINY = """\
name: tiny
family: decoder
layers: 2
hidden_size: 256
heads: 8
kv_heads: 4
head_dim: 64
ffn_size: 512
vocabulary: 1024
max_context: 4096
norm: {kind: rms, epsilon: 1e-5}
activation: silu
gated: true
positions: rotary
rope_theta: 10000
"""

MACHINES = (
    *("attacc-bank", "attacc-bankgroup", "attacc-buffer", "duplex", "hbm-pim", "neupims"),
    *("aim", "cent", "pim-gpt", "lpddr5-pim", "generic-pim"),
)

CACHE = MemoryCache()

QUICK = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def run(hardware, model=TINY, **options):
    return simulate(hardware, model, cache=CACHE, **{"phase": "decode", **options})


def context_of(machine):
    rooms = {level: machine.capacity_bytes(level) for level in machine.levels}
    return MapContext(lambda _: 1, Placement({}, rooms), CACHE)


def mapped(hardware, model, mapper, name, **sizes):
    """Return how a mapper maps the fragment of a layer that holds an einsum."""
    machine = load_hardware(hardware)
    load = load_workload(model, **{"phase": "decode", **sizes})
    stage = next(stage for stage in load.stages if stage.name.endswith("layer"))
    blocks = mapper.blocks(stage.cascade) if hasattr(mapper, "blocks") else ()
    fragments = cut(stage.cascade, blocks=blocks)
    wanted = next(f for f in fragments if any(e.name == name for e in f.cascade.einsums))
    assert mapper.supports(wanted.cascade, machine) is None
    return mapper.map(wanted.cascade, machine, {"placement": "pim"}, context_of(machine))


def test_attention_of_a_run_takes_what_the_single_operation_takes():
    found = mapped(
        "attacc-bank", "gpt3-175b", PimAttentionMapper(), "scores", batch=8, context=2047
    )
    operation = found.to_json()["operation"]
    time_ps = operation.pop("time_ps")
    assert operation["heads"] == 96
    assert (operation["tokens"], operation["requests"]) == (2048, 8)
    device = load_device("attacc-bank", ("hardware.stacks=5",))
    assert time_ps == run_operation(device, Attention(**operation)).time_ps
    inside = [p for p in found.phases if p.name.startswith("attention ") and "due" not in p.name]
    assert sum(p.time_ps for p in inside if "vectors" not in p.name) == time_ps


def test_the_command_line_of_both_prints_the_same_time(capsys):
    found = mapped("attacc-bank", "gpt3-13b", PimAttentionMapper(), "scores", batch=1, context=999)
    shape = {"--op": "attention", "--tokens": "1000", "--head-size": "128", "--heads": "40"}
    words = [word for pair in shape.items() for word in pair]
    given = ["pim", "run", "attacc-bank", *words, "--set", "hardware.stacks=5", "--json"]
    assert main(given) == 0
    record = json.loads(capsys.readouterr().out)
    assert round(record["latency_s"] * 1e12) == found.to_json()["operation"]["time_ps"]


@pytest.mark.parametrize(
    ("hardware", "mapper"), [("aim", PimGemmMapper()), ("duplex", PimGpuGemmMapper())]
)
def test_products_of_a_run_take_what_single_operations_take(hardware, mapper):
    found = mapped(hardware, "llama3-8b", mapper, "down_projection", batch=1)
    (operation,) = found.to_json()["operations"]
    stacks = load_hardware(hardware).component("units").units.stacks
    device_name = load_hardware(hardware).component("units").units.device
    device = load_device(device_name, (f"hardware.stacks={stacks}",))
    gemv = Gemv(operation["rows"], operation["inner"])
    assert (gemv.rows, gemv.inner, operation["passes"]) == (4096, 14336, 1)
    assert operation["time_ps"] == run_operation(device, gemv).time_ps


@pytest.mark.parametrize("hardware", MACHINES)
@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_no_machine_beats_its_bound_and_no_mac_is_lost(hardware, phase):
    parallel = "tp=1"
    result = run(hardware, phase=phase, context=48, batch=3, parallel=parallel)
    bound = run(hardware, phase=phase, context=48, batch=3, parallel=parallel, fidelity="roofline")
    assert result.latency_s >= result.roofline.bound_s == bound.latency_s > 0
    assert result.macs == bound.macs
    assert sum(result.breakdown.values()) == pytest.approx(1)
    assert result.energy_j > 0
    assert all(share <= 1 + 1e-9 for share in result.utilization.values())
    assert all(share <= 1 + 1e-9 for share in result.busy.values())


@pytest.mark.parametrize("hardware", ["aim", "cent", "pim-gpt", "lpddr5-pim", "generic-pim"])
def test_ordinary_accesses_can_be_commands_too(hardware):
    tile = run(hardware, context=48, parallel="tp=1")
    command = run(hardware, context=48, parallel="tp=1", fidelity="command")
    assert command.latency_s >= tile.roofline.bound_s
    assert command.latency_s == pytest.approx(tile.latency_s, rel=0.2)
    assert set(command.fidelity.used.values()) <= {"command", "tile"}


@pytest.mark.parametrize("hardware", ["attacc-bank", "aim", "duplex"])
def test_more_requests_and_longer_ones_never_take_less_time(hardware):
    def latency(batch, context):
        return run(hardware, batch=batch, context=context, parallel="tp=1").latency_s

    batches = [latency(batch, 200) for batch in (1, 2, 5, 16)]
    contexts = [latency(4, context) for context in (16, 200, 1500)]
    assert batches == sorted(batches)
    assert contexts == sorted(contexts)


@QUICK
@given(
    batch=st.integers(1, 6), context=st.integers(1, 700), hardware=st.sampled_from(["aim", "cent"])
)
def test_units_multiply_at_least_the_macs_of_the_model(hardware, batch, context):
    kept = {}

    def keep(timed):
        for stage in timed.mapped.stages:
            for piece in stage.pieces:
                for (name, action, _), count in piece.program.total_counts().items():
                    if name == "units":
                        kept[action] = kept.get(action, 0) + stage.repeat * count

    result = run(hardware, batch=batch, context=context, parallel="tp=1", observe=keep)
    assert kept["mac"] >= result.macs
    assert kept["read"] >= 2 * result.macs


def test_what_crosses_the_interface_of_pim_gpt_is_far_less_than_the_weights():
    result = run("pim-gpt", "gpt2", context=512)
    load = load_workload("gpt2", phase="decode", context=512)
    assert result.dram_bytes * 40 < load.weight_bytes()


def test_a_processor_takes_over_where_vectors_are_many():
    def side(batch):
        found = mapped_side("generic-pim", batch)
        return found["placement"]

    def mapped_side(hardware, batch):
        machine = load_hardware(hardware)
        load = load_workload("llama3-8b", phase="decode", context=64, batch=batch)
        stage = next(stage for stage in load.stages if stage.name == "layer")
        fragment = next(f for f in cut(stage.cascade) if f.cascade.name == "output_projection")
        from archsim.engine import run_program

        timed = MapContext(
            lambda program: run_program(program, path=False).makespan_ps,
            context_of(machine).placement,
            CACHE,
        )
        return PimGemmMapper().map(fragment.cascade, machine, {}, timed).to_json()

    assert [side(batch) for batch in (1, 64)] == ["pim", "xpu"]


def test_the_faster_side_is_never_slower_than_either():
    times = {
        place: run(
            "generic-pim",
            batch=4,
            context=300,
            mapper_options={
                "gemm": {"placement": place},
                "attention": {"placement": place},
            },
        ).latency_s
        for place in ("xpu", "pim", "faster")
    }
    assert times["faster"] <= min(times["xpu"], times["pim"])
    assert times["xpu"] != times["pim"]


@given(
    each=st.lists(st.tuples(st.floats(1, 1e9), st.integers(1, 8)), min_size=1, max_size=6),
    processor=st.integers(0, 10**10),
)
def test_experts_on_both_sides_are_never_slower_than_on_one(each, processor):
    found = best_split(sorted(each), processor)
    assert found.time_ps <= processor
    assert found.time_ps <= round(sum(ps * count for ps, count in each)) + 1
    assert 0 <= found.in_memory <= found.experts


def test_experts_run_on_both_sides_of_duplex():
    both = run("duplex", "mixtral-8x7b", batch=32, context=512)
    alone = run(
        "duplex",
        "mixtral-8x7b",
        batch=32,
        context=512,
        mapper_options={"gemm": {"placement": "xpu"}},
    )
    assert any("experts in memory" in text for text in both.assumptions)
    assert both.latency_s < 0.85 * alone.latency_s
    assert both.macs == alone.macs


def test_weights_and_caches_count_where_they_lie():
    fits = run("attacc-bank", "gpt3-175b", batch=66, context=2047)
    assert fits.feasible
    full = run("attacc-bank", "gpt3-175b", batch=72, context=2047)
    assert not full.feasible
    assert full.infeasible.resource == "stacks"
    assert full.infeasible.need == 72 * 2048 * 12 * 128 * 2 * 2 * 96
    assert full.infeasible.have == 80 * 2**30
    small = run("aim", "llama3-70b", context=16)
    assert (small.infeasible.resource, small.infeasible.have) == ("dram", 16 * 2**30)
    assert small.infeasible.need > 140e9


def test_formats_that_lanes_cannot_take_are_a_typed_refusal():
    result = run("aim", precision="weights=int4,act=bf16,kv=bf16")
    assert not result.feasible
    assert (result.infeasible.resource, result.infeasible.have) == ("lanes", 4)
    beside = run("generic-pim", precision="weights=bf16,act=bf16,kv=int4", context=64)
    assert beside.feasible


def test_a_place_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="faster"):
        run("aim", mapper_options={"gemm": {"placement": "fast"}})
    with pytest.raises(MappingError, match="no processor"):
        run("aim", mapper_options={"gemm": {"placement": "xpu"}})
    with pytest.raises(MappingError, match="keys and values lie in stacks"):
        run("attacc-bank", mapper_options={"attention": {"placement": "xpu"}}, parallel="tp=1")
    with pytest.raises(MappingError, match="weights lie in hbm"):
        run("attacc-bank", mapper_options={"gemm": {"placement": "pim"}}, parallel="tp=1")
    with pytest.raises(ArchsimError, match="pim-units"):
        run("array128-hbm3", mapper={"attention": "pim-attention"})


def test_a_saved_run_of_several_devices_repeats():
    from archsim.composition import simulate_config

    for parallel in ("tp=1", "tp=2", ""):
        one = run("attacc-bank", batch=4, context=64, parallel=parallel or "tp=4")
        again = simulate_config(one.config)
        assert again.latency_s == one.latency_s
        assert again.config_hash == one.config_hash


def test_requests_of_different_lengths_share_the_channels():
    load = load_mixed(TINY, [(1, 900), (1, 100), (1, 100), (40, 0)])
    result = simulate("generic-pim", load, cache=CACHE)
    assert any("3 requests of 2 lengths" in text for text in result.assumptions)
    beside = simulate("attacc-bank", load, cache=CACHE, parallel="tp=1")
    assert any("prompt attends on the processor" in text for text in beside.assumptions)
    for one in (result, beside):
        assert one.latency_s >= one.roofline.bound_s
    serial = [load_mixed(TINY, [request]) for request in [(1, 900), (1, 100), (1, 100), (40, 0)]]
    apart = sum(simulate("generic-pim", one, cache=CACHE).latency_s for one in serial)
    assert result.latency_s < apart


def test_prompts_attend_on_the_processor_and_their_caches_move():
    result = run("attacc-bank", phase="prefill", context=600, batch=4, parallel="tp=1")
    moved = 600 * 4 * 2 * 4 * 64 * 2 * 2
    kept = {}

    def keep(timed):
        for stage in timed.mapped.stages:
            for piece in stage.pieces:
                for (name, action, _), count in piece.program.total_counts().items():
                    key = (name, action)
                    kept[key] = kept.get(key, 0) + stage.repeat * count

    run("attacc-bank", phase="prefill", context=600, batch=4, parallel="tp=1", observe=keep)
    assert kept["bridge", "transfer"] == kept["stacks", "write"] == moved
    assert ("units", "mac") not in kept
    assert result.feasible


def test_ranks_share_the_work_and_pay_for_the_sums():
    one, four = (run("cent", batch=2, context=400, parallel=f"tp={n}") for n in (1, 4))
    assert "cxl" not in one.busy
    assert four.busy["cxl"] > 0
    assert four.macs * 3 < one.macs


def test_a_layer_of_latent_attention_is_refused_in_words():
    with pytest.raises(MappingError, match="latent attention"):
        run("aim", "deepseek-v2-lite", context=16, ignore_capacity=True)


def test_infeasible_is_what_the_mapper_returns_too():
    machine = load_hardware("aim")
    load = load_workload(TINY, phase="decode", precision="weights=bf16,act=bf16,kv=fp8")
    stage = next(stage for stage in load.stages if stage.name == "layer")
    fragment = next(f for f in cut(stage.cascade) if f.mapper_class == "attention")
    found = PimAttentionMapper().map(fragment.cascade, machine, {}, context_of(machine))
    assert isinstance(found, Infeasible)
    assert (found.resource, found.need) == ("lanes", 1)
