"""Readers of Hugging Face configurations, one for each architecture.

Defaults are those of the configuration classes of the transformers library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from workloads.hugging_face_config import ConfigReader

Fields: TypeAlias = dict[str, object]
"""Fields of a model description."""


def _heads(r: ConfigReader) -> Fields:
    heads = r.count("num_attention_heads")
    hidden = r.count("hidden_size")
    kv_heads = r.count("num_key_value_heads", heads)
    if heads == 0 or (r.data.get("head_dim") is None and hidden % heads):
        raise r.fail(
            "num_attention_heads", "must divide hidden_size", heads, f"divisors of {hidden}"
        )
    return {
        "family": "decoder",
        "layers": r.count("num_hidden_layers"),
        "hidden_size": hidden,
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": r.count("head_dim", hidden // heads),
        "ffn_size": r.count("intermediate_size"),
        "vocabulary": r.count("vocab_size"),
    }


def _llama_like(
    r: ConfigReader, *, context: int = 2048, epsilon: float = 1e-6, theta: float = 10000.0
) -> Fields:
    """Return what Llama and its relatives share: RMS norms, rotary positions, a gated part."""
    parameters = r.data.get("rope_parameters")
    if isinstance(parameters, Mapping) and "rope_theta" in parameters:
        theta = ConfigReader(parameters, r.where).number("rope_theta", theta)
    return {
        **_heads(r),
        "max_context": r.count("max_position_embeddings", context),
        "norm": {"kind": "rms", "epsilon": r.number("rms_norm_eps", epsilon)},
        "activation": r.activation("hidden_act", "silu"),
        "gated": True,
        "positions": "rotary",
        "rope_theta": r.number("rope_theta", theta),
        "tied_embeddings": r.flag("tie_word_embeddings"),
    }


def _llama(r: ConfigReader) -> Fields:
    bias = r.flag("attention_bias")
    return {**_llama_like(r), "attention_bias": bias, "ffn_bias": r.flag("mlp_bias")}


def _mistral(r: ConfigReader) -> Fields:
    return {**_llama_like(r, context=131072), "attention_window": r.count("sliding_window", 0)}


def _qwen2(r: ConfigReader) -> Fields:
    r.get("sliding_window")
    r.get("layer_types")
    r.only("use_sliding_window", False)
    return {**_llama_like(r, context=32768), "attention_bias": True, "output_bias": False}


def _qwen3(r: ConfigReader) -> Fields:
    r.get("sliding_window")
    r.get("layer_types")
    r.only("use_sliding_window", False)
    bias = r.flag("attention_bias")
    return {**_llama_like(r, context=32768), "attention_bias": bias, "qk_norm": "head"}


def _experts(r: ConfigReader, count: str, width: str, **more: object) -> Fields:
    moe: Fields = {
        "experts": r.count(count),
        "active": r.count("num_experts_per_tok"),
        "expert_size": r.count(width),
        **more,
    }
    return {"moe": moe}


def _mixtral(r: ConfigReader) -> Fields:
    base = _mistral(r)
    return {**base, **_experts(r, "num_local_experts", "intermediate_size")}


def _qwen_experts(r: ConfigReader, **more: object) -> Fields:
    r.only("mlp_only_layers", [])
    return _experts(
        r,
        "num_experts",
        "moe_intermediate_size",
        every=r.count("decoder_sparse_step", 1),
        renormalise=r.flag("norm_topk_prob"),
        **more,
    )


def _qwen2_moe(r: ConfigReader) -> Fields:
    shared = r.count("shared_expert_intermediate_size", 5632)
    r.only("qkv_bias", True)
    return {**_qwen2(r), **_qwen_experts(r, shared_size=shared, shared_gate=shared > 0)}


def _qwen3_moe(r: ConfigReader) -> Fields:
    return {**_qwen3(r), **_qwen_experts(r)}


def _olmoe(r: ConfigReader) -> Fields:
    r.only("clip_qkv", None)
    bias = r.flag("attention_bias")
    renormalise = r.flag("norm_topk_prob")
    base = {**_llama_like(r, context=4096, epsilon=1e-5), "attention_bias": bias}
    experts = _experts(r, "num_experts", "intermediate_size", renormalise=renormalise)
    return {**base, "qk_norm": "full", **experts}


def _deepseek(r: ConfigReader) -> Fields:
    third = r.data.get("model_type") == "deepseek_v3"
    plain, rotary = r.count("qk_nope_head_dim"), r.count("qk_rope_head_dim")
    r.get("head_dim")
    base = _llama_like(r, context=4096)
    expert = r.count("moe_intermediate_size")
    heads = base["heads"]
    if r.get("kv_lora_rank") is None:
        raise r.fail("kv_lora_rank", "required key is missing")
    r.only("scoring_func", "sigmoid" if third else "softmax")
    r.only("moe_layer_freq", 1)
    method = r.get("topk_method", "noaux_tc" if third else "greedy")
    known = ("noaux_tc",) if third else ("greedy", "group_limited_greedy")
    if method not in known:
        raise r.fail("topk_method", "unsupported value", method, ", ".join(known))
    moe: Fields = {
        "experts": r.count("n_routed_experts"),
        "active": r.count("num_experts_per_tok"),
        "expert_size": expert,
        "first_dense": r.count("first_k_dense_replace", 0),
        "shared_size": r.count("n_shared_experts", 0) * expert,
        "scoring": "sigmoid" if third else "softmax",
        "renormalise": r.flag("norm_topk_prob", third),
        "weight_scale": r.number("routed_scaling_factor", 1.0),
        "selection_bias": third,
        "groups": r.count("n_group", 1),
        "active_groups": r.count("topk_group", 1),
        "group_score": "top2" if third else "max",
    }
    mla: Fields = {
        "query_rank": r.count("q_lora_rank", 0),
        "latent_rank": r.count("kv_lora_rank"),
        "plain_dim": plain,
        "rotary_dim": rotary,
        "value_dim": r.count("v_head_dim"),
    }
    r.only("attention_bias", False)
    return {**base, "kv_heads": heads, "head_dim": plain + rotary, "mla": mla, "moe": moe}


def _phi3(r: ConfigReader) -> Fields:
    fields = _llama_like(r, context=4096, epsilon=1e-5)
    window = r.count("sliding_window", 0)
    # A window as long as the context hides nothing.
    fields["attention_window"] = 0 if window >= r.count("max_position_embeddings", 4096) else window
    fields["rotary_fraction"] = r.number("partial_rotary_factor", 1.0)
    return fields


def _alternate(r: ConfigReader, default: int) -> int:
    """Return every which layer is global, by ``layer_types`` or ``sliding_window_pattern``."""
    kinds = r.get("layer_types")
    every = r.count("sliding_window_pattern", default)
    if not isinstance(kinds, list):
        return every
    full = [kind == "full_attention" for kind in kinds]
    every = full.index(True) + 1 if True in full else 0
    if full != [every > 0 and (layer + 1) % every == 0 for layer in range(len(full))]:
        raise r.fail("layer_types", "unsupported order: global layers must come at regular steps")
    return every


def _gemma(r: ConfigReader, *, every: int, **more: object) -> Fields:
    r.get("hidden_act")
    fields = _llama_like(r, context=8192)
    hidden = fields["hidden_size"]
    assert isinstance(hidden, int)
    fields["activation"] = r.activation("hidden_activation", "gelu_pytorch_tanh")
    fields["norm"] = {"kind": "rms", "epsilon": r.number("rms_norm_eps", 1e-6), "placement": "both"}
    r.only("attention_bias", False)
    return {
        **fields,
        "tied_embeddings": r.flag("tie_word_embeddings", True),
        "embedding_scale": math.sqrt(hidden),
        "query_scale": r.number("query_pre_attn_scalar", 256.0) ** -0.5,
        "attention_window": r.count("sliding_window", 4096),
        "global_every": _alternate(r, every),
        "score_cap": r.get("attn_logit_softcapping"),
        "logit_cap": r.get("final_logit_softcapping"),
        **more,
    }


def _gemma2(r: ConfigReader) -> Fields:
    return _gemma(r, every=2)


def _gemma3(r: ConfigReader) -> Fields:
    return _gemma(r, every=6, qk_norm="head")


def _gemma3_whole(r: ConfigReader) -> Fields:
    """Read the text part of a model with a vision part; keys left out have the text defaults."""
    text = r.get("text_config")
    if not isinstance(text, Mapping):
        raise r.fail("text_config", "must be a map", text)
    defaults = {
        "vocab_size": 262208,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131072,
        "rope_theta": 1000000.0,
    }
    inner = ConfigReader({**defaults, **text}, r.where)
    r.parts.append(inner)
    return _gemma3(inner)


def _phimoe(r: ConfigReader) -> Fields:
    window, context = r.count("sliding_window", 0), r.count("max_position_embeddings", 131072)
    bias = r.flag("attention_bias")
    base = _llama_like(r, context=131072, epsilon=1e-5, theta=1e6)
    experts = _experts(
        r,
        "num_local_experts",
        "intermediate_size",
        scoring="sparsemixer",
        renormalise=False,
        jitter=r.number("router_jitter_noise", 0.01),
    )
    return {
        **base,
        "norm": {"kind": "layer", "epsilon": r.number("rms_norm_eps", 1e-5)},
        "attention_bias": bias,
        "head_bias": r.flag("lm_head_bias"),
        "attention_window": 0 if window >= context else window,
        **experts,
    }


def _smollm3(r: ConfigReader) -> Fields:
    r.get("sliding_window")
    r.get("layer_types")
    r.only("use_sliding_window", False)
    bias = r.flag("attention_bias")
    every = r.count("no_rope_layer_interval", 4)
    rotated = r.get("no_rope_layers")
    fields = {**_llama_like(r, context=32768, theta=2000000.0), "attention_bias": bias}
    fields["ffn_bias"] = r.flag("mlp_bias")
    fields["tied_embeddings"] = r.flag("tie_word_embeddings", True)
    if isinstance(rotated, list):
        wanted = [int((layer + 1) % every != 0) for layer in range(len(rotated))]
        if rotated != wanted:
            raise r.fail(
                "no_rope_layers", "unsupported order: such layers must come at regular steps"
            )
    return {**fields, "unrotated_every": every}


def _gpt_oss(r: ConfigReader) -> Fields:
    r.get("hidden_act")
    r.flag("attention_bias", True)
    fields = _llama_like(r, context=131072, epsilon=1e-5, theta=150000.0)
    experts = _experts(
        r, "num_local_experts", "intermediate_size", router_bias=True, expert_bias=True
    )
    return {
        **fields,
        "activation": "silu-clipped",
        "attention_bias": True,
        "attention_sinks": True,
        "attention_window": r.count("sliding_window", 128),
        "global_every": _alternate(r, 2),
        **experts,
    }


def _gpt2(r: ConfigReader) -> Fields:
    hidden, heads = r.count("n_embd"), r.count("n_head")
    if heads == 0 or hidden % heads:
        raise r.fail("n_head", "must divide n_embd", heads, f"divisors of {hidden}")
    return {
        "family": "decoder",
        "layers": r.count("n_layer"),
        "hidden_size": hidden,
        "heads": heads,
        "kv_heads": heads,
        "head_dim": hidden // heads,
        "ffn_size": r.count("n_inner", 4 * hidden),
        "vocabulary": r.count("vocab_size", 50257),
        "max_context": r.count("n_positions", 1024),
        "norm": {"kind": "layer", "epsilon": r.number("layer_norm_epsilon", 1e-5)},
        "activation": r.activation("activation_function", "gelu_new"),
        "gated": False,
        "attention_bias": True,
        "ffn_bias": True,
        "positions": "learned",
        "tied_embeddings": r.flag("tie_word_embeddings", True),
    }


def _neox(r: ConfigReader) -> Fields:
    parallel = r.flag("use_parallel_residual", True)
    bias = r.flag("attention_bias", True)
    return {
        **_heads(r),
        "max_context": r.count("max_position_embeddings", 2048),
        "norm": {"kind": "layer", "epsilon": r.number("layer_norm_eps", 1e-5)},
        "activation": r.activation("hidden_act", "gelu"),
        "gated": False,
        "attention_bias": bias,
        "ffn_bias": True,
        "positions": "rotary",
        "rotary_fraction": r.number("rotary_pct", 0.25),
        "rope_theta": r.number("rotary_emb_base", 10000.0),
        "parallel": parallel,
        "tied_embeddings": r.flag("tie_word_embeddings"),
    }


def _opt(r: ConfigReader) -> Fields:
    r.only("do_layer_norm_before", True)
    context = r.count("max_position_embeddings", 2048)
    hidden, heads = r.count("hidden_size"), r.count("num_attention_heads")
    r.only("word_embed_proj_dim", hidden)
    if heads == 0 or hidden % heads:
        raise r.fail("num_attention_heads", "must divide hidden_size", heads)
    r.only("enable_bias", True)
    return {
        "family": "decoder",
        "layers": r.count("num_hidden_layers"),
        "hidden_size": hidden,
        "heads": heads,
        "kv_heads": heads,
        "head_dim": hidden // heads,
        "ffn_size": r.count("ffn_dim"),
        "vocabulary": r.count("vocab_size"),
        "max_context": context,
        "position_rows": context + 2,
        "norm": {"kind": "layer", "epsilon": 1e-5},
        "activation": r.activation("activation_function", "relu"),
        "gated": False,
        "attention_bias": True,
        "ffn_bias": True,
        "positions": "learned",
        "tied_embeddings": r.flag("tie_word_embeddings", True),
    }


def _falcon(r: ConfigReader) -> Fields:
    new = r.flag("new_decoder_architecture")
    multi = r.flag("multi_query", True)
    alibi = r.flag("alibi")
    heads = r.count("num_attention_heads")
    groups = r.count("num_kv_heads", heads)
    hidden = r.count("hidden_size")
    if heads == 0 or hidden % heads:
        raise r.fail("num_attention_heads", "must divide hidden_size", heads)
    parallel = new or r.flag("parallel_attn", True)
    norms = r.count("num_ln_in_parallel_attn", 2 if new else 1)
    bias = r.flag("bias")
    return {
        "family": "decoder",
        "layers": r.count("num_hidden_layers"),
        "hidden_size": hidden,
        "heads": heads,
        "kv_heads": groups if new else 1 if multi else heads,
        "head_dim": hidden // heads,
        "ffn_size": r.count("ffn_hidden_size", 4 * hidden),
        "vocabulary": r.count("vocab_size"),
        "max_context": r.count("max_position_embeddings", 2048),
        "norm": {"kind": "layer", "epsilon": r.number("layer_norm_epsilon", 1e-5)},
        "activation": r.activation("activation", "gelu"),
        "gated": False,
        "attention_bias": bias,
        "ffn_bias": bias,
        "positions": "alibi" if alibi else "rotary",
        "rope_theta": None if alibi else r.number("rope_theta", 10000.0),
        "parallel": parallel,
        "shared_norm": parallel and norms == 1,
        "tied_embeddings": r.flag("tie_word_embeddings", True),
    }


ARCHITECTURES: Final[Mapping[str, Callable[[ConfigReader], Fields]]] = {
    "llama": _llama,
    "mistral": _mistral,
    "mixtral": _mixtral,
    "qwen2": _qwen2,
    "qwen2_moe": _qwen2_moe,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
    "olmoe": _olmoe,
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
    "phi3": _phi3,
    "phimoe": _phimoe,
    "smollm3": _smollm3,
    "gemma2": _gemma2,
    "gemma3": _gemma3_whole,
    "gemma3_text": _gemma3,
    "gpt_oss": _gpt_oss,
    "gpt2": _gpt2,
    "gpt_neox": _neox,
    "opt": _opt,
    "falcon": _falcon,
}
"""Readers by ``model_type``."""
