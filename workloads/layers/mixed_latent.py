"""Latent attention of a mixed batch: every group of requests in the form that suits it.

Queries and latent rows of all new positions are made at once. A group of requests, with caches of
its own, then takes the absorbed or the plain form, as a pass of its own would.
"""

from __future__ import annotations

from dataclasses import replace

from workloads.layers.attention import query_scale
from workloads.layers.cache import close_cache, open_cache
from workloads.layers.latent_attention import (
    add_latent_output,
    add_latent_rotation,
    add_latent_rows,
    declare_latent_ranks,
    is_absorbed,
    latent_config,
    project_queries,
)
from workloads.layers.layer_builder import LayerBuilder
from workloads.layers.mixed_attention import RequestGroup, request_groups
from workloads.model import MlaConfig
from workloads.unfused_attention import add_unfused_attention

_LAYER = "attention"


def add_mixed_latent_attention(builder: LayerBuilder, source: str, target: str) -> None:
    """Append latent attention of a mixed batch from tensor `source` to `target`, ranks B P D."""
    mla = latent_config(builder)
    declare_latent_ranks(builder, mla)
    builder.rank("E", builder.model.head_dim)
    project_queries(builder, source, mla)
    builder.activation("QPR", "B H P UR")
    add_latent_rotation(builder, "query_rotary", "QP[b,h,p,", "QPR[b,h,p,", 0)
    builder.activation("KVN", "B P LR")
    add_latent_rows(builder, source, mla, "KVN[b,p,")
    builder.activation("VH", "B H P FV")
    for group in request_groups(builder):
        _attend(builder, mla, group)
    add_latent_output(builder, target, "VH[b,h,p,fv]")


def _attend(builder: LayerBuilder, mla: MlaConfig, group: RequestGroup) -> None:
    """Append the attention of one group: cache, queries, scores, values."""
    x, label, cut = group.prefix, group.label, group.cut
    b, p, m = group.variables
    requests, positions, keys = (name.upper() for name in group.variables)
    absorbed = is_absorbed(mla, queries=group.queries, keys=group.past + group.queries)
    cache = open_cache(
        builder,
        f"{x}K" if absorbed else f"{x}KV",
        f"{requests} ONE {keys} LR",
        past=group.past,
        outer=f"{b},0",
        position=p,
    )
    row = f"{cache.rows}lr] = copy(KVN[0,{cut},lr])"
    builder.elementwise(f"{label}cache", row, _LAYER)
    close_cache(builder, cache)
    heads, inner, value = ("ONE H", "LR", "L") if absorbed else ("H ONE", "E", "FV")
    for name in ("QF", "Q"):
        builder.activation(f"{x}{name}", f"{requests} {heads} {positions} {inner}")
    own = f"{b},0,h,{p}" if absorbed else f"{b},h,0,{p}"
    _queries(builder, mla, group, own, absorbed=absorbed)
    if not absorbed:
        builder.activation(f"{x}K", f"{requests} H {keys} E")
        builder.activation(f"{x}V", f"{requests} H {keys} FV")
        latent = f"{x}KV[{b},0,{m},l]"
        for name, made, weight in (
            ("key", f"{x}K[{b},h,{m},en]", "WUK[l,h,en]"),
            ("value", f"{x}V[{b},h,{m},fv]", "WUV[l,h,fv]"),
        ):
            builder.linear(f"{label}{name}_projection", made, latent, weight, layer=_LAYER)
        shared = f"{x}KV[{b},0,{m},ur+{mla.latent_rank}]"
        statement = f"{x}K[{b},h,{m},ur+{mla.plain_dim}] = copy({shared})"
        builder.einsum(f"{label}key_share", statement, op_class="rope", layer=_LAYER)
    options = replace(
        group.options,
        head_ranks=heads,
        key_dim=inner,
        value_dim=value,
        value="K" if absorbed else "V",
        cap=builder.model.score_cap,
    )
    add_unfused_attention(
        builder, builder.step.precision, causal_offset=group.past, options=options
    )
    result = f"VH[0,h,{cut},fv]"
    if absorbed:
        name, weight = f"{label}value_absorption", "WUV[l,h,fv]"
        builder.linear(name, result, f"{x}AV[{own},l]", weight, layer=_LAYER)
    else:
        builder.elementwise(f"{label}result", f"{result} = copy({x}AV[{own},fv])", _LAYER)


def _queries(
    builder: LayerBuilder, mla: MlaConfig, group: RequestGroup, own: str, *, absorbed: bool
) -> None:
    """Append the scaled queries of a group; `own` are the indices of its rows."""
    x, label, cut = group.prefix, group.label, group.cut
    if absorbed:
        start = mla.latent_rank
        builder.linear(
            f"{label}query_absorption",
            f"{x}QF[{own},l]",
            f"QN[0,h,{cut},en]",
            "WUK[l,h,en]",
            layer=_LAYER,
        )
    else:
        start = mla.plain_dim
        statement = f"{x}QF[{own},en] = copy(QN[0,h,{cut},en])"
        builder.einsum(f"{label}query_plain", statement, op_class="rope", layer=_LAYER)
    statement = f"{x}QF[{own},ur+{start}] = copy(QPR[0,h,{cut},ur])"
    builder.einsum(f"{label}query_rotary", statement, op_class="rope", layer=_LAYER)
    inner = "lr" if absorbed else "e"
    statement = f"{x}Q[{own},{inner}] = {x}QF[{own},{inner}] * {query_scale(builder)!r}"
    builder.elementwise(f"{label}query_scale", statement, _LAYER)
