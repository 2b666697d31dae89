"""The clock that a power limit leaves: the highest at which the board stays within its cap.

A kernel that keeps the matrix units busy may need more power than the board may draw; the clock of
the multiprocessors then falls until it fits. With x the clock over its highest value::

    v(x)  = max(V_FLOOR, V_OFFSET + (1 - V_OFFSET) x)         voltage over that of the highest clock
    P(x)  = idle + (e · FLOP · v(x)² + e_dram · bytes) / t(x)   and   P(x) ≤ cap

`e` is the all-in energy of an operation at the highest clock (operand movement included), t(x) the
time of the kernel when its clock-bound part takes 1/x as long; memory does not slow down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.gpu.device import REFERENCE_NODE_M
from archsim.lazy_kernel import compiled

if TYPE_CHECKING:
    from archsim.gpu.device import GpuDevice

V_OFFSET: Final = 0.24
"""From about 0.7 V at 1.2 GHz and 1.0 V at 1.98 GHz on an H100-class part (estimate)."""

V_FLOOR: Final = 0.65
"""Lowest voltage over that of the highest clock (estimate)."""

LOWEST: Final = 0.05
"""Lowest clock over the highest one that is looked at."""

PRECISION: Final = 1e-9
"""Share of the energy to which the limit is met."""

MOST_STEPS: Final = 60
"""Steps of regula falsi, the end that stays halved (Illinois), at most; six are usual."""

DRAM_PJ_PER_BYTE: Final = {
    **{"hbm2": 45.0, "hbm2e": 42.0, "hbm3": 40.0, "lpddr5": 44.0, "ddr4": 150.0, "ddr5": 110.0},
    **{"gddr6": 60.0},
}
"""Device, interface and controller; 5 to 7 pJ a bit for HBM (estimate, from 3.6 to 3.9 pJ a bit of
the device alone: FuseMax artifact, MICRO 2024; AttAcc simulator)."""


OPERATION_SHARE: Final = {"hopper": 0.65, "blackwell": 0.65}
"""Energy of a matrix operation over that of warp-level instructions: warp-group instructions read
their operands from shared memory, once for four warps, and not from registers (estimate, chosen
after seeing that fits of single parts gave 1.4 to 1.7 pJ and 0.7 to 1.2 pJ)."""


NODE_POWER: Final = 0.5
"""Power of the node with which the energy of an operation grows: with all its movement of operands
it falls more slowly than that of a gate (estimate; 72 W and 70 W boards of 5 and 14 nm, fp32)."""


def operation_scale(device: GpuDevice) -> float:
    """Return the energy of an operation over a warp-level one at the reference node."""
    share = OPERATION_SHARE.get(device.architecture, 1.0)
    return share * float((device.node_m / REFERENCE_NODE_M) ** NODE_POWER)


def dram_pj_per_byte(device: GpuDevice) -> float:
    """Return the energy of a byte from or to device memory, pJ."""
    return DRAM_PJ_PER_BYTE[device.memory.standard]


def _joined(first: float, second: float, norm: float) -> float:
    """Return the p-norm of two times: a maximum with a soft corner."""
    most = max(first, second)
    if most <= 0:
        return 0.0
    return float(most * (1 + (min(first, second) / most) ** norm) ** (1 / norm))


joined = compiled(_joined)


def _left_j(x: float, clocked_s: float, norm: float, memory_s: float, rest_s: float,
            busy_j: float, memory_j: float, dynamic_w: float) -> float:  # fmt: skip
    """Return the energy that the limit leaves unused at a clock, J: it falls with the clock."""
    span = rest_s + joined(clocked_s / x, memory_s, norm)
    v = max(V_FLOOR, V_OFFSET + (1 - V_OFFSET) * x)
    return float(dynamic_w * span - busy_j * v * v - memory_j)


left_j = compiled(_left_j)


def _clock_share(clocked_s: float, norm: float, memory_s: float, rest_s: float, busy_j: float,
                 memory_j: float, dynamic_w: float) -> float:  # fmt: skip
    """Return the largest x ≤ 1 at which the dynamic power keeps to its limit.

    Parameters
    ----------
    clocked_s, memory_s
        Times at the highest clock that scale with the clock and that do not; they overlap by the
        norm.
    norm
        p of the norm.
    rest_s
        Time added to them.
    busy_j
        Energy of the operations at the highest clock.
    memory_j
        Energy of the bytes.
    dynamic_w
        Power above idle that the cap leaves.
    """
    if dynamic_w <= 0:
        return LOWEST
    over = left_j(1.0, clocked_s, norm, memory_s, rest_s, busy_j, memory_j, dynamic_w)
    if over >= 0:
        return 1.0
    # Slow enough: where the clock-bound part alone takes as long as all the energy needs at most.
    low, high = clocked_s / ((busy_j + memory_j) / dynamic_w - rest_s), 1.0
    if low <= LOWEST:
        return LOWEST
    under = left_j(low, clocked_s, norm, memory_s, rest_s, busy_j, memory_j, dynamic_w)
    last = 0.0
    for _ in range(MOST_STEPS):
        x = float((low * over - high * under) / (over - under))
        left = left_j(x, clocked_s, norm, memory_s, rest_s, busy_j, memory_j, dynamic_w)
        if left >= 0:
            if left <= PRECISION * (busy_j + memory_j):
                return x
            low, under = x, left
            over *= 0.5 if last > 0 else 1.0
            last = 1.0
        else:
            high, over = x, left
            under *= 0.5 if last < 0 else 1.0
            last = -1.0
    return low


clock_share = compiled(_clock_share)
