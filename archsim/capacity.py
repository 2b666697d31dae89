"""The capacity check: weights, caches and live activations against the level that holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.mapping import Infeasible

if TYPE_CHECKING:
    from archsim.machine import Machine
    from archsim.mapped_model import MappedPass
    from workloads import Workload

GIB = 1 << 30
MIB = 1 << 20


def check_capacity(
    workload: Workload, machine: Machine, activation_bytes: int = 0
) -> Infeasible | None:
    """Return what does not fit in the outermost level, or None.

    Keys and values count where they lie: with units that compute in a memory of its own, there.

    Parameters
    ----------
    workload
        The whole workload: its caches count at their final size.
    machine
        The machine.
    activation_bytes
        Activations that are live there at once; 0 for a schedule that keeps them all on chip.

    Notes
    -----
    On-chip levels need no check here: their room is handed to the mappers, which report what does
    not fit.
    """
    level, cache_level = machine.outermost, machine.cache_level
    have = machine.capacity_bytes(level)
    weights, caches = workload.weight_bytes(), workload.kv_bytes()
    if cache_level != level:
        room = machine.capacity_bytes(cache_level)
        if room is not None and caches > room:
            detail = f"{_binary(caches)} of KV cache"
            return Infeasible(cache_level, caches, room, "B", detail)
        caches = 0
    need = weights + caches + activation_bytes
    if have is None or need <= have:
        return None
    parts = [(weights, "weights"), (caches, "KV cache"), (activation_bytes, "activations")]
    detail = " + ".join(f"{_binary(num_bytes)} of {what}" for num_bytes, what in parts if num_bytes)
    return Infeasible(level, need, have, "B", detail)


def activation_bytes(step: Workload, machine: Machine, mapped: MappedPass) -> int:
    """Return the most bytes of activations that a pass holds in the outermost level at once."""
    peak = 0
    fused = mapped.fused_tensors
    for stage in step.stages:
        homes = mapped.residency.stages[stage.name].homes
        kept = {name for name, home in homes.items() if home != machine.outermost}
        peak = max(peak, stage.cascade.footprint_bytes(fused=kept | fused[stage.name]))
    return peak


def _binary(num_bytes: int) -> str:
    """Return bytes in a binary unit, so that parts of a sum can be compared at a glance."""
    for unit, size in (("GiB", GIB), ("MiB", MIB)):
        if num_bytes >= size:
            return f"{num_bytes / size:.2f} {unit}"
    return f"{num_bytes} B"
