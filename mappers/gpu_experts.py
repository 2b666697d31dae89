"""A layer of experts on a GPU: the router's product, one fused call, experts spread over ranks.

With experts spread over `ep` ranks, a rank has its share of the experts and of the tokens; tokens
go to their experts on all ranks and back by two all-to-alls, evenly; in large batches a token goes
to each node once. Where ranks share the columns
of every expert, an all-reduce adds up the results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from archsim.errors import MappingError
from mappers import gpu_collective
from mappers.gpu_kernel import Call
from mappers.gpu_mapping import kept_bytes
from workloads.routing_plan import expected_experts

if TYPE_CHECKING:
    from mappers.gpu_device import GpuMachine
    from mappers.gpu_options import GpuOptions
    from workloads import Cascade, Einsum, MatmulDims

    Products: TypeAlias = Callable[[Cascade, Sequence[Einsum], GpuOptions, GpuMachine], list[Call]]

DIRECT_TOKENS = 256
"""Tokens of a rank up to which each copy goes straight to its expert; beyond, one copy goes to each
node and is handed on there (DeepEP, docs/legacy.md: low-latency and normal kernels)."""

MATRICES = 3
"""Matrices of a gated expert, which the operator law counts."""


def calls(cascade: Cascade, options: GpuOptions, gpu: GpuMachine, products: Products) -> list[Call]:
    """Return the calls of a layer of experts.

    Raises
    ------
    MappingError
        Something else than a router and experts is in it, or a format is not modelled.
    """
    found: list[Call] = []
    experts = [e for e in cascade.einsums if e.op_class == "expert" and e.matmul() is not None]
    for einsum in cascade.einsums:
        dims = einsum.matmul()
        if dims is None or einsum.op_class == "expert":
            continue
        for call in products(cascade, [einsum], options, gpu):
            # Routers stay in the format of the activations, and know the experts of all ranks.
            plain = cascade.tensor(dims.lhs).format.name.partition(":")[0]
            shape = {**call.shape, "n": call.shape["n"] * options.ep}
            found.append(replace(call, dtype=plain, shape=shape))
    downs = [e for e in experts if e.name.startswith("expert_down")]
    routers = [e for e in cascade.einsums if e.op_class == "router" and e.matmul() is not None]
    if not downs or not routers:
        raise MappingError(f"{cascade.name} is no whole layer of experts")
    return [*found, *_fused(cascade, experts, downs, routers[0], options, gpu)]


def _fused(
    cascade: Cascade,
    experts: Sequence[Einsum],
    downs: Sequence[Einsum],
    router: Einsum,
    options: GpuOptions,
    gpu: GpuMachine,
) -> list[Call]:
    from mappers.gpu_matrix import operand_format

    shapes = [dims for einsum in downs if (dims := einsum.matmul()) is not None]
    routing = router.matmul()
    assert routing is not None
    tokens, number = routing.m, routing.n
    pairs = sum(dims.batch * dims.m for dims in shapes)
    matrices = len(experts) / len(downs)
    left, right = cascade.tensor(shapes[0].lhs).format, cascade.tensor(shapes[0].rhs).format
    everywhere, each = tokens * options.ep, pairs / (tokens * options.ep)
    if each < 1:
        everywhere, each = pairs, 1.0
    part = cascade.subset([einsum.name for einsum in experts], "experts")
    dtype = operand_format(left, right, gpu)
    width = tokens * shapes[0].n * 2
    # The operator law knows even choices among all experts; other loads come as fewer experts.
    moved = [
        Call(
            "experts",
            "moe",
            dtype,
            {
                "m": float(everywhere),
                "n": max(1.0, shapes[0].k * matrices / MATRICES),
                "k": float(shapes[0].n),
                "experts": float(_chosen_from(number, tokens, shapes, options)),
                "topk": min(float(number), each),
            },
            macs={einsum.name: einsum.macs() for einsum in experts},
            out_bytes=width,
            compulsory_bytes=kept_bytes(part),
        )
    ]
    plain = left.name.partition(":")[0]
    carried = "bf16" if plain not in ("bf16", "fp16", "fp32") else plain
    if options.tp > 1:
        moved += gpu_collective.calls(
            "allreduce", "all-reduce", options.tp, width, options, carried, gpu
        )
    if options.ep > 1:
        sent = pairs * shapes[0].n
        # Tokens that experts multiply in 8 bits are quantised before they go there.
        wide = 1 if dtype.startswith(("fp8", "int8")) else 2
        once = max(1, round(pairs / tokens)) if tokens > DIRECT_TOKENS else 0
        there, back = (
            gpu_collective.calls(
                *("alltoall", name, options.ep, size, options, carried, gpu),
                stride=options.tp,
                once=once,
            )
            for name, size in (("dispatch", wide * sent), ("combine", 2 * sent))
        )
        moved = [*there, *moved, *back]
    return moved


def _chosen_from(
    number: int, tokens: int, shapes: Sequence[MatmulDims], options: GpuOptions
) -> int:
    """Return the experts that tokens choose from: those visited, unless that is left to chance."""
    visited = sum(dims.batch for dims in shapes)
    loads = [dims.m for dims in shapes]
    active = max(1, round(sum(dims.batch * dims.m for dims in shapes) / tokens))
    chance = max(round(expected_experts(number, active, tokens)), active)
    by_chance = visited == chance and max(loads) - min(loads) <= 1
    return number if by_chance or options.ep > 1 else visited
