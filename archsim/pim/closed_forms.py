"""Operations on HBM-PIM and GDDR6-AiM, whose kernels are closed forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.errors import ConfigError
from archsim.pim import cent, hbm_pim
from archsim.pim.operations import Attention, Gemv, Outcome, energy_j, peak_bytes_per_s

if TYPE_CHECKING:
    from archsim.pim.device import PimDevice
    from archsim.pim.operations import Operation

TWO_BYTES = 2


def closed_outcome(device: PimDevice, operation: Operation) -> Outcome:
    """Return what an operation costs on a device that has a closed form for it.

    Raises
    ------
    ConfigError
        The device has no kernel for the operation, or not for elements of this size.
    """
    if operation.element_bytes != TWO_BYTES:
        raise ConfigError(
            f"the kernels of {device.standard.name} are for elements of two bytes",
            path="--element-bytes",
            given=operation.element_bytes,
            allowed="2",
        )
    if device.config.mapping == "hbm-pim":
        if not isinstance(operation, Gemv):
            raise ConfigError(
                f"{device.standard.name} has no kernel for this", given="attention", allowed="gemv"
            )
        return _hbm_pim(device, operation)
    return _aim(device, operation)


def _hbm_pim(device: PimDevice, operation: Gemv) -> Outcome:
    rows = -(-operation.rows // device.stacks)
    cycles = hbm_pim.gemv_cycles(device, rows, operation.inner)
    across = device.channels * hbm_pim.UNITS * hbm_pim.REGISTERS
    tiles = -(-rows // across) * -(-operation.inner // (hbm_pim.LANES * hbm_pim.REGISTERS))
    reads = tiles * hbm_pim.REGISTERS**2
    counts = {
        "MACAB": reads * device.channels,
        "WRGB": tiles * hbm_pim.REGISTERS * device.channels,
    }
    read = counts["MACAB"] * hbm_pim.UNITS * device.standard.burst_bytes
    return Outcome(
        run=None,
        stream=None,
        commands=counts,
        ticks=cycles.total,
        time_ps=device.standard.time_ps(cycles.total),
        read_bytes=read * device.stacks,
        useful_bytes=operation.stored_bytes,
        peak_bytes_per_s=peak_bytes_per_s(device) / device.banks_per_mac * hbm_pim.UNITS,
        energy_j=energy_j(device, counts),
        assumptions=(
            "closed form of the published kernel: the nearest number of refreshes, barriers free",
            "no energy is published",
        ),
    )


def _aim(device: PimDevice, operation: Operation) -> Outcome:
    columns = cent.ROW_ELEMENTS // cent.LANES
    if isinstance(operation, Attention):
        shape = cent.BlockShape(
            operation.heads * operation.head_size, 0, operation.heads, operation.kv_heads
        )
        each = cent.attention_ns(device, shape, operation.tokens, device.channels)
        time_ns = each * -(-operation.requests // device.stacks)
        reads = operation.macs // (cent.LANES * cent.BANKS * device.stacks)
        note = "requests follow one another; softmax scaling is left out"
    else:
        rows = -(-operation.rows // device.stacks)
        time_ns = cent.gemv_ns(device, rows, operation.inner, device.channels)
        tiles = -(-operation.inner // cent.ROW_ELEMENTS)
        reads = -(-rows // (device.channels * cent.BANKS)) * tiles * columns * device.channels
        note = "every group of rows sets and reads its accumulators once"
    time_ps = round(time_ns * cent.stretch(device) * 1e3)
    counts = {"MAC16": reads, "ACT16": -(-reads // columns)}
    return Outcome(
        run=None,
        stream=None,
        commands=counts,
        ticks=round(time_ps / device.standard.tick_ps),
        time_ps=time_ps,
        read_bytes=reads * device.banks_per_mac * device.standard.burst_bytes * device.stacks,
        useful_bytes=operation.macs * operation.element_bytes,
        peak_bytes_per_s=peak_bytes_per_s(device),
        energy_j=energy_j(device, counts),
        assumptions=("closed form from instruction times, refreshes as a stretch", note),
    )
