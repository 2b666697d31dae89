"""One decode step of a batch on a system: time by part, energy, imbalance; closed forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.pim.systems_cent import block_parts_s
from archsim.pim.systems_experts import expert_tokens, split
from archsim.pim.systems_place import head_seconds, loads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsim.pim.systems_file import PimConfig, SystemConfig
    from archsim.pim.systems_model import ServedModel

    Ints = NDArray[np.int64]

PARTS: Final = (
    *("projections", "attention", "cache write", "vectors", "ffn", "experts", "head"),
    *("collectives", "elementwise", "host"),
)
"""Parts of a step."""

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
class _Sides:
    """Rates of a pipeline stage of a system."""

    system: SystemConfig

    def xpu_s(self, read: float, flops: float) -> float:
        """Roofline of all processors of a stage with their efficiencies."""
        xpu = self.system.xpu
        assert xpu is not None
        count = xpu.count / self.system.stages
        compute = flops / (xpu.flops_per_s * xpu.compute_efficiency)
        memory = read / (xpu.bandwidth_bytes_per_s * xpu.bandwidth_efficiency)
        return max(compute, memory) / count

    def pim_s(self, read: float, flops: float) -> float:
        """Bandwidth and lanes of all stacks of a stage."""
        pim = self.system.pim
        assert pim is not None
        rate = pim.bandwidth_bytes_per_s * pim.efficiency * pim.stacks / self.system.stages
        return max(read, flops / pim.ops_per_byte) / rate

    def weights_s(self, policy: str, read: float, flops: float) -> tuple[float, dict[str, float]]:
        """Return the time of a product with weights, and the share of each side."""
        if policy == "xpu":
            return self.xpu_s(read, flops), {"xpu": 1.0}
        if policy == "pim":
            return self.pim_s(read, flops), {"pim": 1.0}
        xpu, pim = self.xpu_s(read, flops), self.pim_s(read, flops)
        if policy == "faster":
            return (pim, {"pim": 1.0}) if pim < xpu else (xpu, {"xpu": 1.0})
        share = xpu / (xpu + pim)
        return xpu * pim / (xpu + pim), {"pim": share, "xpu": 1.0 - share}


def step(system: SystemConfig, model: ServedModel, lengths: Ints) -> Step:
    """Return one decode step.

    Parameters
    ----------
    system
        Processors and computing memory.
    model
        What is served.
    lengths
        int64[requests]: keys and values of each request, the new token's included.
    """
    tally = _Tally()
    where: dict[str, str] = {}
    parts = dict.fromkeys(PARTS, 0.0)
    parts["attention"], imbalance = _attention(system, model, lengths, tally, where)
    for name in ("projections", "ffn", "head"):
        parts[name] = _dense(system, model, len(lengths), name, tally, where)
    parts["experts"] = _experts(system, model, len(lengths), tally, where)
    on_pim = where["attention"] == "pim"
    if on_pim:
        parts["vectors"] = _vectors(system, model, len(lengths), tally)
    parts["cache write"] = _cache_write(system, model, len(lengths), tally)
    parts |= block_parts_s(system, model, lengths)
    parts["collectives"] = _collectives(system, model, len(lengths), tally)
    parts["elementwise"] = model.layers * len(lengths) * system.vector_s_per_layer
    if system.xpu is not None:
        parts["host"] = model.layers * system.xpu.layer_overhead_s
    hidden = 0.0
    if on_pim and system.homes.overlap == "heads":
        hidden = _beside(system, model, parts)
    if on_pim and system.homes.overlap == "halves" and len(lengths) > 1:
        return _halves(system, model, lengths, parts, tally, where, imbalance)
    return Step(
        parts, hidden, _energy(system, tally), where, imbalance, len(lengths), system.stages
    )


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
        uneven = -(-model.kv_heads // count) * count / model.kv_heads
        found["xpu"] = _Sides(system).xpu_s(read, flops) * uneven, 1.0
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
    seconds, shares = _Sides(system).weights_s(policy, read, flops)
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
    system: SystemConfig, model: ServedModel, requests: int, tally: _Tally, where: dict[str, str]
) -> float:
    """Return the time of all layers with experts."""
    if not model.expert_layers:
        return 0.0
    sides = _Sides(system)
    tokens = expert_tokens(requests, model.experts, model.active)
    tokens = tokens[tokens > 0]
    read = float(model.expert * model.weight_bytes)
    flops = 2.0 * model.expert * tokens
    policy = system.homes.experts
    on_xpu = np.array([sides.xpu_s(read, f) for f in flops]) if policy != "pim" else None
    in_memory = np.array([sides.pim_s(read, f) for f in flops]) if policy != "xpu" else None
    kept = len(tokens)
    if on_xpu is None or in_memory is None:
        chosen = in_memory if on_xpu is None else on_xpu
        assert chosen is not None
        seconds = float(chosen.sum())
        kept = len(tokens) if on_xpu is None else 0
    elif policy == "both":
        seconds, kept = split(in_memory, on_xpu)
    else:
        kept = len(tokens) if in_memory.sum() < on_xpu.sum() else 0
        seconds = float((in_memory if kept else on_xpu).sum())
    for number, each in enumerate(flops.tolist()):
        side = "pim" if number < kept else "xpu"
        again = _again(system, side, read, each)
        tally.add(side, model.expert_layers * read * again, model.expert_layers * each)
    where["experts"] = "pim" if kept == len(tokens) else "both" if kept else "xpu"
    if model.always:
        beside = float(model.always * model.weight_bytes)
        policy = "xpu" if system.xpu is not None else "pim"
        more, _ = sides.weights_s(policy, beside, 2.0 * model.always * requests)
        tally.add(policy, model.expert_layers * beside, 2.0 * model.always * requests)
        seconds += more
    return model.expert_layers * seconds


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
        return model.layers * _Sides(system).xpu_s(moved, 0.0)
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
    moved = 2.0 * (count - 1) / count * requests * model.width * model.cache_bytes
    tally.link_bytes += 2 * model.layers * moved * count
    return 2 * model.layers * (moved / xpu.link_bytes_per_s + xpu.link_latency_s)


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
    """Return a step whose two halves take turns on processor and memory.

    Weights are read once for each half; if one batch is faster whole, it stays whole.
    """
    alone = system.model_copy(update={"homes": system.homes.model_copy(update={"overlap": "none"})})
    one, two = (step(alone, model, part) for part in (lengths[::2], lengths[1::2]))
    parts = {name: one.parts_s[name] + two.parts_s[name] for name in PARTS}
    memory = ("attention", "vectors", "cache write")
    in_memory = [sum(s.parts_s[name] for name in memory) for s in (one, two)]
    beside = [s.latency_s - m for s, m in zip((one, two), in_memory, strict=True)]
    turns = max(beside[0], in_memory[1]) + max(beside[1], in_memory[0])
    turns += min(beside[0], in_memory[1]) / model.layers
    if turns >= sum(whole.values()):
        energy = _energy(system, tally)
        return Step(whole, 0.0, energy, where, imbalance, len(lengths), system.stages)
    energy = {name: one.energy_j[name] + two.energy_j[name] for name in one.energy_j}
    hidden = sum(parts.values()) - turns
    worst = max(one.imbalance, two.imbalance)
    return Step(parts, hidden, energy, where, worst, len(lengths), system.stages)


def _energy(system: SystemConfig, tally: _Tally) -> dict[str, float]:
    """Return the dynamic energy, J."""
    found = {"links": tally.link_bytes * BITS * system.link_pj_per_bit * 1e-12}
    for side, part in (("xpu", system.xpu), ("pim", system.pim)):
        access = part.access_pj_per_bit if part is not None else 0.0
        compute = part.compute_pj_per_flop if part is not None else 0.0
        found[f"{side} memory"] = tally.bytes_of[side] * BITS * access * 1e-12
        found[f"{side} compute"] = tally.flops_of[side] * compute * 1e-12
    return found
