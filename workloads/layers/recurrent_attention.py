"""Attention with segment recurrence and keys made from distances (Transformer-XL).

Every layer keeps the rows of its own input for the segments that follow. Keys and values of these
rows are made again in every pass, as published. A score is (q + u) · k + (q + v) · r, where u and
v are biases per head, k is the key of the other position, and r the projection of the sines of its
distance. Products with all distances are made at once; each score then picks that of its own.

References
----------
Dai et al., Transformer-XL, arXiv:1901.02860, sections 3.2 and 3.3, appendix B.
"""

from __future__ import annotations

from archsim.numberformat import FORMATS
from workloads.layers.attention import add_output, declare_heads, query_scale
from workloads.layers.cache import close_cache, open_cache
from workloads.layers.layer_builder import LayerBuilder
from workloads.unfused_attention import ScoreOptions, add_unfused_attention

_LAYER = "attention"


def remembered_positions(memory: int, history: int) -> int:
    """Return how many past positions a layer remembers."""
    return min(history, memory)


def add_recurrent_attention(builder: LayerBuilder, source: str, target: str) -> None:
    """Append self-attention from tensor `source` to tensor `target`, both with ranks B P D.

    Declares the memory MEM (B 1 M D), the constants SINE (J D: sines of the distances) and GAP
    (P M: the distance of a pair, 0 for pairs that are hidden), the weights WQ WK WV WJ WO and the
    biases BQC BQJ.

    Parameters
    ----------
    builder
        The layer.
    source, target
        Names of the tensors.
    """
    step = builder.step
    past = remembered_positions(builder.model.memory, step.history)
    declare_heads(builder)
    for name, extent in (("ONE", 1), ("M", past + step.queries), ("J", past + step.queries)):
        builder.rank(name, extent)
    memory = open_cache(builder, "MEM", "B ONE M D", past=past, outer="b,0")
    builder.elementwise("memory", f"{memory.rows}d] = copy({source}[b,p,d])", _LAYER)
    close_cache(builder, memory)
    builder.activation("Q0", "B G R P E")
    builder.activation("K", "B G M E")
    builder.activation("V", "B G M F")
    builder.tensor("SINE", "J D", "constant", step.precision.act)
    builder.tensor("GAP", "P M", "constant", FORMATS["int32"])
    builder.activation("RK", "G R J E")
    for name, output, rows, weight in (
        ("query", "Q0[b,g,r,p,e]", f"{source}[b,p,d]", "WQ[d,g,r,e]"),
        ("key", "K[b,g,m,e]", "MEM[b,0,m,d]", "WK[d,g,e]"),
        ("value", "V[b,g,m,f]", "MEM[b,0,m,d]", "WV[d,g,f]"),
        ("distance", "RK[g,r,j,e]", "SINE[j,d]", "WJ[d,g,r,e]"),
    ):
        builder.linear(f"{name}_projection", output, rows, weight, layer=_LAYER)
    scale = repr(query_scale(builder))
    for name, tensor, bias in (("content", "Q", "BQC"), ("distance", "QJ", "BQJ")):
        builder.vector(bias, "G R E")
        builder.activation(tensor, "B G R P E")
        statement = f"{tensor}[b,g,r,p,e] = (Q0[b,g,r,p,e] + {bias}[g,r,e]) * {scale}"
        builder.elementwise(f"{name}_query", statement, _LAYER)
    builder.activation("QR", "B G R P J")
    statement = "QR[b,g,r,p,j] = QJ[b,g,r,p,e] * RK[g,r,j,e]"
    builder.einsum("distance_scores", statement, op_class=builder.projection_class, layer=_LAYER)
    add_unfused_attention(
        builder,
        step.precision,
        causal_offset=past,
        options=ScoreOptions(bias="QR[b,g,r,p,GAP[p,m]]"),
    )
    add_output(builder, target)
