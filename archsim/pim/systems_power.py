"""Power of a system that does not depend on what it does: idle processors, standby and refresh."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archsim.pim.systems_file import SystemConfig


def static_power_w(system: SystemConfig) -> float:
    """Return the power of idle processors and of stacks in standby with their refreshes, W."""
    total = 0.0
    if system.xpu is not None:
        total += system.xpu.count * system.xpu.idle_w
    if system.pim is not None:
        total += system.pim.stacks * system.pim.background_w
    return total
