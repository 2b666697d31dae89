"""Serving at full load, estimated without a scheduler: a check by hand, never a score.

All requests wait at once and the server keeps its batch full, so arrivals do not matter. The batch
is what fits beside the weights, up to a limit; prompts are worked off in chunks of 8192 tokens
between decode steps, and nothing idles. With B sequences of p prompt and n new tokens each::

    tokens/s = B · n / (B · prompt time + n · step time at a context of p + n/2)

Dense models alone: how experts were shared is not told in the table.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archsim.errors import ArchsimError

if TYPE_CHECKING:
    from archsim.mapping import Json
    from archsim.validation.table import Row

COLUMNS: Final = (
    *("gpu", "model", "weight_dtype", "scenario", "isl", "osl", "tp"),
    *("metric", "value"),
)

SCENARIO: Final = "trtllm_max_throughput"

MODELS: Final = {
    "Llama-3.3-70B": "llama3-70b",
    "Llama-3.1-8B": "llama3-8b",
    "Llama-3.1-405B": "llama3.1-405b",
}

FORMATS: Final = {"fp8": "fp8", "fp4": "nvfp4", "nvfp4": "nvfp4", "bf16": "bf16"}

CACHE_SHARE: Final = 0.925
"""Of the memory left by the weights that caches may take; the table says 0.90 to 0.95."""

MOST_SEQUENCES: Final = 2048
"""Largest batch (TensorRT-LLM's default ``max_batch_size``, recalled)."""

CHUNK_TOKENS: Final = 8192
"""Prompt tokens of one prefill (TensorRT-LLM's default ``max_num_tokens``, recalled)."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """One row: new tokens a second, estimated and measured."""

    case: str
    predicted: float
    measured: float

    @property
    def error_percent(self) -> float:
        """Signed error, %."""
        return 100 * (self.predicted / self.measured - 1)


def estimates(path: Path) -> list[Throughput]:
    """Return the estimates of a table's rows that are of the kind above.

    Raises
    ------
    ConfigError
        The table is broken; file and line are named.
    """
    from archsim.validation.table import read_table

    found = []
    for row in read_table(path, COLUMNS):
        able = row.text("scenario") == SCENARIO and row.text("metric") == "output_tokens_per_s"
        if able and row.text("model") in MODELS and row.text("weight_dtype") in FORMATS:
            item = _estimate(row)
            if item is not None:
                found.append(item)
    return found


def _estimate(row: Row) -> Throughput | None:
    from archsim.gpu.naming import gpu_id
    from archsim.machine import load_hardware
    from archsim.parallel import parse_parallel, share
    from workloads import load_workload

    gpu, model = gpu_id(row.text("gpu")), MODELS[row.text("model")]
    if gpu is None:
        return None
    prompt, new = row.integer("isl", minimum=1), row.integer("osl", minimum=1)
    formats = f"weights={FORMATS[row.text('weight_dtype')]},kv=fp8"
    sharing = f"tp={row.integer('tp', minimum=1)}"
    context = prompt + new // 2
    one = load_workload(model, phase="decode", context=context, precision=formats)
    rank = share(one, parse_parallel(sharing))
    machine = load_hardware(gpu)
    memory = machine.capacity_bytes(machine.outermost) or 0
    room = CACHE_SHARE * (memory - rank.weight_bytes())
    sequences = min(MOST_SEQUENCES, int(room / rank.kv_bytes()))
    if sequences < 1:
        return None
    options: dict[str, Json] = {"library": "trtllm"}
    prompts = max(1, CHUNK_TOKENS // prompt)
    times = []
    for phase, batch, length in (("decode", sequences, context), ("prefill", prompts, prompt)):
        time_s = _time_s(gpu, model, phase, batch, length, formats, sharing, options)
        if time_s is None:
            return None
        times.append(time_s)
    step_s, prompt_s = times[0], times[1] / prompts
    rate = sequences * new / (sequences * prompt_s + new * step_s)
    what = f"{row.text('gpu')} {row.text('model')} {row.text('weight_dtype')} {sharing}"
    measured = row.number("value")
    return Throughput(f"{what}, {prompt} + {new} tokens", rate, measured)


def _time_s(
    gpu: str,
    model: str,
    phase: str,
    batch: int,
    context: int,
    formats: str,
    sharing: str,
    options: dict[str, Json],
) -> float | None:
    from archsim.composition import simulate
    from archsim.mapping import MemoryCache

    try:
        result = simulate(
            gpu,
            model,
            phase=phase,
            batch=batch,
            context=context,
            precision=formats,
            parallel=sharing,
            mapper_options=dict.fromkeys(("gemm", "attention", "vector"), options),
            ignore_capacity=True,
            cache=MemoryCache(),
        )
    except ArchsimError:
        return None
    return result.latency_s


def note(found: Sequence[Throughput]) -> str:
    """Return what the estimates amount to, in one sentence."""
    errors = sorted(found, key=lambda item: abs(item.error_percent))
    middle = statistics.median(abs(item.error_percent) for item in errors)
    within = sum(abs(item.error_percent) <= 10 for item in errors)
    worst = errors[-1]
    return (
        f"Throughput of {len(errors)} served dense models, estimated as a full batch whose prompts"
        f" are worked off between steps (not a score: limits of batch and chunk are recalled):"
        f" median error {middle:.1f} %, {within} within 10 %, worst {worst.error_percent:+.0f} %"
        f" ({worst.case}), mean"
        f" {math.fsum(item.error_percent for item in errors) / len(errors):+.1f} %."
    )
