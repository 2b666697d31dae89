"""Caches of keys and values: where new rows go, and what attention reads.

A cache is written as it is stored. Where the ``kv`` format has scales and the step asks for
explicit dequantisation, new rows are scaled by the greatest magnitude of their group (with zero
points: by the span of their values) before they are stored, and all rows are scaled back into
``act`` values for attention. Rounding to the stored format is left out: it changes no count.
"""

from __future__ import annotations

from dataclasses import dataclass

from archsim.numberformat import NumberFormat
from workloads.layers.layer_builder import LayerBuilder
from workloads.layers.quantised import (
    declare_scaled,
    format_parts,
    group_ranks,
    has_scales,
    largest_value,
    scaled_text,
)

_LAYER = "attention"


@dataclass(frozen=True, slots=True)
class Cache:
    """A declared cache.

    Attributes
    ----------
    name
        Tensor that attention reads, with all positions.
    rows
        Beginning of an access to a new row, up to its last index: ``K[b,g,p+5,``.
    ranks
        Ranks of the tensor; the third counts positions, the last the elements of a row.
    outer
        First two indices: ``b,g``.
    position
        Variable of the new rows; empty: there are none.
    past
        Rows that were there before.
    scaled
        Whether it is stored under another name, with scales.
    """

    name: str
    rows: str
    ranks: tuple[str, ...]
    outer: str
    position: str
    past: int
    scaled: bool


def open_cache(
    builder: LayerBuilder,
    name: str,
    ranks: str,
    *,
    past: int,
    outer: str = "b,g",
    position: str = "p",
    role: str = "kv",
) -> Cache:
    """Declare a cache; :func:`close_cache` must follow when its new rows are made.

    Parameters
    ----------
    builder
        The layer.
    name, ranks
        Tensor that attention reads, and its ranks: two outer ones, positions, elements.
    past
        Rows that were there before.
    outer, position
        Indices of a new row: the outer ones, and the variable that counts new rows (empty: there
        are none).
    role
        ``kv``, or ``intermediate`` for what is not kept.
    """
    names = tuple(ranks.split())
    stored = builder.step.precision.kv if role == "kv" else builder.step.precision.act
    shift = f"+{past}" if past else ""
    row = f"{name}[{outer},{position}{shift},"
    if role != "kv" or not builder.step.dequantise or not has_scales(stored):
        builder.tensor(name, ranks, role, stored)
        return Cache(name, row, names, outer, position, past, scaled=False)
    declare_scaled(builder, f"{name}C", names, 3, "kv", stored)
    builder.activation(name, ranks)
    if position:
        new = " ".join((*names[:2], position.upper(), names[3]))
        builder.activation(f"{name}N", new)
    row = f"{name}N[{outer},{position},"
    return Cache(name, row, names, outer, position, past, scaled=True)


def close_cache(builder: LayerBuilder, cache: Cache) -> None:
    """Append what stores the new rows and scales all rows, if the cache has scales."""
    if not cache.scaled:
        return
    stored = builder.step.precision.kv
    if cache.position:
        _store(builder, cache, stored)
    outer, key = cache.outer, cache.ranks[2].lower()
    indices = [*outer.split(","), key, ""]
    element, value = scaled_text(builder, f"{cache.name}C", indices, 3, cache.ranks[3], stored)
    statement = f"{cache.name}[{outer},{key},{element}] = {value}"
    builder.elementwise(f"{cache.name.lower()}_cache_dequantise", statement, _LAYER)


def _store(builder: LayerBuilder, cache: Cache, stored: NumberFormat) -> None:
    """Append the scales of the new rows, and the rows divided by them."""
    name, outer = cache.name, cache.outer
    element, group = group_ranks(builder, cache.ranks[3], stored)
    member = element.rpartition("+")[2]
    place = f"{outer},{cache.position}+{cache.past}"
    value = f"{name}N[{outer},{cache.position},{element}]"
    scale = f"{name}CSCALE[{place},{group}]"
    label = f"{name.lower()}_cache"
    largest = largest_value(stored)

    def vector(part: str, statement: str, reduce: str = "") -> None:
        builder.einsum(
            f"{label}_{part}",
            statement,
            op_class="activation",
            layer=_LAYER,
            reduce={member: reduce} if reduce else None,
        )

    if format_parts(stored)[2] is None:
        text = f"{scale} = abs({value}) * {1.0 / largest!r}"
        vector("scale", text, "max")
        vector("quantise", f"{name}C[{place},{element}] = {value} / {scale}")
        return
    zero = f"{name}CZERO[{place},{group}]"
    ends = f"{outer},{cache.position},{group}"
    ranks = " ".join((*cache.ranks[:2], cache.position.upper(), group.upper()))
    for end in ("HIGH", "LOW"):
        builder.statistic(f"{name}{end}", ranks)
    vector("high", f"{name}HIGH[{ends}] = {value}", "max")
    vector("low", f"{name}LOW[{ends}] = {value}", "min")
    span = f"({name}HIGH[{ends}] - {name}LOW[{ends}])"
    vector("scale", f"{scale} = {span} * {1.0 / (2.0 * largest + 1.0)!r}")
    vector("zero", f"{zero} = -{name}LOW[{ends}] / {scale}")
    vector("quantise", f"{name}C[{place},{element}] = {value} / {scale} + {zero}")
