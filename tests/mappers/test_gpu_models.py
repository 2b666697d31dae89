"""Models beyond plain decoders on GPUs: latent attention, packed weights, adapters, mixed batches.

The slow test runs every model that ships, alone and on eight devices, in every phase: each runs, or
is refused with a reason.
"""

from __future__ import annotations

import pytest

from archsim import registry
from archsim.composition import simulate
from archsim.errors import ArchsimError, ConfigError
from archsim.fragments import cut
from archsim.machine import load_hardware
from archsim.mapping import MemoryCache
from archsim.numberformat import parse_format
from archsim.parallel import parse_parallel, share
from mappers.gpu_attention import GpuAttentionMapper
from mappers.gpu_mapping import the_gpu
from mappers.gpu_matrix import GpuGemmMapper, operand_format
from mappers.gpu_vector import GpuVectorMapper
from workloads import load_workload
from workloads.mixed_batch import load_mixed

GPU = "h200-sxm"
LATENT = "deepseek-v2-lite"
PACKED = "weights=int4:g128:fp16"
MAPPERS = {
    "gemm": GpuGemmMapper(),
    "attention": GpuAttentionMapper(),
    "vector": GpuVectorMapper(),
}


def run(model, hardware=GPU, **options):
    return simulate(hardware, model, cache=MemoryCache(), **options)


def kernels(load, *, parallel="", stage="layer", hardware=GPU):
    """Return the kernels of the last stage of a name, by name."""
    machine, ranks = load_hardware(hardware), parse_parallel(parallel)
    found = {}
    last = [item for item in share(load, ranks).stages if item.name.endswith(stage)][-1]
    blocks = [MAPPERS[name].blocks(last.cascade) for name in ("gemm", "attention")]
    for fragment in cut(last.cascade, blocks=blocks[0], attentions=blocks[1]):
        mapper = MAPPERS[fragment.mapper_class]
        assert mapper.supports(fragment.cascade, machine) is None
        mapping = mapper.map(fragment.cascade, machine, {"parallel": str(ranks)}, None)
        found |= {kernel.call.name: kernel for kernel in mapping.kernels}
    return found


def test_latent_attention_is_absorbed_in_decode_and_unfolded_in_prefill():
    step = kernels(load_workload("deepseek-v3", phase="decode", batch=4, context=2048))
    call = step["attention-latent"].call
    assert call.op == "attention_latent"
    assert call.shape["heads"], call.shape["head_dim"] == (128, 576)
    assert step["query_absorption"].call.shape == {"batch": 128, "m": 4, "n": 512, "k": 128}
    prompt = kernels(load_workload("deepseek-v3", phase="prefill", context=2048))
    assert prompt["attention-prefill"].call.shape["head_dim"] == (192 + 128) / 2
    assert prompt["key+value"].call.shape == {"m": 2048, "n": 128 * 256, "k": 512}


def test_ranks_share_latent_heads_and_repeat_the_cache():
    load = load_workload("deepseek-v3", phase="decode", batch=4, context=2048)
    rank = share(load, parse_parallel("tp=8"))
    assert rank.kv_bytes() == load.kv_bytes()
    shared = kernels(load, parallel="tp=8")
    assert shared["attention-latent"].call.shape["heads"] == 16
    assert shared["latent+key_rotary"].call.shape["n"] == 576
    assert shared["all-reduce"].call.shape == {"tp": 8, "bytes": 4 * 7168 * 2}


def test_norms_of_narrow_rows_fill_blocks_together():
    found = kernels(load_workload("qwen3-4b", phase="decode", batch=64, context=64))
    assert found["query_norm"].call.shape == {"m": 64 * 32 * 128 / 1024, "n": 1024}


def test_norms_work_on_new_rows_not_on_the_cache_they_write():
    found = kernels(load_workload("deepseek-v3", phase="decode", batch=4, context=65536))
    assert found["latent_norm"].call.shape == {"m": 2, "n": 1024}
    assert found["latent_norm"].time_ps < 10e6


def test_large_batches_send_a_token_once_to_each_node():
    sizes = {"phase": "prefill", "batch": 16, "context": 1024, "precision": "weights=fp8"}
    found = kernels(load_workload("deepseek-v3", **sizes), parallel="ep=16")
    pairs = 1024 * 8
    first = 2 * (1 - 0.5**8) / 8
    assert found["dispatch-network"].call.shape["bytes"] == pytest.approx(
        pairs * 7168 * 0.5 * first
    )
    assert found["dispatch"].call.shape == {"tp": 8, "bytes": pairs * 7168}


def test_expert_ranks_of_grouped_experts_send_tokens_in_eight_bits():
    load = load_workload("deepseek-v3", phase="decode", batch=64, precision="weights=fp8")
    found = kernels(load, parallel="ep=16")
    assert found["router"].call.shape["n"] == 256
    assert found["router"].call.dtype == "bf16"
    away = 64 // 16 * 8 // 2
    assert found["dispatch-network"].call.shape["bytes"] == away * 7168
    assert found["combine-network"].call.shape["bytes"] == 2 * away * 7168
    assert found["experts"].call.shape["experts"] == 16
    near = kernels(load, parallel="ep=8")
    assert near["dispatch"].call.shape == {"tp": 8, "bytes": 64 * 7168}
    with pytest.raises(ConfigError, match="1 to 32"):
        share(load, parse_parallel("ep=64"))


@pytest.mark.parametrize(
    ("weights", "gpu", "expected"),
    [
        ("int4:g128:fp16", "h200-sxm", "bf16+w4.125"),
        ("mxfp4", "h200-sxm", "bf16+w4.25"),
        ("int4", "a100-80g-sxm", "bf16+w4"),
        ("fp8", "h200-sxm", "fp8"),
        ("fp8", "a100-80g-sxm", "bf16+w8"),
        ("int8", "a100-80g-sxm", "int8"),
        ("fp8:g128:fp32", "h200-sxm", "fp8_block"),
        ("nvfp4", "b200-sxm", "nvfp4"),
        ("nvfp4", "h200-sxm", "bf16+w4.5"),
    ],
)
def test_packed_weights_are_multiplied_as_activations_are(weights, gpu, expected):
    machine = the_gpu(load_hardware(gpu))
    left, right = parse_format("bf16"), parse_format(weights)
    assert operand_format(left, right, machine) == expected


def test_four_bits_hold_a_model_that_does_not_fit_in_sixteen():
    sizes = {"phase": "decode", "batch": 8, "context": 512}
    assert not run("gpt-oss-120b", **sizes).feasible
    packed = run("gpt-oss-120b", **sizes, precision="weights=mxfp4")
    assert packed.feasible
    assert packed.latency_s > packed.roofline.bound_s
    assert "packed weights" in " ".join(packed.assumptions)
    dense = (
        run("llama3-8b", **sizes).latency_s / run("llama3-8b", **sizes, precision=PACKED).latency_s
    )
    assert 1.8 < dense < 3.9


def test_queries_in_eight_bits_attend_to_a_wide_cache():
    load = load_workload("llama3-8b", phase="decode", precision="weights=fp8,act=fp8")
    assert kernels(load)["attention-decode"].call.dtype == "bf16"


def test_four_bit_units_are_used_and_bound():
    sizes = {"phase": "prefill", "batch": 8, "context": 1024, "hardware": "b200-sxm"}
    times = {}
    for text in ("bf16", "fp8", "nvfp4"):
        result = run("llama3-8b", **sizes, precision=f"weights={text}")
        assert result.latency_s > result.roofline.bound_s
        times[text] = result.roofline.bound_s
    assert times["bf16"] > 1.8 * times["fp8"] > 2 * times["nvfp4"]


def test_attention_without_a_mask_visits_all_pairs():
    found = kernels(load_workload("bert-base", phase="prefill", batch=4, context=512))
    call = found["attention-prefill"].call
    assert (call.shape["q_len"], call.shape["kv_len"]) == (512, 512 + 256)
    wide = {"phase": "prefill", "context": 512, "precision": "weights=fp32,act=fp32,kv=fp32"}
    assert "softmax" in kernels(load_workload("bert-base", **wide))


def test_adapters_add_two_calls_to_each_product():
    plain = {"phase": "decode", "batch": 8, "context": 256}
    load = load_workload("llama3.2-1b", **plain, adapters=2)
    found = kernels(load)
    assert found["adapters-in"].call.shape == {"batch": 2, "m": 4, "n": 16, "k": 8192}
    assert found["adapters-out"].call.shape == {"batch": 2, "m": 4, "n": 2048, "k": 16}
    base, served = run("llama3.2-1b", **plain), run(load)
    assert 1.1 < served.latency_s / base.latency_s < 2
    assert run(load, parallel="tp=2").feasible


def test_requests_of_a_mixed_batch_share_their_launch():
    decodes = [(1, 500 + number) for number in range(16)]
    batch = load_mixed("llama3-8b", [(512, 0), *decodes])
    alike = run(load_workload("llama3-8b", phase="decode", batch=16, context=512)).latency_s
    prompt = run("llama3-8b", phase="prefill", context=512).latency_s
    mixed = run(batch)
    assert max(alike, prompt) < mixed.latency_s < alike + prompt
    assert run(batch, parallel="tp=2").latency_s < mixed.latency_s
    with pytest.raises(ConfigError, match="not dealt"):
        run(load_mixed("olmoe-1b-7b", [(8, 0), (1, 9)]), parallel="ep=2")


def test_latent_attention_in_a_mixed_batch_runs():
    batch = load_mixed(LATENT, [(128, 0), (1, 300), (1, 700)])
    assert run(batch).feasible


@pytest.mark.parametrize("model", ["t5-small", "bert-base", "transformer-xl", LATENT])
def test_other_families_run_and_say_what_cannot(model):
    assert run(model, phase="prefill", context=64).feasible
    if model == "transformer-xl":
        with pytest.raises(ConfigError, match="adaptive vocabulary"):
            run(model, phase="prefill", context=64, parallel="tp=2")


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["", "tp=8"])
@pytest.mark.parametrize("model", registry.workloads.yaml_names())
def test_every_model_runs_or_says_why_not(model, parallel):
    for phase in ("prefill", "decode", "generate"):
        sizes = {"phase": phase, "batch": 8, "context": 128}
        sizes["new_tokens"] = 3 if phase == "generate" else 1
        try:
            result = run(model, **sizes, parallel=parallel)
        except ArchsimError as reason:
            refused = str(reason)
            assert any(word in refused for word in ("heads", "encoder", "vocabulary")), refused
            continue
        if result.feasible:
            assert result.roofline.bound_s <= result.latency_s
            assert result.power_w <= 1.05 * load_hardware(GPU).component("sm").config.power_cap_w
        else:
            assert result.infeasible.need > result.infeasible.have
