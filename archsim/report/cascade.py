"""The pass analysis of a cascade, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from archsim.report.layout import quantity

if TYPE_CHECKING:
    from rich.console import RenderableType

    from archsim.mapping import Json
    from workloads.cascade import Cascade
    from workloads.passes import PassAnalysis, RankPasses


def analysis_record(cascade: Cascade, analysis: PassAnalysis) -> dict[str, Json]:
    """Return the analysis as JSON-able data.

    Parameters
    ----------
    cascade
        What was analysed.
    analysis
        Its passes.
    """
    return {
        "cascade": cascade.name,
        "signature": cascade.signature(),
        "ranks": [
            {
                "rank": rank.name,
                "extent": rank.extent,
                "parent": rank.parent,
                "iterative": rank.iterative,
            }
            for rank in cascade.ranks
        ],
        "tensors": [
            {
                "tensor": tensor.name,
                "ranks": list(tensor.ranks),
                "role": tensor.role,
                "format": tensor.format.name,
                "bytes": tensor.num_bytes(cascade),
            }
            for tensor in cascade.tensors
        ],
        "einsums": [
            {"einsum": einsum.name, "statement": einsum.statement, "reduce": dict(einsum.reduce)}
            for einsum in cascade.einsums
        ],
        "unfused_footprint_bytes": cascade.footprint_bytes(),
        "passes": cast("Json", dict(analysis.passes)),
        "details": [_rank_record(item) for item in analysis.ranks],
    }


def _rank_record(item: RankPasses) -> dict[str, Json]:
    return {
        "rank": item.rank,
        "extent": item.extent,
        "level": item.level,
        "passes": item.passes,
        "tensors": cast("Json", dict(item.tensors)),
        "einsums": cast("Json", dict(item.einsums)),
        "levels": cast("Json", dict(item.levels)),
        "chain": [
            {
                "pass": step.number,
                "einsum": step.einsum,
                "reads": step.reads,
                "because": list(step.because),
            }
            for step in item.chain
        ],
        "fiber_bytes": item.fiber_bytes,
        "held": [
            {
                "before_pass": held.before,
                "tensor": held.tensor,
                "fiber_values": held.fiber_values,
                "fiber_bytes": held.fiber_bytes,
                "reread_bytes": held.reread_bytes,
            }
            for held in item.held
        ],
        "summaries": [
            {"tensor": s.tensor, "ranks": list(s.ranks), "values": s.values, "bytes": s.num_bytes}
            for s in item.summaries
        ],
    }


def render_analysis(cascade: Cascade, analysis: PassAnalysis) -> RenderableType:
    """Return the analysis as tables and, for every rank of several passes, what forces them."""
    from rich.console import Group
    from rich.text import Text

    from archsim.report.comparison import render_listing

    tensors = [
        [t.name, " ".join(t.ranks), t.role, t.format.name, quantity(t.num_bytes(cascade), "bytes")]
        for t in cascade.tensors
    ]
    ranks = [
        [item.rank, f"{item.extent:,}", _split(item), str(item.passes), _most(item.tensors)]
        for item in analysis.ranks
    ]
    parts: list[RenderableType] = [
        Text(f"cascade {cascade.name}, {len(cascade.einsums)} einsums"),
        Text(""),
        render_listing(("tensor", "ranks", "role", "format", ">bytes"), tensors),
        Text(""),
        render_listing(("rank", ">extent", "levels", ">passes", "most passes over"), ranks),
    ]
    for item in analysis.ranks:
        if item.passes > 1 or item.summaries:
            parts += [Text(""), Text("\n".join(_story(item)))]
    unfused = quantity(cascade.footprint_bytes(), "bytes")
    parts += [Text(""), Text(f"live footprint, einsum by einsum: {unfused}")]
    return Group(*parts)


def _split(item: RankPasses) -> str:
    if len(item.levels) < 2:
        return ""
    return ", ".join(f"{name} {passes}" for name, passes in item.levels.items())


def _most(tensors: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {passes}" for name, passes in tensors.items() if passes > 1)


def _story(item: RankPasses) -> list[str]:
    """Return what forces the passes over a rank and what has to be held between them."""
    lines = [f"{item.rank}: {item.passes} passes" + (f" over {item.tensor}" if item.tensor else "")]
    for step in item.chain:
        reason = ""
        if step.because:
            last = step.because[-1]
            through = f" (through {', '.join(step.because[:-1])})" if step.because[:-1] else ""
            reason = f": needs {last}, complete only after pass {step.number - 1}{through}"
        lines.append(f"  pass {step.number}: {step.einsum} reads {step.reads}{reason}")
    lines += [
        f"  before pass {held.before}: hold a fiber of {held.tensor}, {held.fiber_values:,} "
        f"values = {quantity(held.fiber_bytes, 'bytes')}, or move "
        f"{quantity(held.reread_bytes, 'bytes')} more"
        for held in item.held
    ]
    lines += [
        f"  summary {summary.tensor} over {' '.join(summary.ranks)} outlives its pass: "
        f"{quantity(summary.num_bytes, 'bytes')}"
        for summary in item.summaries
    ]
    return lines
