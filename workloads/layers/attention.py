"""Attention with grouped key/value heads (MHA: R = 1, MQA: G = 1), unfused; self and cross.

Rotary positions rotate the pairs (u, u + half of the rotated part), as checkpoints in Hugging Face
layout expect. Keys are cached after the rotation. The factor 1/√E is applied to the queries. A
layer with a window keeps the last window - 1 rows of the past in its caches.

References
----------
Ainslie et al., GQA, EMNLP 2023. Su et al., RoFormer, arXiv:2104.09864. Press et al., ALiBi, ICLR
2022. Raffel et al., T5, JMLR 21 (2020), section 2.1 (relative biases). Henry et al., Query-Key
Normalization, EMNLP 2020.
"""

from __future__ import annotations

import math

from archsim.numberformat import FORMATS
from workloads.layers.cache import close_cache, open_cache
from workloads.layers.layer_builder import LayerBuilder
from workloads.layers.norm import add_norm
from workloads.unfused_attention import ScoreOptions, add_unfused_attention

_LAYER = "attention"


def cached_positions(window: int, history: int) -> int:
    """Return how many past positions a layer's cache holds: all, or those in its window."""
    return min(history, window - 1) if window else history


def add_attention(builder: LayerBuilder, source: str, target: str) -> None:
    """Append self-attention from tensor `source` to tensor `target`, both with ranks B P D.

    Declares ranks G R E F M (and U), the caches K and V (an encoder: intermediates), the weights
    WQ WK WV WO, and `target`.

    Parameters
    ----------
    builder
        The layer.
    source, target
        Names of the tensors.
    """
    model, step = builder.model, builder.step
    causal = not builder.kind.encoder
    past = cached_positions(builder.kind.window, step.history)
    declare_heads(builder)
    builder.rank("M", past + step.queries)
    role = "kv" if causal else "intermediate"
    keys = open_cache(builder, "K", "B G M E", past=past, role=role)
    values = open_cache(builder, "V", "B G M F", past=past, role=role)
    query = add_queries_keys_values(builder, source, keys.rows, values.rows)
    for cache in (keys, values):
        close_cache(builder, cache)
    add_query_scale(builder, query)
    # A window as long as all keys hides nothing.
    window = builder.kind.window if builder.kind.window < past + step.queries else 0
    add_unfused_attention(
        builder,
        step.precision,
        causal_offset=past if causal else None,
        options=ScoreOptions(
            window=window,
            cap=model.score_cap,
            bias=score_bias(builder),
            sinks=sink_scores(builder),
        ),
    )
    add_output(builder, target)


def add_cross_attention(builder: LayerBuilder, source: str, target: str) -> None:
    """Append attention of tensor `source` (B P D) to the encoder's result ENC (B N D).

    The first step, without a history, makes the caches CK and CV; later steps read them.
    """
    step = builder.step
    builder.rank("N", step.source)
    position = "" if step.history else "n"
    keys = open_cache(builder, "CK", "B G N E", past=0, position=position)
    values = open_cache(builder, "CV", "B G N F", past=0, position=position)
    builder.activation("CQ0", "B G R P E")
    _linear(builder, "cross_query", "CQ0[b,g,r,p,e]", f"{source}[b,p,d]", "CWQ[d,g,r,e]", "CBQ")
    if step.history == 0:
        builder.activation("ENC", "B N D", "input")
        _linear(builder, "cross_key", f"{keys.rows}e]", "ENC[b,n,d]", "CWK[d,g,e]", "CBK")
        _linear(builder, "cross_value", f"{values.rows}f]", "ENC[b,n,d]", "CWV[d,g,f]", "CBV")
    for cache in (keys, values):
        close_cache(builder, cache)
    builder.activation("CQ", "B G R P E")
    scale = repr(query_scale(builder))
    statement = f"CQ[b,g,r,p,e] = CQ0[b,g,r,p,e] * {scale}"
    builder.elementwise("cross_query_scale", statement, _LAYER)
    add_unfused_attention(
        builder,
        step.precision,
        causal_offset=None,
        options=ScoreOptions(prefix="C", label="cross_", key_rank="N", cap=builder.model.score_cap),
    )
    add_output(builder, target, prefix="C")


def query_scale(builder: LayerBuilder) -> float:
    """Return the factor on the queries."""
    model = builder.model
    return model.query_scale or 1.0 / math.sqrt(model.head_dim)


def add_query_scale(builder: LayerBuilder, source: str) -> None:
    """Append Q, the scaled queries; `source` has ranks B G R P E."""
    builder.activation("Q", "B G R P E")
    scale = repr(query_scale(builder))
    builder.elementwise("query_scale", f"Q[b,g,r,p,e] = {source}[b,g,r,p,e] * {scale}", _LAYER)


def add_output(builder: LayerBuilder, target: str, *, prefix: str = "") -> None:
    """Append `target` (B P D), the output projection of AV."""
    builder.activation(target, "B P D")
    builder.linear(
        "cross_output_projection" if prefix else "output_projection",
        f"{target}[b,p,d]",
        f"{prefix}AV[b,g,r,p,f]",
        f"{prefix}WO[g,r,f,d]",
        layer=_LAYER,
        bias=f"{prefix}BO[d]" if builder.model.has_output_bias else "",
    )


def add_rotation(builder: LayerBuilder, source: str, output: str, name: str) -> None:
    """Append a rotation of the leading elements of each head; the others are copied.

    Parameters
    ----------
    builder
        The layer; its tables COS and SIN (P U) are declared.
    source, output
        Beginnings of the accesses, up to the element: ``Q0[b,g,r,p,``. An output tensor QR is
        declared.
    name
        Prefix of the einsum names.
    """
    half, rest = builder.model.rotary_dim // 2, builder.model.head_dim - builder.model.rotary_dim
    if output.startswith("QR"):
        builder.rank("U", half)
        builder.tensor("COS", "P U", "constant", builder.step.precision.act)
        builder.tensor("SIN", "P U", "constant", builder.step.precision.act)
        builder.activation("QR", "B G R P E")
        if rest:
            builder.rank("EU", rest)
    low, high = f"{source}u]", f"{source}u+{half}]"
    for part, index, statement in (
        ("low", "u]", f"{low} * COS[p,u] - {high} * SIN[p,u]"),
        ("high", f"u+{half}]", f"{high} * COS[p,u] + {low} * SIN[p,u]"),
    ):
        builder.einsum(
            f"{name}_{part}", f"{output}{index} = {statement}", op_class="rope", layer=_LAYER
        )
    if rest:
        index = f"eu+{2 * half}]"
        statement = f"{output}{index} = copy({source}{index})"
        builder.einsum(f"{name}_rest", statement, op_class="rope", layer=_LAYER)


def declare_heads(builder: LayerBuilder) -> None:
    """Declare the ranks G R E F."""
    model = builder.model
    for name, extent in (
        ("G", model.kv_heads),
        ("R", model.group),
        ("E", model.head_dim),
        ("F", model.head_dim),
    ):
        builder.rank(name, extent)


def _linear(
    builder: LayerBuilder, name: str, output: str, source: str, weight: str, bias: str
) -> None:
    variables = weight[weight.index("[d,") + 3 :]
    builder.linear(
        f"{name}_projection",
        output,
        source,
        weight,
        layer=_LAYER,
        bias=f"{bias}[{variables}" if builder.model.attention_bias else "",
    )


def add_queries_keys_values(builder: LayerBuilder, source: str, keys: str, values: str) -> str:
    """Append queries, keys and values, normalised and rotated where the model does so.

    Parameters
    ----------
    builder
        The layer.
    source
        Tensor that is projected (B P D).
    keys, values
        Accesses to the new rows, up to the element: ``K[b,g,p+5,``.

    Returns
    -------
    str
        Name of the tensor of queries, not scaled yet.
    """
    rotates, normed = builder.kind.rotates, builder.model.qk_norm != "none"
    builder.activation("Q0", "B G R P E")
    if rotates or normed:
        builder.activation("K0", "B G P E")
    rows = f"{source}[b,p,d]"
    _linear(builder, "query", "Q0[b,g,r,p,e]", rows, "WQ[d,g,r,e]", "BQ")
    key = "K0[b,g,p,e]" if rotates or normed else f"{keys}e]"
    _linear(builder, "key", key, rows, "WK[d,g,e]", "BK")
    _linear(builder, "value", f"{values}f]", rows, "WV[d,g,f]", "BV")
    query, key = "Q0", "K0"
    if normed:
        query, key = _query_key_norms(builder, keys)
    if rotates:
        add_rotation(builder, f"{query}[b,g,r,p,", "QR[b,g,r,p,", "query_rotary")
        add_rotation(builder, f"{key}[b,g,p,", keys, "key_rotary")
        query = "QR"
    return query


def _query_key_norms(builder: LayerBuilder, keys: str) -> tuple[str, str]:
    """Append the norm of queries and keys; return the names of their tensors."""
    style = builder.model.qk_norm
    builder.activation("QH", "B G R P E")
    key = "KH[b,g,p,e]" if builder.kind.rotates else f"{keys}e]"
    if builder.kind.rotates:
        builder.activation("KH", "B G P E")
    for name, tensor, source, result, heads in (
        ("query_norm", "QH", "Q0[b,g,r,p,e]", "QH[b,g,r,p,e]", "g,r"),
        ("key_norm", "KH", "K0[b,g,p,e]", key, "g"),
    ):
        positions, over = (f"b,{heads},p", "e") if style == "head" else ("b,p", f"{heads},e")
        add_norm(
            builder,
            name,
            tensor,
            source,
            positions=positions,
            over=over,
            result=result,
            kind="rms",
        )
    return "QH", "KH"


def score_bias(builder: LayerBuilder, *, prefix: str = "", query: str = "P", key: str = "M") -> str:
    """Declare what is added to the scores; return its text.

    Parameters
    ----------
    builder
        The layer.
    prefix
        In front of the names of tables that depend on positions.
    query, key
        Ranks of the positions of queries and keys.
    """
    model, accumulator = builder.model, builder.step.precision.accumulator
    p, m = query.lower(), key.lower()
    first = not builder.is_declared("SLOPE" if model.positions == "alibi" else "WRB")
    if model.positions == "alibi":
        # Softmax ignores what a whole row shares: slope · key position stands for the distance.
        if first:
            builder.tensor("SLOPE", "G R", "constant", accumulator)
        builder.tensor(f"{prefix}KPOS", key, "constant", accumulator)
        return f"SLOPE[g,r] * {prefix}KPOS[{m}]"
    if model.positions == "relative":
        builder.rank("T", model.relative_buckets)
        builder.tensor(f"{prefix}BUCKET", f"{query} {key}", "constant", FORMATS["int32"])
        table = "WRE" if builder.kind.encoder else "WRB"
        if first:
            builder.vector(table, "T G R")
        return f"{table}[{prefix}BUCKET[{p},{m}],g,r]"
    return ""


def sink_scores(builder: LayerBuilder) -> str:
    """Declare the sinks, if the model has any; return their access."""
    if not builder.model.attention_sinks:
        return ""
    builder.vector("SINK", "G R")
    return "SINK[g,r]"
