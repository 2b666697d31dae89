"""Which weights a model has: parameters and bytes, each counted once."""

from __future__ import annotations

from collections.abc import Iterable

from workloads.model import MAX_CUTOFFS
from workloads.model_parts import MoeConfig
from workloads.stages import Stage

_TABLES = ("WTE", *(f"W{kind}{n}" for kind in ("TE", "EP") for n in range(MAX_CUTOFFS + 1)))

SHARED_WEIGHTS = (
    *(f"{name}{part}" for name in _TABLES for part in ("", "SCALE", "ZERO")),
    "WRB",
    "WRE",
)
"""Weights that several stages or layers share: token embedding (and projections of an adaptive
one), relative biases of either side."""

_SCALES = ("SCALE", "ZERO")
"""Ends of the names of tensors that are no parameters but parts of a number format."""


def weight_sizes(stages: Iterable[Stage]) -> list[tuple[int, int]]:
    """Return ``(parameters, bytes)`` of every weight tensor of all layers, shared ones once."""
    seen: set[str] = set()
    sizes = []
    for stage in stages:
        for tensor in stage.cascade.role_tensors("weight"):
            times = stage.repeat
            if tensor.name in SHARED_WEIGHTS:
                times = 0 if tensor.name in seen else 1
                seen.add(tensor.name)
            elements = tensor.num_elements(stage.cascade)
            if tensor.name.endswith(_SCALES):
                elements = 0
            sizes.append((times * elements, times * tensor.num_bytes(stage.cascade)))
    return sizes


def idle_parameters(stages: Iterable[Stage], moe: MoeConfig) -> int:
    """Return the parameters of the routed experts that one token does not visit."""
    idle = 0
    for stage in stages:
        for tensor in stage.cascade.role_tensors("weight"):
            if tensor.ranks[0] == "X" and not tensor.name.endswith(_SCALES):
                each = tensor.num_elements(stage.cascade) // moe.experts
                idle += stage.repeat * each * (moe.experts - moe.active)
    return idle
