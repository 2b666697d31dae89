"""Whole stages: embedding, one decoder or encoder layer, head.

Every stage reads X and writes Y. Residual sums belong to the part (attention, ffn) they close.
"""

from __future__ import annotations

from functools import lru_cache

from archsim.numberformat import FORMATS
from workloads.cascade import Cascade
from workloads.layers.attention import add_attention
from workloads.layers.feed_forward import add_feed_forward
from workloads.layers.layer_builder import LayerBuilder, Step
from workloads.layers.norm import add_norm
from workloads.model import ModelConfig


@lru_cache(maxsize=64)
def embedding_cascade(model: ModelConfig, step: Step) -> Cascade:
    """Return token (plus position and token-type) embedding, normalised where the model does so.

    Inputs TOK (token ids, B P), and with such tables POS (position ids, P) and TYPE (B P).
    Positions beyond the table are the caller's affair: ids choose rows.
    """
    builder = LayerBuilder("embedding", model, step)
    builder.rank("V", model.vocabulary)
    ids = FORMATS["int32"]
    builder.matrix("WTE", "V D")
    builder.tensor("TOK", "B P", "input", ids)
    terms = ["WTE[TOK[b,p],d]"]
    if model.positions == "learned":
        builder.rank("T", model.max_context)
        builder.matrix("WPE", "T D")
        builder.tensor("POS", "P", "input", ids)
        terms.append("WPE[POS[p],d]")
    if model.token_types:
        builder.rank("C", model.token_types)
        builder.matrix("WTT", "C D")
        builder.tensor("TYPE", "B P", "input", ids)
        terms.append("WTT[TYPE[b,p],d]")
    total = " + ".join(terms) if len(terms) > 1 else f"copy({terms[0]})"
    result = "X0" if model.embedding_norm else "Y"
    builder.activation("Y", "B P D", "output")
    if model.embedding_norm:
        builder.activation("X0", "B P D")
    builder.einsum("gather", f"{result}[b,p,d] = {total}", op_class="embedding", layer="embedding")
    if model.embedding_norm:
        add_norm(builder, "embedding_norm", "Y", "X0[b,p,d]")
    return builder.build()


@lru_cache(maxsize=64)
def layer_cascade(model: ModelConfig, step: Step) -> Cascade:
    """Return one layer: attention and feed-forward part, each with norm and residual sum.

    Keys and values of an encoder are intermediates; those of a decoder live in the caches K, V,
    to which the new positions are appended.
    """
    builder = LayerBuilder(f"{model.family}-layer", model, step)
    builder.activation("X", "B P D", "input")
    builder.activation("Y", "B P D", "output")
    if model.norm.placement == "pre":
        builder.activation("AN", "B P D")
        builder.activation("XA", "B P D")
        builder.activation("FN", "B P D")
        add_norm(builder, "attention_norm", "AN", "X[b,p,d]")
        add_attention(builder, "AN", "AO")
        builder.elementwise("attention_residual", "XA[b,p,d] = X[b,p,d] + AO[b,p,d]", "attention")
        add_norm(builder, "ffn_norm", "FN", "XA[b,p,d]")
        add_feed_forward(builder, "FN", "FO")
        builder.elementwise("ffn_residual", "Y[b,p,d] = XA[b,p,d] + FO[b,p,d]", "ffn")
        return builder.build()
    for name in ("XA", "AN", "XF"):
        builder.activation(name, "B P D")
    add_attention(builder, "X", "AO")
    builder.elementwise("attention_residual", "XA[b,p,d] = X[b,p,d] + AO[b,p,d]", "attention")
    add_norm(builder, "attention_norm", "AN", "XA[b,p,d]")
    add_feed_forward(builder, "AN", "FO")
    builder.elementwise("ffn_residual", "XF[b,p,d] = AN[b,p,d] + FO[b,p,d]", "ffn")
    add_norm(builder, "ffn_norm", "Y", "XF[b,p,d]")
    return builder.build()


@lru_cache(maxsize=64)
def head_cascade(model: ModelConfig, step: Step) -> Cascade | None:
    """Return what follows the layers, or None where nothing does.

    Decoder: final norm and logits (B V) of the last position of each sequence. Encoder with
    pooler: dense layer and tanh on the first position.
    """
    builder = LayerBuilder("head", model, step)
    builder.activation("X", "B P D", "input")
    if model.family == "encoder":
        if not model.pooler:
            return None
        builder.rank("D2", model.hidden_size)
        builder.activation("PO", "B D2")
        builder.activation("Y", "B D2", "output")
        builder.linear(
            "pooler",
            "PO[b,d2]",
            "X[b,0,d]",
            "WP[d,d2]",
            layer="head",
            bias="BP[d2]",
            op_class="head",
        )
        builder.elementwise("pooler_tanh", "Y[b,d2] = tanh(PO[b,d2])", "head")
        return builder.build()
    builder.rank("V", model.vocabulary)
    source = f"X[b,{step.queries - 1},d]"
    if model.norm.placement == "pre":
        builder.activation("HN", "B D")
        add_norm(builder, "final_norm", "HN", source, positions="b")
        source = "HN[b,d]"
    builder.activation("Y", "B V", "output")
    name = "WTE" if model.tied_embeddings else "WLM"
    builder.linear("logits", "Y[b,v]", source, f"{name}[v,d]", layer="head", op_class="head")
    return builder.build()
