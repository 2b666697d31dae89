"""The stages of one pass through a model: embedding, every kind of layer, head."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workloads.cascade import Cascade
from workloads.layer_kinds import kind_counts, stage_name
from workloads.layers.layer_builder import Step
from workloads.layers.transformer import (
    embedding_cascade,
    encoder_end_cascade,
    head_cascade,
    layer_cascade,
)
from workloads.model import ModelConfig


@dataclass(frozen=True, slots=True)
class Stage:
    """A cascade that runs `repeat` times, each time with weights and caches of its own.

    Attributes
    ----------
    name
        ``embedding``, ``layer`` or ``head``; with words in front where a model has several.
    cascade
        What is computed.
    repeat
        How many identical layers it stands for.
    """

    name: str
    cascade: Cascade
    repeat: int = 1


def build_stages(model: ModelConfig, step: Step) -> tuple[Stage, ...]:
    """Return the stages of one pass; layers of one kind are one stage.

    Of an encoder-decoder, the first pass (without a history) begins with the encoder.

    Parameters
    ----------
    model
        The model.
    step
        The new positions of each sequence; of an encoder-decoder, those of the decoder.
    """
    # The outer stages do not depend on the history: all steps of a decode share them.
    outer = replace(step, history=0, routing="uniform", source=0, sparsity=None)
    stages: list[Stage] = []
    decoder = ""
    if model.family == "encoder-decoder":
        decoder = "decoder-"
        if step.history == 0:
            stages += _encoder_stages(model, step)
    stages.append(Stage(f"{decoder}embedding", embedding_cascade(model, replace(outer, sampled=0))))
    stages += _layer_stages(model, step, encoder=False)
    head = head_cascade(model, outer)
    if head is not None:
        stages.append(Stage("head", head))
    return tuple(stages)


def _encoder_stages(model: ModelConfig, step: Step) -> list[Stage]:
    inner = replace(step, queries=step.source, source=0, all_logits=False, sampled=0)
    outer = replace(inner, routing="uniform", sparsity=None)
    stages = [Stage("encoder-embedding", embedding_cascade(model, outer))]
    stages += _layer_stages(model, inner, encoder=True)
    if model.norm.placement != "post":
        stages.append(Stage("encoder-end", encoder_end_cascade(model, outer)))
    return stages


def _layer_stages(model: ModelConfig, step: Step, *, encoder: bool) -> list[Stage]:
    stages = []
    for kind, number in kind_counts(model, encoder=encoder).items():
        # What a dense layer does not know must not tell its cascades apart.
        own = replace(step, sampled=0)
        if not kind.experts:
            own = replace(own, routing="uniform")
        name = stage_name(model, kind)
        stages.append(Stage(name, layer_cascade(model, own, kind), number))
    return stages
