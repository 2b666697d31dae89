"""A workload as a page: what the model is, what one pass counts, every einsum of every stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from archsim.report.layout import quantity, table
from workloads.description import describe_model
from workloads.summary import macs_by_layer

if TYPE_CHECKING:
    from workloads import Stage, Workload


def render_workload(workload: Workload) -> RenderableType:
    """Return the page of a workload."""
    number, length = ("requests", "positions") if workload.requests else ("batch", "context")
    head = f"{workload.name} · {workload.phase} · {number} {workload.batch}"
    layout = _folded(
        [name if layers == 1 else f"{layers}×{name}" for name, layers in workload.layout]
    )
    described = list(describe_model(workload.model).items())
    described += [("stages", layout), ("source", workload.model.source)]
    parts: list[RenderableType] = [
        Text(f"{head} · {length} {workload.context}", style="bold cyan"),
        Text(str(workload.precision)),
        Text(),
        _pairs(described),
        Text(),
        _pairs(_counts(workload), right=True),
    ]
    for stage in workload.stages:
        parts += _stage(stage)
    parts += [Text(warning, style="yellow") for warning in workload.warnings]
    return Group(*parts)


def _folded(words: list[str]) -> str:
    """Return words in order, neighbours that repeat as a group folded: ``5 × (a b) a``."""
    text = []
    start = 0
    while start < len(words):
        width, times = 1, 1
        for size in range(2, (len(words) - start) // 2 + 1):
            group = words[start : start + size]
            count = 1
            while words[start + count * size : start + (count + 1) * size] == group:
                count += 1
            if count > 1 and count * size > width * times:
                width, times = size, count
        group = words[start : start + width]
        text.append(f"{times} × ({' '.join(group)})" if times > 1 else group[0])
        start += width * times
    return " ".join(text)


def _pairs(rows: Sequence[tuple[str, str]], *, right: bool = False) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right" if right else "left", overflow="fold")
    for what, text in rows:
        grid.add_row(Text(what, style="dim"), Text(text))
    return grid


def _counts(workload: Workload) -> list[tuple[str, str]]:
    """Return sizes, and the multiply-accumulates of the pass that is shown."""
    macs, dense = workload.macs(), workload.dense_macs()
    one = {"generate": "the prefill", "decode": "one step"}.get(workload.phase, "the pass")
    end = "cache in the end" + (", the encoder's keys included" if workload.source else "")
    rows = [
        ("parameters", f"{workload.num_parameters():,}"),
        ("  active per token", f"{workload.active_parameters():,}"),
        ("weights", quantity(workload.weight_bytes(), "bytes")),
        ("cache per token, all layers", quantity(workload.kv_bytes_per_token, "bytes")),
        (end, quantity(workload.kv_bytes(), "bytes")),
        (f"multiply-accumulates, {one}", f"{macs:,}"),
    ]
    rows += [
        (f"  {layer}", f"{count:,}") for layer, count in macs_by_layer(workload).items() if count
    ]
    if dense != macs:
        rows.append(("  with what masks hide", f"{dense:,}"))
    if workload.num_steps > (1 if workload.phase == "decode" else 0):
        rows.append(("multiply-accumulates, all passes", f"{workload.total_macs():,}"))
    return rows


def _stage(stage: Stage) -> list[RenderableType]:
    ranks = " ".join(f"{rank.name}={rank.extent}" for rank in stage.cascade.ranks)
    title = stage.name if stage.repeat == 1 else f"{stage.repeat} × {stage.name}"
    grid = table("einsum", "class", ">MACs", "statement")
    for einsum in stage.cascade.einsums:
        macs = f"{einsum.macs():,}" if einsum.macs() else ""
        reduced = {operation for _, operation in einsum.reduce if operation != "add"}
        text = f"{next(iter(reduced))}: {einsum.statement}" if reduced else einsum.statement
        grid.add_row(einsum.name, einsum.op_class, macs, text)
    return [Text(), Text(title, style="bold"), Text(ranks), grid]
