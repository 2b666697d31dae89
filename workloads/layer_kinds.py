"""Which layers of a model are alike: window, rotation, experts, and the side they are on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from workloads.model import ModelConfig


@dataclass(frozen=True, slots=True)
class LayerKind:
    """What tells the layers of one model apart.

    Attributes
    ----------
    encoder
        The layer attends to all positions, has no caches and no cross-attention.
    crossed
        The layer also attends to the encoder's result.
    window
        Keys that a query sees, its own included; 0: all up to its own.
    rotates
        Queries and keys are rotated.
    experts
        A mixture of experts stands in place of the feed-forward part.
    """

    encoder: bool = False
    crossed: bool = False
    window: int = 0
    rotates: bool = False
    experts: bool = False


def layer_kind(model: ModelConfig, layer: int, *, encoder: bool = False) -> LayerKind:
    """Return the kind of a layer, counted from 0 on its side of the model."""

    def nth(every: int) -> bool:
        return every > 0 and (layer + 1) % every == 0

    encoder = encoder or model.family == "encoder"
    return LayerKind(
        encoder=encoder,
        crossed=model.family == "encoder-decoder" and not encoder,
        window=0 if nth(model.global_every) else model.attention_window,
        rotates=model.positions == "rotary" and not nth(model.unrotated_every),
        experts=model.moe is not None and model.moe.has_experts(layer),
    )


@lru_cache(maxsize=64)
def layer_runs(model: ModelConfig, *, encoder: bool = False) -> tuple[tuple[LayerKind, int], ...]:
    """Return the layers of one side in order, neighbours of one kind together, with their number.

    Parameters
    ----------
    model
        The model.
    encoder
        The encoder of an encoder-decoder instead of its decoder.
    """
    runs: list[tuple[LayerKind, int]] = []
    for layer in range(model.encoder_layers if encoder else model.layers):
        kind = layer_kind(model, layer, encoder=encoder)
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1] + 1)
        else:
            runs.append((kind, 1))
    return tuple(runs)


def kind_counts(model: ModelConfig, *, encoder: bool = False) -> dict[LayerKind, int]:
    """Return the number of layers of each kind, in order of first appearance."""
    totals: dict[LayerKind, int] = {}
    for kind, number in layer_runs(model, encoder=encoder):
        totals[kind] = totals.get(kind, 0) + number
    return totals


def stage_name(model: ModelConfig, kind: LayerKind) -> str:
    """Return the name of a layer's stage: ``layer``, with what tells it apart in front."""
    words = []
    if model.family == "encoder-decoder":
        words.append("encoder" if kind.encoder else "decoder")
    others = kind_counts(model, encoder=kind.encoder and model.family == "encoder-decoder")
    if len({other.window for other in others}) > 1:
        words.append("local" if kind.window else "global")
    if len({other.rotates for other in others}) > 1:
        words.append("rotary" if kind.rotates else "unrotated")
    if len({other.experts for other in others}) > 1:
        words.append("moe" if kind.experts else "dense")
    return "-".join([*words, "layer"])
