"""One decode step of a batch on a system: time by part, energy, imbalance; closed forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.pim.systems_asic import asic_s
from archsim.pim.systems_cent import block_parts_s, check_model, layout
from archsim.pim.systems_cent_energy import token_joules
from archsim.pim.systems_moe import run_experts
from archsim.pim.systems_place import equal_heads_seconds, head_seconds, loads, tile_seconds
from archsim.pim.systems_sides import Sides, all_reduce_s, vector_kernels_s
from archsim.pim.systems_waves import wave_share, weights_share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsim.pim.systems_file import PimConfig, SystemConfig
    from archsim.pim.systems_model import ServedModel

    Ints = NDArray[np.int64]

PARTS: Final = (
    *("projections", "attention", "prompt attention", "cache write", "vectors", "ffn", "experts"),
    *("head", "collectives", "elementwise", "host"),
)
"""Parts of a step."""

HOMES: Final = {"vectors": "link", "collectives": "link", "host": "none"}
"""Parts that are always at one place; ``none``: nothing works but the host."""

ENERGY: Final = ("links", "xpu memory", "xpu compute", "pim memory", "pim compute")
"""Components of the dynamic energy of every system; some have more."""

BITS: Final = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One token for each request of a batch.

    Attributes
    ----------
    parts_s
        Time of each part in all layers.
    hidden_s
        Time that overlapping parts save.
    energy_j
        Dynamic energy: memory of either side, operations of either side, links.
    where
        Which side each part ran on.
    imbalance
        Slowest channel over the mean in attention; 1 where attention is on the xPU.
    requests
        Batch.
    stages
        Pipeline stages: so many batches are on their way at once.
    """

    parts_s: Mapping[str, float]
    hidden_s: float
    energy_j: Mapping[str, float]
    where: Mapping[str, str]
    imbalance: float
    requests: int
    stages: int

    @property
    def latency_s(self) -> float:
        """Time between two tokens of a request."""
        return sum(self.parts_s.values()) - self.hidden_s

    @property
    def busy_s(self) -> dict[str, float]:
        """Time in which processors, computing memory and links work; sides may work at once."""
        found = {"xpu": 0.0, "pim": 0.0, "link": 0.0}
        for name, seconds in self.parts_s.items():
            sides = HOMES.get(name) or self.where.get(name, "xpu")
            for side in ("xpu", "pim") if sides == "both" else (sides,):
                if side in found:
                    found[side] += seconds
        return found

    @property
    def tokens_per_s(self) -> float:
        """Rate with all pipeline stages busy."""
        return self.requests * self.stages / self.latency_s

    @property
    def joules_per_token(self) -> float:
        """Dynamic energy of a token."""
        return sum(self.energy_j.values()) / self.requests


@dataclass(slots=True)
class _Tally:
    """Bytes and operations of either side."""

    bytes_of: dict[str, float] = field(default_factory=lambda: {"xpu": 0.0, "pim": 0.0})
    flops_of: dict[str, float] = field(default_factory=lambda: {"xpu": 0.0, "pim": 0.0})
    link_bytes: float = 0.0

    def add(self, side: str, read: float, flops: float) -> None:
        self.bytes_of[side] += read
        self.flops_of[side] += flops


@dataclass(frozen=True, slots=True)
class _Stage:
    """Tokens of a step: one for each decoding request, and all of each prompt."""

    decoding: int
    prompts: tuple[int, ...]

    @property
    def rows(self) -> int:
        return self.decoding + sum(self.prompts)


def step(
    system: SystemConfig, model: ServedModel, lengths: Ints, prompts: tuple[int, ...] = ()
) -> Step:
    """Return one step: a token of each decoding request, and whole prompts beside them.

    Parameters
    ----------
    system
        Processors and computing memory.
    model
        What is served.
    lengths
        int64[requests]: keys and values of each decoding request, the new token's included.
    prompts
        Tokens of prompts that are processed in the same step, on the processors.
    """
    if system.pim is not None and system.pim.blocks is not None:
        return _blocks(system, model, lengths)
    stage = _Stage(len(lengths), prompts)
    tally = _Tally()
    where: dict[str, str] = {}
    parts = dict.fromkeys(PARTS, 0.0)
    parts["attention"], imbalance = _attention(system, model, lengths, tally, where)
    for name in ("projections", "ffn", "head"):
        rows = stage.rows if name != "head" else len(lengths) + len(prompts)
        parts[name] = _dense(system, model, rows, name, tally, where)
    parts["experts"] = _experts(system, model, stage, tally, where)
    parts["prompt attention"] = _prompt_attention(system, model, prompts, tally)
    on_pim = where["attention"] == "pim"
    if on_pim:
        parts["vectors"] = _vectors(system, model, len(lengths), tally)
    parts["cache write"] = _cache_write(system, model, stage.rows, tally)
    where["cache write"] = "xpu" if system.pim is None else "pim"
    where["elementwise"] = "xpu" if system.xpu is not None else "asic"
    parts["collectives"] = _collectives(system, model, stage.rows, tally)
    parts["elementwise"] = model.layers * stage.rows * system.vector_s_per_layer
    if system.asic is not None:
        tokens, counts = np.unique(lengths, return_counts=True)
        each = [asic_s(system.asic, model, int(length)) for length in tokens]
        parts["elementwise"] += model.layers * float(np.dot(counts, each))
    if system.xpu is not None:
        parts["host"] = model.layers * system.xpu.layer_overhead_s
        parts["elementwise"] += model.layers * vector_kernels_s(system.xpu, model, stage.rows)
    hidden = 0.0
    if on_pim and system.homes.overlap == "heads":
        hidden = _beside(system, model, parts)
    if on_pim and system.homes.prompts == "beside":
        hidden += min(parts["prompt attention"], parts["attention"])
    if on_pim and system.homes.overlap == "halves" and len(lengths) > 1 and not prompts:
        return _halves(system, model, lengths, parts, tally, where, imbalance)
    energy = _energy(system, tally, parts["elementwise"])
    return Step(parts, hidden, energy, where, imbalance, len(lengths), system.stages)


def _blocks(system: SystemConfig, model: ServedModel, lengths: Ints) -> Step:
    """Return a step of requests one after another through blocks of instructions."""
    parts, energy = dict.fromkeys(PARTS, 0.0), dict.fromkeys(ENERGY, 0.0)
    check_model(model)
    place = layout(system, model)
    for tokens, count in zip(*np.unique(lengths, return_counts=True), strict=True):
        for name, seconds in block_parts_s(system, model, int(tokens)).items():
            parts[name] += seconds * count
        for name, joules in token_joules(model, int(tokens), place).items():
            energy[name] = energy.get(name, 0.0) + joules * count
    where = dict.fromkeys(("projections", "attention", "ffn", "head"), "pim")
    where |= {"elementwise": "controller"}
    return Step(parts, 0.0, energy, where, 1.0, len(lengths), system.stages)


def _attention(
    system: SystemConfig, model: ServedModel, lengths: Ints, tally: _Tally, where: dict[str, str]
) -> tuple[float, float]:
    """Return the time of attention in all layers and the slowest channel over the mean."""
    elements = float(lengths.sum()) * model.kv_heads * model.head_size
    read = 2.0 * elements * model.cache_bytes
    flops = 4.0 * elements * model.group
    found: dict[str, tuple[float, float]] = {}
    policy = system.homes.attention
    if policy in ("pim", "faster") and system.pim is not None:
        found["pim"] = _on_channels(system, system.pim, model, lengths)
    if policy in ("xpu", "faster") and system.xpu is not None:
        count = system.xpu.count // system.stages or 1
        heads = -(-model.kv_heads // count)
        uneven = heads * count / model.kv_heads
        cores = system.xpu.cores
        share = 1.0 if cores is None else wave_share(heads * model.group * len(lengths), cores)
        seconds = Sides(system, model.cache_bytes).xpu_s(read, flops, share)
        found["xpu"] = seconds * uneven, 1.0
    side = min(found, key=lambda name: found[name][0])
    where["attention"] = side
    again = _again(system, side, read, flops)
    tally.add(side, model.layers * read * again, model.layers * flops)
    seconds, imbalance = found[side]
    return model.layers * seconds, imbalance


def _on_channels(
    system: SystemConfig, pim: PimConfig, model: ServedModel, lengths: Ints
) -> tuple[float, float]:
    """Return the time of a layer's attention on the channels of one of equal devices."""
    devices = 1 if system.xpu is None else system.xpu.count
    devices = max(1, devices // system.stages)
    places = max(1, pim.stacks * pim.channels // (devices * system.stages))
    heads = -(-model.kv_heads // devices)
    if pim.tiles is not None:
        items = tile_seconds(pim.tiles, lengths, heads, model.head_size) * model.group
        found = loads(items, places, system.homes.deal)
        return float(found.max()), float(found.max() / found.mean())
    if pim.device is not None and lengths.min() == lengths.max():
        counts = loads(np.ones(heads * len(lengths)), places, system.homes.deal)
        shape = model.head_size, model.cache_bytes
        most = model.group * round(counts.max())
        slowest = equal_heads_seconds(pim.device, int(lengths[0]), *shape, most)
        return slowest, float(counts.max() / counts.mean())
    each = head_seconds(pim, lengths, model.head_size, model.group, model.cache_bytes)
    items = each * heads if system.homes.item == "request" else np.repeat(each, heads)
    found = loads(items, places, system.homes.deal)
    return float(found.max()), float(found.max() / found.mean())


def _dense(
    system: SystemConfig,
    model: ServedModel,
    requests: int,
    name: str,
    tally: _Tally,
    where: dict[str, str],
) -> float:
    """Return the time of all layers of a kind of product with weights."""
    dense_layers = model.layers - model.expert_layers
    weights = {"projections": model.projection, "ffn": model.dense, "head": model.embedding}[name]
    times = {"projections": model.layers, "ffn": dense_layers, "head": 1}[name]
    policy = system.homes.ffn if name == "ffn" else system.homes.projections
    read, flops = float(weights * model.weight_bytes), 2.0 * weights * requests
    cores = 1.0 if system.xpu is None else weights_share(system.xpu, model, name, requests)
    seconds, shares = Sides(system, model.weight_bytes).weights_s(policy, read, flops, cores)
    for side, share in shares.items():
        tally.add(
            side, times * share * read * _again(system, side, read, flops), times * share * flops
        )
    if times:
        where[name] = "both" if len(shares) == 2 else next(iter(shares))
    return times * seconds


def _again(system: SystemConfig, side: str, read: float, flops: float) -> float:
    """Return how often units read operands: once for each vector that lanes take no more of."""
    if side == "xpu" or system.pim is None or system.pim.operands == "held":
        return 1.0
    return max(1.0, flops / read / system.pim.ops_per_byte)


def _experts(
    system: SystemConfig, model: ServedModel, stage: _Stage, tally: _Tally, where: dict[str, str]
) -> float:
    """Return the time of all layers with experts."""
    if not model.expert_layers:
        return 0.0
    found = run_experts(system, model, stage.rows, mixed=bool(stage.prompts))
    for side in ("pim", "xpu"):
        layers = model.expert_layers
        tally.add(side, layers * found.read_bytes[side], layers * found.flops[side])
    where["experts"] = found.where
    seconds = found.seconds
    if model.always:
        beside = float(model.always * model.weight_bytes)
        policy = "xpu" if system.xpu is not None else "pim"
        flops = 2.0 * model.always * stage.rows
        more, _ = Sides(system, model.weight_bytes).weights_s(policy, beside, flops)
        tally.add(policy, model.expert_layers * beside, model.expert_layers * flops)
        seconds += more
    return model.expert_layers * seconds


def _prompt_attention(
    system: SystemConfig, model: ServedModel, prompts: tuple[int, ...], tally: _Tally
) -> float:
    """Return the time of causal attention over whole prompts on the processors, all layers."""
    if not prompts or system.xpu is None:
        return 0.0
    width = model.heads * model.head_size
    flops = sum(2.0 * tokens * tokens * width for tokens in prompts)
    moved = 2.0 * model.cache_bytes * (width + model.kv_heads * model.head_size) * sum(prompts)
    tally.add("xpu", model.layers * moved, model.layers * flops)
    return model.layers * Sides(system, model.cache_bytes).xpu_s(moved, flops)


def _vectors(system: SystemConfig, model: ServedModel, requests: int, tally: _Tally) -> float:
    """Return the time of queries, keys, values and outputs between processor and memory."""
    pim = system.pim
    assert pim is not None
    elements = requests * model.head_size * (2 * model.heads + 2 * model.kv_heads)
    moved = float(elements * model.cache_bytes)
    rate = pim.link_bytes_per_s or pim.external_bytes_per_s * pim.stacks
    if pim.link_bytes_per_s is not None:
        tally.link_bytes += model.layers * moved
    return model.layers * moved / (rate / system.stages)


def _cache_write(system: SystemConfig, model: ServedModel, requests: int, tally: _Tally) -> float:
    """Return the time to write a token's keys and values of all requests in all layers.

    The later of their bytes through the interfaces and of the rows that they open.
    """
    elements = 2 * requests * model.kv_heads * model.head_size
    moved = float(elements * model.cache_bytes)
    pim = system.pim
    if pim is None:
        tally.add("xpu", model.layers * moved, 0.0)
        return model.layers * Sides(system, model.weight_bytes).xpu_s(moved, 0.0)
    stacks = pim.stacks / system.stages
    rows = 1 + (model.head_size if pim.write.values == "channel-major" else 1)
    places = max(1, int(stacks * pim.channels))
    opened = -(-requests * model.kv_heads // places) * rows / pim.write.parallel_rows
    seconds = max(moved / (pim.external_bytes_per_s * stacks), opened * pim.write.row_cycle_s)
    tally.add("xpu" if system.xpu is not None else "pim", model.layers * moved, 0.0)
    return model.layers * seconds


def _collectives(system: SystemConfig, model: ServedModel, requests: int, tally: _Tally) -> float:
    """Return the time of two ring all-reduces per layer between the processors of a stage."""
    xpu = system.xpu
    count = 1 if xpu is None else xpu.count // system.stages
    if xpu is None or count <= 1:
        return 0.0
    size = float(requests * model.width * model.cache_bytes)
    tally.link_bytes += 2 * model.layers * 2.0 * (count - 1) * size
    return 2 * model.layers * all_reduce_s(xpu, count, size)


def _beside(system: SystemConfig, model: ServedModel, parts: Mapping[str, float]) -> float:
    """Return the time saved by attention beside projections, head by head.

    All but the first of a device's heads hide; as the published simulator has it.
    """
    devices = 1 if system.xpu is None else system.xpu.count
    heads = max(1.0, model.heads / devices)
    memory = parts["attention"] + parts["vectors"] + parts["cache write"]
    return min(parts["projections"], memory) * (1.0 - 1.0 / heads)


def _halves(
    system: SystemConfig,
    model: ServedModel,
    lengths: Ints,
    whole: dict[str, float],
    tally: _Tally,
    where: dict[str, str],
    imbalance: float,
) -> Step:
    """Return a step whose two halves take turns on processor, memory and links.

    While one half is in memory or on the links, the other is on the processor: the busiest of the
    three holds the step up, or the longer half itself, layer after layer; one layer of it fills the
    pipeline. Weights are read once for each half; if one batch is faster whole, it stays whole.
    """
    alone = system.model_copy(update={"homes": system.homes.model_copy(update={"overlap": "none"})})
    one, two = (step(alone, model, part) for part in (lengths[::2], lengths[1::2]))
    parts = {name: one.parts_s[name] + two.parts_s[name] for name in PARTS}
    memory = sum(parts[name] for name in ("attention", "vectors", "cache write"))
    links = parts["collectives"]
    processor = one.latency_s + two.latency_s - memory - links
    longest = max(one.latency_s, two.latency_s)
    turns = max(processor, memory, links, longest) + longest / model.layers
    if turns >= sum(whole.values()):
        energy = _energy(system, tally)
        return Step(whole, 0.0, energy, where, imbalance, len(lengths), system.stages)
    energy = {name: one.energy_j[name] + two.energy_j[name] for name in one.energy_j}
    hidden = sum(parts.values()) - turns
    worst = max(one.imbalance, two.imbalance)
    return Step(parts, hidden, energy, where, worst, len(lengths), system.stages)


def _energy(system: SystemConfig, tally: _Tally, asic_busy_s: float = 0.0) -> dict[str, float]:
    """Return the dynamic energy, J."""
    found = {"links": tally.link_bytes * BITS * system.link_pj_per_bit * 1e-12}
    for side, part in (("xpu", system.xpu), ("pim", system.pim)):
        access = part.access_pj_per_bit if part is not None else 0.0
        compute = part.compute_pj_per_flop if part is not None else 0.0
        found[f"{side} memory"] = tally.bytes_of[side] * BITS * access * 1e-12
        found[f"{side} compute"] = tally.flops_of[side] * compute * 1e-12
    if system.asic is not None:
        found["asic"] = asic_busy_s * system.asic.power_w
    return found
