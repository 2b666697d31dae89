"""Layers with experts: which side has each, whole on a device or split over all devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsim.pim.systems_experts import drawn_tokens, expert_tokens, split
from archsim.pim.systems_sides import Sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsim.pim.systems_file import SystemConfig
    from archsim.pim.systems_model import ServedModel

    Floats = NDArray[np.floating]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Experts:
    """What the experts of one layer take.

    Attributes
    ----------
    seconds
        Until the last device and side is done.
    read_bytes, flops
        Of each side, on all devices.
    where
        ``xpu``, ``pim`` or ``both``.
    """

    seconds: float
    read_bytes: dict[str, float]
    flops: dict[str, float]
    where: str


def run_experts(system: SystemConfig, model: ServedModel, rows: int, *, mixed: bool) -> Experts:
    """Return the time of a layer's experts.

    Parameters
    ----------
    system, model
        What serves what; ``homes.expert_split`` says whether a device has whole experts. With fewer
        experts than devices, each is split over its share of them.
    rows
        Tokens of the stage.
    mixed
        Whether prompts are among them: ``homes.mixed_experts`` then has its say.
    """
    homes = system.homes
    policy = homes.mixed_experts if mixed and homes.mixed_experts else homes.experts
    devices = 1 if system.xpu is None else min(system.xpu.count, model.experts)
    if homes.expert_split == "tensor" or devices == 1:
        tokens = expert_tokens(rows, model.experts, model.active)
        return _on_device(system, model, policy, tokens, 1)
    found = []
    for tokens in drawn_tokens(rows, model.experts, model.active):
        parts = [
            _on_device(system, model, policy, np.sort(tokens[first::devices]), devices)
            for first in range(devices)
        ]
        found.append(_together(parts))
    return _mean(found)


def _on_device(
    system: SystemConfig, model: ServedModel, policy: str, tokens: Ints, share: int
) -> Experts:
    """Return what experts with these tokens, ascending, take on ``1 / share`` of the system."""
    sides = Sides(system, model.weight_bytes)
    tokens = tokens[tokens > 0]
    read = float(model.expert * model.weight_bytes)
    flops = 2.0 * model.expert * tokens
    kept = len(tokens)
    if policy == "xpu":
        seconds, kept = sum(sides.xpu_s(read, f) for f in flops), 0
    elif policy == "pim":
        seconds = sum(sides.pim_s(read, f) for f in flops)
    else:
        in_memory = np.array([sides.pim_s(read, f) for f in flops])
        on_xpu = np.array([sides.xpu_s(read, f) for f in flops])
        if policy == "both":
            seconds, kept = split(in_memory, on_xpu)
        elif policy == "lookup":
            kept = int(np.searchsorted(in_memory - on_xpu, 0.0))
            seconds = max(float(in_memory[:kept].sum()), float(on_xpu[kept:].sum()))
        else:
            kept = kept if in_memory.sum() < on_xpu.sum() else 0
            seconds = float((in_memory if kept else on_xpu).sum())
    pim_flops, xpu_flops = float(flops[:kept].sum()), float(flops[kept:].sum())
    again = _reads(system, read, flops[:kept])
    return Experts(
        float(seconds) * share,
        {"pim": again, "xpu": read * (len(tokens) - kept)},
        {"pim": pim_flops, "xpu": xpu_flops},
        "pim" if kept == len(tokens) else "both" if kept else "xpu",
    )


def _reads(system: SystemConfig, read: float, flops: Floats) -> float:
    """Return the bytes that units read, once for each vector that their lanes take no more of."""
    if system.pim is None or system.pim.operands == "held" or not len(flops):
        return read * len(flops)
    return float(read * np.maximum(1.0, flops / read / system.pim.ops_per_byte).sum())


def _together(parts: list[Experts]) -> Experts:
    """Return what devices take at once: the slowest one's time, and all bytes and operations."""
    places = {one.where for one in parts if one.seconds}
    return Experts(
        max(one.seconds for one in parts),
        {side: sum(one.read_bytes[side] for one in parts) for side in ("pim", "xpu")},
        {side: sum(one.flops[side] for one in parts) for side in ("pim", "xpu")},
        places.pop() if len(places) == 1 else "both",
    )


def _mean(found: list[Experts]) -> Experts:
    count = len(found)
    places = {one.where for one in found}
    return Experts(
        sum(one.seconds for one in found) / count,
        {side: sum(one.read_bytes[side] for one in found) / count for side in ("pim", "xpu")},
        {side: sum(one.flops[side] for one in found) / count for side in ("pim", "xpu")},
        places.pop() if len(places) == 1 else "both",
    )
