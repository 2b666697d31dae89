"""Machines, problems and context for mapper tests."""

from __future__ import annotations

from functools import lru_cache

from archsim.engine import run_program
from archsim.machine import Machine, load_hardware
from archsim.mapping import MapContext, MemoryCache, Placement
from archsim.numberformat import FORMATS
from archsim.program import Program
from mappers.gemm_problem import GemmProblem, MatrixTensor
from workloads import Cascade, CascadeBuilder

BF16 = FORMATS["bf16"]
LAYERS = frozenset({"attention", "softmax"})


@lru_cache(maxsize=256)
def machine(name: str = "array128-hbm2e", **changes: object) -> Machine:
    """Return a machine with ``component__key=value`` changes."""
    return load_hardware(
        name,
        overrides=[
            f"hardware.components.{key.replace('__', '.')}={value}"
            for key, value in changes.items()
        ],
    )


@lru_cache(maxsize=256)
def small(
    *,
    side: int = 4,
    columns: int = 4,
    dataflow: str = "weight",
    weight_load: str = "shadow",
    lanes: int = 8,
    capacity: int = 4096,
    width: int = 8,
    bandwidth: str = "10 GB/s",
    latency: str = "100 ns",
) -> Machine:
    """Return a machine so small that tiny problems have many tiles."""
    return machine(
        array__rows=side,
        array__columns=columns,
        array__dataflow=dataflow,
        array__weight_load=weight_load,
        vector__lanes=lanes,
        buffer__capacity=f"{capacity} B",
        buffer__banks=1,
        buffer__read_width=f"{width} B",
        buffer__write_width=f"{width} B",
        dram__bandwidth=bandwidth,
        dram__latency=latency,
    )


def evaluate(program: Program) -> int:
    return run_program(program, path=False).makespan_ps


def context(
    on: Machine,
    *,
    homes: dict[str, str] | None = None,
    available: int | None = None,
    cache: MemoryCache | None = None,
    budget: int | None = None,
) -> MapContext:
    room = on.capacity_bytes(on.innermost) if available is None else available
    return MapContext(
        evaluate=evaluate,
        placement=Placement(homes or {}, {on.innermost: room}),
        cache=MemoryCache() if cache is None else cache,
        budget=budget,
    )


def problem(
    on: Machine,
    extents: tuple[int, int, int, int],
    *,
    homes: tuple[str, str, str] = ("dram", "dram", "dram"),
    capacity: int | None = None,
) -> GemmProblem:
    tensors = [MatrixTensor(name, BF16, home) for name, home in zip("ABC", homes, strict=True)]
    return GemmProblem(
        *extents,
        *tensors,
        accumulator=FORMATS["fp32"],
        capacity_bytes=on.capacity_bytes(on.innermost) if capacity is None else capacity,
        tags={"einsum": "product", "layer": "ffn"},
    )


def product(b: int, m: int, n: int, k: int, name: str = "product", left: str = "A") -> Cascade:
    """Return C[b,m,n] = A[b,m,k] · B[b,k,n] as a cascade."""
    builder = CascadeBuilder(name)
    for rank, extent in (("B", b), ("M", m), ("N", n), ("K", k)):
        builder.rank(rank, extent)
    builder.tensor(left, "B M K", "input", BF16)
    builder.tensor("W", "B K N", "weight", BF16)
    builder.tensor("C", "B M N", "output", BF16)
    builder.einsum("product", f"C[b,m,n] = {left}[b,m,k] * W[b,k,n]", op_class="gemm", layer="ffn")
    return builder.build()


def norm(rows: int, width: int) -> Cascade:
    """Return an RMS norm: a reduction, a scalar per row, and its use."""
    builder = CascadeBuilder("norm")
    builder.rank("P", rows)
    builder.rank("D", width)
    builder.tensor("X", "P D", "input", BF16)
    builder.tensor("G", "D", "weight", BF16)
    builder.tensor("Q", "P", "intermediate", FORMATS["fp32"])
    builder.tensor("R", "P", "intermediate", FORMATS["fp32"])
    builder.tensor("Y", "P D", "output", BF16)
    for name, statement in (
        ("square_sum", "Q[p] = square(X[p,d])"),
        ("root", "R[p] = rsqrt(Q[p] * 0.25 + 1e-5)"),
        ("scale", "Y[p,d] = X[p,d] * R[p] * G[d]"),
    ):
        builder.einsum(name, statement, op_class="norm", layer="norm")
    return builder.build()


def softmax(rows: int, keys: int) -> Cascade:
    """Return the four softmax einsums over the rank M."""
    builder = CascadeBuilder("softmax")
    builder.rank("P", rows)
    builder.rank("M", keys)
    for name, role in (("S", "input"), ("N", "intermediate"), ("A", "output")):
        builder.tensor(name, "P M", role, BF16)
    for name in ("X", "D"):
        builder.tensor(name, "P", "intermediate", FORMATS["fp32"])
    builder.einsum(
        "row_max", "X[p] = S[p,m]", op_class="softmax", layer="attention", reduce={"m": "max"}
    )
    for name, statement in (
        ("numerator", "N[p,m] = sub_exp(S[p,m], X[p])"),
        ("denominator", "D[p] = N[p,m]"),
        ("normalise", "A[p,m] = N[p,m] / D[p]"),
    ):
        builder.einsum(name, statement, op_class="softmax", layer="attention")
    return builder.build()
