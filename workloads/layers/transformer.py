"""Whole stages: embedding, one decoder or encoder layer, head.

Every stage reads X and writes Y. Residual sums belong to the part (attention, ffn) they close.
"""

from __future__ import annotations

from functools import lru_cache

from archsim.numberformat import FORMATS
from workloads.cascade import Cascade
from workloads.layer_kinds import LayerKind, layer_kind
from workloads.layers.adaptive_vocabulary import add_adaptive_embedding, add_adaptive_logits
from workloads.layers.attention import add_attention, add_cross_attention
from workloads.layers.experts import add_experts
from workloads.layers.feed_forward import add_feed_forward
from workloads.layers.latent_attention import add_latent_attention
from workloads.layers.layer_builder import LayerBuilder, Step
from workloads.layers.mixed_attention import add_mixed_attention
from workloads.layers.mixed_latent import add_mixed_latent_attention
from workloads.layers.norm import add_norm
from workloads.layers.quantised import scaled_text
from workloads.layers.recurrent_attention import add_recurrent_attention
from workloads.model import ModelConfig


@lru_cache(maxsize=64)
def embedding_cascade(model: ModelConfig, step: Step) -> Cascade:
    """Return token (plus position and token-type) embedding, normalised where the model does so.

    Inputs TOK (token ids, B P; of an adaptive vocabulary the tables of
    :mod:`workloads.layers.adaptive_vocabulary`), and with such tables POS (position ids, P) and
    TYPE (B P); constant SINE (P D) where positions are sines.
    Positions beyond the table are the caller's affair: ids choose rows.
    """
    builder = LayerBuilder("embedding", model, step)
    ids = FORMATS["int32"]
    if model.cutoffs:
        token = add_adaptive_embedding(builder)
    else:
        builder.rank("V", model.vocabulary)
        builder.tensor("TOK", "B P", "input", ids)
        token = _gathered(builder, "WTE", "V", "TOK[b,p]")
    terms = [token if model.embedding_scale is None else f"{token} * {model.embedding_scale!r}"]
    if model.positions == "learned":
        builder.rank("T", model.position_rows or model.max_context)
        builder.tensor("POS", "P", "input", ids)
        terms.append(_gathered(builder, "WPE", "T", "POS[p]"))
    if model.positions == "sinusoidal":
        builder.tensor("SINE", "P D", "constant", step.precision.act)
        terms.append("SINE[p,d]")
    if model.token_types:
        builder.rank("C", model.token_types)
        builder.tensor("TYPE", "B P", "input", ids)
        terms.append(_gathered(builder, "WTT", "C", "TYPE[b,p]"))
    total = " + ".join(terms) if len(terms) > 1 or "*" in terms[0] else f"copy({terms[0]})"
    result = "X0" if model.embedding_norm else "Y"
    builder.activation("Y", "B P D", "output")
    if model.embedding_norm:
        builder.activation("X0", "B P D")
    builder.einsum("gather", f"{result}[b,p,d] = {total}", op_class="embedding", layer="embedding")
    if model.embedding_norm:
        add_norm(builder, "embedding_norm", "Y", "X0[b,p,d]")
    return builder.build()


def _gathered(builder: LayerBuilder, table: str, rows: str, row: str) -> str:
    """Declare a table (rows × D); return the text of a row that is gathered from it.

    Where weights are scaled by einsums of their own, only the gathered rows are.
    """
    builder.scaled_matrix(table, f"{rows} D", 1)
    if not builder.scales_weights:
        return f"{table}[{row},d]"
    made = f"{table}R"
    builder.activation(made, "B P D" if "b" in row else "P D")
    place = "b,p" if "b" in row else "p"
    element, value = scaled_text(builder, table, [row, ""], 1, "D", builder.step.precision.weights)
    builder.einsum(
        f"{table.lower()}_dequantise",
        f"{made}[{place},{element}] = {value}",
        op_class="embedding",
        layer="embedding",
    )
    return f"{made}[{place},d]"


@lru_cache(maxsize=64)
def layer_cascade(model: ModelConfig, step: Step, kind: LayerKind | None = None) -> Cascade:
    """Return one layer: attention and feed-forward part, each with norm and residual sum.

    Keys and values of an encoder are intermediates; those of a decoder live in the caches K, V,
    to which the new positions are appended.

    Parameters
    ----------
    model, step
        What to build it for.
    kind
        Which of the model's layers; default the first.
    """
    kind = kind or layer_kind(model, 0)
    name = "encoder" if kind.encoder else "decoder"
    builder = LayerBuilder(f"{name}-layer", model, step, kind)
    builder.activation("X", "B P D", "input")
    builder.activation("Y", "B P D", "output")
    if model.parallel:
        _parallel(builder)
    elif model.norm.placement == "post":
        _norm_last(builder)
    else:
        _norm_first(builder, twice=model.norm.placement == "both")
    return builder.build()


def _attention(builder: LayerBuilder, source: str, target: str) -> None:
    if builder.step.requests and builder.model.mla is not None:
        add_mixed_latent_attention(builder, source, target)
    elif builder.step.requests:
        add_mixed_attention(builder, source, target)
    elif builder.model.positions == "distance":
        add_recurrent_attention(builder, source, target)
    elif builder.model.mla is not None:
        add_latent_attention(builder, source, target)
    else:
        add_attention(builder, source, target)


def _feed_forward(builder: LayerBuilder, source: str, target: str) -> None:
    if builder.kind.experts:
        add_experts(builder, source, target)
    else:
        add_feed_forward(builder, source, target)


def _sum(builder: LayerBuilder, part: str, target: str, left: str, right: str) -> None:
    """Append a residual sum that closes a part: ``attention``, ``cross`` or ``ffn``."""
    layer = "attention" if part == "cross" else part
    if part == "ffn" and builder.kind.experts:
        layer = "moe"
    statement = f"{target}[b,p,d] = {left}[b,p,d] + {right}[b,p,d]"
    builder.elementwise(f"{part}_residual", statement, layer)


def _normalised(builder: LayerBuilder, name: str, target: str, source: str) -> str:
    """Append a norm of `source` into the new tensor `target`; return its name."""
    builder.activation(target, "B P D")
    add_norm(builder, name, target, f"{source}[b,p,d]")
    return target


def _norm_first(builder: LayerBuilder, *, twice: bool) -> None:
    """Append parts that normalise what they read (`twice`: also what they make)."""
    stream = "X"
    # Name of the part, its tensors: normalised input, result, normalised result, sum.
    parts = [("attention", "AN", "AO", "AP", "XA"), ("ffn", "FN", "FO", "FP", "Y")]
    if builder.kind.crossed:
        parts.insert(1, ("cross", "CN", "CO", "CP", "XC"))
    work = {"attention": _attention, "cross": add_cross_attention, "ffn": _feed_forward}
    for part, source, made, normed, target in parts:
        if target != "Y":
            builder.activation(target, "B P D")
        _normalised(builder, f"{part}_norm", source, stream)
        work[part](builder, source, made)
        if twice:
            made = _normalised(builder, f"{part}_post_norm", normed, made)
        _sum(builder, part, target, stream, made)
        stream = target


def _norm_last(builder: LayerBuilder) -> None:
    """Append parts whose residual sums are normalised."""
    for name in ("XA", "XF"):
        builder.activation(name, "B P D")
    _attention(builder, "X", "AO")
    _sum(builder, "attention", "XA", "X", "AO")
    stream = _normalised(builder, "attention_norm", "AN", "XA")
    if builder.kind.crossed:
        builder.activation("XC", "B P D")
        add_cross_attention(builder, stream, "CO")
        _sum(builder, "cross", "XC", stream, "CO")
        stream = _normalised(builder, "cross_norm", "CN", "XC")
    _feed_forward(builder, stream, "FO")
    _sum(builder, "ffn", "XF", stream, "FO")
    add_norm(builder, "ffn_norm", "Y", "XF[b,p,d]")


def _parallel(builder: LayerBuilder) -> None:
    """Append both parts reading the layer's input, and one sum after the other."""
    builder.activation("XA", "B P D")
    first = _normalised(builder, "attention_norm", "AN", "X")
    _attention(builder, first, "AO")
    _sum(builder, "attention", "XA", "X", "AO")
    second = first if builder.model.shared_norm else _normalised(builder, "ffn_norm", "FN", "X")
    _feed_forward(builder, second, "FO")
    _sum(builder, "ffn", "Y", "XA", "FO")


@lru_cache(maxsize=64)
def encoder_end_cascade(model: ModelConfig, step: Step) -> Cascade:
    """Return the norm after the last encoder layer of an encoder-decoder."""
    builder = LayerBuilder("encoder-end", model, step)
    builder.activation("X", "B P D", "input")
    builder.activation("Y", "B P D", "output")
    add_norm(builder, "encoder_norm", "Y", "X[b,p,d]")
    return builder.build()


@lru_cache(maxsize=64)
def head_cascade(model: ModelConfig, step: Step) -> Cascade | None:
    """Return what follows the layers, or None where nothing does.

    Decoder: final norm and logits (of an adaptive vocabulary log-probabilities): (B V) of the last
    position of each sequence, or (B P V) of all where the step asks for them; of a mixed batch
    (RQ V), one row per request, whose last position the input LAST names. Encoder with pooler:
    dense layer and tanh on the first position.
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
    _logits(builder)
    return builder.build()


def _sampling(builder: LayerBuilder, rows: str, ranks: str) -> None:
    """Append the choice of the best tokens NEXT and their probabilities PROB (rows, KS).

    One candidate is greedy choice. The draw itself, one random number a row, is left out.
    """
    builder.rank("KS", builder.step.sampled)
    builder.tensor("NEXT", f"{ranks} KS", "output", FORMATS["int32"])
    builder.einsum(
        "sample_choice",
        f"NEXT[{rows},ks] = copy(Y[{rows},v])",
        op_class="head",
        layer="head",
        reduce={"v": "argtop"},
    )
    if builder.step.sampled == 1:
        return
    builder.statistic("NL", f"{ranks} KS")
    builder.statistic("NE", f"{ranks} KS")
    builder.statistic("NS", ranks)
    builder.activation("PROB", f"{ranks} KS", "output")
    # The first candidate is the best: its logit is the maximum.
    for name, statement in (
        ("logits", f"NL[{rows},ks] = copy(Y[{rows},NEXT[{rows},ks]])"),
        ("numerator", f"NE[{rows},ks] = sub_exp(NL[{rows},ks], NL[{rows},0])"),
        ("denominator", f"NS[{rows}] = NE[{rows},ks]"),
        ("probability", f"PROB[{rows},ks] = NE[{rows},ks] / NS[{rows}]"),
    ):
        builder.einsum(f"sample_{name}", statement, op_class="head", layer="head")


def _logits(builder: LayerBuilder) -> None:
    model, step = builder.model, builder.step
    builder.rank("V", model.vocabulary)
    rows, ranks = ("b,p", "B P") if step.all_logits else ("b", "B")
    source = f"X[{rows},d]" if step.all_logits else f"X[b,{step.queries - 1},d]"
    if step.requests:
        rows, ranks, source = "rq", "RQ", "XL[rq,d]"
        builder.rank("RQ", sum(number for number, _, _ in step.requests))
        builder.tensor("LAST", "RQ", "input", FORMATS["int32"])
        builder.activation("XL", "RQ D")
        builder.elementwise("last_positions", "XL[rq,d] = copy(X[0,LAST[rq],d])", "head")
    if model.norm.placement != "post":
        builder.activation("HN", f"{ranks} D")
        add_norm(builder, "final_norm", "HN", source, positions=rows)
        source = f"HN[{rows},d]"
    if model.logit_scale is not None:
        builder.activation("HS", f"{ranks} D")
        builder.elementwise(
            "logit_scale", f"HS[{rows},d] = {source} * {model.logit_scale!r}", "head"
        )
        source = f"HS[{rows},d]"
    builder.activation("Y", f"{ranks} V", "output")
    if model.cutoffs:
        add_adaptive_logits(builder, source, rows, ranks)
    else:
        _plain_logits(builder, source, rows, ranks)
    if step.sampled:
        _sampling(builder, rows, ranks)


def _plain_logits(builder: LayerBuilder, source: str, rows: str, ranks: str) -> None:
    """Append Y, the logits of all words, capped where the model does so."""
    model = builder.model
    target = f"Y[{rows},v]"
    if model.logit_cap is not None:
        builder.activation("LC", f"{ranks} V")
        target = f"LC[{rows},v]"
    name = "WTE" if model.tied_embeddings else "WLM"
    builder.linear(
        "logits",
        target,
        source,
        f"{name}[v,d]",
        layer="head",
        bias="BLM[v]" if model.head_bias else "",
        op_class="head",
    )
    if model.logit_cap is not None:
        cap = model.logit_cap
        statement = f"Y[{rows},v] = tanh({target} * {1.0 / cap!r}) * {cap!r}"
        builder.elementwise("logit_cap", statement, "head")
