"""Runs programs."""

from __future__ import annotations

from typing import Literal

from archsim.engine.interpreter import interpret
from archsim.engine.timing import PathShare, Timing
from archsim.program.ir import Program

Backend = Literal["auto", "jit", "python"]


def run_program(
    program: Program,
    *,
    fold: bool = True,
    path: bool = True,
    backend: Backend = "auto",
    max_ops: int | None = None,
) -> Timing:
    """Time a program."""
    done = interpret(program)
    counts = [len(runs) for runs in done.instances]
    busy = dict.fromkeys(program.resources, 0)
    for op, count in enumerate(counts):
        for resource, occupancy in program.holds(op):
            busy[program.resources[resource]] += count * occupancy
    shares: dict[tuple[str, str, int], int] = {}
    for kind, number in done.path():
        if kind == "hold":
            resource = program.resources[program.hold_resources[number]]
            op = next(o for o in range(len(counts)) if program.hold_offsets[o + 1] > number)
            ps = program.occupancies_ps[number]
        elif kind == "latency":
            resource, op, ps = "", number, program.latencies_ps[number]
        else:
            resource, op, ps = "", program.sources[number], program.delays_ps[number]
        key = (resource, program.causes[op], op)
        shares[key] = shares.get(key, 0) + ps
    attribution = tuple(
        PathShare(resource, cause, program.ops[op], program.tags[op], ps)
        for (resource, cause, op), ps in shares.items()
        if ps
    )
    return Timing(
        done.makespan_ps,
        dict(zip(program.ops, counts, strict=True)),
        busy,
        sum(counts),
        0,
        attribution,
    )
