"""Self-attention with grouped key/value heads (MHA: R = 1, MQA: G = 1), unfused.

Rotary positions rotate the pairs (u, u + E/2), as checkpoints in Hugging Face layout expect. Keys
are cached after the rotation. The factor 1/√E is applied to the queries.

References
----------
Ainslie et al., GQA, EMNLP 2023. Su et al., RoFormer, arXiv:2104.09864.
"""

from __future__ import annotations

import math

from workloads.attention_cascades import add_unfused_attention
from workloads.layers.layer_builder import LayerBuilder

_LAYER = "attention"


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
    causal = model.family == "decoder"
    for name, extent in (
        ("G", model.kv_heads),
        ("R", model.group),
        ("E", model.head_dim),
        ("F", model.head_dim),
        ("M", step.keys),
    ):
        builder.rank(name, extent)
    role, number_format = (
        ("kv", step.precision.kv) if causal else ("intermediate", step.precision.act)
    )
    builder.tensor("K", "B G M E", role, number_format)
    builder.tensor("V", "B G M F", role, number_format)
    rotary = model.positions == "rotary"
    _project(builder, source, rotary=rotary)
    if rotary:
        _rotate(builder)
    builder.activation("Q", "B G R P E")
    unscaled = "QR" if rotary else "Q0"
    scale = repr(1.0 / math.sqrt(model.head_dim))
    builder.elementwise("query_scale", f"Q[b,g,r,p,e] = {unscaled}[b,g,r,p,e] * {scale}", _LAYER)
    add_unfused_attention(builder, step.precision, causal_offset=step.history if causal else None)
    builder.activation(target, "B P D")
    builder.linear(
        "output_projection",
        f"{target}[b,p,d]",
        "AV[b,g,r,p,f]",
        "WO[g,r,f,d]",
        layer=_LAYER,
        bias="BO[d]" if model.attention_bias else "",
    )


def _project(builder: LayerBuilder, source: str, *, rotary: bool) -> None:
    bias = builder.model.attention_bias
    new = f"p+{builder.step.history}"
    builder.activation("Q0", "B G R P E")
    if rotary:
        builder.activation("K0", "B G P E")
    key = "K0[b,g,p,e]" if rotary else f"K[b,g,{new},e]"
    for name, output, weight, bias_access in (
        ("query_projection", "Q0[b,g,r,p,e]", "WQ[d,g,r,e]", "BQ[g,r,e]"),
        ("key_projection", key, "WK[d,g,e]", "BK[g,e]"),
        ("value_projection", f"V[b,g,{new},f]", "WV[d,g,f]", "BV[g,f]"),
    ):
        builder.linear(
            name,
            output,
            f"{source}[b,p,d]",
            weight,
            layer=_LAYER,
            bias=bias_access if bias else "",
        )


def _rotate(builder: LayerBuilder) -> None:
    half = builder.model.head_dim // 2
    builder.rank("U", half)
    builder.tensor("COS", "P U", "constant", builder.step.precision.act)
    builder.tensor("SIN", "P U", "constant", builder.step.precision.act)
    builder.activation("QR", "B G R P E")
    new = f"p+{builder.step.history}"
    for name, output, source in (
        ("query_rotary", "QR[b,g,r,p,", "Q0[b,g,r,p,"),
        ("key_rotary", f"K[b,g,{new},", "K0[b,g,p,"),
    ):
        low, high = f"{source}u]", f"{source}u+{half}]"
        for part, index, statement in (
            ("low", "u]", f"{low} * COS[p,u] - {high} * SIN[p,u]"),
            ("high", f"u+{half}]", f"{high} * COS[p,u] + {low} * SIN[p,u]"),
        ):
            builder.einsum(
                f"{name}_{part}", f"{output}{index} = {statement}", op_class="rope", layer=_LAYER
            )
