"""Model descriptions: the shape of a transformer, read from YAML and checked.

What counts as the model: token (and position, token-type) embeddings, all layers, the final norm,
and the head: logits for decoders, the pooler for encoders that have one. Dropout, loss and
tokenisation are left out; sequences are not padded. Rotary scaling changes only the values of the
rotary tables, so it is no part of a description.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import model_validator

from archsim.config.schema import (
    Choice,
    ConfigModel,
    Identifier,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Whole,
    validate_model,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PositiveCount = Annotated[int, Whole(1, 2**62)]
"""A count that may exceed the range of a dimension."""

ACTIVATIONS = ("relu", "gelu", "gelu-tanh", "silu")
"""Activation functions of the feed-forward part."""


class NormConfig(ConfigModel):
    """Normalisation."""

    kind: Annotated[str, Choice(("rms", "layer"))]
    """``rms``: scale by the root mean square; ``layer``: also subtract the mean and add a bias."""
    epsilon: PositiveFloat
    """Added to the mean square before the square root."""
    placement: Annotated[str, Choice(("pre", "post"))] = "pre"
    """``pre``: before each part, and once before the head; ``post``: after each residual sum."""


class ModelConfig(ConfigModel):
    """A dense transformer with identical layers."""

    name: Identifier
    """Id of the model."""
    source: str = ""
    """Where the numbers come from."""
    family: Annotated[str, Choice(("decoder", "encoder"))]
    """``decoder``: causal, with a KV cache and a language-model head; ``encoder``: neither."""
    layers: PositiveInt
    """Number of layers."""
    hidden_size: PositiveInt
    """D, the model dimension."""
    heads: PositiveInt
    """H, query heads."""
    kv_heads: PositiveInt
    """G, key/value heads; divides `heads`."""
    head_dim: PositiveInt
    """E = F, dimension of one head."""
    ffn_size: PositiveInt
    """S, hidden dimension of the feed-forward part."""
    vocabulary: PositiveInt
    """V, rows of the token embedding."""
    max_context: PositiveInt
    """Positions the model was made for; longer contexts give a warning."""
    norm: NormConfig
    """Normalisation."""
    activation: Annotated[str, Choice(ACTIVATIONS)]
    """Activation function of the feed-forward part."""
    gated: bool
    """Whether the activation gates a second projection (SwiGLU and alike)."""
    attention_bias: bool = False
    """Whether query, key, value and output projections have biases."""
    ffn_bias: bool = False
    """Whether the feed-forward projections have biases."""
    positions: Annotated[str, Choice(("rotary", "learned"))]
    """How positions enter: rotated queries and keys, or a learned table of `max_context` rows."""
    rope_theta: PositiveFloat | None = None
    """Base of the rotary frequencies."""
    token_types: NonNegativeInt = 0
    """Rows of the token-type embedding; 0: there is none."""
    embedding_norm: bool = False
    """Whether the embedding is normalised."""
    tied_embeddings: bool = False
    """Whether the head uses the token embedding as its weight."""
    pooler: bool = False
    """Whether an encoder ends in a dense layer with tanh on the first position."""
    published_parameters: PositiveCount | None = None
    """Exact published parameter count."""

    @property
    def group(self) -> int:
        """R, query heads per key/value head."""
        return self.heads // self.kv_heads

    @model_validator(mode="after")
    def _check_shapes(self) -> ModelConfig:
        if self.heads % self.kv_heads:
            raise ValueError(
                f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})"
            )
        if self.positions == "rotary":
            if self.head_dim % 2:
                raise ValueError(f"head_dim ({self.head_dim}) must be even for rotary positions")
            if self.rope_theta is None:
                raise ValueError("rope_theta is needed for rotary positions")
        if self.family == "encoder" and self.tied_embeddings:
            raise ValueError("tied_embeddings needs family decoder: an encoder has no head")
        if self.family == "decoder" and self.pooler:
            raise ValueError("pooler needs family encoder")
        return self


def load_model(model: str | Path, *, overrides: Sequence[str] = ()) -> ModelConfig:
    """Read a model description.

    Parameters
    ----------
    model
        Registered id, path of a YAML file (a `Path`, or text with ``/`` or ending in ``.yaml``), or
        YAML text (with a line break).
    overrides
        ``workload.KEY=VALUE`` settings, applied over the file.

    Raises
    ------
    ConfigError
        Unknown id; the file cannot be read or does not describe a model (the message says where).
    """
    from archsim.config.document import load_document

    document = load_document(model, kind="workload")
    if overrides:
        from archsim.config.overrides import apply_overrides, parse_override

        from archsim.config.schema import key_paths

        document = apply_overrides(
            document,
            [parse_override(text) for text in overrides],
            known=key_paths(ModelConfig, "workload"),
        )
    return validate_model(ModelConfig, document.data, document, "workload")


def parameters(model: ModelConfig) -> int:
    """Return the exact number of parameters, counted over the weight tensors of the cascades."""
    from workloads.workload import build_workload

    phase = "prefill" if model.family == "encoder" else "decode"
    return build_workload(model, phase=phase, context=1).num_parameters()
