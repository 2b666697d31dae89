"""One model on several devices: what a rank holds, what joins them, and what is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.cli import main
from archsim.composition import simulate, simulate_config
from archsim.errors import ConfigError
from archsim.mapping import MemoryCache
from archsim.parallel import Parallel, held, parse_parallel, share
from workloads import load_workload

DENSE, EXPERTS = "llama3.2-1b", "olmoe-1b-7b"


def run(hardware="h200-sxm", model=DENSE, **options):
    return simulate(hardware, model, cache=MemoryCache(), **options)


@given(st.integers(1, 1024), st.integers(1, 1024), st.integers(1, 1024))
def test_a_sharing_reads_as_it_is_written(tp, pp, ep):
    assert parse_parallel(str(Parallel(tp, pp, ep))) == Parallel(tp, pp, ep)


@pytest.mark.parametrize("text", ["tp", "tp=0", "tp=-1", "tp=2,tp=2", "dp=2", "tp=x", "tp=99999"])
def test_what_is_no_sharing_is_refused(text):
    with pytest.raises(ConfigError, match=r"options\.parallel"):
        parse_parallel(text)


@settings(max_examples=20, deadline=None)
@given(tp=st.sampled_from([1, 2, 4, 8]), phase=st.sampled_from(["prefill", "decode"]))
def test_ranks_have_equal_parts_of_the_work(tp, phase):
    whole = load_workload(DENSE, phase=phase, batch=2, context=64)
    rank = share(whole, Parallel(tp=tp))
    assert rank.macs() * tp == whole.macs()
    assert rank.kv_bytes() * tp == whole.kv_bytes()
    assert rank.weight_bytes() * tp >= whole.weight_bytes()
    assert rank.weight_bytes() < whole.weight_bytes() / tp * 1.01 + 1e6


def test_fewer_key_heads_than_ranks_are_repeated():
    whole = load_workload(DENSE, phase="decode")
    assert share(whole, Parallel(tp=16)).model.kv_heads == 1


def test_expert_ranks_share_experts_and_batch():
    whole = load_workload(EXPERTS, phase="decode", batch=8)
    rank = share(whole, Parallel(ep=4))
    assert (rank.batch, rank.model.moe.experts) == (2, whole.model.moe.experts // 4)
    assert rank.weight_bytes() < whole.weight_bytes() / 2


def test_stages_hold_their_layers():
    whole = load_workload(DENSE, phase="decode")
    rank = share(whole, Parallel(pp=4))
    assert rank.macs() == whole.macs()
    assert held(rank, Parallel(pp=4)).model.layers == -(-whole.model.layers // 4)


def test_tensor_parallel_ranks_add_up_after_both_halves_of_a_layer():
    result = run(phase="decode", context=64, parallel="tp=2")
    alone = run(phase="decode", context=64)
    assert result.macs * 2 == alone.macs
    assert "interconnect" in result.busy
    assert any("2 devices (tp=2,pp=1,ep=1)" in text for text in result.assumptions)


def test_more_ranks_are_faster_where_a_rank_has_enough_to_do():
    times = [
        run(model="llama3-8b", phase="prefill", context=1024, batch=4, parallel=f"tp={tp}")
        for tp in (1, 2, 4, 8)
    ]
    seconds = [result.latency_s for result in times]
    assert seconds == sorted(seconds, reverse=True)
    for result in times:
        assert result.latency_s >= result.roofline.bound_s


def test_a_pipeline_takes_the_same_time_and_its_hand_overs():
    one, four = (run(phase="decode", context=64, parallel=f"pp={pp}") for pp in (1, 4))
    assert one.latency_s < four.latency_s < one.latency_s + 100e-6


def test_a_full_pipeline_makes_tokens_as_its_slowest_stage_lets_it():
    sizes = {"phase": "decode", "context": 64, "batch": 4}
    one, four = (run(**sizes, parallel=text).devices for text in ("tp=2", "tp=2,pp=4"))
    assert (one.stages, one.count, four.count) == (1, 2, 8)
    assert one.steady_tokens_per_s == pytest.approx(2 * one.tokens_per_s_per_device)
    rate = 8 * four.tokens_per_s_per_device
    assert 2 * rate < four.steady_tokens_per_s <= 4 * rate
    assert four.steady_tbt_s >= 4 * four.stage_s
    assert four.power_w > one.power_w
    assert run(**sizes).devices is None


def test_the_bound_of_a_full_pipeline_is_its_stages():
    sizes = {"phase": "decode", "context": 64, "batch": 4, "parallel": "pp=4"}
    bound, found = (run(**sizes, fidelity=name).devices for name in ("roofline", "tile"))
    assert bound.steady_tokens_per_s > found.steady_tokens_per_s
    assert bound.steady_tbt_s < found.steady_tbt_s


def test_a_pipeline_is_not_full_where_caches_do_not_fit():
    sizes = {"model": "llama2-7b", "phase": "decode", "context": 4000, "parallel": "pp=2"}
    few, many = (run(**sizes, batch=batch) for batch in (8, 64))
    assert few.devices.steady_tokens_per_s is not None
    assert many.feasible
    assert many.devices.steady_tokens_per_s is None


def test_a_model_too_large_for_one_device_fits_on_two():
    assert not run(model="llama3-70b", phase="decode", context=4096).feasible
    assert run(model="llama3-70b", phase="decode", context=4096, parallel="tp=2").feasible
    assert run(model="llama3-70b", phase="decode", context=4096, parallel="pp=2").feasible


def test_more_devices_than_a_domain_talk_over_the_network():
    sizes = {"model": "llama3.2-1b", "phase": "decode", "context": 64, "batch": 4}
    inside, across = (run(**sizes, parallel=f"tp={tp}") for tp in (8, 16))
    assert across.latency_s > inside.latency_s + 16 * 2 * 50e-6
    path = "hardware.components.interconnect.network_bandwidth"
    assert path in across.sensitivities
    assert path not in inside.sensitivities
    rack = run("gb200", **sizes, parallel="tp=16")
    assert path not in rack.sensitivities


def test_a_hand_over_between_nodes_goes_over_the_network():
    path = "hardware.components.interconnect.network_bandwidth"
    within = run(phase="prefill", context=512, parallel="pp=2")
    between = run(phase="prefill", context=512, parallel="tp=8,pp=2")
    alone = run(phase="prefill", context=512, parallel="tp=8")
    assert path not in within.sensitivities
    assert path in between.sensitivities
    assert between.latency_s - alone.latency_s > 30e-6


@pytest.mark.parametrize(
    ("hardware", "parallel", "words"),
    [("rtx-4090", "tp=16", "joins 8 devices"), ("orin-nano", "tp=2", "joins 1 devices")],
)
def test_devices_beyond_the_link_need_an_adapter(hardware, parallel, words):
    with pytest.raises(ConfigError, match=words):
        run(hardware, phase="decode", context=8, parallel=parallel)


def test_tokens_of_all_ranks_are_counted():
    result = run(model=EXPERTS, phase="decode", batch=8, context=64, parallel="ep=4")
    assert result.phases["decode"].num_tokens == 8


def test_a_saved_run_repeats():
    result = run(model=EXPERTS, phase="decode", batch=8, context=64, parallel="ep=2")
    again = simulate_config(json.loads(result.to_json())["config"])
    assert again.to_json() == result.to_json()


@pytest.mark.parametrize(
    ("hardware", "model", "parallel", "words"),
    [
        ("array128-hbm2e", DENSE, "tp=2", "works on one device"),
        ("h200-sxm", DENSE, "tp=3", "key-value heads"),
        ("h200-sxm", DENSE, "ep=2", "no experts"),
        ("h200-sxm", DENSE, "pp=99", "fewer layers"),
    ],
)
def test_what_cannot_be_shared_is_refused(hardware, model, parallel, words):
    with pytest.raises(ConfigError, match=words):
        run(hardware, model, phase="decode", context=8, parallel=parallel)


def test_a_machine_without_a_link_stands_alone(tmp_path):
    path = tmp_path / "lonely.yaml"
    path.write_text("name: lonely\nextends: h200-sxm\ndevices: {link: null}\n")
    assert run(path, phase="decode", context=8).feasible
    with pytest.raises(ConfigError, match=r"hardware\.devices\.link"):
        run(path, phase="decode", context=8, parallel="tp=2")


def test_the_command_line_takes_it(capsys):
    words = ["run", "h200-sxm", DENSE, "--phase", "decode", "--parallel", "tp=2", "--json"]
    assert main(words) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["config"]["options"]["parallel"] == "tp=2,pp=1,ep=1"


@pytest.mark.parametrize(("node", "part"), [("dgx-h200", "h200-sxm"), ("dgx-a100", "a100-80g-sxm")])
def test_a_node_is_its_devices(node, part):
    whole = run(node, phase="decode", context=64)
    ranks = run(part, phase="decode", context=64, parallel="tp=8")
    assert whole.latency_s == ranks.latency_s
    assert whole.devices.count == 8
    notes = [
        [text for text in item.assumptions if "fitted constants" in text] for item in (whole, ranks)
    ]
    assert notes[0] == notes[1]
