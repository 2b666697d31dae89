"""Attentions and contexts for the tests of the attention mappers."""

from __future__ import annotations

from archsim.engine import run_program
from archsim.machine import load_hardware
from archsim.mapping import MapContext, MemoryCache, Placement
from archsim.numberformat import parse_precision
from workloads import attention_cascade

SIXTEEN_BITS = parse_precision("accumulator=bf16")


def makespan_ps(program):
    return run_program(program, path=False).makespan_ps


def context_on(machine):
    room = {level: machine.capacity_bytes(level) for level in machine.levels}
    return MapContext(makespan_ps, Placement({}, room), MemoryCache())


def attention(keys, *, queries=None, heads=1, group=1, depth=64, width=None, causal=False, batch=1):
    return attention_cascade(
        "3-pass",
        queries=keys if queries is None else queries,
        keys=keys,
        head_dim=depth,
        value_dim=width,
        batch=batch,
        kv_heads=heads,
        group=group,
        causal=causal,
        precision=SIXTEEN_BITS,
    )


def small(rows=8, columns=8, lanes=8, capacity="64 KiB", base="fusemax-cloud"):
    """Return a small machine of the same kind as a published one."""
    return load_hardware(
        base,
        overrides=(
            f"hardware.components.array.rows={rows}",
            f"hardware.components.array.columns={columns}",
            f"hardware.components.vector.lanes={lanes}",
            f"hardware.components.buffer.capacity={capacity}",
        ),
    )


def mapped(mapper, cascade, machine, **options):
    return mapper.map(cascade, machine, options, context_on(machine))
