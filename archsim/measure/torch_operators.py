"""Operators of the plan in PyTorch: operands of random normal values, in as many copies as wanted.

Zeros or constants draw less power and run at higher clocks than data do; hence the random values.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from archsim.measure.plan import Job
from archsim.measure.timing import MAX_CALLS, UnsupportedError

MAX_COPIES: Final = MAX_CALLS
MEMORY_SHARE: Final = 0.6
"""Of the free device memory that copies may take."""

Torch: TypeAlias = Any
"""The module torch, which is not there where nothing is measured."""

Tensor: TypeAlias = Any
"""One of its tensors."""

Call = Callable[[], object]
Maker = Callable[[Torch, Job], tuple[Call, int]]


def build(torch: Torch, job: Job, cold_bytes: int) -> tuple[list[Call], int]:
    """Return calls of an operator, each on operands of its own, and the bytes of one of them.

    Parameters
    ----------
    torch
        The module.
    job
        The operator.
    cold_bytes
        Bytes that all copies together must have at least.

    Raises
    ------
    UnsupportedError
        It cannot run here.
    """
    make = MAKERS.get(job.op)
    if make is None:
        raise UnsupportedError(f"PyTorch has no operator for {job.op}")
    first, num_bytes = make(torch, job)
    free, _ = torch.cuda.mem_get_info()
    wanted = -(-cold_bytes // max(1, num_bytes)) + 1 if cold_bytes else 1
    room = int(free * MEMORY_SHARE) // max(1, num_bytes)
    copies = max(1, min(wanted, MAX_COPIES, room))
    if copies * num_bytes < cold_bytes:
        raise UnsupportedError(
            "operands too small to be cold: more copies than a graph has calls"
            if room > MAX_COPIES
            else "too little free memory for cold operands"
        )
    return [first, *(make(torch, job)[0] for _ in range(copies - 1))], num_bytes


def _random(torch: Torch, dtype: str, *sizes: int) -> Tensor:
    names = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    if dtype == "fp8":
        if not hasattr(torch, "float8_e4m3fn"):
            raise UnsupportedError("this PyTorch has no fp8")
        return torch.randn(*sizes, device="cuda", dtype=torch.float16).to(torch.float8_e4m3fn)
    return torch.randn(*sizes, device="cuda", dtype=names[dtype])


def _bytes(*tensors: Tensor) -> int:
    return sum(int(item.numel()) * int(item.element_size()) for item in tensors)


def _gemm(torch: Torch, job: Job) -> tuple[Call, int]:
    m, n, k = (job.extents[name] for name in ("m", "n", "k"))
    left, right = _random(torch, job.dtype, m, k), _random(torch, job.dtype, n, k)
    if job.dtype == "fp8":
        one = torch.ones((), device="cuda")
        scales = {"scale_a": one, "scale_b": one, "out_dtype": torch.bfloat16}
        return (lambda: torch._scaled_mm(left, right.t(), **scales)), _bytes(right)
    return (lambda: torch.nn.functional.linear(left, right)), _bytes(right)


def _batched(torch: Torch, job: Job) -> tuple[Call, int]:
    batch, m, n, k = (job.extents[name] for name in ("batch", "m", "n", "k"))
    left, right = _random(torch, job.dtype, batch, m, k), _random(torch, job.dtype, batch, k, n)
    return (lambda: torch.bmm(left, right)), _bytes(left, right)


def _attention(torch: Torch, job: Job) -> tuple[Call, int]:
    size = job.extents
    width, queries, keys = size["head_dim"], size["q_len"], size["kv_len"]
    query = _random(torch, job.dtype, size["batch"], size["heads"], queries, width)
    key, value = (
        _random(torch, job.dtype, size["batch"], size["kv_heads"], keys, width) for _ in range(2)
    )
    attend = torch.nn.functional.scaled_dot_product_attention
    options: dict[str, Any] = {"enable_gqa": size["heads"] != size["kv_heads"]}
    if queries > 1 and queries == keys:
        options["is_causal"] = True
    elif queries > 1:
        options["attn_mask"] = _lower_right(queries, keys)
    chosen = importlib.import_module("torch.nn.attention")
    backends = [getattr(chosen.SDPBackend, name) for name in FUSED]

    def call() -> object:
        # Without a fused kernel it would run through memory, which is another operator.
        with chosen.sdpa_kernel(backends):
            return attend(query, key, value, **options)

    return call, _bytes(key, value)


FUSED: Final = ("FLASH_ATTENTION", "CUDNN_ATTENTION", "EFFICIENT_ATTENTION")
"""Kernels of attention that save no scores."""


def _lower_right(queries: int, keys: int) -> Tensor:
    """Return the mask of new tokens behind a history, in the form that fused kernels know."""
    return importlib.import_module("torch.nn.attention.bias").causal_lower_right(queries, keys)


def _experts(torch: Torch, job: Job) -> tuple[Call, int]:
    size = job.extents
    experts, n, k = size["experts"], size["n"], size["k"]
    pairs = size["m"] * size["topk"]
    touched = min(experts, pairs)
    rows = -(-pairs // touched)
    tokens = _random(torch, job.dtype, touched, rows, k)
    up, down = (
        _random(torch, job.dtype, experts, k, 2 * n),
        _random(torch, job.dtype, experts, n, k),
    )
    silu = torch.nn.functional.silu

    def call() -> object:
        both = torch.bmm(tokens, up[:touched])
        return torch.bmm(silu(both[..., :n]) * both[..., n:], down[:touched])

    return call, _bytes(up[:touched], down[:touched])


def _vector(torch: Torch, job: Job) -> tuple[Call, int]:
    m, n = job.extents["m"], job.extents["n"]
    one, two = (_random(torch, job.dtype, m, n) for _ in range(2))
    gain = _random(torch, job.dtype, n)
    calls: Mapping[str, Call] = {
        "rmsnorm": lambda: torch.nn.functional.rms_norm(one, (n,), gain),
        "layernorm": lambda: torch.nn.functional.layer_norm(one, (n,), gain),
        "softmax": lambda: torch.softmax(one, -1),
        "silu": lambda: torch.nn.functional.silu(one),
        "gelu": lambda: torch.nn.functional.gelu(one),
        "add": lambda: torch.add(one, two),
        "copy": lambda: two.copy_(one),
    }
    return calls[job.op], _bytes(one, two)


def _empty(torch: Torch, job: Job) -> tuple[Call, int]:
    del job
    one = torch.zeros(1, device="cuda")
    return (lambda: one.add_(1.0)), _bytes(one)


MAKERS: Final[Mapping[str, Maker]] = {
    "gemm": _gemm,
    "batched_gemm": _batched,
    "attention_prefill": _attention,
    "attention_decode": _attention,
    "moe": _experts,
    **dict.fromkeys(("rmsnorm", "layernorm", "softmax", "silu", "gelu", "add", "copy"), _vector),
    "launch_gap": _empty,
    "graph_gap": _empty,
}
"""How each operator is made."""
