"""Vector operators: norms, softmax, activations, rotation, additions, copies.

They move bytes. With m rows of n elements, read and written `passes` times the least::

    rate  = η · DRAM bandwidth, or L2's where the tensor stays there
    chain = (block_us + ceil(n / 1024) · step_us) · max(1, m / 2S)      one block walks along a row
    time  = fixed + max(bytes / rate, chain, exponentials at the special-function rate)

Two blocks of 1024 threads fit on a multiprocessor; few and long rows leave most of them idle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from archsim.gpu.family import DRAM, L2, LATENCY, LAUNCH, VECTOR, Estimate, Family, Parameter
from archsim.gpu.formats import format_bytes

if TYPE_CHECKING:
    from archsim.gpu.device import GpuDevice
    from archsim.gpu.family import Floats

COLUMNS: Final = ("m", "n", "tensors", "row_from", "exponentials")

PARAMETERS: Final = (
    Parameter("fixed_us", 3.0, 0.2, 80.0, 0.2, "launch and drain of one kernel", True),
    Parameter("passes", 1.1, 0.5, 4.0, 0.1, "bytes moved over the least"),
    Parameter("l2_efficiency", 0.5, 0.05, 1.5, 0.2, "of L2's peak"),
    Parameter("l2_share", 0.6, 0.05, 1.5, 0.2, "of L2 that keeps the tensor between calls"),
    Parameter("block_us", 0.1, 0.001, 20.0, 0.3, "start and end of the block of a row"),
    Parameter("step_us", 0.3, 0.005, 5.0, 0.3, "one block, for 1024 elements of its row"),
    Parameter("special_share", 1.0, 0.2, 20.0, 0.2, "special operations over the least"),
)
"""Constants of one vector operator."""

TENSORS: Final = {
    **{"softmax": 2.0, "layernorm": 2.0, "rmsnorm": 2.0, "gelu": 2.0, "silu": 2.0, "rope": 2.0},
    **{"add": 3.0, "silu_mul": 3.0, "copy": 2.0},
}
"""Tensors of m × n that each operator reads and writes at least."""

ROW_FROM: Final = {
    "softmax": 1025.0,
    **dict.fromkeys(("layernorm", "rmsnorm", "gelu", "silu", "silu_mul", "rope"), 2.0),
}
"""Row length from which one block works on one row; below it a warp does, or rows do not matter.
PyTorch 2 gives softmax rows of up to 1024 elements to a warp each; vLLM and PyTorch give a block to
each token in norms, activations and rotation. Operators that are not here have no rows."""

NO_ROWS: Final = 1e300

EXPONENTIALS: Final = {"softmax": 1.0, "gelu": 1.0, "silu": 1.0, "silu_mul": 1.0}
"""Exponentials an element."""

THREADS: Final = 1024.0
"""Threads of a block, one element each at a time."""

RESIDENTS: Final = 2.0
"""Blocks of that size on a multiprocessor with 2048 threads."""


def vector_law(
    device: GpuDevice, dtype: str, shape: Mapping[str, Floats], constants: Mapping[str, float]
) -> Estimate:
    """Predict vector operators of m rows and n columns."""
    import numpy as np

    m, n, tensors, row_from, exponentials = (shape[name] for name in COLUMNS)
    wide = format_bytes(dtype)
    least = tensors * m * n * wide
    moved = least * constants["passes"]
    turns = np.maximum(1.0, m / (RESIDENTS * device.num_sms))
    walk = constants["block_us"] + np.ceil(n / THREADS) * constants["step_us"]
    walk = walk * device.clock_scale
    fixed_us = device.launched(constants["fixed_us"] * 1e-6) * 1e6
    chain = np.where(n >= row_from, walk * turns, 0.0)
    far = device.sustained_bytes_per_s
    l2 = max(far, device.l2_bytes_per_s * constants["l2_efficiency"])
    hot = np.clip((constants["l2_share"] - least / device.l2_bytes) / 0.3, 0.0, 1.0)
    moving = (moved * (1 - hot) / far + moved * hot / l2) * 1e6
    special = exponentials * m * n * constants["special_share"] / device.special_per_s * 1e6
    busy = np.maximum(np.maximum(moving, special), chain)
    limiter = np.where(hot > 0.5, L2, DRAM)
    limiter = np.where(busy > moving, np.where(chain > special, LATENCY, VECTOR), limiter)
    return Estimate(
        time_us=fixed_us + busy,
        limiter=np.where(busy < fixed_us, LAUNCH, limiter).astype(np.int64),
        flops=exponentials * m * n,
        dram_bytes=moved * (1 - hot),
        l2_bytes=moved,
        roofline_us=least / device.dram_bytes_per_s * 1e6,
    )


VECTOR_FAMILY: Final = Family(
    "vector",
    COLUMNS,
    PARAMETERS,
    vector_law,
    ({}, {"block_us": 6.0}, {"step_us": 2.0}),
)
"""Vector operators; each keeps constants of its own, as a variant."""
