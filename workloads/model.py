"""Model descriptions: the shape of a transformer, read from YAML and checked.

What counts as the model: token (and position, token-type) embeddings, all layers, the final norm,
and the head: logits for decoders, the pooler for encoders that have one. Dropout, loss and
tokenisation are left out; sequences are not padded. Rotary scaling, and another rotary base in
some layers, change only the values of the rotary tables, so they are no part of a description.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import model_validator

from archsim.config.schema import (
    Choice,
    ConfigModel,
    Identifier,
    NonNegativeInt,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
    Whole,
    dump_model,
    validate_model,
)
from workloads.model_parts import MlaConfig, MoeConfig, NormConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "ACTIVATIONS",
    "MlaConfig",
    "ModelConfig",
    "MoeConfig",
    "NormConfig",
    "load_model",
    "parameters",
]

PositiveCount = Annotated[int, Whole(1, 2**62)]
"""A count that may exceed the range of a dimension."""

ACTIVATIONS = ("relu", "gelu", "gelu-tanh", "silu", "silu-clipped")
"""Activation functions of the feed-forward part. ``silu-clipped`` is that of gpt-oss: gate and up
are clipped at 7, the gate is x·sigmoid(1.702 x), and 1 is added to up."""

POSITIONS = ("rotary", "learned", "sinusoidal", "alibi", "relative", "distance", "none")
"""How positions enter: rotated queries and keys; a learned table, or sines, added to the embedding;
a slope per head times the distance (ALiBi); a learned bias per head and bucket of distances (T5);
products of the query with a key made from the distance's sines (Transformer-XL)."""

MAX_CUTOFFS = 7
"""Most cutoffs of an adaptive vocabulary."""

_PRINTED = re.compile(r"[0-9]+(\.[0-9]+)?[KMBT]")

PARAMETER_UNITS = {"K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
"""Units of printed parameter counts."""


class ModelConfig(ConfigModel):
    """A transformer; layers may differ in window, rotation and experts, in a regular pattern."""

    name: Identifier
    """Id of the model."""
    source: str = ""
    """Where the numbers come from."""
    family: Annotated[str, Choice(("decoder", "encoder", "encoder-decoder"))]
    """``decoder``: causal, with a KV cache and a language-model head; ``encoder``: neither."""
    layers: PositiveInt
    """Number of layers; of the decoder where there are both."""
    encoder_layers: NonNegativeInt = 0
    """Number of layers of the encoder of an encoder-decoder."""
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
    """Whether query, key and value projections have biases."""
    output_bias: bool | None = None
    """Whether the output projection has one; as `attention_bias` where it is not given."""
    qk_norm: Annotated[str, Choice(("none", "head", "full"))] = "none"
    """RMS norm of queries and keys before the rotation: of every head, or of all heads at once."""
    query_scale: PositiveFloat | None = None
    """Factor on the queries; default 1/√head_dim."""
    score_cap: PositiveFloat | None = None
    """Scores s become cap · tanh(s / cap)."""
    attention_sinks: bool = False
    """Whether the softmax of each head has a learned extra score in its denominator."""
    attention_window: NonNegativeInt = 0
    """Keys that a query of a local layer sees, its own included; 0: all layers see all keys."""
    global_every: NonNegativeInt = 0
    """Every n-th layer (n, 2n, …, counted from 1) ignores the window; 0: none does."""
    memory: NonNegativeInt = 0
    """Past rows of its own input that each layer keeps (segment recurrence), instead of keys and
    values."""
    mla: MlaConfig | None = None
    """Multi-head latent attention in place of grouped heads."""
    parallel: bool = False
    """Whether attention and feed-forward part both read the layer's input."""
    shared_norm: bool = False
    """Whether parallel parts share one norm."""
    moe: MoeConfig | None = None
    """Mixture of experts."""
    ffn_bias: bool = False
    """Whether the feed-forward projections have biases."""
    positions: Annotated[str, Choice(POSITIONS)]
    """How positions enter."""
    position_rows: NonNegativeInt = 0
    """Rows of the learned position table; default `max_context`."""
    relative_buckets: NonNegativeInt = 0
    """Buckets of relative distances."""
    rotary_fraction: PositiveFraction = 1.0
    """Leading part of each head that is rotated."""
    unrotated_every: NonNegativeInt = 0
    """Every n-th layer (n, 2n, …, counted from 1) rotates nothing; 0: all rotate."""
    rope_theta: PositiveFloat | None = None
    """Base of the rotary frequencies."""
    cutoffs: tuple[PositiveInt, ...] = ()
    """Words at which clusters of an adaptive vocabulary end, the last cluster's left out."""
    cutoff_divisor: PositiveInt = 1
    """By how much the vectors of each cluster are shorter than those of the one before."""
    token_types: NonNegativeInt = 0
    """Rows of the token-type embedding; 0: there is none."""
    embedding_norm: bool = False
    """Whether the embedding is normalised."""
    embedding_scale: PositiveFloat | None = None
    """Factor on the token embedding."""
    logit_cap: PositiveFloat | None = None
    """Logits x become cap · tanh(x / cap)."""
    logit_scale: PositiveFloat | None = None
    """Factor on what the logits are made from."""
    head_bias: bool = False
    """Whether the logits have a bias."""
    tied_embeddings: bool = False
    """Whether the head uses the token embedding as its weight."""
    pooler: bool = False
    """Whether an encoder ends in a dense layer with tanh on the first position."""
    published_parameters: PositiveCount | None = None
    """Exact published parameter count."""
    printed_parameters: str = ""
    """Published parameter count as printed, such as ``34B``, where no exact one is known."""

    @property
    def group(self) -> int:
        """R, query heads per key/value head."""
        return self.heads // self.kv_heads

    @property
    def is_causal(self) -> bool:
        """Whether it makes tokens one after another, with caches and a head."""
        return self.family != "encoder"

    @property
    def has_output_bias(self) -> bool:
        """Whether the output projection has a bias."""
        return self.attention_bias if self.output_bias is None else self.output_bias

    @property
    def rotary_dim(self) -> int:
        """Elements of each head that are rotated."""
        return int(self.head_dim * self.rotary_fraction)

    @property
    def printed_range(self) -> tuple[float, float] | None:
        """Counts that round to `printed_parameters`, or None if that is not given."""
        if not self.printed_parameters:
            return None
        digits, unit = self.printed_parameters[:-1], PARAMETER_UNITS[self.printed_parameters[-1]]
        places = len(digits.partition(".")[2])
        half = 0.5 * unit / 10**places
        return float(digits) * unit - half, float(digits) * unit + half

    @model_validator(mode="after")
    def _check_shapes(self) -> ModelConfig:
        if self.heads % self.kv_heads:
            raise ValueError(
                f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})"
            )
        if self.positions == "rotary":
            if self.mla is None and (self.rotary_dim % 2 or not self.rotary_dim):
                raise ValueError(
                    f"head_dim ({self.head_dim}) must be even for rotary positions"
                    if self.rotary_fraction == 1.0
                    else f"rotary_fraction must rotate an even part of head_dim ({self.head_dim})"
                )
            if self.rope_theta is None:
                raise ValueError("rope_theta is needed for rotary positions")
        if self.family == "encoder" and self.tied_embeddings:
            raise ValueError("tied_embeddings needs family decoder: an encoder has no head")
        if self.family == "decoder" and self.pooler:
            raise ValueError("pooler needs family encoder")
        return self

    @model_validator(mode="after")
    def _check_variants(self) -> ModelConfig:
        rules = (
            (
                (self.family == "encoder-decoder") != bool(self.encoder_layers),
                "encoder_layers must be given for family encoder-decoder, and only there",
            ),
            (
                (self.positions == "relative") != bool(self.relative_buckets),
                "relative_buckets must be given for positions relative, and only there",
            ),
            (
                self.global_every and not self.attention_window,
                "global_every needs attention_window: without it every layer is global",
            ),
            (self.attention_window and not self.is_causal, "attention_window needs a decoder"),
            (self.shared_norm and not self.parallel, "shared_norm needs parallel"),
            (
                (self.positions == "distance") != bool(self.memory),
                "memory must be given for positions distance, and only there",
            ),
            (
                self.memory
                and (
                    self.family != "decoder"
                    or self.norm.placement != "post"
                    or self.attention_window > 0
                    or self.qk_norm != "none"
                    or self.attention_bias
                    or self.kv_heads != self.heads
                ),
                "memory needs a decoder with norm.placement post, kv_heads equal to heads, and no "
                "attention_window, qk_norm or attention_bias",
            ),
            (
                bool(self.cutoffs)
                and (
                    not self.tied_embeddings
                    or self.family != "decoder"
                    or len(self.cutoffs) > MAX_CUTOFFS
                    or list(self.cutoffs) != sorted(set(self.cutoffs))
                    or self.cutoffs[-1] >= self.vocabulary
                    or self.hidden_size % self.cutoff_divisor ** len(self.cutoffs) > 0
                ),
                f"cutoffs need a decoder with tied_embeddings, grow, are at most {MAX_CUTOFFS} and "
                "below vocabulary; cutoff_divisor divides hidden_size once for each",
            ),
            (self.cutoff_divisor > 1 and not self.cutoffs, "cutoff_divisor needs cutoffs"),
            (
                self.parallel and (self.norm.placement != "pre" or self.family != "decoder"),
                "parallel needs family decoder and norm.placement pre",
            ),
            (
                self.mla is not None
                and (
                    self.positions != "rotary" or self.kv_heads != self.heads or not self.is_causal
                ),
                "mla needs a decoder with rotary positions and kv_heads equal to heads",
            ),
            (
                self.mla is not None and self.head_dim != self.mla.plain_dim + self.mla.rotary_dim,
                "head_dim must be mla.plain_dim + mla.rotary_dim",
            ),
            (
                self.mla is not None and (self.qk_norm != "none" or self.attention_window > 0),
                "mla goes with neither qk_norm nor attention_window",
            ),
            (
                self.activation == "silu-clipped" and not self.gated,
                "activation silu-clipped needs gated",
            ),
            (
                self.printed_parameters and not _PRINTED.fullmatch(self.printed_parameters),
                "printed_parameters is a number with K, M, B or T, such as 34B",
            ),
        )
        for broken, message in rules:
            if broken:
                raise ValueError(message)
        return self


def load_model(model: str | Path, *, overrides: Sequence[str] = ()) -> ModelConfig:
    """Read a model description.

    Parameters
    ----------
    model
        Registered id, path of a YAML file (a `Path`, or text with ``/`` or ending in ``.yaml``) or
        of a Hugging Face configuration (``.json``), or YAML text (with a line break).
    overrides
        ``workload.KEY=VALUE`` settings, applied over the file.

    Raises
    ------
    ConfigError
        Unknown id; the file cannot be read or does not describe a model (the message says where).
    """
    from archsim.config.document import load_document

    text: str | Path = model
    if str(model).endswith(".json") and "\n" not in str(model):
        import json

        from workloads.hugging_face import import_config

        # JSON is YAML: overrides apply to an imported model as to any other.
        text = json.dumps(dump_model(import_config(model)), indent=1)
    document = load_document(text, kind="workload")
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

    return build_workload(model, context=1).num_parameters()
