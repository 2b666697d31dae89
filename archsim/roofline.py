"""The roofline bound: no legal schedule of the workload on the machine is faster.

Two resources bound a pass through the model from below, whatever is fused: the multiply-accumulates
that the workload defines, at the peak of the fastest unit, and the bytes that must cross the
outermost level at least once (weights, caches, inputs, outputs), at its peak bandwidth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import MappingError
from archsim.units import PS_PER_S, transfer_ps

if TYPE_CHECKING:
    from archsim.machine import Machine
    from workloads import Cascade, Einsum, Workload


@dataclass(frozen=True, slots=True)
class Bound:
    """Lower bound of one pass, or of several one after another.

    Attributes
    ----------
    bound_ps
        The bound: the sum over passes of the larger of the two times.
    compute_ps, memory_ps
        Time of the MACs at peak and of the compulsory bytes at full bandwidth.
    macs, compulsory_bytes
        What the times stand for.
    unit, level
        The unit and the memory level.
    """

    bound_ps: int
    compute_ps: int
    memory_ps: int
    macs: int
    compulsory_bytes: int
    unit: str
    level: str

    @property
    def limited_by(self) -> tuple[str, str]:
        """The resource that sets the bound, and the cause: compute or bandwidth."""
        if self.compute_ps >= self.memory_ps:
            return self.unit, "compute"
        return self.level, "bandwidth"

    def __add__(self, other: Bound) -> Bound:
        return Bound(
            self.bound_ps + other.bound_ps,
            self.compute_ps + other.compute_ps,
            self.memory_ps + other.memory_ps,
            self.macs + other.macs,
            self.compulsory_bytes + other.compulsory_bytes,
            self.unit or other.unit,
            self.level,
        )


def bound_pass(workload: Workload, machine: Machine) -> Bound:
    """Return the bound of one pass over the stages of a workload.

    Raises
    ------
    MappingError
        The machine has no unit that multiplies.
    """
    seconds = 0.0
    macs = 0
    unit = ""
    for stage in workload.stages:
        for einsum in stage.cascade.einsums:
            count = stage.repeat * einsum.macs()
            if count == 0:
                continue
            unit, rate = _fastest(einsum, stage.cascade, machine)
            seconds += count / rate
            macs += count
    compute_ps = int(seconds * PS_PER_S)
    roles = workload.compulsory_bytes()
    caches = roles.get("kv", 0)
    pools = {machine.outermost: sum(roles.values()) - caches}
    pools[machine.cache_level] = pools.get(machine.cache_level, 0) + caches
    times = {
        level: transfer_ps(count, bound_bytes_per_s(machine, level))
        for level, count in pools.items()
    }
    level = max(times, key=lambda name: times[name])
    return Bound(
        max(compute_ps, times[level]),
        compute_ps,
        times[level],
        macs,
        sum(pools.values()),
        unit,
        level,
    )


def bound_bytes_per_s(machine: Machine, level: str) -> float:
    """Return the most bytes that cross a level's interface, or reach units inside it, in a second.

    Units in a memory read it beside the processor: both rates add up.
    """
    memory = machine.component(level)
    outside = max(memory.bandwidth_bytes_per_s(action) for action in ("read", "write"))
    return outside + sum(
        item.inner_bytes_per_s(level) for item in machine.components.values() if item.BESIDE
    )


def _fastest(einsum: Einsum, cascade: Cascade, machine: Machine) -> tuple[str, float]:
    """Return the fastest unit for an einsum and its rate in the widest of its number formats.

    A format that no unit multiplies is converted before, to whatever the units are fastest in; on
    units whose libraries quantise the wider operand, the narrower format counts.
    """
    wide = max((cascade.tensor(name).format for name in einsum.reads()), key=lambda f: f.bits)
    unit, rate = machine.peak_macs_per_s(wide.name.partition(":")[0])
    if machine.array is not None and unit != machine.array.name:
        rates = {number: machine.peak_macs_per_s(number) for number in machine.array.formats}
        unit, rate = max(rates.values(), key=lambda item: item[1])
    for name in einsum.reads():
        narrow = cascade.tensor(name).format.name.partition(":")[0]
        other, faster = machine.peak_macs_per_s(narrow)
        if faster > rate and machine.component(other).NARROWS:
            unit, rate = other, faster
    rate += machine.beside_macs_per_s(unit, wide.name.partition(":")[0])
    if rate <= 0:
        raise MappingError(f"machine {machine.name} has no unit that multiplies {wide.name}")
    return unit, rate
