"""What one decode step of a language model reads and multiplies, by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import ConfigError

if TYPE_CHECKING:
    from workloads.model import ModelConfig


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A decoder with multi-head or grouped-query attention, dense or with experts.

    Attributes
    ----------
    name
        Id.
    layers, expert_layers
        Layers, and those of them that have experts.
    width, heads, kv_heads, head_size, vocabulary
        Extents.
    projection, dense, expert, always
        Weights (elements) of a layer's projections, of a dense feed-forward layer, of one expert,
        and of what every token of a layer with experts passes beside them.
    experts, active
        Experts of a layer, and those that a token visits.
    weight_bytes, cache_bytes
        Bytes of a weight and of a cached element.
    ffn, ffn_matrices
        Inner extent of a dense feed-forward layer, and its matrices.
    """

    name: str
    layers: int
    expert_layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    projection: int
    dense: int
    expert: int
    always: int
    experts: int
    active: int
    weight_bytes: int = 2
    cache_bytes: int = 2
    ffn: int = 0
    ffn_matrices: int = 2

    @property
    def group(self) -> int:
        """Query heads that share keys and values."""
        return self.heads // self.kv_heads

    @property
    def embedding(self) -> int:
        """Weights of the output matrix, which is the embedding where they are tied."""
        return self.vocabulary * self.width

    @property
    def weights(self) -> int:
        """Weights of all layers and of the output matrix."""
        dense_layers = self.layers - self.expert_layers
        each = self.expert * self.experts + self.always
        return (
            self.layers * self.projection
            + dense_layers * self.dense
            + self.expert_layers * each
            + self.embedding
        )

    @property
    def stored_bytes(self) -> int:
        """Bytes of all weights."""
        return self.weights * self.weight_bytes

    @property
    def token_bytes(self) -> int:
        """Bytes of keys and values that a token adds in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_size * self.cache_bytes


NOTHING = ServedModel("nothing", *(0, 0, 1, 1, 1, 1, 0), *(0,) * 6)
"""No weights and no caches: what room a system has."""


def served_model(model: ModelConfig, weight_bytes: int = 2, cache_bytes: int = 2) -> ServedModel:
    """Return what a decode step needs to know of a model.

    Raises
    ------
    ConfigError
        The model is no decoder, or its attention is latent or windowed.
    """
    if model.family != "decoder" or model.mla is not None or model.attention_window:
        raise ConfigError(
            "systems of computing memories decode with full, cached keys and values",
            given=model.name,
            allowed="family decoder without latent attention or attention windows",
        )
    moe = model.moe
    matrices = 3 if model.gated else 2
    expert = always = experts = active = expert_layers = 0
    if moe is not None:
        gated = model.gated if moe.gated is None else moe.gated
        expert_matrices = 3 if gated else 2
        expert = expert_matrices * model.hidden_size * moe.expert_size
        always = expert_matrices * model.hidden_size * moe.shared_size
        always += model.hidden_size * moe.experts
        experts, active = moe.experts, moe.active
        expert_layers = sum(moe.has_experts(layer) for layer in range(model.layers))
    return ServedModel(
        name=model.name,
        layers=model.layers,
        expert_layers=expert_layers,
        width=model.hidden_size,
        heads=model.heads,
        kv_heads=model.kv_heads,
        head_size=model.head_dim,
        vocabulary=model.vocabulary,
        projection=2 * model.hidden_size * model.head_dim * (model.heads + model.kv_heads),
        dense=matrices * model.hidden_size * model.ffn_size,
        expert=expert,
        always=always,
        experts=experts,
        active=active,
        weight_bytes=weight_bytes,
        cache_bytes=cache_bytes,
        ffn=model.ffn_size,
        ffn_matrices=matrices,
    )


def find_model(name: str, precision: str = "") -> ServedModel:
    """Return a model by its id or file with the element sizes of a precision.

    Parameters
    ----------
    name
        Id or YAML file.
    precision
        ``weights=int8,kv=int8``; FP16 where it says nothing.

    Raises
    ------
    ConfigError
        Unknown model, or elements of other than one or two bytes.
    """
    from archsim.numberformat import parse_precision
    from workloads import load_model

    formats = parse_precision(precision)
    sizes = []
    for tensor, chosen in (("weights", formats.weights), ("kv", formats.kv)):
        if chosen.group is not None or chosen.bits not in (8, 16):
            raise ConfigError(
                f"systems of computing memories take {tensor} of one or two bytes",
                given=chosen.name,
                allowed="fp16, bf16, int8, fp8",
            )
        sizes.append(chosen.bits // 8)
    return served_model(load_model(name), *sizes)
