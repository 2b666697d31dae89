"""Results made by hand, for tests of what is rendered from them."""

from __future__ import annotations

from archsim.mapping import Infeasible
from archsim.results import (
    Energy,
    EngineStatistics,
    ErrorBand,
    Fidelity,
    Phase,
    Result,
    Roofline,
    WhatIf,
)

CONFIG = {
    "hardware": {"name": "tiny-array", "levels": ["dram", "buffer"]},
    "workload": {
        "name": "llama-toy",
        "phase": "decode",
        "batch": 1,
        "context": 1024,
        "new_tokens": 1,
        "precision": "weights=bf16,act=bf16,kv=bf16,accumulator=fp32",
        "model": {"name": "llama-toy", "layers": 2},
    },
    "mapper": {"gemm": "gemm", "attention": "unfused"},
    "options": {
        "fidelity": "tile",
        "fidelity_fallback": False,
        "ignore_capacity": False,
        "seed": 0,
    },
}


def feasible_result() -> Result:
    """Return a decode result with every field filled in."""
    return Result(
        feasible=True,
        latency_s=0.02,
        ttft_s=None,
        tbt_s=0.02,
        tokens_per_s=50.0,
        phases={"decode": Phase(0.02, 1, 1, 3.0, 8_000_000_000, 16_000_000_000, 0.018)},
        energy_j=3.0,
        energy=Energy(2.5, 0.5, {"dram": 2.0, "array": 0.75, "buffer": 0.25}),
        power_w=150.0,
        area_mm2=123.4,
        macs=8_000_000_000,
        dram_bytes=16_000_000_000,
        bytes={"dram": 16_000_000_000, "buffer": 32_000_000_000},
        utilization={"array": 0.02, "dram": 0.9},
        busy={"array": 0.25, "dram": 0.95, "vector": 0.001},
        breakdown={"attention": 0.25, "ffn": 0.75},
        critical_path={"dram": {"bandwidth": 0.75, "latency": 0.125}, "array": {"compute": 0.125}},
        bottleneck="dram:bandwidth",
        sensitivities={
            "hardware.components.dram.bandwidth": 0.75,
            "hardware.clocks.core": 0.125,
        },
        what_if={"hardware.components.array.rows": WhatIf(2.0, 1.01)},
        roofline=Roofline(0.018, 0.001, 0.018, 0.5, 90.0, "dram"),
        engine=EngineStatistics(operations=1_000_000, simulated=1234, jumps=7, recalls=5),
        fidelity=Fidelity("tile", {"gemm": "tile", "softmax": "tile"}),
        mapper={"gemm": "gemm", "attention": "unfused"},
        warnings=("the array's clock rounds to 1064 ps",),
        assumptions=("DRAM capacity is unbounded: not checked",),
        error_band=ErrorBand(0.018, 0.022, "estimates of dram.efficiency"),
        config=CONFIG,
        config_hash="0123456789abcdef",
        version="0.1.0",
    )


def infeasible_result() -> Result:
    """Return a result that says what did not fit."""
    return Result(
        feasible=False,
        infeasible=Infeasible("dram", 2**34, 2**33, "B", "the weights and the KV cache"),
        fidelity=Fidelity("tile"),
        mapper={},
        config=CONFIG,
        config_hash="0123456789abcdef",
        version="0.1.0",
    )
