"""Whole models and the parts of one layer on GPUs, against measured times.

A row of a whole model is a run as ``archsim run`` makes it; the parts of a layer are operators of
one rank, timed by a host that waits for each. What a scheduler does to many requests is not scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archsim.errors import ArchsimError, ConfigError, NotRunError
from archsim.validation.suite import Bar, Item, Outcome

if TYPE_CHECKING:
    from archsim.mapping import Json
    from archsim.results import Result
    from archsim.validation.table import Row
    from workloads import ModelConfig

WHOLE: Final = "end_to_end_prefill"
PARTS: Final = ("layer_decode_part", "layer_prefill_part")
SERVING: Final = "end_to_end_serving.csv"
FILE: Final = "end_to_end.csv"

WHOLE_METRIC: Final = "time of whole models"
PART_METRIC: Final = "time of parts of a layer"
AIM_PERCENT: Final = 10.0
"""Median error that the project aims for."""

CALLS: Final[Mapping[str, int]] = {"qkv": 3}
"""Calls of a part, where it is not one: LLMCompass times one projection and counts it three times
(software_model/transformer.py, run_on_gpu)."""

MISS_PERCENT: Final = 25.0
"""Error from which a row is listed as a miss."""

COLUMNS: Final = (
    *("gpu", "op", "dtype", "n", "batch", "heads", "head_dim", "q_len", "kv_len", "tp"),
    *("latency_us", "kernel", "source"),
)
WANTED: Final = f"a folder with {FILE}, or such a file, with the columns {', '.join(COLUMNS)}"

OPT_SOURCE: Final = "Zhang et al., OPT, arXiv:2205.01068, table 1 (24 layers, 2048, 32 heads)"
BERT_SOURCE: Final = "Devlin et al., BERT, arXiv:1810.04805, section 3 (L=24, H=1024, A=16)"

CHANGES: Final[Mapping[str, tuple[str, Mapping[str, object]]]] = {
    "bert_large": (
        "bert-base",
        {"layers": 24, "hidden_size": 1024, "heads": 16, "kv_heads": 16, "ffn_size": 4096},
    ),
    "gpt2_large": ("gpt2-large", {"max_context": 2048}),
    "gpt3_xl": (
        "gpt3-1.3b",
        {
            **{"hidden_size": 3072, "heads": 24, "kv_heads": 24, "head_dim": 128},
            "ffn_size": 12288,
        },
    ),
    "gpt3_27": ("gpt3-2.7b", {}),
    "opt_13": (
        "opt-13b",
        {
            **{"layers": 24, "hidden_size": 2048, "heads": 32, "kv_heads": 32, "head_dim": 64},
            "ffn_size": 8192,
        },
    ),
}
"""Model of ours for each name of the source, and what is different.

Shapes are those of :data:`OPT_SOURCE` and :data:`BERT_SOURCE`. Two are readings that the measured
times decide: ``opt_13`` is OPT-1.3B, as 13 billion parameters would take ten times as long, and
``gpt3_xl`` has the 24 heads of 128 that the GPT-3 paper prints (hence 3072 columns), as 2048
columns would take half as long on all parts.
"""

ALL_CLASSES: Final = ("gemm", "attention", "vector")

NOTES: Final = (
    "Whole models are fp32 forward passes of PyTorch (NeuSight's labels): kernels unfused, each"
    " launched by the host; decoders make the logits of every position.",
    "The source names its models, not their shapes: opt_13 is taken as OPT-1.3B and gpt3_xl with 24"
    " heads of 128 and 3072 columns because other readings are off by factors of ten and two on"
    " every part; their errors tell less than those of the other models.",
    "No operator was timed on a P4: constants of Volta give 0.79 s at its cap of 75 W, 0.96 s at"
    " the 50 W to which the card can be set. The 1.33 s measured are 2 TFLOP/s, a clock below the"
    " base clock (which would take 0.65 s): a hot or capped card.",
    "Names ending in -fusion are compiled: scales and masks are part of the softmax, residuals of"
    " the norms.",
    "Parts of a layer are those of GPT-3 175B on four A100 under LLMCompass; a host waits for"
    " each.",
)


@dataclass(frozen=True)
class GpuRunSuite:
    """Scores whole models and parts of layers on GPUs."""

    name: str = "gpu-run"
    title: str = "models on GPUs against measured times"

    def run(self, data: Path | None) -> Outcome:
        """Score a table of whole models and parts.

        Raises
        ------
        ConfigError
            The table is broken; file and line are named.
        NotRunError
            No data were given.
        """
        from archsim.validation.table import read_table

        path, skipped = _file(data)
        items: list[Item] = []
        rows = 0
        for row in read_table(path, COLUMNS):
            rows += 1
            try:
                item = _item(row)
            except _LeftOutError as reason:
                skipped[str(reason)] += 1
                continue
            items.append(item)
        return Outcome(
            cases=rows,
            items=items,
            skipped=skipped,
            bars=[
                Bar(metric, AIM_PERCENT, "median_ape_percent")
                for metric in (WHOLE_METRIC, PART_METRIC)
                if any(item.metric == metric for item in items)
            ],
            groupings=(("model",), ("gpu",), ("part",)),
            details=misses(items),
            notes=(*NOTES, *_served(path.parent / SERVING)),
        )


def _served(path: Path) -> tuple[str, ...]:
    """Return what estimates of serving rows amount to, where there are any."""
    from archsim.validation.gpu_throughput import COLUMNS as SERVED
    from archsim.validation.gpu_throughput import estimates, note

    if not path.is_file():
        return ()
    header = path.read_text("utf-8").partition("\n")[0].split(",")
    found = estimates(path) if set(SERVED) <= set(header) else []
    return (note(found),) if found else ()


class _LeftOutError(Exception):
    """A row that is not scored; the text is the reason."""


def _file(data: Path | None) -> tuple[Path, Counter[str]]:
    skipped: Counter[str] = Counter()
    if data is None:
        raise NotRunError(f"suite 'gpu-run' ships no measurements; it wants --data {WANTED}")
    if not data.exists():
        raise ConfigError("there is no such file", given=str(data), allowed=WANTED)
    if not data.is_dir():
        return data, skipped
    path = data / FILE
    if not path.is_file():
        raise NotRunError(f"no {FILE} in {data}; suite 'gpu-run' wants {WANTED}")
    if (data / SERVING).is_file():
        rows = (data / SERVING).read_text(encoding="utf-8").count("\n") - 1
        why = "throughput of many requests: the arrivals and the scheduler are not known"
        skipped[f"row of {SERVING}: {why}"] += max(1, rows)
    return path, skipped


def _item(row: Row) -> Item:
    """Predict a row.

    Raises
    ------
    _LeftOutError
        It is of a kind that is not scored.
    """
    from archsim.gpu.naming import gpu_id

    operator, kernel = row.text("op"), row.text("kernel")
    gpu = gpu_id(row.text("gpu"))
    if gpu is None:
        raise _LeftOutError(f"unknown GPU '{row.text('gpu')}'")
    measured = row.number("latency_us")
    if measured <= 0:
        raise row.error("latency_us", "must be positive", "a number above 0")
    if operator == WHOLE:
        predicted, metric = _whole(row, gpu, kernel), WHOLE_METRIC
    elif operator in PARTS:
        predicted, metric = _part(row, gpu, kernel), PART_METRIC
    else:
        raise _LeftOutError(f"'{operator}' is no whole model and no part of a layer")
    sizes = f"batch {row.text('batch')}, {row.text('q_len')} of {row.text('kv_len')} tokens"
    what = "model" if operator == WHOLE else "part"
    return Item(
        case=f"{row.text('gpu')} {kernel}, {sizes}",
        metric=metric,
        unit="µs",
        predicted=predicted,
        reference=measured,
        by={"gpu": gpu, what: kernel, "op": operator},
    )


def _whole(row: Row, gpu: str, kernel: str) -> float:
    """Return the time of a forward pass, µs."""
    from archsim.gpu.predict import predict

    name = kernel.removesuffix("-fusion")
    if name not in CHANGES:
        raise _LeftOutError(f"the shape of the model '{name}' is not known")
    model = model_of(name)
    batch = row.integer("batch", minimum=1)
    tokens = row.integer("q_len", minimum=1)
    number = row.text("dtype")
    fusion = "library" if kernel != name else "none"
    result = _run(gpu, model, batch, tokens, number, fusion)
    if result.latency_s is None:
        raise _LeftOutError(f"{model.name} does not run on {gpu}")
    time_us = result.latency_s * 1e6
    if model.family == "decoder":
        shape = {"n": model.vocabulary, "k": model.hidden_size}
        every = predict(gpu, "gemm", {"m": batch * tokens, **shape}, dtype=number)
        last = predict(gpu, "gemm", {"m": batch, **shape}, dtype=number)
        time_us += (every.time_s - last.time_s) * 1e6
    return time_us


def model_of(name: str) -> ModelConfig:
    """Return the model that the source calls so."""
    from workloads import load_model

    base, changes = CHANGES[name]
    return load_model(base).model_copy(update={**changes, "published_parameters": None})


def _run(gpu: str, model: ModelConfig, batch: int, tokens: int, number: str, fusion: str) -> Result:
    from archsim.composition import simulate
    from archsim.mapping import MemoryCache
    from workloads import build_workload

    options: dict[str, Json] = {"launch": "eager", "fusion": fusion, "library": "neusight"}
    if fusion == "none":
        options["kernel"] = "unfused"
    formats = f"weights={number},act={number},kv={number}"
    try:
        load = build_workload(
            model, phase="prefill", batch=batch, context=tokens, precision=formats
        )
        return simulate(
            gpu,
            load,
            mapper_options=dict.fromkeys(ALL_CLASSES, options),
            ignore_capacity=True,
            cache=MemoryCache(),
        )
    except ArchsimError as error:
        raise _LeftOutError(f"{model.name} does not run on {gpu}: {error}") from error


def _part(row: Row, gpu: str, kernel: str) -> float:
    """Return the time of one operator of a layer on one rank, µs."""
    from archsim.gpu.predict import predictor

    batch, ranks = row.integer("batch", minimum=1), row.integer("tp", minimum=1)
    hidden, queries = row.integer("n", minimum=1), row.integer("q_len", minimum=1)
    heads, keys = row.integer("heads", minimum=1), row.integer("kv_len", minimum=1)
    width, tokens = row.integer("head_dim", minimum=1), batch * queries
    inner, products = 4 * hidden // ranks, batch * heads // ranks
    plain = {"m": tokens, "n": hidden}
    found: dict[str, tuple[str, dict[str, int]]] = {
        "qkv": ("gemm", {"m": tokens, "n": hidden // ranks, "k": hidden}),
        "q_mul_k": ("batched_gemm", {"batch": products, "m": queries, "n": keys, "k": width}),
        "a_mul_v": ("batched_gemm", {"batch": products, "m": queries, "n": width, "k": keys}),
        "h_matmul0": ("gemm", {"m": tokens, "n": hidden, "k": hidden // ranks}),
        "h1_matmul1": ("gemm", {"m": tokens, "n": inner, "k": hidden}),
        "h2_matmul2": ("gemm", {"m": tokens, "n": hidden, "k": inner}),
        "layernorm_mha": ("layernorm", plain),
        "layernorm_ffn": ("layernorm", plain),
        "gelu": ("gelu", {"m": tokens * inner, "n": 1}),
        "allreduce_mha": ("allreduce", {"tp": ranks, "bytes": 2 * tokens * hidden}),
    }
    if kernel not in found:
        raise _LeftOutError(f"the part '{kernel}' is not known")
    operator, shape = found[kernel]
    collective = operator == "allreduce"
    model = predictor(
        gpu,
        operator,
        dtype=row.text("dtype"),
        library="nccl" if collective else row.text("source"),
        kernel="nccl" if collective else "",
    )
    return CALLS.get(kernel, 1) * model(shape).time_s * 1e6


def misses(items: Sequence[Item]) -> list[dict[str, Json]]:
    """Return the rows that miss by more than :data:`MISS_PERCENT`, worst first."""
    errors = [(item.error_percent or 0.0, item) for item in items]
    found = [(abs(error), error, item) for error, item in errors if abs(error) > MISS_PERCENT]
    return [
        {
            "miss": item.case,
            "predicted_us": round(item.predicted, 1),
            "measured_us": item.reference,
            "error_percent": round(error, 1),
        }
        for _, error, item in sorted(found, key=lambda entry: (-entry[0], entry[2].case))
    ]


SUITE = GpuRunSuite()
"""The suite, as the entry point names it."""
