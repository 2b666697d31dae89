"""Fused attention: split-KV decode and causal prefill, with history, over grouped heads.

**Decode** (one query a sequence; H heads share G key-value heads, K keys, width d). Heads that
share keys are packed into one block while their number stays within what the kernel supports; the
keys of a block are split s ways, as many as make the whole fastest::

    blocks = B · G · ceil((H/G) / rows) · s          on S · residents slots
    block  = (block_us + step_us · (K/(128 s) - 1)) · (1/2 + d/256)
    work   = ceil(blocks / slots) · block            (less for blocks of a single head)
    memory = KV bytes / DRAM or L2 bandwidth          (a small KV cache stays in L2)
    time   = fixed + ‖work, memory‖_p + per-row, per-head and per-sequence work
             + copies that put heads together + combination of splits

FlashAttention 2 wants the queries that share keys side by side: it copies queries and results where
there are several sequences and several key-value heads, which is seen as a step of 4 to 5 µs.

**Prefill** (Q queries at the end of K keys, query tile × key tile)::

    step   = max(4 · tile · keys · d / MMA rate, tile · keys / exponential rate)
    chain  = block_us + ceil(K / keys) · max(step, latency)        longest block
    spread = (all steps · step + blocks · exposed start) / S       all SMs busy
    time   = fixed + max(‖chain, spread‖_p at the capped clock, Q, O and KV bytes)
             + traffic of the kernels around it (rotation, cache write)

Short queries of grouped heads are packed into one tile below a threshold that differs by library.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final

from archsim.gpu.family import Estimate, Family, Parameter
from archsim.gpu.formats import kv_bytes, matrix_format
from archsim.gpu.power import dram_pj_per_byte

if TYPE_CHECKING:
    from archsim.gpu.device import GpuDevice
    from archsim.gpu.family import Floats

COLUMNS: Final = ("batch", "heads", "kv_heads", "head_dim", "q_len", "kv_len")
UNLIMITED: Final = 1e9

DECODE_PARAMETERS: Final = (
    Parameter("fixed_us", 7.0, 0.5, 25.0, 0.2, "launches and small kernels around", True),
    Parameter("dram_efficiency", 0.97, 0.5, 1.12, 0.05, "of what long streams reach"),
    Parameter("block_us", 2.0, 0.05, 20.0, 0.3, "one block with one step of keys", True),
    Parameter("step_us", 0.8, 0.02, 10.0, 0.3, "each further 128 keys of width 128", True),
    Parameter("combine_us", 2.0, 0.05, 10.0, 0.3, "kernel that joins split keys", True),
    Parameter("l2_efficiency", 0.5, 0.05, 1.5, 0.2, "of L2's peak"),
    Parameter("l2_share", 0.7, 0.05, 1.2, 0.2, "of L2 that keeps the KV cache between calls"),
    Parameter("overlap_norm", 3.0, 1.2, 10.0, 0.3, "p of the norm that joins work and memory"),
    Parameter("row_us", 5e-4, 1e-5, 0.02, 0.3, "per sequence and key-value head", True),
    Parameter("head_us", 2e-4, 1e-5, 0.02, 0.3, "per sequence and head of width 128", True),
    Parameter(
        "fp8_step", 1.0, 0.3, 3.0, 0.1, "time of a step with fp8 keys over 16-bit ones", True
    ),
    Parameter(
        "swap_us", 0.5, 0.02, 12.0, 0.5, "copies that put heads with shared keys together", True
    ),
    Parameter("sequence_us", 1e-3, 1e-5, 0.1, 0.3, "per sequence", True),
    Parameter(
        "single_share", 1.0, 0.1, 3.0, 0.2, "time of a block of one head over packed ones", True
    ),
)
"""Constants of decode attention."""

DECODE_POLICIES: Final = ("residents", "splits_single", "max_group", "tile_rows")
"""Blocks an SM holds; whether keys are split where heads share none; most heads that share keys in
one block; rows of a block."""

PREFILL_PARAMETERS: Final = (
    Parameter("fixed_us", 7.0, 0.5, 30.0, 0.2, "launches and small kernels around", True),
    Parameter("matrix_efficiency", 0.6, 0.1, 1.0, 0.1, "of the matrix units' peak"),
    Parameter("block_us", 1.5, 0.05, 20.0, 0.3, "start and end of one block", True),
    Parameter("step_us", 0.8, 0.02, 10.0, 0.3, "shortest time of one step of keys", True),
    Parameter("combine_us", 2.0, 0.05, 10.0, 0.3, "kernel that joins split keys", True),
    Parameter("around", 1.0, 0.01, 2.5, 0.3, "passes over Q, K, V and O of kernels around", True),
    Parameter("l2_share", 0.6, 0.05, 1.2, 0.2, "of L2 that keeps tensors between kernels"),
    Parameter("l2_efficiency", 0.5, 0.05, 1.5, 0.2, "of L2's peak"),
    Parameter("dram_efficiency", 0.95, 0.5, 1.12, 0.0, "of what long streams reach"),
    Parameter("overlap_norm", 3.0, 1.2, 20.0, 0.3, "p of the norm of chain and spread", True),
    Parameter(
        "fp8_step", 1.0, 0.3, 3.0, 0.1, "time of a step with fp8 keys over 16-bit ones", True
    ),
    Parameter(
        "swap_us", 0.5, 0.02, 12.0, 0.5, "copies that put heads with shared keys together", True
    ),
    Parameter(
        "start_share", 0.5, 0.1, 1.0, 0.2, "of a block's start that no other block hides", True
    ),
    Parameter("special_share", 0.5, 0.1, 2.0, 0.1, "exponentials issued per key and query"),
    Parameter("operation_pj", 1.2, 0.1, 30.0, 0.0, "energy of an operation at the highest clock"),
)
"""Constants of prefill attention."""

PREFILL_POLICIES: Final = ("tile_rows", "tile_keys", "packed_below", "splits")
"""Query tile; key tile; queries below which grouped heads share a tile; whether keys are split."""


def _choices(names: tuple[str, ...], *options: tuple[float, ...]) -> tuple[dict[str, float], ...]:
    return tuple(dict(zip(names, values, strict=True)) for values in product(*options))


def decode_law(
    device: GpuDevice, dtype: str, shape: Mapping[str, Floats], constants: Mapping[str, float]
) -> Estimate:
    """Predict decode attention: one query for each of `batch` sequences of `kv_len` keys.

    With `copies` above 0 the call is repeated on one KV cache, which stays in L2 if it fits there;
    0 stands for the caches of many layers, which do not.
    """
    import numpy as np

    from archsim.gpu import decode_kernel as kernel

    batch, heads, groups, width, _, keys = (shape[name] for name in COLUMNS)
    copies = shape["copies"]
    out = np.empty((batch.size, kernel.COLUMNS))
    wide = kv_bytes(dtype)
    kernel.decode_all(
        batch,
        heads,
        groups,
        width,
        keys,
        copies,
        wide,
        _decode_machine(device),
        device.law(DECODE_PARAMETERS, constants),
        np.array([constants[name] for name in DECODE_POLICIES]),
        out,
    )
    flops = 4 * batch * heads * width * keys
    stored = 2 * batch * groups * width * keys * wide + 4 * batch * heads * width
    return _estimate(device, dtype, out, flops, stored)


def prefill_law(
    device: GpuDevice, dtype: str, shape: Mapping[str, Floats], constants: Mapping[str, float]
) -> Estimate:
    """Predict causal attention of `q_len` new tokens at the end of `kv_len` keys."""
    import numpy as np

    from archsim.gpu import prefill_kernel as kernel

    batch, heads, groups, width, queries, keys = (shape[name] for name in COLUMNS)
    out = np.empty((batch.size, kernel.COLUMNS))
    wide = kv_bytes(dtype)
    kernel.prefill_all(
        batch,
        heads,
        groups,
        width,
        queries,
        keys,
        wide,
        _prefill_machine(device, dtype),
        device.law(PREFILL_PARAMETERS, constants),
        np.array([constants[name] for name in PREFILL_POLICIES]),
        out,
    )
    moved = 2 * batch * groups * width * keys * wide + 4 * batch * heads * width * queries
    return _estimate(device, dtype, out, out[:, kernel.FLOPS], moved)


@cache
def _decode_machine(device: GpuDevice) -> Floats:
    import numpy as np

    return np.array(
        [
            device.num_sms,
            device.sustained_bytes_per_s,
            device.l2_bytes,
            device.l2_bytes_per_s,
            device.clock_scale,
        ]
    )


@cache
def _prefill_machine(device: GpuDevice, dtype: str) -> Floats:
    import numpy as np

    return np.array(
        [
            device.num_sms,
            device.matrix_flops_per_s(matrix_format(dtype)),
            device.special_per_s,
            device.sustained_bytes_per_s,
            device.l2_bytes,
            device.l2_bytes_per_s,
            device.sm.power_cap_w - device.sm.idle_power_w,
            dram_pj_per_byte(device) * 1e-12,
            device.clock_scale,
        ]
    )


def _estimate(
    device: GpuDevice, dtype: str, out: Floats, flops: Floats, compulsory: Floats
) -> Estimate:
    import numpy as np

    peak = device.matrix_flops_per_s(matrix_format(dtype))
    return Estimate(
        time_us=out[:, 0] * 1e6,
        limiter=out[:, 1].astype(np.int64),
        flops=flops,
        dram_bytes=out[:, 2],
        l2_bytes=out[:, 3],
        roofline_us=np.maximum(flops / peak, compulsory / device.dram_bytes_per_s) * 1e6,
    )


DECODE: Final = Family(
    "attention_decode",
    (*COLUMNS, "copies"),
    DECODE_PARAMETERS,
    decode_law,
    _choices(DECODE_POLICIES, (1.0, 2.0, 4.0), (1.0, 0.0), (64.0, 32.0), (64.0, 16.0)),
    fewest_rows=60,
    common=("instruction",),
)
"""Split-KV decode."""

PREFILL: Final = Family(
    "attention_prefill",
    COLUMNS,
    PREFILL_PARAMETERS,
    prefill_law,
    _choices(
        PREFILL_POLICIES, (64.0, 128.0), (64.0, 128.0), (1.0, 2.0, 64.0, UNLIMITED), (0.0, 1.0)
    ),
    fewest_rows=60,
    common=("instruction",),
)
"""Causal prefill, with or without history."""
