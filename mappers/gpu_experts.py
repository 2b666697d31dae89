"""A layer of experts on a GPU: the router's product, one fused call, and experts spread over ranks.

With experts spread over `ep` ranks, a rank has its share of them and of the (token, expert) pairs;
tokens go to their experts and back by two all-to-alls, or, where the same ranks share the
attention, every rank has all tokens and an all-reduce adds up the results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from archsim.errors import MappingError
from mappers import gpu_collective
from mappers.gpu_kernel import Call
from mappers.gpu_mapping import kept_bytes

if TYPE_CHECKING:
    from mappers.gpu_options import GpuOptions
    from workloads import Cascade, Einsum

    Products: TypeAlias = Callable[[Cascade, Sequence[Einsum], GpuOptions], list[Call]]

MATRICES = 3
"""Matrices of a gated expert, which the operator law counts."""


def calls(cascade: Cascade, options: GpuOptions, products: Products) -> list[Call]:
    """Return the calls of a layer of experts.

    Raises
    ------
    MappingError
        Something else than a router and experts is in it, or a format is not modelled.
    """
    found: list[Call] = []
    experts = [e for e in cascade.einsums if e.op_class == "expert" and e.matmul() is not None]
    for einsum in cascade.einsums:
        if einsum.matmul() is not None and einsum.op_class != "expert":
            found += products(cascade, [einsum], options)
    downs = [e for e in experts if e.name.startswith("expert_down")]
    routers = [e for e in cascade.einsums if e.op_class == "router" and e.matmul() is not None]
    if not downs or not routers:
        raise MappingError(f"{cascade.name} is no whole layer of experts")
    return [*found, *_fused(cascade, experts, downs, routers[0], options)]


def _fused(
    cascade: Cascade,
    experts: Sequence[Einsum],
    downs: Sequence[Einsum],
    router: Einsum,
    options: GpuOptions,
) -> list[Call]:
    from mappers.gpu_matrix import operand_format

    shapes = [dims for einsum in downs if (dims := einsum.matmul()) is not None]
    routing = router.matmul()
    assert routing is not None
    tokens, number = routing.m, routing.n
    pairs = sum(dims.batch * dims.m for dims in shapes)
    matrices = len(experts) / len(downs)
    left, right = cascade.tensor(shapes[0].lhs).format, cascade.tensor(shapes[0].rhs).format
    own = max(1.0, number / options.ep)
    part = cascade.subset([einsum.name for einsum in experts], "experts")
    width = tokens * shapes[0].n * 2
    moved = [
        Call(
            "experts",
            "moe",
            operand_format(left, right),
            {
                "m": float(tokens),
                "n": max(1.0, shapes[0].k * matrices / MATRICES),
                "k": float(shapes[0].n),
                "experts": own,
                "topk": min(own, max(1.0, pairs / tokens / options.ep)),
            },
            macs={einsum.name: -(-einsum.macs() // options.ep) for einsum in experts},
            out_bytes=width,
            compulsory_bytes=kept_bytes(part) // options.ep,
        )
    ]
    plain = left.name.partition(":")[0]
    carried = "bf16" if plain not in ("bf16", "fp16", "fp32") else plain
    if options.tp > 1:
        moved.append(
            gpu_collective.call("allreduce", "all-reduce", options.tp, width, options, carried)
        )
    elif options.ep > 1:
        sent = -(-pairs * shapes[0].n * 2 // options.ep)
        there = gpu_collective.call("alltoall", "dispatch", options.ep, sent, options, carried)
        back = gpu_collective.call("alltoall", "combine", options.ep, sent, options, carried)
        moved = [there, *moved, back]
    return moved
