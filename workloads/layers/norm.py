"""RMS and layer normalisation.

References
----------
Zhang and Sennrich, Root Mean Square Layer Normalization, NeurIPS 2019.
Ba, Kiros and Hinton, Layer Normalization, arXiv:1607.06450.
"""

from __future__ import annotations

from math import prod

from workloads.layers.layer_builder import LayerBuilder


def add_norm(
    builder: LayerBuilder,
    name: str,
    target: str,
    source: str,
    *,
    positions: str = "b,p",
    over: str = "d",
    result: str = "",
    kind: str = "",
) -> None:
    """Append the model's norm. The tensor `target` is the result.

    Declares its gain ``…G`` (and bias ``…B``), and its statistics: sum of squares ``…Q``,
    reciprocal root ``…R`` (mean ``…M``, centred ``…C``).

    Parameters
    ----------
    builder
        The layer.
    name
        Prefix of the einsum names.
    target
        Tensor name of the result, declared by the caller.
    source
        Access to what is normalised, ``X[b,p,d]``.
    positions
        Variables of the result besides those of `over`.
    over
        Variables that are normalised over.
    result
        Access to the result; default `target` with the variables of `positions` and `over`.
    kind
        ``rms`` or ``layer``; default the model's.
    """
    norm = builder.model.norm
    kind = kind or norm.kind
    ranks, inner = (text.replace(",", " ").upper() for text in (positions, over))
    scale = repr(1.0 / prod(builder.extent(rank) for rank in inner.split()))

    def einsum(part: str, statement: str) -> None:
        builder.einsum(f"{name}_{part}", statement, op_class="norm", layer="norm")

    builder.statistic(f"{target}Q", ranks)
    builder.statistic(f"{target}R", ranks)
    builder.vector(f"{target}G", inner)
    centred = source
    if kind == "layer":
        builder.statistic(f"{target}S", ranks)
        builder.statistic(f"{target}M", ranks)
        builder.activation(f"{target}C", f"{ranks} {inner}")
        centred = f"{target}C[{positions},{over}]"
        einsum("sum", f"{target}S[{positions}] = {source}")
        einsum("mean", f"{target}M[{positions}] = {target}S[{positions}] * {scale}")
        einsum("centre", f"{centred} = {source} - {target}M[{positions}]")
    einsum("square_sum", f"{target}Q[{positions}] = square({centred})")
    einsum(
        "root",
        f"{target}R[{positions}] = rsqrt({target}Q[{positions}] * {scale} + {norm.epsilon!r})",
    )
    scaled = f"{centred} * {target}R[{positions}] * {target}G[{over}]"
    if kind == "layer":
        builder.vector(f"{target}B", inner)
        scaled += f" + {target}B[{over}]"
    einsum("scale", f"{result or f'{target}[{positions},{over}]'} = {scaled}")
