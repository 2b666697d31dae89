"""RMS and layer normalisation.

References
----------
Zhang and Sennrich, Root Mean Square Layer Normalization, NeurIPS 2019.
Ba, Kiros and Hinton, Layer Normalization, arXiv:1607.06450.
"""

from __future__ import annotations

from workloads.layers.layer_builder import LayerBuilder


def add_norm(
    builder: LayerBuilder, name: str, target: str, source: str, *, positions: str = "b,p"
) -> None:
    """Append the model's norm over D. The tensor `target` (ranks of `positions`, D) is the result.

    Declares `target` unless it is declared already, its gain ``…G`` (and bias ``…B``), and its
    statistics: sum of squares ``…Q``, reciprocal root ``…R`` (mean ``…M``, centred ``…C``).

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
        Variables of the result besides d.
    """
    norm = builder.model.norm
    ranks = positions.replace(",", " ").upper()
    scale = repr(1.0 / builder.model.hidden_size)

    def einsum(part: str, statement: str) -> None:
        builder.einsum(f"{name}_{part}", statement, op_class="norm", layer="norm")

    builder.statistic(f"{target}Q", ranks)
    builder.statistic(f"{target}R", ranks)
    builder.vector(f"{target}G", "D")
    centred = source
    if norm.kind == "layer":
        builder.statistic(f"{target}S", ranks)
        builder.statistic(f"{target}M", ranks)
        builder.activation(f"{target}C", f"{ranks} D")
        centred = f"{target}C[{positions},d]"
        einsum("sum", f"{target}S[{positions}] = {source}")
        einsum("mean", f"{target}M[{positions}] = {target}S[{positions}] * {scale}")
        einsum("centre", f"{centred} = {source} - {target}M[{positions}]")
    einsum("square_sum", f"{target}Q[{positions}] = square({centred})")
    einsum(
        "root",
        f"{target}R[{positions}] = rsqrt({target}Q[{positions}] * {scale} + {norm.epsilon!r})",
    )
    scaled = f"{centred} * {target}R[{positions}] * {target}G[d]"
    if norm.kind == "layer":
        builder.vector(f"{target}B", "D")
        scaled += f" + {target}B[d]"
    einsum("scale", f"{target}[{positions},d] = {scaled}")
