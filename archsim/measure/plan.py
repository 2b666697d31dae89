"""What is measured: operators and shapes, the same on every GPU, in a random but fixed order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from archsim.errors import ConfigError, nearest

COLD: Final = "cold"
HOT: Final = "hot"

KINDS: Final = (
    *("gemm", "batched_gemm", "attention_prefill", "attention_decode", "moe", "vector"),
    *("copy", "l2", "launch"),
)
"""Parts of the plan."""

GEMM_SIDES: Final = (
    *((4096, 4096), (6144, 4096), (8192, 8192), (28672, 4096), (4096, 14336), (1024, 8192)),
    *((128256, 4096), (2560, 2560)),
)
"""(n, k) of the GEMMs."""

GEMM_ROWS: Final = (
    *(1, 2, 4, 8, 16, 17, 32, 48, 64, 96, 127, 128, 129, 192, 255, 256, 257, 384, 511, 512),
    *(640, 768, 1024, 1025, 1536, 2048, 3072, 4096, 6144, 8192),
)
"""Rows m: powers of two, and the edges of tiles."""

HEADS: Final = ((32, 32), (32, 8), (64, 8), (16, 2))
"""Heads and key-value heads of the attention."""

EDGE_SIDES: Final = ((4096, 4096), (8192, 8192), (4096, 14336))
"""(n, k) of the GEMMs whose rows step through the edges of tiles."""

EDGE_ROWS: Final = tuple(
    sorted(
        {*range(1, 33)}
        | {edge + off for edge in (64, 128, 192, 256, 384, 512, 768, 1024) for off in (-1, 0, 1, 2)}
    )
)
"""Every small row count, in which the reduction is split, and those around tiles."""

PREFILLS: Final = (
    *((128, 0), (512, 0), (2048, 0), (8192, 0)),
    *((queries, history) for queries in (16, 128, 512) for history in (1024, 4096, 16384, 65536)),
)
"""New queries, and the history before them."""

MOST_KEYS: Final = 2**24
"""Most keys of all sequences and heads together: 8 GB of keys and values in 16 bits."""

VECTOR_OPS: Final = ("rmsnorm", "layernorm", "softmax", "silu", "gelu", "add")
"""Operators that are one kernel in PyTorch; a gated activation is not."""

LEAST_COLD: Final = 2**18
"""Bytes from which operands can be kept out of the cache by copies."""


@dataclass(frozen=True, slots=True)
class Job:
    """One shape to measure.

    Attributes
    ----------
    kind
        Part of the plan.
    op, dtype, shape
        As the columns of the table name them.
    state
        ``cold``: weights (or caches) come from device memory; ``hot``: buffers are used again.
    power
        Whether the board's power is measured in a loop of a second too.
    """

    kind: str
    op: str
    dtype: str
    shape: tuple[tuple[str, int], ...]
    state: str = COLD
    power: bool = False

    @property
    def extents(self) -> Mapping[str, int]:
        """Return the shape as a map."""
        return dict(self.shape)

    @property
    def key(self) -> str:
        """What tells the job from all others."""
        sizes = " ".join(f"{name}={value}" for name, value in sorted(self.shape))
        return f"{self.op} {self.dtype} {sizes} {self.state}"


SENTINEL: Final = Job("gemm", "gemm", "bf16", (("m", 2048), ("n", 4096), ("k", 4096)), HOT)
"""Measured again and again: if its time moves, so do all others."""


def plan(seed: int, kinds: Sequence[str] = ()) -> list[Job]:
    """Return all jobs in a random order that depends on the seed alone.

    Raises
    ------
    ConfigError
        An unknown part of the plan.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(
                "there is no such part",
                path="--ops",
                given=kind,
                allowed=KINDS,
                hint=nearest(kind, KINDS),
            )
    jobs = [job for job in _all() if not kinds or job.kind in kinds]
    random.Random(seed).shuffle(jobs)
    return jobs


def _all() -> Iterator[Job]:
    yield from _gemms()
    yield from _attention()
    yield from _experts()
    yield from _vectors()
    yield from _streams()
    yield Job("launch", "launch_gap", "fp32", (("m", 1), ("n", 1)), HOT)
    yield Job("launch", "graph_gap", "fp32", (("m", 1), ("n", 1)), HOT)


def _job(
    kind: str, op: str, dtype: str, shape: Mapping[str, int], state: str, *, power: bool = False
) -> Job:
    return Job(kind, op, dtype, tuple(shape.items()), state, power)


def _gemms() -> Iterator[Job]:
    for n, k in GEMM_SIDES:
        for m in GEMM_ROWS:
            power = m in (1, 64, 2048, 8192)
            yield _job("gemm", "gemm", "bf16", {"m": m, "n": n, "k": k}, COLD, power=power)
    for n, k in EDGE_SIDES:
        for m in EDGE_ROWS:
            if (n, k) not in GEMM_SIDES or m not in GEMM_ROWS:
                yield _job("gemm", "gemm", "bf16", {"m": m, "n": n, "k": k}, COLD)
    for m in (16, 256, 2048):
        for n, k in GEMM_SIDES[:3]:
            yield _job("gemm", "gemm", "fp8", {"m": m, "n": n, "k": k}, COLD, power=m == 2048)
    for batch in (16, 64, 256):
        for m, n, k in ((128, 128, 64), (512, 512, 64), (512, 64, 512), (1024, 1024, 128)):
            shape = {"batch": batch, "m": m, "n": n, "k": k}
            yield _job("batched_gemm", "batched_gemm", "bf16", shape, HOT)


def _attention() -> Iterator[Job]:
    for heads, kv_heads in HEADS:
        fixed = {"heads": heads, "kv_heads": kv_heads, "head_dim": 128}
        for keys in (1024, 4096, 16384, 65536, 131072):
            for batch in (1, 8, 32, 128, 256):
                if batch * keys * kv_heads <= MOST_KEYS:
                    shape = {"batch": batch, **fixed, "q_len": 1, "kv_len": keys}
                    op = "attention_decode"
                    yield _job(op, op, "bf16", shape, COLD, power=batch == 32)
        for queries, history in PREFILLS:
            for batch in (1, 4):
                sizes = {"q_len": queries, "kv_len": queries + history}
                op, power = "attention_prefill", queries == 8192
                yield _job(op, op, "bf16", {"batch": batch, **fixed, **sizes}, HOT, power=power)


def _experts() -> Iterator[Job]:
    for experts, topk, n, k in ((8, 2, 14336, 4096), (64, 8, 1024, 2048), (128, 8, 768, 2048)):
        for m in (1, 16, 128, 1024):
            shape = {"m": m, "n": n, "k": k, "experts": experts, "topk": topk}
            yield _job("moe", "moe", "bf16", shape, COLD, power=m == 1024)


def _vectors() -> Iterator[Job]:
    for op in VECTOR_OPS:
        for m in (1, 16, 256, 2048, 16384):
            for n in (1024, 4096, 8192):
                yield _job("vector", op, "bf16", {"m": m, "n": n}, HOT)


def _streams() -> Iterator[Job]:
    for power in range(10, 31, 2):
        shape = {"m": 2 ** (power - 10), "n": 512}
        state = COLD if 2**power >= LEAST_COLD else HOT
        yield _job("copy", "copy", "bf16", shape, state, power=power == 30)
    for mebibytes in (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128):
        yield _job("l2", "copy", "bf16", {"m": mebibytes * 256, "n": 1024}, HOT)
