"""Fused mixture-of-experts layer: routing, two grouped GEMMs, activation and combination.

m tokens choose k_top of E experts; the loads of the experts follow from the routing's skew. Each
grouped GEMM (hidden → 2 · inner, inner → hidden) has ``Σ ceil(load / t_m) · ceil(columns / t_n)``
blocks and reads the weights of the touched experts once, from L2 if all of them fit there::

    time = fixed + expert_us · E + around · token traffic / L2 bandwidth
           + Σ max(matrix, feed, memory) + waves · ramp       best tile for each of the two
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from archsim.gpu.family import Estimate, Family, Parameter
from archsim.gpu.formats import format_bytes, matrix_format, weight_bytes
from archsim.gpu.gemm import unpacking_s
from archsim.gpu.power import dram_pj_per_byte, operation_scale

if TYPE_CHECKING:
    from archsim.gpu.device import GpuDevice
    from archsim.gpu.family import Floats

COLUMNS: Final = ("m", "n", "k", "experts", "topk", "skew", "copies")

MAX_EXPERTS: Final = 4096

PARAMETERS: Final = (
    Parameter("fixed_us", 20.0, 1.0, 80.0, 0.2, "routing, sorting and launches", True),
    Parameter("matrix_efficiency", 0.6, 0.1, 1.0, 0.1, "of the matrix units' peak"),
    Parameter("dram_efficiency", 0.95, 0.4, 1.12, 0.1, "of what long streams reach"),
    Parameter("l2_efficiency", 0.7, 0.1, 4.0, 0.2, "of L2's peak"),
    Parameter("load_latency_us", 1.0, 0.3, 8.0, 0.3, "time of a load under load"),
    Parameter("wave_us", 1.0, 0.01, 6.0, 0.3, "fill and drain of one wave of blocks"),
    Parameter("expert_us", 0.02, 0.001, 1.0, 0.3, "per expert, in sorting", True),
    Parameter("around", 1.0, 0.05, 8.0, 0.3, "passes over token rows by other kernels", True),
    Parameter("l2_share", 0.8, 0.05, 1.3, 0.1, "of L2 that keeps weights between calls"),
    Parameter("operation_pj", 1.5, 0.1, 30.0, 0.2, "energy of an operation at the highest clock"),
)
"""Constants of an expert layer."""


def moe_law(
    device: GpuDevice, dtype: str, shape: Mapping[str, Floats], constants: Mapping[str, float]
) -> Estimate:
    """Predict expert layers: m tokens, inner width n of a rank, hidden width k.

    `skew` is the exponent of the routing (0: balanced); with `copies` above 0 one layer is called
    again and again, and small weights stay in L2.
    """
    import numpy as np

    from archsim.gpu import moe_kernel as kernel

    tokens, inner, hidden, experts, topk, skew, copies = (shape[name] for name in COLUMNS)
    out = np.empty((tokens.size, kernel.COLUMNS))
    wide = format_bytes(dtype)
    kernel.moe_all(
        tokens,
        inner,
        hidden,
        np.minimum(experts, MAX_EXPERTS),
        topk,
        skew,
        copies,
        wide,
        _machine(device, dtype),
        device.law(PARAMETERS, constants),
        out,
    )
    flops = out[:, kernel.FLOPS]
    uniform = experts * (1 - (1 - np.minimum(1.0, topk / experts)) ** tokens)
    weights = 3 * uniform * inner * hidden * weight_bytes(dtype) + 4 * tokens * hidden
    peak = device.matrix_flops_per_s(matrix_format(dtype))
    return Estimate(
        time_us=out[:, kernel.TIME] * 1e6,
        limiter=out[:, kernel.LIMIT].astype(np.int64),
        flops=flops,
        dram_bytes=out[:, kernel.DRAM_BYTES],
        l2_bytes=out[:, kernel.L2_BYTES],
        roofline_us=np.maximum(flops / peak, weights / device.dram_bytes_per_s) * 1e6,
    )


@cache
def _machine(device: GpuDevice, dtype: str) -> Floats:
    import numpy as np

    return np.array(
        [
            device.num_sms,
            device.matrix_flops_per_s(matrix_format(dtype)) / device.num_sms,
            device.sustained_bytes_per_s,
            device.l2_bytes,
            device.l2_bytes_per_s,
            device.sm.power_cap_w - device.sm.idle_power_w,
            dram_pj_per_byte(device) * 1e-12,
            weight_bytes(dtype),
            unpacking_s(device, dtype),
            device.feed_bytes_per_s,
            device.clock_scale,
            operation_scale(device),
            device.sm.shared_memory_bytes,
            device.port_bytes_per_s,
        ]
    )


MOE: Final = Family(
    "moe",
    COLUMNS,
    PARAMETERS,
    moe_law,
    common=(),
    starts={"fp8": {"operation_pj": 0.75}, "fp8_block": {"operation_pj": 0.75}},
)
"""Fused expert layers."""
