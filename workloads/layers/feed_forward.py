"""Plain and gated feed-forward parts.

References
----------
Hendrycks and Gimpel, GELU, arXiv:1606.08415. Shazeer, GLU Variants Improve Transformer,
arXiv:2002.05202 (SwiGLU).
"""

from __future__ import annotations

import math

from workloads.layers.layer_builder import LayerBuilder

_LAYER = "ffn"

# The tanh form of GELU is that of Hendrycks and Gimpel, section 2.
_ACTIVATION = {
    "relu": "max({x}, 0.0)",
    "silu": "{x} / (1.0 + exp(-{x}))",
    "gelu": f"{{x}} * 0.5 * (1.0 + erf({{x}} * {1.0 / math.sqrt(2.0)!r}))",
    "gelu-tanh": (
        f"{{x}} * 0.5 * (1.0 + tanh(({{x}} + {{x}} * square({{x}}) * 0.044715)"
        f" * {math.sqrt(2.0 / math.pi)!r}))"
    ),
}


def add_feed_forward(builder: LayerBuilder, source: str, target: str) -> None:
    """Append the feed-forward part from tensor `source` to tensor `target`, both B P D.

    Declares rank S, the weights WU, WD (and WG of a gate), and `target`.

    Parameters
    ----------
    builder
        The layer.
    source, target
        Names of the tensors.
    """
    model = builder.model
    builder.rank("S", model.ffn_size)
    names = [("up", "UP", "WU", "BU")]
    if model.gated:
        names.insert(0, ("gate", "GA", "WG", "BG"))
    for name, tensor, weight, bias in names:
        builder.activation(tensor, "B P S")
        builder.linear(
            f"{name}_projection",
            f"{tensor}[b,p,s]",
            f"{source}[b,p,d]",
            f"{weight}[d,s]",
            layer=_LAYER,
            bias=f"{bias}[s]" if model.ffn_bias else "",
        )
    builder.activation("HI", "B P S")
    shape = _ACTIVATION[model.activation]
    if model.gated:
        value = f"({shape.format(x='GA[b,p,s]')}) * UP[b,p,s]"
    else:
        value = shape.format(x="UP[b,p,s]")
    builder.elementwise("activation", f"HI[b,p,s] = {value}", _LAYER)
    builder.activation(target, "B P D")
    builder.linear(
        "down_projection",
        f"{target}[b,p,d]",
        "HI[b,p,s]",
        "WD[s,d]",
        layer=_LAYER,
        bias="BD[d]" if model.ffn_bias else "",
    )
