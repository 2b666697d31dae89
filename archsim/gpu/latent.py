"""Latent attention (MLA) in its absorbed form: all heads attend to one cached vector a position.

B sequences of K keys, H heads, Q queries; a cached vector has d elements (latent and rotated key),
of which the first v are the value. Rows of one sequence, H · Q, fill tiles of 64; keys come in
blocks of 64, spread evenly over the multiprocessors by a scheduler made for it::

    steps  = B · ceil(H·Q / 64) · ceil(K / 64)
    matrix = ceil(steps / S) · 2 · 64 · 64 · (d + v) / (matrix rate · share)
    memory = B · K · d · bytes / (sustained bandwidth · share)        the cache is read once
    feed   = ceil(H·Q / 64) · that / L2 bandwidth
    time   = fixed + ‖matrix, memory, feed‖_p + combination of split keys

128 heads and one query are 242 operations a byte of a 16-bit cache: close to the ridge of Hopper.
Sixteen heads, a rank of eight, still fill a tile of 64 rows.

No row of the data set times it. Shares of the peaks are those that the FlashMLA kernels publish
for an H800 SXM: 660 TFLOP/s where it computes, 3000 GB/s where it reads (deepseek-ai/FlashMLA on
GitHub, README.md at 066b5ba6; docs/20250422-new-kernel-deep-dive.md for tiles and schedule); other
architectures are taken to reach the same shares (estimate).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from archsim.gpu.family import DRAM, L2, LAUNCH, MATRIX, Estimate, Family, Parameter
from archsim.gpu.formats import kv_bytes, matrix_format

if TYPE_CHECKING:
    from archsim.gpu.device import GpuDevice
    from archsim.gpu.family import Floats

COLUMNS: Final = ("batch", "heads", "q_len", "kv_len", "head_dim", "value_dim")

TILE: Final = 64.0
"""Rows of a tile and keys of a block (FlashMLA, deep dive of April 2025)."""

H800_PEAK: Final = 989e12 * 1.98 / 1.83
"""Peak of an H800 SXM at its highest clock, FLOP/s: 989 TFLOP/s are quoted at 1.83 GHz."""

H800_SUSTAINED: Final = 3350e9 * 0.9
"""What long streams reach on an H800 SXM, B/s: the bandwidth times the efficiency in our file of
the H100 SXM."""

PARAMETERS: Final = (
    Parameter(
        "fixed_us", 7.0, 0.5, 25.0, 0.0, "launches, cache write and schedule: as decode", True
    ),
    Parameter("matrix_efficiency", 660e12 / H800_PEAK, 0.1, 1.0, 0.0, "of the matrix peak"),
    Parameter("dram_efficiency", 3000e9 / H800_SUSTAINED, 0.5, 1.12, 0.0, "of long streams"),
    Parameter("l2_efficiency", 0.7, 0.05, 1.5, 0.0, "of L2's peak: an estimate"),
    Parameter("overlap_norm", 8.0, 1.2, 10.0, 0.0, "p of the norm: an estimate"),
    Parameter("combine_us", 2.0, 0.05, 10.0, 0.0, "kernel that joins split keys: as decode", True),
)
"""Constants; none is fitted."""


def latent_law(
    device: GpuDevice, dtype: str, shape: Mapping[str, Floats], constants: Mapping[str, float]
) -> Estimate:
    """Predict absorbed latent attention.

    Parameters
    ----------
    device
        The GPU.
    dtype
        Format of queries; ``bf16+kvfp8`` has an fp8 cache, multiplied in 16 bits.
    shape
        ``batch heads q_len kv_len head_dim value_dim``: sequences, heads of a rank, new queries,
        keys with the new ones, elements of a cached vector, those that are the value.
    constants
        By name, as :data:`PARAMETERS`.
    """
    import numpy as np

    batch, heads, queries, keys, wide, value = (shape[name] for name in COLUMNS)
    queries = np.maximum(queries, 1.0)
    tiles = np.ceil(heads * queries / TILE)
    steps = batch * tiles * np.ceil(keys / TILE)
    rate = device.matrix_flops_per_s(matrix_format(dtype)) / device.num_sms
    step = 2 * TILE * TILE * (wide + value) / (rate * constants["matrix_efficiency"])
    matrix = np.ceil(steps / device.num_sms) * step
    stored = batch * keys * wide * kv_bytes(dtype)
    in_out = 2 * batch * heads * queries * (wide + value)
    memory = (stored + in_out) / (device.sustained_bytes_per_s * constants["dram_efficiency"])
    feed = (tiles * stored + in_out) / (device.l2_bytes_per_s * constants["l2_efficiency"])
    parts = np.stack([matrix, memory, feed])
    most = parts.max(axis=0)
    norm = constants["overlap_norm"]
    span = most * ((parts / most) ** norm).sum(axis=0) ** (1 / norm)
    # Keys of one sequence are split where there are more multiprocessors than tiles.
    split = (batch * tiles < device.num_sms) & (keys > TILE)
    rest = constants["fixed_us"] + np.where(split, constants["combine_us"], 0.0)
    limiter = np.array([MATRIX, DRAM, L2])[parts.argmax(axis=0)]
    flops = 2 * batch * heads * queries * keys * (wide + value)
    peak = device.matrix_flops_per_s(matrix_format(dtype))
    bound = np.maximum(flops / peak, (stored + in_out) / device.dram_bytes_per_s)
    return Estimate(
        time_us=span * 1e6 + rest,
        limiter=np.where(rest > span * 1e6, LAUNCH, limiter).astype(np.int64),
        flops=flops,
        dram_bytes=stored + in_out,
        l2_bytes=tiles * stored + in_out,
        roofline_us=bound * 1e6,
    )


LATENT: Final = Family("attention_latent", COLUMNS, PARAMETERS, latent_law)
"""Absorbed latent attention."""
