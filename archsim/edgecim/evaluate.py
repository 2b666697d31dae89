"""Latency, energy and area of many designs for one model: what a search calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from archsim.edgecim.build import Build, Floats, added, ceil_div, distinct
from archsim.edgecim.chip import EdgeChip
from archsim.edgecim.design import Designs, Ints, make_designs
from archsim.edgecim.energy import token_energy_j
from archsim.edgecim.model_shape import ModelShape
from archsim.edgecim.phases import (
    LIMITS,
    Phase,
    attention,
    division_ps,
    per_cluster,
    rounds_of,
    whole_chip,
)
from archsim.edgecim.vector_work import SUPPORTED_BITS, Beside, beside_ps, work_beside
from archsim.errors import ConfigError
from archsim.units import PS_PER_S

PARTS: Final = ("projection", "attention", "linear", "ffn", "vector", "head")
"""Phases of a token, by which its time is broken down."""

AT_ONCE: Final = 16384
"""Designs times lengths that are evaluated together, so that arrays stay near the processor."""

FEW_DESIGNS: Final = 256
"""Designs up to which looking for equal times does not pay."""


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

    @property
    def streamed_weights(self) -> int:
        """Weights that stream into macros for one token."""
        head = self.shape.width * self.shape.vocabulary if self.head else 0
        return self.shape.layers * self.shape.layer_weights + head

    def dram_bits(self, length: int) -> int:
        """Bits of weights and cache that one token at a length moves through DRAM."""
        cache = self.shape.cache_elements * (length + 1)
        return self.streamed_weights * self.weight_bits + cache * self.cache_bits

    def macs(self, length: int) -> int:
        """Multiply-accumulates of one token at a length."""
        shape = self.shape
        scores = 2 * shape.layers * shape.heads * shape.head_width * length
        return self.streamed_weights + scores

    def beside(self, build: Build) -> tuple[Beside, ...]:
        """Return what a token does beside streaming weights and cache."""
        room = build.chip.machine.capacity_bytes(build.chip.machine.innermost) or 1 << 60
        found = work_beside(self.shape, self.weight_bits, self.cache_bits, room // 4)
        return tuple(item for item in found if self.head or not item.is_head)


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
        self.parts_ps = {name: np.zeros(count, dtype=np.int64) for name in PARTS}
        names = (*LIMITS, "vector")
        self.limits_ps = {name: np.zeros(count, dtype=np.int64) for name in names}

    def add(self, part: str, found: Phase, times: Ints | int = 1) -> None:
        count = len(self.parts_ps[part])
        total = found.ps * times
        self.parts_ps[part] += total.reshape(-1, count).sum(axis=0)
        for index, name in enumerate(LIMITS):
            share = np.where(found.limit == index, total, 0)
            self.limits_ps[name] += share.reshape(-1, count).sum(axis=0)

    def vector(self, ps: Ints) -> None:
        self.parts_ps["vector"] += ps
        self.limits_ps["vector"] += ps

    def seconds(self, which: Ints | slice) -> tuple[dict[str, Floats], dict[str, Floats]]:
        parts = {name: ps[which] / PS_PER_S for name, ps in self.parts_ps.items()}
        return parts, {name: ps[which] / PS_PER_S for name, ps in self.limits_ps.items()}


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

    Raises
    ------
    ConfigError
        Bits that the macros do not multiply.
    """
    widest = chip.tiles.tiles.macro.weight_bits
    for bits in (job.weight_bits, job.cache_bits):
        if bits not in SUPPORTED_BITS or (bits > widest and "bits" not in designs.extra):
            allowed = [each for each in SUPPORTED_BITS if each <= widest]
            raise ConfigError(
                "macros do not multiply these bits", given=bits, allowed=map(str, allowed)
            )
    build = Build.of(chip, designs, job.weight_bits, job.cache_bits)
    parts, limits = _times(build, job)
    seconds = added(parts.values())
    components, dram, area = token_energy_j(build, job, seconds)
    chip_j = added(components.values())
    return Evaluation(seconds, parts, limits, chip_j, dram, components, area)


def _times(build: Build, job: Job) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return the time by part and by limit, s.

    Notes
    -----
    Without access latency, spare sets beyond the second change no time: designs that differ in
    nothing else are timed once.
    """
    clock = _Clock(len(build.designs))
    if build.latency_ps or len(build.designs) < FEW_DESIGNS:
        _run(clock, build, job)
        return clock.seconds(slice(None))
    names = build.designs.names
    table = {name: build.designs.column(name) for name in names}
    table["tile_sets"] = np.minimum(build.sets, 2)
    if "weight_sets" in table:
        table["weight_sets"] = np.ones_like(table["tile_sets"])
    kinds, which = distinct(np.stack(list(table.values())))
    few = make_designs(dict(zip(names, kinds.T, strict=True)))
    small = Build.of(build.chip, few, job.weight_bits, job.cache_bits)
    clock = _Clock(len(few))
    _run(clock, small, job)
    return clock.seconds(which)


def _run(clock: _Clock, build: Build, job: Job) -> None:
    """Add up all phases of all tokens."""
    shape, tokens = job.shape, job.generated
    layers = shape.layers * tokens
    for clusters, times in _rounds(build, shape.kv_heads):
        full = np.maximum(times, 1)
        there = (times > 0).astype(np.int64)
        for columns in (shape.group * shape.head_width, shape.head_width, shape.head_width):
            found = per_cluster(build, clusters, full, shape.width, columns)
            clock.add("projection", found, there * layers)
        for lengths in _groups(job.lengths, len(build.designs)):
            wide = _repeated(build, len(lengths))
            again = [np.tile(each, len(lengths)) for each in (clusters, full, there)]
            tokens_there = np.repeat(np.asarray(lengths, dtype=np.int64), len(build.designs))
            found = attention(wide, again[0], again[1], tokens_there, shape.head_width, shape.group)
            clock.add("attention", found, again[2] * shape.layers)
    inner = shape.heads * shape.head_width
    clock.add("linear", whole_chip(build, inner, shape.width), layers)
    clock.add("ffn", whole_chip(build, shape.width, 2 * shape.ffn_width), layers)
    clock.add("ffn", whole_chip(build, shape.ffn_width, shape.width), layers)
    if job.head:
        clock.add("head", whole_chip(build, shape.width, shape.vocabulary), tokens)
    rounds = ceil_div(shape.kv_heads, build.designs.clusters)
    division = division_ps(build, shape.head_width, shape.group)
    clock.vector(layers * division * rounds)
    clock.vector(tokens * _beside_ps(build, job))


def _groups(lengths: range, designs: int) -> Iterator[range]:
    """Yield lengths that are looked at together: many for few designs."""
    size = max(1, AT_ONCE // designs)
    for start in range(0, len(lengths), size):
        yield lengths[start : start + size]


def _repeated(build: Build, times: int) -> Build:
    """Return designs one after another, all of them `times` over."""
    if times == 1:
        return build
    index = np.tile(np.arange(len(build.designs)), times)
    weights, cache = (
        np.tile(bits, times) if bits.ndim else bits
        for bits in (build.weight_bits, build.cache_bits)
    )
    return Build(build.chip, build.designs.at(index), weights, cache)


def _beside_ps(build: Build, job: Job) -> Ints:
    """Return the time of everything beside streams, ps, for the channels of each design."""
    items = job.beside(build)
    speeds, which = np.unique(1e12 / build.dram_ps_per_byte, return_inverse=True)
    totals = [
        sum(item.repeat * beside_ps(build, item, float(speed)) for item in items)
        for speed in speeds
    ]
    return np.asarray(totals, dtype=np.int64)[which.reshape(np.shape(build.dram_ps_per_byte))]


def _rounds(build: Build, heads: int) -> list[tuple[Ints, Ints]]:
    """Return (clusters at work, times) of full rounds and of a last partial one."""
    full, rest = rounds_of(build, heads)
    return [(build.designs.clusters, full), (np.maximum(rest, 1), (rest > 0).astype(np.int64))]
