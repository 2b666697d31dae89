"""Fragments as GPU kernels: fused as libraries do, never below the bound, with true slopes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.composition import simulate
from archsim.errors import ConfigError
from archsim.machine import load_hardware
from archsim.mapping import MemoryCache
from archsim.request import RunRequest
from archsim.results import Result
from mappers.gpu_attention import GpuAttentionMapper
from mappers.gpu_matrix import GpuGemmMapper
from mappers.gpu_vector import GpuVectorMapper
from workloads import load_workload

TINY = """\
name: tiny
family: decoder
layers: 3
hidden_size: 256
heads: 8
kv_heads: 2
head_dim: 32
ffn_size: 512
vocabulary: 1024
max_context: 4096
norm: {kind: rms, epsilon: 1e-5}
activation: silu
gated: true
positions: rotary
rope_theta: 10000
"""

MAPPERS = {"gemm": GpuGemmMapper, "attention": GpuAttentionMapper, "vector": GpuVectorMapper}


def kernels(hardware, model, **sizes):
    """Return the kernels of a layer by name."""
    from archsim.fragments import cut

    options = sizes.pop("options", {})
    machine, load = load_hardware(hardware), load_workload(model, **sizes)
    stage = next(stage for stage in load.stages if stage.name.endswith("layer"))
    blocks = GpuGemmMapper().blocks(stage.cascade)
    found = []
    for fragment in cut(stage.cascade, blocks=blocks):
        mapper = MAPPERS[fragment.mapper_class]()
        assert mapper.supports(fragment.cascade, machine) is None
        found += mapper.map(fragment.cascade, machine, options, None).kernels
    return found


def run(hardware="h200-sxm", model=TINY, **options):
    return simulate(hardware, model, cache=MemoryCache(), **options)


def test_a_layer_is_the_kernels_of_a_serving_library():
    names = [kernel.call.name for kernel in kernels("h200-sxm", "llama3-8b", phase="decode")]
    assert names == [
        *("attention_norm", "query+key+value", "rotation", "attention-decode", "output"),
        *("ffn_norm", "gate+up", "activation", "down", "ffn_residual"),
    ]


def test_shapes_are_those_of_the_layer():
    found = {k.call.name: k.call for k in kernels("h200-sxm", "llama3-8b", phase="decode", batch=4)}
    assert found["query+key+value"].shape == {"m": 4, "n": 6144, "k": 4096}
    assert found["gate+up"].shape == {"m": 4, "n": 28672, "k": 4096}
    assert found["rotation"].shape == {"m": 4, "n": 40 * 128}
    attention = found["attention-decode"].shape
    assert (attention["batch"], attention["heads"], attention["kv_heads"]) == (4, 32, 8)
    assert found["ffn_norm"].shape["tensors"] == 4
    assert found["ffn_residual"].launches == 0


def test_without_fusion_each_operation_is_a_kernel():
    options = {"fusion": "none", "kernel": "unfused"}
    names = [
        kernel.call.name
        for kernel in kernels("h200-sxm", "llama3-8b", phase="prefill", context=64, options=options)
    ]
    assert {"query", "key", "value", "scores", "scale", "mask", "softmax", "context"} <= set(names)
    assert "attention_residual" in names


def test_experts_are_one_call_behind_their_router():
    found = [k.call for k in kernels("h200-sxm", "mixtral-8x7b", phase="decode", batch=8)]
    experts = next(call for call in found if call.op == "moe")
    assert experts.shape == {"m": 8, "n": 14336, "k": 4096, "experts": 8, "topk": 2}
    assert [call.name for call in found].count("router") == 1


def test_the_rung_of_gpu_operators_is_analytic():
    assert set(run(phase="decode", context=64).fidelity.used.values()) == {"analytic"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    gpu=st.sampled_from(["h200-sxm", "a100-80g-sxm", "l40s", "rtx-4090", "mi210", "t4"]),
    phase=st.sampled_from(["prefill", "decode"]),
    batch=st.integers(1, 32),
    context=st.integers(1, 2048),
)
def test_no_run_is_faster_than_its_bound(gpu, phase, batch, context):
    result = run(gpu, phase=phase, batch=batch, context=context)
    assert result.latency_s >= result.roofline.bound_s
    bound = run(gpu, phase=phase, batch=batch, context=context, fidelity="roofline")
    assert result.latency_s >= bound.latency_s


def test_slopes_agree_with_another_run():
    path = "hardware.components.hbm.bandwidth"
    options = {"model": "llama3.2-1b", "phase": "decode", "batch": 8, "context": 2048}
    here = run(**options)
    faster = run(**options, overrides=[f"{path}=4848 GB/s"])
    gained = 1 - faster.latency_s / here.latency_s
    assert gained / 0.01 == pytest.approx(here.sensitivities[path], rel=0.1)


@pytest.mark.parametrize("gpu", ["h200-sxm", "a100-80g-sxm", "l40s", "l4", "mi210"])
@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_mean_power_is_between_idle_and_the_cap(gpu, phase):
    result = run(gpu, "llama3.2-1b", phase=phase, context=1024, batch=4)
    sm = load_hardware(gpu).component("sm").config
    assert sm.idle_power_w < result.power_w < 1.05 * sm.power_cap_w


def test_eager_launches_take_the_host_s_time():
    graph = run(phase="decode", context=64)
    choice = {name: {"launch": "eager"} for name in ("gemm", "attention", "vector")}
    eager = run(phase="decode", context=64, mapper_options=choice)
    assert eager.latency_s > graph.latency_s
    assert any("launch" in causes for causes in eager.critical_path.values())


def test_host_time_is_added_once_a_pass():
    plain = run(phase="decode", context=64, new_tokens=3)
    host = run(phase="decode", context=64, new_tokens=3, mapper_options={"gemm": {"host": 100}})
    assert host.latency_s - plain.latency_s == pytest.approx(300e-6)


def test_hosts_of_libraries_have_names():
    plain = run(phase="decode", context=64, batch=8)
    names = {"vllm-async": 250e-6, "vllm-sync": 200e-6 + 8 * 20.7e-6, "overlapped": 0.0}
    for name, added in names.items():
        host = run(phase="decode", context=64, batch=8, mapper_options={"gemm": {"host": name}})
        assert host.latency_s - plain.latency_s == pytest.approx(added)
        assert any(f"mapper.gemm.host={name}" in text for text in host.assumptions)


def test_reports_list_operators_with_what_they_reach():
    result = run(model="llama3-8b", phase="generate", context=64, new_tokens=3, batch=4)
    found = {item.name: item for item in result.operators}
    assert sum(item.time_s for item in result.operators) == pytest.approx(result.latency_s)
    assert found["gate+up"].calls == 3 * 32
    assert found["gate+up"].limited_by == "dram"
    assert 0.6 < found["gate+up"].memory < 1
    times = [item.time_s for item in result.operators]
    assert times == sorted(times, reverse=True)
    assert Result.from_json(result.to_json()) == result


def test_constants_are_named_among_the_assumptions():
    text = "\n".join(run(model="llama3.2-1b", phase="decode", context=64).assumptions)
    assert "gemm bf16: fitted constants" in text
    assert "attention is one fused call" in text


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("launch", "lazily", "graph"),
        ("library", "vlm", "vllm"),
        ("version", "9", "version"),
        ("fusion", "some", "library"),
        ("host", -1, "us"),
        ("host", "vllm", "vllm-async"),
    ],
)
def test_wrong_options_are_refused(option, value, word):
    with pytest.raises(ConfigError, match=word):
        run(phase="decode", context=8, mapper_options={"gemm": {option: value}})


def test_activations_below_eight_bits_are_refused():
    request = RunRequest("h200-sxm", "llama3.2-1b", precision="weights=mxfp4,act=mxfp4")
    with pytest.raises(Exception, match="no unit that multiplies mxfp4"):
        request.simulate()


def test_a_workload_that_does_not_fit_is_infeasible():
    result = simulate("h200-sxm", "llama3.1-405b", phase="decode", cache=MemoryCache())
    assert not result.feasible
    assert result.infeasible.resource == "hbm"
