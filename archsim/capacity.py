"""The capacity check: weights, caches and live activations against the level that holds them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from archsim.mapping import Infeasible
from archsim.residency import Residency

if TYPE_CHECKING:
    from archsim.machine import Machine
    from workloads import Workload

GIB = 1 << 30
MIB = 1 << 20


def check_capacity(
    workload: Workload,
    machine: Machine,
    residency: Residency | None = None,
    fused: Mapping[str, Collection[str]] | None = None,
) -> Infeasible | None:
    """Return what does not fit in the outermost level, or None.

    Parameters
    ----------
    workload
        The workload; its caches count at their final size.
    machine
        The machine.
    residency, fused
        What stays on chip and which tensors are never held whole; without them activations are
        left out, which suffices to refuse early.

    Notes
    -----
    On-chip levels need no check here: their room is handed to the mappers, which report what does
    not fit.
    """
    level = machine.outermost
    have = machine.capacity_bytes(level)
    if have is None:
        return None
    weights, caches = workload.weight_bytes(), workload.kv_bytes()
    activations = 0
    if residency is not None:
        activations = max(
            stage.cascade.footprint_bytes(
                fused={
                    name
                    for name, home in residency.stages[stage.name].homes.items()
                    if home != level
                }
                | set((fused or {}).get(stage.name, ()))
            )
            for stage in workload.stages
        )
    need = weights + caches + activations
    if need <= have:
        return None
    parts = [(weights, "weights"), (caches, "KV cache"), (activations, "activations")]
    detail = " + ".join(f"{_binary(num_bytes)} of {what}" for num_bytes, what in parts if num_bytes)
    return Infeasible(level, need, have, "B", detail)


def _binary(num_bytes: int) -> str:
    """Return bytes in GiB or MiB, so that parts of a sum can be compared at a glance."""
    if num_bytes >= GIB:
        return f"{num_bytes / GIB:.2f} GiB"
    return f"{num_bytes / MIB:.2f} MiB"
