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

_CLIP = 7.0
_SLOPE = 1.702
# Model code of gpt-oss (openai/gpt-oss, torch/model.py, swiglu): limit 7, slope 1.702, up + 1.


def activation_text(activation: str, up: str, gate: str = "") -> str:
    """Return the text of the hidden values made from `up`, and from `gate` where there is one."""
    if activation == "silu-clipped":
        clipped = f"min({gate}, {_CLIP})"
        shape = f"{clipped} / (1.0 + exp(-({clipped} * {_SLOPE})))"
        return f"({shape}) * (max(min({up}, {_CLIP}), {-_CLIP}) + 1.0)"
    shape = _ACTIVATION[activation]
    return f"({shape.format(x=gate)}) * {up}" if gate else shape.format(x=up)


def add_feed_forward(
    builder: LayerBuilder,
    source: str,
    target: str,
    *,
    size: int = 0,
    prefix: str = "",
    name: str = "",
    layer: str = _LAYER,
) -> None:
    """Append the feed-forward part from tensor `source` to tensor `target`, both B P D.

    Declares rank S, the weights WU, WD (and WG of a gate), and `target`.

    Parameters
    ----------
    builder
        The layer.
    source, target
        Names of the tensors.
    size
        Hidden dimension; default the model's.
    prefix, name
        In front of the names of rank and tensors, and of einsums.
    layer
        Layer type.
    """
    model, x = builder.model, prefix
    rank = f"{x}S"
    s = rank.lower()
    builder.rank(rank, size or model.ffn_size)
    names = [("up", "UP", "WU", "BU")]
    if model.gated:
        names.insert(0, ("gate", "GA", "WG", "BG"))
    for part, tensor, weight, bias in names:
        builder.activation(f"{x}{tensor}", f"B P {rank}")
        builder.linear(
            f"{name}{part}_projection",
            f"{x}{tensor}[b,p,{s}]",
            f"{source}[b,p,d]",
            f"{x}{weight}[d,{s}]",
            layer=layer,
            bias=f"{x}{bias}[{s}]" if model.ffn_bias else "",
        )
    builder.activation(f"{x}HI", f"B P {rank}")
    gate = f"{x}GA[b,p,{s}]" if model.gated else ""
    value = activation_text(model.activation, f"{x}UP[b,p,{s}]", gate)
    builder.elementwise(f"{name}activation", f"{x}HI[b,p,{s}] = {value}", layer)
    builder.activation(target, "B P D")
    builder.linear(
        f"{name}down_projection",
        f"{target}[b,p,d]",
        f"{x}HI[b,p,{s}]",
        f"{x}WD[{s},d]",
        layer=layer,
        bias=f"{x}BD[d]" if model.ffn_bias else "",
    )
