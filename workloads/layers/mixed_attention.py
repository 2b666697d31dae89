"""Attention of a mixed batch: prefills, chunks and decode steps of several requests in one pass.

Everything but attention treats all new positions alike, as one sequence. For attention, requests of
equal length and history form a group, with caches of its own; group i is cut out of the sequence,
attends to its caches, and is put back.

References
----------
Agrawal et al., Sarathi-Serve, OSDI 2024 (prefill chunks and decodes in one batch).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from workloads.layers.attention import (
    add_output,
    add_queries_keys_values,
    cached_positions,
    declare_heads,
    query_scale,
    score_bias,
    sink_scores,
)
from workloads.layers.cache import close_cache, open_cache
from workloads.layers.layer_builder import LayerBuilder
from workloads.unfused_attention import ScoreOptions, add_unfused_attention

_LAYER = "attention"


@dataclass(frozen=True, slots=True)
class RequestGroup:
    """Requests of equal length and history, and where they stand in the sequence.

    Attributes
    ----------
    number
        Which group.
    requests, queries, past
        How many, their new positions, and the rows of their caches before.
    first
        First position of the group in the sequence.
    """

    number: int
    requests: int
    queries: int
    past: int
    first: int

    @property
    def prefix(self) -> str:
        """In front of the names of its tensors."""
        return f"R{self.number}"

    @property
    def label(self) -> str:
        """In front of the names of its einsums."""
        return f"request_{self.number}_"

    @property
    def variables(self) -> tuple[str, str, str]:
        """Variables of its requests, new positions and keys."""
        return f"b{self.number}", f"p{self.number}", f"m{self.number}"

    @property
    def cut(self) -> str:
        """Text of the position in the sequence."""
        b, p, _ = self.variables
        return f"{b}*{self.queries}+{p}+{self.first}"

    @property
    def options(self) -> ScoreOptions:
        """Ranks and names of its attention."""
        b, p, m = (name.upper() for name in self.variables)
        return ScoreOptions(
            batch_rank=b, query_rank=p, key_rank=m, prefix=self.prefix, label=self.label
        )


def request_groups(builder: LayerBuilder) -> list[RequestGroup]:
    """Return the groups of a mixed batch, and declare their ranks."""
    groups = []
    first = 0
    for number, (requests, queries, history) in enumerate(builder.step.requests):
        past = cached_positions(builder.kind.window, history)
        group = RequestGroup(number, requests, queries, past, first)
        groups.append(group)
        extents = (requests, queries, past + queries)
        for name, extent in zip(group.variables, extents, strict=True):
            builder.rank(name.upper(), extent)
        first += requests * queries
    return groups


def add_mixed_attention(builder: LayerBuilder, source: str, target: str) -> None:
    """Append self-attention of a mixed batch from tensor `source` to `target`, ranks B P D."""
    declare_heads(builder)
    builder.activation("K", "B G P E")
    builder.activation("V", "B G P F")
    query = add_queries_keys_values(builder, source, "K[b,g,p,", "V[b,g,p,")
    builder.activation("AV", "B G R P F")
    sinks = sink_scores(builder)
    for group in request_groups(builder):
        _attend(builder, group, query, sinks)
    add_output(builder, target)


def _attend(builder: LayerBuilder, group: RequestGroup, query: str, sinks: str) -> None:
    x, label, cut = group.prefix, group.label, group.cut
    b, p, _ = group.variables
    requests, positions, keys = (name.upper() for name in group.variables)
    builder.activation(f"{x}Q", f"{requests} G R {positions} E")
    scaled = f"{query}[0,g,r,{cut},e] * {query_scale(builder)!r}"
    builder.elementwise(f"{label}queries", f"{x}Q[{b},g,r,{p},e] = {scaled}", _LAYER)
    for name, element in (("K", "E"), ("V", "F")):
        ranks = f"{requests} G {keys} {element}"
        cache = open_cache(
            builder, f"{x}{name}", ranks, past=group.past, outer=f"{b},g", position=p
        )
        e = element.lower()
        statement = f"{cache.rows}{e}] = copy({name}[0,g,{cut},{e}])"
        builder.elementwise(f"{label}{name.lower()}_cache", statement, _LAYER)
        close_cache(builder, cache)
    window = builder.kind.window
    add_unfused_attention(
        builder,
        builder.step.precision,
        causal_offset=group.past,
        options=replace(
            group.options,
            window=window if window < group.past + group.queries else 0,
            cap=builder.model.score_cap,
            bias=score_bias(builder, prefix=x, query=positions, key=keys),
            sinks=sinks,
        ),
    )
    statement = f"AV[0,g,r,{cut},f] = copy({x}AV[{b},g,r,{p},f])"
    builder.elementwise(f"{label}result", statement, _LAYER)
