"""Collectives between the ranks that share a model: where they stand and what they carry.

Heads, inner columns and the vocabulary are shared among tensor-parallel ranks; a product whose sum
runs over what is shared gives partial results, which an all-reduce adds up. Logits are gathered.

Devices are numbered stage by stage, in a stage expert rank by expert rank, tensor-parallel ranks
innermost; a domain of the fast link holds neighbours. A collective that leaves its domain is one
inside it, and exchanges over the network adapters of :mod:`archsim.gpu.network` behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.errors import MappingError
from mappers.gpu_kernel import Call

if TYPE_CHECKING:
    from mappers.gpu_device import GpuMachine
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

EXCHANGES: Final = {"allreduce": 2.0, "allgather": 1.0, "alltoall": 1.0}
"""Rounds over the network of each collective."""


def calls(
    op: str,
    name: str,
    ranks: int,
    num_bytes: int,
    options: GpuOptions,
    number: str,
    gpu: GpuMachine,
    *,
    stride: int = 1,
    once: int = 0,
) -> list[Call]:
    """Return a collective of some ranks, each with so many bytes as NCCL counts them.

    Parameters
    ----------
    op, name
        Operator, and name in reports.
    ranks, num_bytes
        How many ranks, and the message.
    options, number, gpu
        Whose library; number format; where.
    stride
        Devices from one rank to the next.
    once
        Of an all-to-all: copies of each row of which only one goes to each node, to be handed on
        there; 0: all of them go.

    Raises
    ------
    MappingError
        The domain is no multiple of what a rank spans, or the ranks do not fill whole domains.
    """
    domain = max(1, gpu.device.link.domain // stride)
    near = min(ranks, domain)
    if ranks > domain and (ranks % domain or gpu.device.link.domain % stride):
        raise MappingError(
            f"{ranks} ranks of {stride} devices do not fill domains of "
            f"{gpu.device.link.domain} devices evenly"
        )
    found = []
    if near > 1 and (op != "alltoall" or ranks == near or once):
        found.append(_inside(op, name, near, num_bytes, options, number))
    if ranks > near:
        nodes = ranks // near
        sent = num_bytes * (nodes - 1) / nodes
        if once:
            # Of so many copies dealt evenly, this share is the first to its node.
            sent *= nodes * (1 - (1 - 1 / nodes) ** once) / once
        if op != "alltoall":
            # The ranks of a domain share what leaves it.
            sent *= EXCHANGES[op] / near
        found.append(_outside(f"{name}-network", EXCHANGES[op], sent, number))
    return found


def _inside(
    op: str, name: str, ranks: int, num_bytes: int, options: GpuOptions, number: str
) -> Call:
    kernels = REDUCERS_OF.get(options.library, REDUCERS) if op == "allreduce" else ("nccl",)
    return Call(
        name,
        op,
        number,
        {"tp": float(ranks), "bytes": float(num_bytes)},
        kernels=kernels,
        out_bytes=num_bytes,
    )


def _outside(name: str, exchanges: float, num_bytes: float, number: str) -> Call:
    shape = {"exchanges": exchanges, "bytes": max(1.0, num_bytes)}
    return Call(name, "network", number, shape, out_bytes=int(num_bytes))


def behind(cascade: Cascade, einsum: Einsum, options: GpuOptions, gpu: GpuMachine) -> list[Call]:
    """Return the collective that follows a product among tensor-parallel ranks."""
    dims = einsum.matmul()
    if options.tp == 1 or dims is None:
        return []
    tensor = cascade.tensor(dims.out)
    number = tensor.format.name.partition(":")[0]
    num_bytes = tensor.num_bytes(cascade)
    if einsum.op_class == "head":
        whole = num_bytes * options.tp
        return calls("allgather", "gather-logits", options.tp, whole, options, number, gpu)
    if {name for name, _ in dims.k_variables} & SHARED:
        return calls("allreduce", "all-reduce", options.tp, num_bytes, options, number, gpu)
    return []


def behind_embedding(
    num_bytes: int, number: str, options: GpuOptions, gpu: GpuMachine
) -> list[Call]:
    """Return what follows a lookup: the sum over ranks, and the hand-overs between stages.

    Every rank of a stage hands over its part; what the next stage wants whole is gathered there.
    """
    found = []
    if options.tp > 1:
        found += calls("allreduce", "all-reduce", options.tp, num_bytes, options, number, gpu)
    for stage in range(1, options.pp):
        if stage * options.tp * options.ep % gpu.device.link.domain:
            found.append(_inside("send_recv", f"send-{stage}", 2, num_bytes, options, number))
        else:
            found.append(_outside(f"send-{stage}", 1.0, num_bytes, number))
    return found
