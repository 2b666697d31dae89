"""Power and energy of an operator, from the work that its time law counted.

Board power while one kernel runs over and over::

    P = min(cap, static + (e_op · FLOP + e_l2 · L2 bytes + e_dram · DRAM bytes) / t)
    E = P · t

`static` is what the board draws with its clocks up and one kernel after the other issued; it is far
above the power at rest. The constants are kept per architecture and operator family. Meters that
average over 100 ms see less of kernels whose timed loop was shorter than that: a reading is taken
to be ``idle + (P - idle) · t / (t + reading_us)``, in scoring alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from archsim.gpu.family import Parameter
from archsim.gpu.formats import format_bytes, matrix_format
from archsim.gpu.power import dram_pj_per_byte

if TYPE_CHECKING:
    from archsim.gpu.device import GpuDevice
    from archsim.gpu.family import Floats

Quantity = Any
"""A number or a float64 array; results are of the same kind."""

FAMILY: Final = "energy"
"""Family name of its constants."""

PARAMETERS: Final = (
    Parameter("static_share", 0.45, 0.05, 0.9, 0.1, "of the power cap, drawn whatever runs"),
    Parameter("operation_pj", 0.45, 0.02, 20.0, 0.2, "energy of a 16-bit operation"),
    Parameter("narrow_share", 0.5, 0.1, 1.5, 0.2, "energy of an 8-bit operation over a 16-bit one"),
    Parameter("dram_share", 0.8, 0.05, 3.0, 0.2, "energy of a DRAM byte over its kind's"),
    Parameter("l2_pj", 5.0, 0.1, 40.0, 0.2, "energy of a byte through L2"),
    Parameter("reading_us", 5.0, 0.1, 200.0, 0.3, "kernel time of which a meter sees one half"),
)
"""Constants of one architecture and operator family."""

WIDE_FACTOR: Final = 8.0
"""Energy of an fp32 operation on vector lanes over a 16-bit one on matrix units (estimate)."""


@cache
def _device_energy(device: GpuDevice, dtype: str) -> tuple[float, float, float]:
    """Return the power cap in W, pJ of a DRAM byte, and the width class of the format in bytes."""
    return device.sm.power_cap_w, dram_pj_per_byte(device), format_bytes(matrix_format(dtype))


def power_w(
    device: GpuDevice,
    dtype: str,
    time_us: Quantity,
    *,
    flops: Quantity,
    l2_bytes: Quantity,
    dram_bytes: Quantity,
    constants: Mapping[str, float],
) -> Quantity:
    """Return the board power while operators run one after the other, W.

    Parameters
    ----------
    device
        The GPU.
    dtype
        Format of the operands.
    time_us
        Time of each operator, µs; a number or an array, as are the other quantities.
    flops, l2_bytes, dram_bytes
        Work of each.
    constants
        By name, as :data:`PARAMETERS`.
    """
    cap, dram_pj, width = _device_energy(device, dtype)
    operation = constants["operation_pj"]
    if width < 2:
        operation *= constants["narrow_share"]
    elif width > 2:
        operation *= WIDE_FACTOR
    picojoules = operation * flops + constants["l2_pj"] * l2_bytes
    picojoules = picojoules + constants["dram_share"] * dram_pj * dram_bytes
    wanted = constants["static_share"] * cap + picojoules * 1e-6 / time_us
    if isinstance(wanted, float):
        return min(cap, wanted)
    return wanted.clip(max=cap)


def reading_w(
    device: GpuDevice, power: Floats, time_us: Floats, constants: Mapping[str, float]
) -> Floats:
    """Return what a slow meter reads of a power, W."""
    idle = device.sm.idle_power_w
    seen: Floats = idle + (power - idle) * time_us / (time_us + constants["reading_us"])
    return seen


def default_constants() -> dict[str, float]:
    """Return the constants of nothing fitted."""
    return {item.name: item.start for item in PARAMETERS}
