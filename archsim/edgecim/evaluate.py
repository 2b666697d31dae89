"""Latency, energy and area of many designs for one model: what a search calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from archsim.edgecim.area import area_mm2
from archsim.edgecim.chip import EdgeChip
from archsim.edgecim.design import Designs, Ints
from archsim.edgecim.energy import token_energy_j
from archsim.edgecim.model_shape import ModelShape
from archsim.edgecim.phases import (
    LIMITS,
    Floats,
    Phase,
    attention,
    per_cluster,
    rounds,
    whole_chip,
)

PARTS: Final = ("projection", "attention", "linear", "ffn", "vector", "head")
"""Phases of a token, by which its time is broken down."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is generated.

    Attributes
    ----------
    shape
        Model.
    weight_bits, cache_bits
        Bits of a weight and of a cached key or value; inputs have the weights' bits.
    prompt, generated
        Tokens there before, and tokens made, one at a time.
    head
        Whether the output matrix is read for every token.
    """

    shape: ModelShape
    weight_bits: int = 4
    cache_bits: int = 4
    prompt: int = 128
    generated: int = 128
    head: bool = True

    @property
    def lengths(self) -> range:
        """Tokens attended to by each new token, itself included."""
        return range(self.prompt + 1, self.prompt + self.generated + 1)

    def dram_bits(self, length: int) -> int:
        """Bits that one token at a length moves through DRAM: weights, cache, new entries."""
        shape = self.shape
        weights = shape.layers * shape.layer_weights
        if self.head:
            weights += shape.width * shape.vocabulary
        cache = shape.cache_elements * (length + 1)
        return weights * self.weight_bits + cache * self.cache_bits

    def macs(self, length: int) -> int:
        """Multiply-accumulates of one token at a length."""
        shape = self.shape
        head = shape.width * shape.vocabulary if self.head else 0
        scores = 2 * shape.layers * shape.heads * shape.head_width * length
        return shape.layers * shape.layer_weights + head + scores


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One entry a design.

    Attributes
    ----------
    seconds
        Time to generate all tokens.
    parts_s
        That time by part.
    limited_s
        Time in phases whose pace each of `LIMITS` sets.
    chip_j, dram_j
        Energy of the chip and of the DRAM, apart.
    components_j
        Chip energy by component.
    area_mm2
        Chip area.
    """

    seconds: Floats
    parts_s: dict[str, Floats]
    limited_s: dict[str, Floats]
    chip_j: Floats
    dram_j: Floats
    components_j: dict[str, Floats]
    area_mm2: Floats

    def cost(self, alpha: float, *, with_dram: bool = False) -> Floats:
        """Return ``latency**alpha * energy**(1-alpha)``, the published objective."""
        energy = self.chip_j + self.dram_j if with_dram else self.chip_j
        return np.asarray(self.seconds**alpha * energy ** (1.0 - alpha))


class _Clock:
    """Adds phases up by part and by what limits them."""

    def __init__(self, count: int) -> None:
        self.parts = {name: np.zeros(count) for name in PARTS}
        self.limits = {name: np.zeros(count) for name in (*LIMITS, "vector")}

    def add(self, part: str, found: Phase, times: Ints | int = 1) -> None:
        seconds = found.seconds * times
        self.parts[part] += seconds
        for index, name in enumerate(LIMITS):
            self.limits[name] += np.where(found.limit == index, seconds, 0.0)

    def vector(self, seconds: float) -> None:
        self.parts["vector"] += seconds
        self.limits["vector"] += seconds


def evaluate(chip: EdgeChip, designs: Designs, job: Job) -> Evaluation:
    """Return time, energy and area of each design.

    Parameters
    ----------
    chip
        What the designs share.
    designs
        Any number of designs.
    job
        Model and lengths.
    """
    clock = _Clock(len(designs))
    shape, tokens = job.shape, job.generated
    layers = shape.layers * tokens
    for clusters, times in _rounds(designs, shape.kv_heads):
        for columns in (shape.group * shape.head_width, shape.head_width, shape.head_width):
            found = per_cluster(chip, designs, clusters, shape.width, columns, job.weight_bits)
            clock.add("projection", found, times * layers)
        for length in job.lengths:
            found = attention(
                chip, designs, clusters, length, shape.head_width, shape.group, job.cache_bits
            )
            clock.add("attention", found, times * shape.layers)
    bits = job.weight_bits
    out = whole_chip(chip, designs, shape.heads * shape.head_width, shape.width, bits)
    clock.add("linear", out, layers)
    clock.add("ffn", whole_chip(chip, designs, shape.width, 2 * shape.ffn_width, bits), layers)
    clock.add("ffn", whole_chip(chip, designs, shape.ffn_width, shape.width, bits), layers)
    clock.vector(vector_seconds(chip, shape) * tokens)
    if job.head:
        clock.add("head", whole_chip(chip, designs, shape.width, shape.vocabulary, bits), tokens)
    seconds = np.sum(list(clock.parts.values()), axis=0)
    area = area_mm2(chip, designs, job.weight_bits)
    components, dram = token_energy_j(chip, designs, job, area, seconds)
    chip_j = np.sum(list(components.values()), axis=0)
    return Evaluation(seconds, clock.parts, clock.limits, chip_j, dram, components, area)


def vector_seconds(chip: EdgeChip, shape: ModelShape) -> float:
    """Return the time of norms, rotary positions and activations of one token, s.

    Softmax is part of attention. Two norms over the width, rotation of queries and keys, gating of
    the feed-forward width, and the norm before the head.
    """
    rotated = (shape.heads + shape.kv_heads) * shape.head_width
    elements = shape.layers * (2 * shape.width + rotated + shape.ffn_width) + shape.width
    return elements * chip.vector_passes / chip.vector_lanes * chip.cycle_s


def _rounds(designs: Designs, heads: int) -> list[tuple[Ints, Ints]]:
    """Return (clusters at work, times) of full rounds and of a last partial one."""
    full, rest = rounds(designs, heads)
    return [(designs.clusters, full), (np.maximum(rest, 1), (rest > 0).astype(np.int64))]
