"""A model in a few lines for people: what it is made of, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.model import ModelConfig

_NORMS = {"rms": "RMS norms", "layer": "layer norms"}
_PLACEMENTS = {"pre": "before each part", "post": "after each sum", "both": "before and after"}


def describe_model(model: ModelConfig) -> dict[str, str]:
    """Return ``{what: text}``: layers, attention, feed-forward part, positions, vocabulary."""
    layers = f"{model.layers} of {model.hidden_size}"
    if model.encoder_layers:
        layers = f"{model.encoder_layers} encoder + {model.layers} decoder of {model.hidden_size}"
    norms = f"{_NORMS[model.norm.kind]} {_PLACEMENTS[model.norm.placement]}"
    lines = {
        "kind": model.family,
        "layers": f"{layers}, {norms}" + (", parallel parts" if model.parallel else ""),
        "attention": _attention(model),
        "feed-forward": _feed_forward(model),
        "positions": _positions(model),
        "vocabulary": _vocabulary(model),
    }
    if model.moe is not None:
        lines["experts"] = _experts(model)
    return lines


def _attention(model: ModelConfig) -> str:
    mla = model.mla
    if mla is not None:
        form = {"auto": "in the cheaper form", "always": "absorbed", "never": "not absorbed"}
        text = (
            f"latent: {model.heads} heads of {mla.plain_dim} + {mla.rotary_dim} rotary, latent "
            f"{mla.latent_rank}, {form[mla.absorb]}"
        )
    elif model.kv_heads == model.heads:
        text = f"{model.heads} heads of {model.head_dim}"
    else:
        text = f"{model.heads} heads of {model.head_dim} over {model.kv_heads} key/value heads"
    if model.attention_window:
        text += f", window {model.attention_window}"
        if model.global_every:
            text += f" but in every {_ordinal(model.global_every)} layer"
    if model.memory:
        text += f", memory of {model.memory} rows of each layer's input"
    for present, words in (
        (model.attention_bias, "biases"),
        (model.qk_norm != "none", "normalised queries and keys"),
        (model.score_cap is not None, "capped scores"),
        (model.attention_sinks, "sinks"),
    ):
        text += f", {words}" if present else ""
    return text


def _ordinal(number: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(number, f"{number}th")


def _feed_forward(model: ModelConfig) -> str:
    gate = "gated " if model.gated else ""
    text = f"{gate}{model.activation}, {model.ffn_size} wide"
    moe = model.moe
    if moe is None:
        return text
    if moe.every == 1 and moe.first_dense == 0:
        return "experts in every layer"
    if moe.every > 1:
        return f"{text}; experts in every {_ordinal(moe.every)} layer"
    return f"{text} in the first {moe.first_dense}, then experts"


def _experts(model: ModelConfig) -> str:
    moe = model.moe
    assert moe is not None
    text = f"{moe.active} of {moe.experts}, {moe.expert_size} wide, by {moe.scoring}"
    if moe.groups > 1:
        text += f", from {moe.active_groups} of {moe.groups} groups"
    if moe.shared_size:
        text += f", beside {moe.shared_size} shared"
    if moe.capacity_factor is not None:
        text += f", capacity factor {moe.capacity_factor:g}"
    return text


def _positions(model: ModelConfig) -> str:
    text = model.positions
    if model.positions == "rotary":
        text += f", base {model.rope_theta or 0.0:,.0f}"
        if model.rotary_fraction != 1.0:
            text += f", {model.rotary_dim} of {model.head_dim} elements"
        if model.unrotated_every:
            text += f", none in every {_ordinal(model.unrotated_every)} layer"
    return f"{text}; made for {model.max_context:,}"


def _vocabulary(model: ModelConfig) -> str:
    text = f"{model.vocabulary:,}"
    if model.cutoffs:
        ends = ", ".join(f"{end:,}" for end in model.cutoffs)
        text += f", adaptive, cut at {ends}"
    return text + (", tied" if model.tied_embeddings else "")
