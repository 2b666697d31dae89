"""Parts of a model description: normalisation, mixture of experts, latent attention."""

from __future__ import annotations

from typing import Annotated

from pydantic import model_validator

from archsim.config.schema import (
    Choice,
    ConfigModel,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)


class NormConfig(ConfigModel):
    """Normalisation."""

    kind: Annotated[str, Choice(("rms", "layer"))]
    """``rms``: scale by the root mean square; ``layer``: also subtract the mean and add a bias."""
    epsilon: PositiveFloat
    """Added to the mean square before the square root."""
    placement: Annotated[str, Choice(("pre", "post", "both"))] = "pre"
    """``pre``: before each part, and once before the head; ``post``: after each residual sum;
    ``both``: before each part and on its result, and once before the head."""


class MoeConfig(ConfigModel):
    """Mixture of experts in place of the feed-forward part."""

    experts: PositiveInt
    """X, routed experts."""
    active: PositiveInt
    """K, experts that each token is routed to."""
    expert_size: PositiveInt
    """Hidden dimension of one expert."""
    every: PositiveInt = 1
    """Every n-th layer has experts (n, 2n, …, counted from 1), the others a dense part."""
    first_dense: NonNegativeInt = 0
    """Leading layers that have no experts."""
    gated: bool | None = None
    """Whether the experts are gated; as the dense part where it is not given."""
    shared_size: NonNegativeInt = 0
    """Hidden dimension of all shared experts together (every token visits them); 0: none."""
    shared_gate: bool = False
    """Whether a sigmoid gate scales the shared experts' result."""
    scoring: Annotated[str, Choice(("softmax", "sigmoid", "sparsemixer"))] = "softmax"
    """Function that turns router logits into scores. ``sparsemixer``: the weight of a chosen expert
    is its softmax among the experts whose logits are close below its own (Phi-3.5-MoE)."""
    jitter: PositiveFloat = 0.01
    """Of sparsemixer: half of the relative distance within which logits are close."""
    renormalise: bool = True
    """Whether the weights of the chosen experts are scaled to the sum 1."""
    weight_scale: PositiveFloat = 1.0
    """Factor on the weights of the chosen experts."""
    router_bias: bool = False
    """Whether the router's projection has a bias."""
    selection_bias: bool = False
    """Whether a learned bias per expert enters the choice (not the weights)."""
    expert_bias: bool = False
    """Whether the experts' projections have biases."""
    groups: PositiveInt = 1
    """Groups of experts for grouped choice."""
    active_groups: PositiveInt = 1
    """Groups that a token may use."""
    group_score: Annotated[str, Choice(("max", "top2"))] = "max"
    """Score of a group: its best expert, or the sum of its two best."""
    capacity_factor: PositiveFloat | None = None
    """Tokens beyond factor · tokens · K / X of one expert are dropped; None: none are."""

    @model_validator(mode="after")
    def _check_counts(self) -> MoeConfig:
        if self.active > self.experts:
            raise ValueError(
                f"active ({self.active}) must be at most experts ({self.experts}): a token cannot "
                "be routed to more experts than there are"
            )
        if self.experts % self.groups:
            raise ValueError(
                f"experts ({self.experts}) must be a multiple of groups ({self.groups})"
            )
        if self.active_groups > self.groups:
            raise ValueError(
                f"active_groups ({self.active_groups}) must be at most groups ({self.groups})"
            )
        if self.active > self.active_groups * (self.experts // self.groups):
            raise ValueError(
                f"active ({self.active}) must be at most the experts of active_groups "
                f"({self.active_groups} groups of {self.experts // self.groups})"
            )
        if self.scoring == "sparsemixer" and (
            self.renormalise or self.selection_bias or self.groups > 1
        ):
            raise ValueError(
                "scoring sparsemixer goes with renormalise false, no selection_bias and one group"
            )
        if self.group_score == "top2" and self.experts // self.groups < 2:
            raise ValueError("group_score top2 needs at least 2 experts per group (groups)")
        if self.shared_gate and not self.shared_size:
            raise ValueError("shared_gate needs shared experts (shared_size)")
        return self

    def has_experts(self, layer: int) -> bool:
        """Whether a layer, counted from 0, has experts."""
        return layer >= self.first_dense and (layer + 1) % self.every == 0


class MlaConfig(ConfigModel):
    """Multi-head latent attention: keys and values come from one cached vector per position."""

    query_rank: NonNegativeInt = 0
    """Dimension of the compressed query; 0: queries are not compressed."""
    latent_rank: PositiveInt
    """Dimension of the latent vector from which keys and values are made."""
    plain_dim: PositiveInt
    """Part of a head's dimension without rotation."""
    rotary_dim: PositiveInt
    """Part of a head's dimension with rotation; its key is shared by all heads."""
    value_dim: PositiveInt
    """Dimension of a head's value."""
    absorb: Annotated[str, Choice(("auto", "always", "never"))] = "auto"
    """Whether queries are projected into the latent space instead of keys and values out of it;
    ``auto``: where that takes fewer multiply-accumulates (decode)."""

    @model_validator(mode="after")
    def _check_rotation(self) -> MlaConfig:
        if self.rotary_dim % 2:
            raise ValueError(f"rotary_dim ({self.rotary_dim}) must be even")
        return self
