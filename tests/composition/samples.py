"""A tiny model, small machines, and mapped passes for the tests of the composition."""

from __future__ import annotations

from functools import lru_cache

from archsim.composition import simulate
from archsim.engine import run_program
from archsim.machine import Machine, load_hardware
from archsim.mapped_model import MappedPass, ModelMapper, choose_mappers
from archsim.mapping import MemoryCache
from archsim.program import Program
from archsim.results import Result
from workloads import Workload, build_workload, load_model

TINY = """\
name: tiny
source: a test
family: decoder
layers: 3
hidden_size: 64
heads: 4
kv_heads: 2
head_dim: 16
ffn_size: 160
vocabulary: 320
max_context: 4096
norm: {kind: rms, epsilon: 1e-5}
activation: silu
gated: true
positions: rotary
rope_theta: 10000
tied_embeddings: false
"""
"""A decoder in which every extent differs and the head is a matrix of its own."""

MACHINES = ("tpu-v4i", "array128-hbm2e", "array128-hbm3", "array128-lpddr5")
CACHE = MemoryCache()
"""Searches of one test run, shared by all tests: results do not depend on it."""


@lru_cache(maxsize=512)
def machine(name: str = "array128-hbm2e", *overrides: str) -> Machine:
    """Return a machine with overrides below ``hardware.``."""
    return load_hardware(name, overrides=[f"hardware.{text}" for text in overrides])


def small(capacity_kib: int = 64, bandwidth: str = "2 GB/s", *overrides: str) -> Machine:
    """Return a machine on which the tiny model takes many tiles."""
    return machine(
        "array128-hbm2e",
        "components.array.rows=8",
        "components.array.columns=8",
        "components.vector.lanes=8",
        f"components.buffer.capacity={capacity_kib} KiB",
        "components.buffer.banks=1",
        "components.buffer.read_width=32 B",
        "components.buffer.write_width=32 B",
        f"components.dram.bandwidth={bandwidth}",
        *overrides,
    )


def tiny(phase: str = "decode", *, batch: int = 1, context: int = 24, new_tokens: int = 1):
    """Return a workload of the tiny model."""
    return build_workload(
        load_model(TINY), phase=phase, batch=batch, context=context, new_tokens=new_tokens
    )


def evaluate(program: Program) -> int:
    return run_program(program, path=False).makespan_ps


def map_pass(on: Machine, workload: Workload) -> MappedPass:
    """Return one pass of a workload, mapped."""
    mapped = ModelMapper(on, choose_mappers(on, {}), evaluate, CACHE).map(workload)
    assert isinstance(mapped, MappedPass), mapped
    return mapped


def run(hardware: str | Machine, workload: str | Workload, **options) -> Result:
    """Simulate with the shared cache."""
    return simulate(hardware, workload, cache=CACHE, **options)
