"""The GPU that a machine is, and the same GPU with one number of its data sheet changed."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from archsim.components.dram import BoundDram
from archsim.components.gpu import BoundGpuL2, BoundGpuLink, BoundGpuSm
from archsim.gpu.device import GpuDevice
from archsim.gpu.naming import gpu_id

if TYPE_CHECKING:
    from archsim.components.base import BoundComponent
    from archsim.machine import Machine
    from mappers.gpu_kernel import Kernel

Part = TypeVar("Part", bound="BoundComponent")

SMALL_STEP: Final = 0.01
"""Relative change of a continuous number from which a slope is taken."""

WHOLE_STEP: Final = 0.1
"""The same of a count of multiprocessors: waves make the time jump on a smaller scale."""


@dataclass(frozen=True, slots=True)
class Variant:
    """The GPU with one number changed.

    Attributes
    ----------
    path
        Dotted path of the number in the hardware file.
    value
        The number as it is, in base units.
    ratio
        The changed number over it.
    device
        The GPU with the changed number.
    """

    path: str
    value: float
    ratio: float
    device: GpuDevice


@dataclass(frozen=True, eq=False)
class GpuMachine:
    """What GPU mappers need of a machine.

    Attributes
    ----------
    device
        The GPU as the operator laws see it.
    sm, l2, memory, link
        Names of its components.
    variants
        The GPU with one number changed, for slopes.
    peak_bytes_per_s
        Peak bandwidth of device memory, as the roofline bound takes it, B/s.
    machine, static_w
        The machine, and the static power of all its parts, W.
    known
        Kernels that were predicted before, by call and options.
    """

    device: GpuDevice
    sm: str
    l2: str
    memory: str
    link: str
    variants: tuple[Variant, ...]
    peak_bytes_per_s: float
    machine: Machine
    static_w: float
    known: dict[Hashable, Kernel] = field(default_factory=dict)


@lru_cache(maxsize=16)
def gpu_machine(machine: Machine) -> GpuMachine | str:
    """Return the GPU that a machine is, or why it is none."""
    parts = (
        _part(machine, BoundGpuSm),
        _part(machine, BoundGpuL2),
        _part(machine, BoundDram),
        _part(machine, BoundGpuLink),
    )
    sm, l2, memory, link = parts
    if sm is None or l2 is None or memory is None or link is None:
        return "is no GPU: it needs a gpu-sm, a gpu-l2, a dram and a gpu-link"
    device = GpuDevice(
        name=gpu_id(machine.name) or machine.name,
        sm=sm.sm,
        l2=l2.l2,
        memory=memory.config,
        link=link.link,
        clock_hz=machine.config.clocks_hz[sm.sm.clock],
    )
    peak = max(memory.bandwidth_bytes_per_s(action) for action in ("read", "write"))
    names = sm.name, l2.name, memory.name, link.name
    variants, static_w = _variants(device, *names), sum(machine.static_w().values())
    return GpuMachine(device, *names, variants, peak, machine, static_w)


def _part(machine: Machine, kind: type[Part]) -> Part | None:
    return next((item for item in machine.components.values() if isinstance(item, kind)), None)


def _variants(device: GpuDevice, sm: str, l2: str, memory: str, link: str) -> tuple[Variant, ...]:
    """Return the GPU with each of the numbers changed that operators may depend on."""
    outward = device.link.network_bytes_per_s
    up, more = 1 + SMALL_STEP, round(device.num_sms * (1 + WHOLE_STEP)) / device.num_sms
    root = "hardware.components"
    bandwidth = device.memory.bandwidth_bytes_per_s
    capacity = device.l2.capacity_bytes
    grown_l2 = round(capacity * up)
    found = (
        Variant(
            f"hardware.clocks.{device.sm.clock}",
            device.clock_hz,
            up,
            replace(device, clock_hz=device.clock_hz * up),
        ),
        Variant(
            f"{root}.{sm}.count",
            device.num_sms,
            more,
            replace(
                device, sm=device.sm.model_copy(update={"count": round(device.num_sms * more)})
            ),
        ),
        Variant(
            f"{root}.{sm}.power_cap",
            device.sm.power_cap_w,
            up,
            replace(
                device, sm=device.sm.model_copy(update={"power_cap_w": device.sm.power_cap_w * up})
            ),
        ),
        Variant(
            f"{root}.{l2}.capacity",
            capacity,
            grown_l2 / capacity,
            replace(device, l2=device.l2.model_copy(update={"capacity_bytes": grown_l2})),
        ),
        Variant(
            f"{root}.{l2}.bytes_per_cycle",
            device.l2.bytes_per_cycle,
            up,
            replace(
                device,
                l2=device.l2.model_copy(update={"bytes_per_cycle": device.l2.bytes_per_cycle * up}),
            ),
        ),
        Variant(
            f"{root}.{memory}.bandwidth",
            bandwidth,
            up,
            replace(
                device,
                memory=device.memory.model_copy(update={"bandwidth_bytes_per_s": bandwidth * up}),
            ),
        ),
        Variant(
            f"{root}.{link}.bandwidth",
            device.link_bytes_per_s,
            up,
            replace(
                device,
                link=device.link.model_copy(
                    update={"bandwidth_bytes_per_s": device.link_bytes_per_s * up}
                ),
            ),
        ),
    )
    if outward is None:
        return found
    wider = device.link.model_copy(update={"network_bytes_per_s": outward * up})
    path = f"{root}.{link}.network_bandwidth"
    return (*found, Variant(path, outward, up, replace(device, link=wider)))
