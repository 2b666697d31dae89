"""Bench of the GPU operator models: microseconds an operator, and a million GEMM shapes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

import numpy as np

from archsim.bench.measure import CALIBRATION, REPEATS, best_cpu_s, calibration_per_s, metric
from archsim.gpu.predict import Predictor, predictor

CALLS: Final = 200
"""Predictions timed together."""

OPERATORS: Final = {
    "gemm": {"m": 256.0, "n": 4096.0, "k": 4096.0},
    "attention_decode": {
        **{"batch": 16.0, "heads": 32.0, "kv_heads": 8.0, "head_dim": 128.0, "kv_len": 4096.0}
    },
    "attention_prefill": {
        **{"batch": 1.0, "heads": 32.0, "kv_heads": 8.0, "head_dim": 128.0},
        **{"q_len": 2048.0, "kv_len": 2048.0},
    },
    "moe": {"m": 256.0, "n": 1536.0, "k": 4096.0, "experts": 128.0, "topk": 8.0},
    "rmsnorm": {"m": 256.0, "n": 4096.0},
    "allreduce": {"tp": 8.0, "bytes": 1048576.0},
}
"""Operators of one layer of a decoder."""

SEED: Final = 0


def _call(model: Predictor, shape: Mapping[str, float]) -> None:
    for _ in range(CALLS):
        model(shape)


def run(*, shapes: int = 1_000_000, repeats: int = REPEATS) -> dict[str, object]:
    """Measure single predictions and a batch of GEMM shapes on an H200.

    Parameters
    ----------
    shapes : int
        GEMM shapes of the batch, drawn on a logarithmic scale.
    repeats : int
        Runs of which the best counts; the batch runs once.
    """
    calibration = calibration_per_s(repeats)
    metrics = [metric(CALIBRATION, calibration, "steps/s")]
    exact = True
    for op, shape in OPERATORS.items():
        model = predictor("h200-sxm", op)
        first = model(shape)

        seconds = best_cpu_s(partial(_call, model, shape), repeats) / CALLS
        metrics.append(metric(f"one_{op}", seconds * 1e6, "µs"))
        exact = exact and model(shape) == first
    random = np.random.default_rng(SEED)
    sizes = {
        name: np.exp(random.uniform(np.log(low), np.log(high), shapes)).round().astype(np.float64)
        for name, low, high in (("m", 1, 16384), ("n", 128, 65536), ("k", 128, 65536))
    }
    gemm = predictor("h200-sxm", "gemm")
    few = {name: values[:64] for name, values in sizes.items()}
    alone = gemm.estimate(few).time_us
    seconds = best_cpu_s(lambda: gemm.estimate(sizes), 1)
    metrics.append(metric("batched_gemm_shapes", shapes / seconds, "shapes/s", calibration))
    metrics.append(metric("batched_gemm_time", seconds, "s"))
    exact = exact and bool((gemm.estimate(sizes).time_us[:64] == alone).all())
    return {"bench": "gpu", "metrics": metrics, "exact": exact}
