"""Collectives between the ranks that share a model: where they stand and what they carry.

Heads, inner columns and the vocabulary are shared among tensor-parallel ranks; a product whose sum
runs over what is shared gives partial results, which an all-reduce adds up. Logits are gathered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mappers.gpu_kernel import Call

if TYPE_CHECKING:
    from mappers.gpu_options import GpuOptions
    from workloads import Cascade, Einsum

SHARED: Final = frozenset({"g", "h", "s", "sx"})
"""Variables of what ranks share: heads, inner columns of dense parts and of experts.

Those of shared experts are not among them: what they make is added to what the other experts make,
and one all-reduce serves both.
"""

REDUCERS: Final = ("nccl", "vLLM_custom_graph")
"""Calls among which a library chooses by size; the fastest is taken."""

REDUCERS_OF: Final = {"trtllm": ("nccl", "TRTLLM")}


def call(op: str, name: str, ranks: int, num_bytes: int, options: GpuOptions, number: str) -> Call:
    """Return a collective of some ranks, each with so many bytes as NCCL counts them."""
    kernels = REDUCERS_OF.get(options.library, REDUCERS) if op == "allreduce" else ("nccl",)
    return Call(
        name,
        op,
        number,
        {"tp": float(ranks), "bytes": float(num_bytes)},
        kernels=kernels,
        out_bytes=num_bytes,
    )


def behind(cascade: Cascade, einsum: Einsum, options: GpuOptions) -> list[Call]:
    """Return the collective that follows a product among tensor-parallel ranks."""
    dims = einsum.matmul()
    if options.tp == 1 or dims is None:
        return []
    tensor = cascade.tensor(dims.out)
    number = tensor.format.name.partition(":")[0]
    num_bytes = tensor.num_bytes(cascade)
    if einsum.op_class == "head":
        whole = num_bytes * options.tp
        return [call("allgather", "gather-logits", options.tp, whole, options, number)]
    if {name for name, _ in dims.k_variables} & SHARED:
        return [call("allreduce", "all-reduce", options.tp, num_bytes, options, number)]
    return []


def behind_embedding(num_bytes: int, number: str, options: GpuOptions) -> list[Call]:
    """Return what follows a lookup: the sum over ranks, and the hand-over between stages."""
    found = []
    if options.tp > 1:
        found.append(call("allreduce", "all-reduce", options.tp, num_bytes, options, number))
    found += [
        call("send_recv", f"send-{stage}", 2, num_bytes, options, number)
        for stage in range(1, options.pp)
    ]
    return found
