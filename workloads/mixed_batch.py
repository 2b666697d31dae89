"""Mixed batches: new positions of several requests, each with its own length and history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from archsim.errors import WorkloadError
from archsim.numberformat import Precision, parse_precision
from workloads.layers.layer_builder import Step
from workloads.model import ModelConfig, load_model
from workloads.routing_plan import Routing
from workloads.sizes import MAX_COUNT, check_sampled
from workloads.stages import build_stages
from workloads.workload import Workload

MAX_GROUPS = 256
"""Most different (length, history) pairs of one batch; each has attention einsums of its own."""


def load_mixed(
    model: str | Path | ModelConfig,
    requests: Sequence[tuple[int, int]],
    *,
    precision: Precision | str = "",
    routing: Routing = "uniform",
    dequantise: bool = False,
    sampled: int = 0,
) -> Workload:
    """Build one pass over the new positions of several requests.

    Parameters
    ----------
    model
        Id of a shipped model, path of a YAML file, or a loaded model; a decoder.
    requests
        ``(new positions, history)`` of each: a whole prompt is (n, 0), a later chunk (n, h), a
        decode step (1, h), a verified draft (q, h).
    precision, routing, dequantise, sampled
        As in :func:`workloads.load_workload`.

    Raises
    ------
    WorkloadError
        No decoder, no requests, or a count out of range.

    Examples
    --------
    >>> batch = load_mixed("llama3-8b", [(512, 0), (1, 100), (1, 2000)])
    >>> batch.batch, batch.phase
    (3, 'mixed')
    """
    config = model if isinstance(model, ModelConfig) else load_model(model)
    if config.family != "decoder":
        raise WorkloadError(f"{config.name}: mixed batches need a decoder", given=config.family)
    if config.memory:
        raise WorkloadError(
            f"{config.name}: mixed batches need caches, not a memory of hidden states (memory)"
        )
    if not requests:
        raise WorkloadError("a mixed batch has at least one request", path="options.requests")
    for new, history in requests:
        if not (1 <= new <= MAX_COUNT and 0 <= history <= MAX_COUNT):
            raise WorkloadError(
                "a request has at least one new position and no negative history",
                path="options.requests",
                given=f"({new}, {history})",
            )
    counts = Counter(requests)
    if len(counts) > MAX_GROUPS:
        raise WorkloadError(
            "too many different requests",
            path="options.requests",
            given=len(counts),
            allowed=f"at most {MAX_GROUPS} pairs of length and history",
        )
    # Long requests first: the order changes no count.
    groups = tuple((counts[pair], *pair) for pair in sorted(counts, reverse=True))
    formats = parse_precision(precision) if isinstance(precision, str) else precision
    total = sum(number * new for number, new, _ in groups)
    check_sampled(config, sampled)
    step = Step(
        1,
        total,
        0,
        formats,
        routing=routing,
        requests=groups,
        dequantise=dequantise,
        sampled=sampled,
    )
    longest = max(new + history for new, history in requests)
    warnings: tuple[str, ...] = ()
    if longest > config.max_context:
        warnings = (
            f"{config.name}: {longest} positions exceed the {config.max_context} that the model "
            "was made for (max_context)",
        )
    return Workload(
        config,
        "mixed",
        len(requests),
        total,
        1,
        formats,
        build_stages(config, step),
        warnings,
        routing=routing,
        requests=groups,
        dequantise=dequantise,
        sampled=sampled,
    )
