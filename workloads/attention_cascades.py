"""Softmax attention as cascades of einsums: 3-pass, 2-pass, 1-pass, with deferred division.

All forms compute AV = softmax(Q Kᵀ) V per head; the factor 1/√E is the caller's. Tensor names are
those of the paper: QK scores, GM row maximum, SN numerator, SD denominator, A probabilities, AV
result; L* are per tile, R* running, P* corrections.

References
----------
FuseMax, MICRO 2024, cascades 4 (3-pass) and 5 (1-pass, FlashAttention-2), section IV-D (division
deferral); the 2-pass form is written out from the prose of section IV-E2.
"""

from __future__ import annotations

from archsim.errors import WorkloadError
from archsim.numberformat import Precision
from workloads.builder import CascadeBuilder
from workloads.cascade import Cascade
from workloads.unfused_attention import add_unfused_attention

ATTENTION_FORMS = ("3-pass", "3-pass-deferred", "2-pass", "2-pass-deferred", "1-pass")
"""Forms that :func:`attention_cascade` builds."""

_LAYER = "attention"
_ROW = "B G R P"
_VECTOR = "B G R P F"


def attention_cascade(
    form: str,
    *,
    queries: int,
    keys: int,
    head_dim: int,
    value_dim: int | None = None,
    batch: int = 1,
    kv_heads: int = 1,
    group: int = 1,
    tile: int | None = None,
    causal: bool = False,
    precision: Precision | None = None,
) -> Cascade:
    """Return attention alone, in one of its forms.

    Parameters
    ----------
    form
        One of :data:`ATTENTION_FORMS`.
    queries, keys
        Query and key positions P and M. With `causal`, the queries are the last P positions.
    head_dim, value_dim
        E and F; F defaults to E.
    batch, kv_heads, group
        B, G and R.
    tile
        Key positions per tile (M0) of the tiled forms; need not divide `keys`. Default all.
    causal
        Query p sees the keys up to its own position.
    precision
        Number formats; default those of :class:`Precision`.

    Raises
    ------
    WorkloadError
        Unknown form, a causal attention with more queries than keys.
    """
    if form not in ATTENTION_FORMS:
        raise WorkloadError("unknown attention form", given=form, allowed=ATTENTION_FORMS)
    if causal and queries > keys:
        raise WorkloadError(
            "causal attention has at least as many keys as queries",
            given=keys,
            allowed=f"{queries} or more",
        )
    formats = precision or Precision()
    builder = CascadeBuilder(f"attention-{form}")
    extents = {
        "B": batch,
        "G": kv_heads,
        "R": group,
        "P": queries,
        "E": head_dim,
        "F": value_dim or head_dim,
        "M": keys,
    }
    for name, extent in extents.items():
        builder.rank(name, extent)
    builder.tensor("Q", "B G R P E", "input", formats.act)
    builder.tensor("K", "B G M E", "kv", formats.kv)
    builder.tensor("V", "B G M F", "kv", formats.kv)
    deferred = form.endswith("-deferred")
    if form.startswith("3-pass"):
        add_unfused_attention(
            builder,
            formats,
            causal_offset=keys - queries if causal else None,
            deferred=deferred,
            role="output",
        )
        return builder.build()
    size = min(tile or keys, keys)
    builder.rank("M1", -(-keys // size), parent="M", iterative=form == "1-pass")
    builder.rank("M0", size, parent="M")
    builder.tensor("AV", _VECTOR, "output", formats.act)
    whole, inner = _tile_indices(queries, keys, size, causal)
    if form == "1-pass":
        _one_pass(builder, formats, whole, inner)
    else:
        _two_pass(builder, formats, whole, inner, deferred=deferred)
    return builder.build()


def _tile_indices(queries: int, keys: int, size: int, causal: bool) -> tuple[str, str]:
    """Return the index of a key position, and that of a position in its tile, both filtered."""
    if causal:
        limit = f"p+{keys - queries}"
        inner_limit = f"p-m1*{size}+{keys - queries}"
    elif keys % size:
        limit, inner_limit = f"{keys - 1}", f"{keys - 1}-m1*{size}"
    else:
        return f"m1*{size}+m0", "m0"
    return f"m1*{size}+m0<={limit}", f"m0<={inner_limit}"


def _attention(
    builder: CascadeBuilder, name: str, statement: str, *, section: str = "body"
) -> None:
    builder.einsum(name, statement, op_class="attention", layer=_LAYER, section=section)


def _softmax(
    builder: CascadeBuilder,
    name: str,
    statement: str,
    *,
    reduce: str = "",
    section: str = "body",
) -> None:
    """Append softmax work; `reduce` names the variable over which the maximum is taken."""
    builder.einsum(
        name,
        statement,
        op_class="softmax",
        layer=_LAYER,
        reduce={reduce: "max"} if reduce else None,
        section=section,
    )


def _local_softmax(
    builder: CascadeBuilder, precision: Precision, whole: str, inner: str, maximum: str
) -> None:
    """Append BQK, LM, SLN, SLD and SLNV of every tile; `maximum` is what SLN subtracts."""
    statistic = precision.accumulator
    for name in ("BQK", "SLN"):
        builder.tensor(name, "B G R M1 M0 P", "intermediate", precision.act)
    for name in ("LM", "SLD"):
        builder.tensor(name, "B G R M1 P", "intermediate", statistic)
    _attention(builder, "scores", f"BQK[b,g,r,m1,m0,p] = Q[b,g,r,p,e] * K[b,g,{whole},e]")
    _softmax(builder, "tile_max", f"LM[b,g,r,m1,p] = BQK[b,g,r,m1,{inner},p]", reduce="m0")
    if maximum != "LM[b,g,r,m1,p]":
        _softmax(builder, "running_max", "RM[b,g,r,m1+1,p] = max(RM[b,g,r,m1,p], LM[b,g,r,m1,p])")
    _softmax(
        builder,
        "tile_numerator",
        f"SLN[b,g,r,m1,m0,p] = sub_exp(BQK[b,g,r,m1,{inner},p], {maximum})",
    )
    _softmax(builder, "tile_denominator", f"SLD[b,g,r,m1,p] = SLN[b,g,r,m1,{inner},p]")


def _one_pass(builder: CascadeBuilder, precision: Precision, whole: str, inner: str) -> None:
    """Append cascade 5 of the paper; versions of RM, RD and RNV run along M1."""
    statistic = precision.accumulator
    for name in ("RM", "RD", "SPD", "PRM"):
        builder.tensor(name, "B G R M1 P", "intermediate", statistic)
    for name in ("SLNV", "RNV", "SPNV"):
        builder.tensor(name, "B G R F M1 P", "intermediate", statistic)
    _softmax(builder, "start_max", "RM[b,g,r,0,p] = -inf", section="init")
    _softmax(builder, "start_denominator", "RD[b,g,r,0,p] = 0.0", section="init")
    _softmax(builder, "start_context", "RNV[b,g,r,f,0,p] = 0.0", section="init")
    _local_softmax(builder, precision, whole, inner, "RM[b,g,r,m1+1,p]")
    _attention(
        builder, "tile_context", f"SLNV[b,g,r,f,m1,p] = SLN[b,g,r,m1,m0,p] * V[b,g,{whole},f]"
    )
    _softmax(builder, "correction", "PRM[b,g,r,m1,p] = sub_exp(RM[b,g,r,m1,p], RM[b,g,r,m1+1,p])")
    _softmax(builder, "scaled_denominator", "SPD[b,g,r,m1,p] = RD[b,g,r,m1,p] * PRM[b,g,r,m1,p]")
    _softmax(builder, "running_denominator", "RD[b,g,r,m1+1,p] = SLD[b,g,r,m1,p] + SPD[b,g,r,m1,p]")
    _softmax(builder, "scaled_context", "SPNV[b,g,r,f,m1,p] = RNV[b,g,r,f,m1,p] * PRM[b,g,r,m1,p]")
    _softmax(
        builder, "running_context", "RNV[b,g,r,f,m1+1,p] = SLNV[b,g,r,f,m1,p] + SPNV[b,g,r,f,m1,p]"
    )
    last = builder.extent("M1")
    _softmax(
        builder,
        "normalise",
        f"AV[b,g,r,p,f] = RNV[b,g,r,f,{last},p] / RD[b,g,r,{last},p]",
        section="tail",
    )


def _two_pass(
    builder: CascadeBuilder, precision: Precision, whole: str, inner: str, *, deferred: bool
) -> None:
    """Append the form with a maximum per tile and one correction per tile."""
    statistic = precision.accumulator
    for name in ("GM", "SD"):
        builder.tensor(name, _ROW, "intermediate", statistic)
    for name in ("PLM", "PSD"):
        builder.tensor(name, "B G R M1 P", "intermediate", statistic)
    _local_softmax(builder, precision, whole, inner, "LM[b,g,r,m1,p]")
    _softmax(builder, "row_max", "GM[b,g,r,p] = LM[b,g,r,m1,p]", reduce="m1")
    _softmax(builder, "correction", "PLM[b,g,r,m1,p] = sub_exp(LM[b,g,r,m1,p], GM[b,g,r,p])")
    _softmax(builder, "scaled_denominator", "PSD[b,g,r,m1,p] = SLD[b,g,r,m1,p] * PLM[b,g,r,m1,p]")
    _softmax(builder, "denominator", "SD[b,g,r,p] = PSD[b,g,r,m1,p]")
    if deferred:
        for name in ("SLNV", "PNV"):
            builder.tensor(name, "B G R F M1 P", "intermediate", statistic)
        builder.tensor("SNV", _VECTOR, "intermediate", statistic)
        _attention(
            builder, "tile_context", f"SLNV[b,g,r,f,m1,p] = SLN[b,g,r,m1,m0,p] * V[b,g,{whole},f]"
        )
        _softmax(
            builder, "scaled_context", "PNV[b,g,r,f,m1,p] = SLNV[b,g,r,f,m1,p] * PLM[b,g,r,m1,p]"
        )
        _softmax(builder, "context", "SNV[b,g,r,p,f] = PNV[b,g,r,f,m1,p]")
        _softmax(builder, "normalise", "AV[b,g,r,p,f] = SNV[b,g,r,p,f] / SD[b,g,r,p]")
        return
    builder.tensor("A", "B G R M1 M0 P", "intermediate", precision.act)
    _softmax(
        builder,
        "normalise",
        f"A[b,g,r,m1,m0,p] = SLN[b,g,r,m1,{inner},p] * PLM[b,g,r,m1,p] / SD[b,g,r,p]",
    )
    _attention(builder, "context", f"AV[b,g,r,p,f] = A[b,g,r,m1,m0,p] * V[b,g,{whole},f]")
