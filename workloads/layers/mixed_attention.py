"""Attention of a mixed batch: prefills, chunks and decode steps of several requests in one pass.

Everything but attention treats all new positions alike, as one sequence. For attention, requests of
equal length and history form a group, with caches of its own; group i is cut out of the sequence,
attends to its caches, and is put back.

References
----------
Agrawal et al., Sarathi-Serve, OSDI 2024 (prefill chunks and decodes in one batch).
"""

from __future__ import annotations

from archsim.errors import WorkloadError
from workloads.layers.attention import (
    add_output,
    add_projections,
    add_query_key_norms,
    add_rotation,
    cached_positions,
    declare_heads,
    query_scale,
    sink_scores,
)
from workloads.layers.layer_builder import LayerBuilder
from workloads.unfused_attention import ScoreOptions, add_unfused_attention

_LAYER = "attention"


def add_mixed_attention(builder: LayerBuilder, source: str, target: str) -> None:
    """Append self-attention of a mixed batch from tensor `source` to `target`, ranks B P D.

    Raises
    ------
    WorkloadError
        The model's attention cannot be mixed.
    """
    model = builder.model
    if model.mla is not None or model.positions in ("alibi", "relative"):
        what = "latent attention" if model.mla is not None else f"{model.positions} positions"
        raise WorkloadError(f"{model.name}: mixed batches are not supported with {what}")
    declare_heads(builder)
    builder.activation("K", "B G P E")
    builder.activation("V", "B G P F")
    add_projections(builder, source, 0)
    query, key = add_query_key_norms(builder, 0)
    if builder.kind.rotates:
        add_rotation(builder, f"{query}[b,g,r,p,", "QR[b,g,r,p,", "query_rotary")
        add_rotation(builder, f"{key}[b,g,p,", "K[b,g,p,", "key_rotary")
        query = "QR"
    builder.activation("AV", "B G R P F")
    sinks = sink_scores(builder)
    first = 0
    for number, (requests, queries, history) in enumerate(builder.step.requests):
        _group(builder, number, query, sinks, first, (requests, queries, history))
        first += requests * queries
    add_output(builder, target)


def _group(
    builder: LayerBuilder,
    number: int,
    query: str,
    sinks: str,
    first: int,
    size: tuple[int, int, int],
) -> None:
    requests, queries, history = size
    past = cached_positions(builder.kind.window, history)
    ranks = {name: f"{name}{number}" for name in "BPM"}
    for name, extent in (("B", requests), ("P", queries), ("M", past + queries)):
        builder.rank(ranks[name], extent)
    b, p = ranks["B"].lower(), ranks["P"].lower()
    x, label = f"R{number}", f"request_{number}_"
    cut = f"{b}*{queries}+{p}+{first}"
    precision = builder.step.precision
    builder.activation(f"{x}Q", f"{ranks['B']} G R {ranks['P']} E")
    builder.tensor(f"{x}K", f"{ranks['B']} G {ranks['M']} E", "kv", precision.kv)
    builder.tensor(f"{x}V", f"{ranks['B']} G {ranks['M']} F", "kv", precision.kv)
    scaled = f"{query}[0,g,r,{cut},e] * {query_scale(builder)!r}"
    builder.elementwise(f"{label}queries", f"{x}Q[{b},g,r,{p},e] = {scaled}", _LAYER)
    for name, variable in (("K", "e"), ("V", "f")):
        row = f"{x}{name}[{b},g,{p}+{past},{variable}]"
        statement = f"{row} = copy({name}[0,g,{cut},{variable}])"
        builder.elementwise(f"{label}{name.lower()}_cache", statement, _LAYER)
    window = builder.kind.window
    add_unfused_attention(
        builder,
        precision,
        causal_offset=past,
        options=ScoreOptions(
            window=window if window < past + queries else 0,
            cap=builder.model.score_cap,
            sinks=sinks,
            batch_rank=ranks["B"],
            query_rank=ranks["P"],
            key_rank=ranks["M"],
            prefix=x,
            label=label,
        ),
    )
    statement = f"AV[0,g,r,{cut},f] = copy({x}AV[{b},g,r,{p},f])"
    builder.elementwise(f"{label}result", statement, _LAYER)
