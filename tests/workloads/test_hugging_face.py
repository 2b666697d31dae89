"""Configurations as their publishers write them, against the shipped descriptions."""

import json

import pytest

from archsim.errors import ConfigError
from tests.workloads.test_hugging_face_files import FILES
from workloads import load_model, parameters
from workloads.hugging_face import NOT_TRANSFORMERS, import_config
from workloads.hugging_face_readers import ARCHITECTURES

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-05,
    "rope_theta": 500000.0,
    "rope_scaling": None,
    "hidden_act": "silu",
    "attention_bias": False,
    "bos_token_id": 128000,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}


def shape(model_type, hidden, ffn, layers, heads, kv_heads, vocabulary, context, **more):
    return {
        "model_type": model_type,
        "hidden_size": hidden,
        "intermediate_size": ffn,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
        "max_position_embeddings": context,
        **more,
    }


CONFIGS = {
    "llama3-8b": LLAMA,
    "mistral-7b": shape(
        "mistral", 4096, 14336, 32, 32, 8, 32000, 32768, sliding_window=4096, rms_norm_eps=1e-5
    ),
    "mixtral-8x7b": shape(
        "mixtral",
        4096,
        14336,
        32,
        32,
        8,
        32000,
        32768,
        num_local_experts=8,
        num_experts_per_tok=2,
        sliding_window=None,
        rms_norm_eps=1e-5,
        rope_theta=1e6,
        router_aux_loss_coef=0.02,
    ),
    "qwen2.5-1.5b": shape(
        "qwen2",
        1536,
        8960,
        28,
        12,
        2,
        151936,
        131072,
        rope_theta=1e6,
        tie_word_embeddings=True,
        use_sliding_window=False,
        sliding_window=131072,
        max_window_layers=28,
    ),
    "qwen1.5-moe-a2.7b": shape(
        "qwen2_moe",
        2048,
        5632,
        24,
        16,
        16,
        151936,
        8192,
        rope_theta=1e6,
        num_experts=60,
        num_experts_per_tok=4,
        moe_intermediate_size=1408,
        shared_expert_intermediate_size=5632,
        decoder_sparse_step=1,
        norm_topk_prob=False,
    ),
    "qwen3-30b-a3b": shape(
        "qwen3_moe",
        2048,
        6144,
        48,
        32,
        4,
        151936,
        40960,
        head_dim=128,
        rope_theta=1e6,
        num_experts=128,
        num_experts_per_tok=8,
        moe_intermediate_size=768,
        decoder_sparse_step=1,
        norm_topk_prob=True,
        mlp_only_layers=[],
    ),
    "qwen3-4b": shape(
        "qwen3",
        2560,
        9728,
        36,
        32,
        8,
        151936,
        40960,
        head_dim=128,
        rope_theta=1e6,
        tie_word_embeddings=True,
    ),
    "olmoe-1b-7b": shape(
        "olmoe",
        2048,
        1024,
        16,
        16,
        16,
        50304,
        4096,
        num_experts=64,
        num_experts_per_tok=8,
        norm_topk_prob=False,
        clip_qkv=None,
    ),
    "deepseek-v3": shape(
        "deepseek_v3",
        7168,
        18432,
        61,
        128,
        128,
        129280,
        163840,
        q_lora_rank=1536,
        kv_lora_rank=512,
        qk_nope_head_dim=128,
        qk_rope_head_dim=64,
        v_head_dim=128,
        n_routed_experts=256,
        n_shared_experts=1,
        num_experts_per_tok=8,
        moe_intermediate_size=2048,
        first_k_dense_replace=3,
        n_group=8,
        topk_group=4,
        routed_scaling_factor=2.5,
        scoring_func="sigmoid",
        norm_topk_prob=True,
        topk_method="noaux_tc",
        quantization_config={"quant_method": "fp8"},
    ),
    "deepseek-v2-lite": shape(
        "deepseek_v2",
        2048,
        10944,
        27,
        16,
        16,
        102400,
        163840,
        q_lora_rank=None,
        kv_lora_rank=512,
        qk_nope_head_dim=128,
        qk_rope_head_dim=64,
        v_head_dim=128,
        n_routed_experts=64,
        n_shared_experts=2,
        num_experts_per_tok=6,
        moe_intermediate_size=1408,
        first_k_dense_replace=1,
        norm_topk_prob=False,
        scoring_func="softmax",
    ),
    "phi-3.5-mini": shape(
        "phi3", 3072, 8192, 32, 32, 32, 32064, 131072, sliding_window=262144, rms_norm_eps=1e-5
    ),
    "gemma-2-9b": shape(
        "gemma2",
        3584,
        14336,
        42,
        16,
        8,
        256000,
        8192,
        head_dim=256,
        query_pre_attn_scalar=256,
        sliding_window=4096,
        attn_logit_softcapping=50.0,
        final_logit_softcapping=30.0,
        hidden_activation="gelu_pytorch_tanh",
    ),
    "gemma-3-1b": shape(
        "gemma3_text",
        1152,
        6912,
        26,
        4,
        1,
        262144,
        32768,
        head_dim=256,
        query_pre_attn_scalar=256,
        rope_theta=1e6,
        rope_local_base_freq=10000,
        sliding_window=512,
        sliding_window_pattern=6,
    ),
    "gpt-oss-120b": shape(
        "gpt_oss",
        2880,
        2880,
        36,
        64,
        8,
        201088,
        131072,
        head_dim=64,
        num_local_experts=128,
        num_experts_per_tok=4,
        sliding_window=128,
        layer_types=["sliding_attention", "full_attention"] * 18,
        rms_norm_eps=1e-5,
        rope_theta=150000,
        swiglu_limit=7.0,
        attention_bias=True,
    ),
    "gpt2-xl": {
        "model_type": "gpt2",
        "n_embd": 1600,
        "n_head": 25,
        "n_layer": 48,
        "n_positions": 1024,
        "n_ctx": 1024,
        "vocab_size": 50257,
        "activation_function": "gelu_new",
    },
    "opt-13b": {
        "model_type": "opt",
        "hidden_size": 5120,
        "ffn_dim": 20480,
        "num_hidden_layers": 40,
        "num_attention_heads": 40,
        "vocab_size": 50272,
        "max_position_embeddings": 2048,
        "word_embed_proj_dim": 5120,
        "do_layer_norm_before": True,
    },
    "falcon-180b": {
        "model_type": "falcon",
        "hidden_size": 14848,
        "num_hidden_layers": 80,
        "num_attention_heads": 232,
        "num_kv_heads": 8,
        "vocab_size": 65024,
        "new_decoder_architecture": True,
        "parallel_attn": True,
        "multi_query": True,
        "alibi": False,
        "bias": False,
        "tie_word_embeddings": False,
    },
}


@pytest.mark.parametrize("name", CONFIGS)
def test_an_imported_model_is_the_shipped_one(name):
    shipped = load_model(name)
    blank = {"name": "x", "source": "", "published_parameters": None, "printed_parameters": ""}
    blank |= {"norm": shipped.norm, "query_scale": None, "embedding_scale": None}
    imported = import_config(CONFIGS[name])
    assert imported.model_copy(update=blank) == shipped.model_copy(update=blank)
    assert imported.norm.placement == shipped.norm.placement
    assert imported.query_scale == pytest.approx(shipped.query_scale)
    assert parameters(imported) == shipped.published_parameters


def test_neox():
    config = shape("gpt_neox", 6144, 24576, 44, 64, None, 50432, 2048, rotary_pct=0.25)
    assert parameters(import_config(config)) == 20_554_567_680
    tested = {item["model_type"] for item in [*CONFIGS.values(), *FILES.values()]}
    assert tested | {"gpt_neox"} == set(ARCHITECTURES)


@pytest.mark.parametrize("kind", NOT_TRANSFORMERS)
def test_hybrid_and_recurrent_models_are_refused_by_what_they_have(kind):
    with pytest.raises(ConfigError, match=f"{kind} has {NOT_TRANSFORMERS[kind][:5]}"):
        import_config({**LLAMA, "model_type": kind})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "lama"}, "model_type: .*unsupported architecture.*did you mean 'llama'"),
        ({"model_type": None}, "model_type: .*required key is missing"),
        ({"num_mem_blocks": 4}, "num_mem_blocks: .*unsupported key; given 4"),
        ({"hidden_size": None}, "hidden_size: .*required key is missing"),
        ({"hidden_size": "big"}, "hidden_size: .*must be a whole number"),
        ({"num_attention_heads": 33}, "num_attention_heads: .*must divide hidden_size"),
        ({"num_key_value_heads": 5}, r"heads \(32\) must be a multiple of kv_heads \(5\)"),
        ({"hidden_act": "mish"}, "hidden_act: .*unsupported activation; given 'mish'"),
        ({"rope_theta": "x"}, "rope_theta: .*must be a number"),
        ({"attention_bias": 1}, "attention_bias: .*must be true or false"),
    ],
)
def test_bad_configs(change, message):
    with pytest.raises(ConfigError, match=message):
        import_config({**LLAMA, **change})


def test_values_that_would_change_the_model_are_refused():
    with pytest.raises(ConfigError, match=r"use_sliding_window: .*unsupported value"):
        import_config({**CONFIGS["qwen2.5-1.5b"], "use_sliding_window": True})
    kinds = ["full_attention", "sliding_attention", "sliding_attention"] * 12
    with pytest.raises(ConfigError, match=r"layer_types: .*regular steps"):
        import_config({**CONFIGS["gpt-oss-120b"], "layer_types": kinds})


def test_files_and_folders(tmp_path):
    folder = tmp_path / "My Model"
    folder.mkdir()
    path = folder / "config.json"
    path.write_text(json.dumps(LLAMA), encoding="utf-8")
    assert import_config(path) == import_config(str(folder))
    assert import_config(path).name == "my-model"
    assert import_config(path, name="Mine").name == "mine"
    for text, message in (("{", "is not JSON"), ("[]", "must be a JSON object")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            import_config(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        import_config(tmp_path / "nowhere.json")
