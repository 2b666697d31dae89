"""The extents of a language model that the chip's phases need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from workloads.model import ModelConfig


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A dense decoder with grouped-query attention and a gated feed-forward network.

    Attributes
    ----------
    model
        The model.
    layers, width, heads, kv_heads, head_width, ffn_width, vocabulary
        Its extents.
    """

    model: ModelConfig
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    ffn_width: int
    vocabulary: int

    @property
    def name(self) -> str:
        """Id of the model."""
        return self.model.name

    @property
    def group(self) -> int:
        """Query heads that share a key and value head."""
        return self.heads // self.kv_heads

    @property
    def layer_weights(self) -> int:
        """Weights of a layer, without norms and biases."""
        attention = 2 * self.width * self.head_width * (self.heads + self.kv_heads)
        return attention + 3 * self.width * self.ffn_width

    @property
    def cache_elements(self) -> int:
        """Elements of keys and values that one token adds in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_width


def model_shape(model: ModelConfig) -> ModelShape:
    """Return the extents of a model.

    Raises
    ------
    ConfigError
        The model is no dense gated decoder, which is all that the chip's phases describe.
    """
    if model.family != "decoder" or model.moe is not None or model.mla is not None:
        raise ConfigError(
            "the chip maps dense decoders with grouped-query attention",
            given=model.name,
            allowed="family decoder without experts or latent attention",
        )
    if not model.gated:
        raise ConfigError(
            "the chip maps gated feed-forward networks", given=model.name, allowed="gated: true"
        )
    return ModelShape(
        model,
        model.layers,
        model.hidden_size,
        model.heads,
        model.kv_heads,
        model.head_dim,
        model.ffn_size,
        model.vocabulary,
    )
