"""Vector operators: norms, softmax, activations, rotation, additions, copies.

They move bytes. With m rows of n elements, read and written `passes` times the least::

    blocks = m (one row a block) or elements / 1024 where rows do not matter
    rate   = min(η_dram · B, blocks · S_max)     from DRAM; L2's where the tensor stays there
    time   = fixed + bytes / rate, or the exponentials at the special-function rate, if longer

`S_max` is what one block can pull; few rows leave multiprocessors idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from archsim.gpu.family import DRAM, L2, LATENCY, LAUNCH, VECTOR, Estimate, Family, Parameter
from archsim.gpu.formats import format_bytes

if TYPE_CHECKING:
    from archsim.gpu.device import GpuDevice
    from archsim.gpu.family import Floats

COLUMNS: Final = ("m", "n", "tensors", "by_row", "exponentials")

PARAMETERS: Final = (
    Parameter("fixed_us", 3.0, 0.2, 80.0, 0.2, "launch and drain of one kernel", True),
    Parameter("passes", 1.1, 0.5, 4.0, 0.1, "bytes moved over the least"),
    Parameter("l2_efficiency", 0.5, 0.05, 1.5, 0.2, "of L2's peak"),
    Parameter("l2_share", 0.6, 0.05, 1.5, 0.2, "of L2 that keeps the tensor between calls"),
    Parameter("block_share", 2.5, 0.2, 20.0, 0.3, "rate of one block over DRAM's share of an SM"),
    Parameter("special_share", 1.0, 0.2, 20.0, 0.2, "special operations over the least"),
)
"""Constants of one vector operator."""

TENSORS: Final = {
    **{"softmax": 2.0, "layernorm": 2.0, "rmsnorm": 2.0, "gelu": 2.0, "silu": 2.0, "rope": 2.0},
    **{"add": 3.0, "silu_mul": 3.0, "copy": 2.0},
}
"""Tensors of m × n that each operator reads and writes at least."""

BY_ROW: Final = frozenset({"softmax", "layernorm", "rmsnorm"})
"""Operators that reduce rows: one block works on one row."""

EXPONENTIALS: Final = {"softmax": 1.0, "gelu": 1.0, "silu": 1.0, "silu_mul": 1.0}
"""Exponentials an element."""

ELEMENTS: Final = 1024.0
"""Elements of one block of an operator without rows (eight for each of 128 threads)."""


def vector_law(
    device: GpuDevice, dtype: str, shape: Mapping[str, Floats], constants: Mapping[str, float]
) -> Estimate:
    """Predict vector operators of m rows and n columns."""
    import numpy as np

    m, n, tensors, by_row, exponentials = (shape[name] for name in COLUMNS)
    wide = format_bytes(dtype)
    least = tensors * m * n * wide
    moved = least * constants["passes"]
    blocks = np.where(by_row > 0, m, np.ceil(m * n / ELEMENTS))
    dram = device.sustained_bytes_per_s
    share = blocks * constants["block_share"] * device.dram_bytes_per_s / device.num_sms
    l2 = device.l2_bytes_per_s * constants["l2_efficiency"]
    hot = np.clip((constants["l2_share"] - least / device.l2_bytes) / 0.3, 0.0, 1.0)
    streaming = moved * (1 - hot) / np.minimum(dram, share)
    cached = moved * hot / np.minimum(l2, share)
    special = exponentials * m * n * constants["special_share"] / device.special_per_s
    busy = np.maximum(streaming + cached, special) * 1e6
    limiter = np.where(hot > 0.5, L2, np.where(share < dram, LATENCY, DRAM))
    limiter = np.where(special > streaming + cached, VECTOR, limiter)
    return Estimate(
        time_us=constants["fixed_us"] + busy,
        limiter=np.where(busy < constants["fixed_us"], LAUNCH, limiter).astype(np.int64),
        flops=exponentials * m * n,
        dram_bytes=moved * (1 - hot),
        l2_bytes=moved,
        roofline_us=least / device.dram_bytes_per_s * 1e6,
    )


VECTOR_FAMILY: Final = Family("vector", COLUMNS, PARAMETERS, vector_law)
"""Vector operators; each keeps constants of its own, as a variant."""
