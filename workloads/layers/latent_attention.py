"""Multi-head latent attention (MLA), in both of its forms.

Every position caches one vector: a normalised latent c and a rotated key shared by all heads. The
plain form makes keys and values of every head out of it. The absorbed form projects each query
into the latent space instead, and attends to the cache itself, as with a single key/value head.

References
----------
DeepSeek-AI, DeepSeek-V2, arXiv:2405.04434, section 2.1 and appendix C.
"""

from __future__ import annotations

from workloads.layers.attention import add_query_scale
from workloads.layers.cache import close_cache, open_cache
from workloads.layers.layer_builder import LayerBuilder
from workloads.layers.norm import add_norm
from workloads.model import MlaConfig
from workloads.unfused_attention import ScoreOptions, add_unfused_attention

_LAYER = "attention"


def is_absorbed(mla: MlaConfig, *, queries: int, keys: int) -> bool:
    """Return whether the absorbed form is built.

    ``auto`` takes the form with fewer multiply-accumulates per head. Absorbed: queries times
    latent_rank · (plain + value) in and out of the latent space, and (2 · latent + rotary) per
    pair. Plain: keys times latent · (plain + value), and (plain + rotary + value) per pair.
    """
    if mla.absorb != "auto":
        return mla.absorb == "always"
    unfold = mla.latent_rank * (mla.plain_dim + mla.value_dim)
    pairs = queries * keys
    absorbed = queries * unfold + pairs * (2 * mla.latent_rank + mla.rotary_dim)
    plain = keys * unfold + pairs * (mla.plain_dim + mla.rotary_dim + mla.value_dim)
    return absorbed < plain


def add_latent_attention(builder: LayerBuilder, source: str, target: str) -> None:
    """Append latent attention from tensor `source` to tensor `target`, both with ranks B P D.

    Declares the cache KV (B 1 M latent+rotary), the weights WDQ WUQ (or WQ) WDKV WKR WUK WUV WO.

    Parameters
    ----------
    builder
        The layer.
    source, target
        Names of the tensors.
    """
    model, step = builder.model, builder.step
    mla = latent_config(builder)
    absorbed = is_absorbed(mla, queries=step.queries, keys=step.keys)
    cached = mla.latent_rank + mla.rotary_dim
    declare_latent_ranks(builder, mla)
    for name, extent in (
        ("G", 1 if absorbed else model.heads),
        ("R", model.heads if absorbed else 1),
        ("M", step.keys),
        ("E", cached if absorbed else model.head_dim),
        ("F", mla.latent_rank if absorbed else mla.value_dim),
    ):
        builder.rank(name, extent)
    project_queries(builder, source, mla)
    # The absorbed form attends to the cache under the name of its keys.
    cache = "K" if absorbed else "KV"
    stored = open_cache(builder, cache, "B ONE M LR", past=step.history, outer="b,0")
    add_latent_rows(builder, source, mla, stored.rows)
    close_cache(builder, stored)
    if absorbed:
        _absorb(builder, mla)
    else:
        _unfold(builder, mla, cache)
    add_query_scale(builder, "QF")
    value = "K" if absorbed else "V"
    options = ScoreOptions(cap=model.score_cap, value=value)
    add_unfused_attention(builder, step.precision, causal_offset=step.history, options=options)
    _project_result(builder, target, absorbed=absorbed)


def declare_latent_ranks(builder: LayerBuilder, mla: MlaConfig) -> None:
    """Declare the ranks that both forms share, and the rotary tables."""
    for name, extent in (
        ("H", builder.model.heads),
        ("L", mla.latent_rank),
        ("LR", mla.latent_rank + mla.rotary_dim),
        ("EN", mla.plain_dim),
        ("U", mla.rotary_dim // 2),
        ("UR", mla.rotary_dim),
        ("FV", mla.value_dim),
        ("ONE", 1),
    ):
        builder.rank(name, extent)
    for name in ("COS", "SIN"):
        builder.tensor(name, "P U", "constant", builder.step.precision.act)


def latent_config(builder: LayerBuilder) -> MlaConfig:
    """Return the latent attention of a model that has it."""
    mla = builder.model.mla
    assert mla is not None
    return mla


def add_latent_rotation(
    builder: LayerBuilder, name: str, source: str, output: str, start: int
) -> None:
    """Append the rotation of pairs (u, u + half), written to the elements from `start` on.

    Source and output are accesses up to the element.
    """
    half = builder.extent("U")
    low, high = f"{source}u]", f"{source}u+{half}]"
    for part, shift, statement in (
        ("low", start, f"{low} * COS[p,u] - {high} * SIN[p,u]"),
        ("high", start + half, f"{high} * COS[p,u] + {low} * SIN[p,u]"),
    ):
        target = f"{output}u+{shift}]"
        builder.einsum(f"{name}_{part}", f"{target} = {statement}", op_class="rope", layer=_LAYER)


def project_queries(builder: LayerBuilder, source: str, mla: MlaConfig) -> None:
    """Append QN (B H P EN) and QP (B H P UR), the parts of the queries without rotation yet."""
    rows, inner = f"{source}[b,p,d]", "d"
    if mla.query_rank:
        builder.rank("LQ", mla.query_rank)
        builder.activation("CQ", "B P LQ")
        builder.activation("CQN", "B P LQ")
        builder.linear("query_down_projection", "CQ[b,p,lq]", rows, "WDQ[d,lq]", layer=_LAYER)
        add_norm(builder, "query_norm", "CQN", "CQ[b,p,lq]", over="lq", kind="rms")
        rows, inner = "CQN[b,p,lq]", "lq"
    builder.activation("QN", "B H P EN")
    builder.activation("QP", "B H P UR")
    for name, output, weight in (
        ("query_projection", "QN[b,h,p,en]", f"WUQ[{inner},h,en]"),
        ("query_rotary_projection", "QP[b,h,p,ur]", f"WQR[{inner},h,ur]"),
    ):
        builder.linear(name, output, rows, weight, layer=_LAYER)


def add_latent_rows(builder: LayerBuilder, source: str, mla: MlaConfig, rows: str) -> None:
    """Append the new rows of the cache: normalised latent, then the rotated shared key.

    `rows` is the beginning of an access to a row.
    """
    positions = f"{source}[b,p,d]"
    builder.activation("CL", "B P L")
    builder.activation("KP", "B P UR")
    builder.linear("latent_projection", "CL[b,p,l]", positions, "WDKV[d,l]", layer=_LAYER)
    builder.linear("key_rotary_projection", "KP[b,p,ur]", positions, "WKR[d,ur]", layer=_LAYER)
    result = f"{rows}l]"
    add_norm(builder, "latent_norm", "CLN", "CL[b,p,l]", over="l", result=result, kind="rms")
    add_latent_rotation(builder, "key_rotary", "KP[b,p,", rows, mla.latent_rank)


def _absorb(builder: LayerBuilder, mla: MlaConfig) -> None:
    """Append QF (B G R P E), queries in the latent space with their rotated part behind."""
    builder.activation("QF", "B G R P E")
    builder.linear("query_absorption", "QF[b,0,h,p,l]", "QN[b,h,p,en]", "WUK[l,h,en]", layer=_LAYER)
    add_latent_rotation(builder, "query_rotary", "QP[b,h,p,", "QF[b,0,h,p,", mla.latent_rank)


def _unfold(builder: LayerBuilder, mla: MlaConfig, cache: str) -> None:
    """Append keys and values of every head and position, and queries to match."""
    builder.activation("QF", "B G R P E")
    statement = "QF[b,h,0,p,en] = copy(QN[b,h,p,en])"
    builder.einsum("query_plain", statement, op_class="rope", layer=_LAYER)
    add_latent_rotation(builder, "query_rotary", "QP[b,h,p,", "QF[b,h,0,p,", mla.plain_dim)
    builder.activation("K", "B G M E")
    builder.activation("V", "B G M F")
    latent = f"{cache}[b,0,m,l]"
    builder.linear("key_projection", "K[b,h,m,en]", latent, "WUK[l,h,en]", layer=_LAYER)
    builder.linear("value_projection", "V[b,h,m,fv]", latent, "WUV[l,h,fv]", layer=_LAYER)
    shared = f"K[b,g,m,ur+{mla.plain_dim}] = copy({cache}[b,0,m,ur+{mla.latent_rank}])"
    builder.einsum("key_share", shared, op_class="rope", layer=_LAYER)


def _project_result(builder: LayerBuilder, target: str, *, absorbed: bool) -> None:
    """Append the way out of the latent space, if the values are there, and the output."""
    heads = "AV[b,h,0,p,fv]"
    if absorbed:
        builder.activation("VH", "B H P FV")
        heads = "VH[b,h,p,fv]"
        builder.linear("value_absorption", heads, "AV[b,0,h,p,l]", "WUV[l,h,fv]", layer=_LAYER)
    add_latent_output(builder, target, heads)


def add_latent_output(builder: LayerBuilder, target: str, heads: str) -> None:
    """Append `target` (B P D), the output projection of the heads' values."""
    builder.activation(target, "B P D")
    builder.linear(
        "output_projection",
        f"{target}[b,p,d]",
        heads,
        "WO[h,fv,d]",
        layer=_LAYER,
        bias="BO[d]" if builder.model.has_output_bias else "",
    )
