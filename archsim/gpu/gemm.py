"""GEMM: tile choice, waves, split reduction, L2 feed, DRAM re-read and L2-resident operands.

``C[m, n] = A[m, k] · B[k, n]``. For every tile (t_m × t_n, r blocks resident on an SM) and split s
of the reduction that the library could choose::

    blocks  T = ceil(m/t_m) · ceil(n/t_n) · s,   k' = 64 · ceil(k / 64s)
    serial  u = r · floor(T / (S r)) + ceil((T mod S r) / S)      tiles of the busiest SM
    matrix    = 2 u t_m t_n k' / (F f η_matrix)
    feed      = u (t_m + t_n) k' b · S / (η_l2 · B_l2)
    dram      = bytes / min(η_dram · B, T · bytes in flight per block / latency) + unexposed writes
    time      = fixed + ‖matrix, feed, dram‖_p + waves · ramp + exposed writes + split · …

and the least of these times counts. Bytes are the operands once, more where the blocks that run
together (walked in a swizzled square) cannot share them through L2. Operands that stay in L2 from
call to call (a small layer that a benchmark repeats) come at L2 bandwidth instead, and results go
there where the part keeps them. The fill of a wave is shorter for blocks of few pipeline stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from archsim.gpu.family import Estimate, Family, Parameter
from archsim.gpu.formats import (
    format_bytes,
    is_packed,
    matrix_format,
    output_bytes,
    weight_bytes,
)
from archsim.gpu.power import dram_pj_per_byte, operation_scale
from archsim.gpu.tiles import splits, tiles_of

if TYPE_CHECKING:
    from archsim.gpu.device import GpuDevice
    from archsim.gpu.family import Floats

COLUMNS: Final = ("m", "n", "k", "copies", "batch")

PARAMETERS: Final = (
    Parameter("fixed_us", 2.0, 0.1, 80.0, 0.2, "launch, prologue and epilogue", True),
    Parameter("matrix_efficiency", 0.92, 0.5, 1.0, 0.05, "of the matrix units' peak"),
    Parameter("dram_efficiency", 0.97, 0.6, 1.12, 0.05, "of what long streams reach"),
    Parameter("l2_efficiency", 0.7, 0.1, 4.0, 0.2, "of L2's peak; above 1 where blocks multicast"),
    Parameter("load_latency_us", 1.0, 0.3, 8.0, 0.3, "time of a load under load"),
    Parameter("split_us", 1.8, 0.1, 10.0, 0.3, "extra pass that adds the parts of a split"),
    Parameter("wave_us", 0.5, 0.01, 3.0, 0.3, "fill and drain of one wave of blocks"),
    Parameter("overlap_norm", 4.0, 1.2, 20.0, 0.3, "p of the norm that joins overlapping times"),
    Parameter("l2_share", 0.9, 0.3, 1.3, 0.1, "of L2 that keeps operands between calls"),
    Parameter("exposed_writes", 0.4, 0.02, 1.0, 0.3, "share of result writes nothing hides"),
    Parameter("quantise_us", 2.0, 0.05, 30.0, 0.3, "kernel that quantises the activations", True),
    Parameter("operation_pj", 1.5, 0.1, 30.0, 0.2, "energy of an operation at the highest clock"),
    Parameter("result_share", 0.1, 0.02, 1.3, 0.3, "of L2 that keeps results between calls"),
)
"""Constants of a (architecture, library, version); see each."""


def gemm_law(
    device: GpuDevice, dtype: str, shape: Mapping[str, Floats], constants: Mapping[str, float]
) -> Estimate:
    """Predict GEMMs.

    Parameters
    ----------
    device
        The GPU.
    dtype
        Format of the operands: ``bf16 fp16 fp32 tf32 fp8 int8 fp8_block``, or ``bf16+w4.125`` for
        weights packed in so many bits, scales included; results are 16-bit for formats below 16
        bits.
    shape
        ``m``, ``n``, ``k``; ``batch`` products side by side (0 stands for 1); and ``copies``:
        weight copies that calls go round (0: cold, as in a model with many layers).
    constants
        By name, as :data:`PARAMETERS`.
    """
    import numpy as np

    from archsim.gpu import gemm_kernel as kernel

    m, n, k, copies, batch = (shape[name] for name in COLUMNS)
    batch = np.maximum(batch, 1.0)
    wide = format_bytes(dtype)
    weights = n * k * weight_bytes(dtype)
    resident = np.where(copies > 0, batch * (copies * weights + m * k * wide), np.inf)
    out = np.empty((m.size, kernel.COLUMNS))
    kernel.gemm_best(
        m,
        n,
        k,
        batch,
        resident,
        *_machine(device, dtype),
        device.law(PARAMETERS, constants),
        tiles_of(device.architecture),
        splits(),
        out,
    )
    time = out[:, kernel.TIME] * 1e6
    dram = out[:, kernel.DRAM_BYTES]
    if wide < 2:
        # The activations are read in 16 bits and written in 8 by a kernel of their own.
        quantised = 3 * batch * m * k
        time = time + constants["quantise_us"] + quantised / device.l2_bytes_per_s * 1e6
    return Estimate(
        time_us=time,
        limiter=out[:, kernel.LIMIT].astype(np.int64),
        flops=2 * batch * m * n * k,
        dram_bytes=dram,
        l2_bytes=out[:, kernel.L2_BYTES],
        roofline_us=roofline(
            device,
            dtype,
            2 * batch * m * n * k,
            batch * (m * k * wide + weights + m * n * output_bytes(dtype)),
        ),
    )


@cache
def _machine(device: GpuDevice, dtype: str) -> tuple[Floats, Floats]:
    """Return bytes of operand and result elements, and the device, as the kernel takes them."""
    import numpy as np

    sizes = np.array([format_bytes(dtype), output_bytes(dtype), weight_bytes(dtype)])
    return sizes, np.array(
        [
            device.num_sms,
            device.matrix_flops_per_s(matrix_format(dtype)) / device.num_sms,
            device.sustained_bytes_per_s,
            device.l2_bytes,
            device.l2_bytes_per_s,
            device.sm.power_cap_w - device.sm.idle_power_w,
            dram_pj_per_byte(device) * 1e-12,
            unpacking_s(device, dtype),
            device.feed_bytes_per_s,
            device.clock_scale,
            operation_scale(device),
            device.sm.shared_memory_bytes,
            device.port_bytes_per_s,
        ]
    )


UNPACK_OPERATIONS: Final = 1.5
"""Lane instructions that turn one packed weight into a matrix operand (estimate: half a logical
one, half a subtraction of packed halves and half a product with the scale, as in Frantar et al.,
MARLIN, arXiv:2408.11743)."""

UNPACK_EXPOSED: Final = 0.5
"""Share of that which is not hidden behind matrix instructions (estimate)."""


def unpacking_s(device: GpuDevice, dtype: str) -> float:
    """Return the time that one packed weight adds to the matrix work of a multiprocessor, s.

    Zero for weights that the matrix units take as they are.
    """
    if not is_packed(dtype):
        return 0.0
    lanes = device.vector_flops_per_s() / 2 / device.num_sms
    return UNPACK_OPERATIONS * UNPACK_EXPOSED / lanes


def roofline(device: GpuDevice, dtype: str, flops: Floats, num_bytes: Floats) -> Floats:
    """Return the plain roofline, µs: operations at the peak or bytes at the memory's peak."""
    import numpy as np

    peak = device.matrix_flops_per_s(matrix_format(dtype))
    slower: Floats = np.maximum(flops / peak, num_bytes / device.dram_bytes_per_s) * 1e6
    return slower


STARTS: Final = {
    "fp32": {"operation_pj": 12.0},
    "tf32": {"operation_pj": 3.0},
    "fp8": {"operation_pj": 0.75},
    "fp8_block": {"operation_pj": 0.75},
    "int8": {"operation_pj": 0.75},
    "nvfp4": {"operation_pj": 0.375},
}
"""Energies from which fits start, where not those of 16-bit formats (estimate)."""

GEMM: Final = Family(
    "gemm",
    COLUMNS,
    PARAMETERS,
    gemm_law,
    ({}, {"result_share": 1.0}),
    starts=STARTS,
    prefers_library=False,
    prefers_format=True,
    prior=0.02,
    common=("format", "variant"),
)
"""Matrix products; those with a batch keep constants of their own, as a variant."""
