"""Bars of the GPU suite: what every group of unseen rows must keep to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from archsim.validation.suite import Bar, Item, Statistic

METRIC: Final = "time of unseen rows"
ENERGY: Final = "energy of unseen rows"


@dataclass(frozen=True, slots=True)
class Limit:
    """A bar for each group of items that it is about.

    Attributes
    ----------
    where
        What the items must have.
    limit
        Percent.
    split
        Keys whose values each get a bar of their own.
    statistic
        What is limited.
    metric
        Of which metric.
    """

    where: Mapping[str, str]
    limit: float
    split: tuple[str, ...] = ()
    statistic: Statistic = "mape_percent"
    metric: str = METRIC


LIMITS: Final = (
    Limit({"op": "gemm", "dtype": "bf16", "gpu": "a100-80g-sxm"}, 10.0, ("source",)),
    Limit({"op": "gemm", "dtype": "fp16", "gpu": "a100-80g-sxm"}, 10.0, ("source",)),
    Limit({"op": "gemm", "dtype": "bf16", "gpu": "h200-sxm"}, 10.0, ("source",)),
    Limit({"op": "gemm", "dtype": "bf16", "gpu": "l40s"}, 17.0, ("source",)),
    Limit({"op": "gemm", "dtype": "fp8"}, 40.0, ("gpu",)),
    Limit({"op": "gemm", "dtype": "fp8_block"}, 40.0, ("gpu",)),
    Limit({"op": "attention_prefill", "length": "long"}, 17.0, ("source",), "median_ape_percent"),
    Limit({"op": "moe"}, 35.0, ("source",)),
    Limit({"family": "vector"}, 20.0, ("source",)),
    *(
        Limit({"op": "allreduce", "source": source}, 20.0)
        for source in (
            *("aic:nccl-2.27.3", "aic:nccl-2.29.2", "aic:trtllm-1.0.0", "aic:trtllm-1.3.0rc20"),
            *("aic:vllm-0.14.0", "aic:vllm-0.24.0"),
        )
    ),
    Limit({"op": "allreduce", "source": "vidur"}, 20.0, statistic="median_ape_percent"),
    Limit({}, 29.0, ("gpu",), metric=ENERGY),
)
"""Bars from the project's accuracy table: the best figures of its GPU reference. All-reduces of
vidur are held to their median: half of the short ones take five times as long as the other half."""

DECODE_LIMIT: Final = 19.0
DECODE_LOOSE: Final = {"aic:trtllm-1.3.0rc20": 35.0, "aic:vllm-0.24.0": 35.0}
"""Decode attention by source; the reference itself has 25 to 35 % on two of them."""

UNSEEN_GPU: Final = (
    *(Limit({"op": "gemm", "dtype": dtype}, 13.0) for dtype in ("bf16", "fp16", "fp32", "tf32")),
    *(Limit({"op": "gemm", "dtype": dtype}, 40.0) for dtype in ("fp8", "fp8_block", "int8")),
)
"""GEMM of a GPU that no constants were fitted to; narrower formats are held to their own bar."""

EXEMPT: Final = {
    "tpu-v6e": "its rows are of low quality: weights stay on the chip, attention is not fused",
}
"""Devices without bars, and why."""

FEWEST: Final = 10
"""Items that a bar needs; fewer say nothing."""


def bars_for(items: Sequence[Item], *, unseen: bool) -> list[Bar]:
    """Return the bars that the items at hand can be held to."""
    limits = list(UNSEEN_GPU) if unseen else [*LIMITS, *_decode_limits(items)]
    bars: list[Bar] = []
    for limit in limits:
        chosen = [item for item in items if _is_about(limit, item)]
        keys = sorted({tuple(item.by[key] for key in limit.split) for item in chosen})
        for key in keys:
            by = {**limit.where, **dict(zip(limit.split, key, strict=True))}
            members = sum(all(item.by.get(name) == by[name] for name in by) for item in chosen)
            if members >= FEWEST:
                bars.append(Bar(limit.metric, limit.limit, limit.statistic, by))
    return bars


def _is_about(limit: Limit, item: Item) -> bool:
    return (
        item.metric == limit.metric
        and item.by["gpu"] not in EXEMPT
        and all(item.by.get(key) == value for key, value in limit.where.items())
    )


def _decode_limits(items: Sequence[Item]) -> list[Limit]:
    sources = sorted({item.by["source"] for item in items if item.by["op"] == "attention_decode"})
    return [
        Limit(
            {"op": "attention_decode", "source": source},
            DECODE_LOOSE.get(source, DECODE_LIMIT),
            ("gpu",),
        )
        for source in sources
    ]
