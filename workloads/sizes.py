"""Which phases and sizes a workload may have."""

from __future__ import annotations

from archsim.errors import WorkloadError, nearest
from workloads.model import ModelConfig

PHASES = ("prefill", "decode", "generate")
"""Phases of a decoder; an encoder has prefill only."""

DEFAULT_CONTEXT = 1024
"""Context where none is given."""

MAX_COUNT = 2**31
"""Greatest batch, context and number of new tokens."""

_LEAST = {"history": 0, "draft_tokens": 0, "source": 0, "adapters": 0}
_PHASES_OF: dict[str, tuple[str, ...]] = {
    "history": ("prefill", "generate"),
    "draft_tokens": ("decode", "generate"),
}


def check_sizes(model: ModelConfig, phase: str, **counts: int) -> None:
    """Raise WorkloadError unless a model has such a phase with such sizes."""
    if phase not in PHASES:
        raise WorkloadError(
            "unknown phase",
            path="options.phase",
            given=phase,
            allowed=PHASES,
            hint=nearest(phase, PHASES),
        )
    if model.family == "encoder" and phase != "prefill":
        raise WorkloadError(
            f"{model.name} is an encoder: it has no KV cache and makes no tokens",
            path="options.phase",
            given=phase,
            allowed="prefill",
        )
    for name, value in counts.items():
        least = 0 if name == "context" and phase == "decode" else _LEAST.get(name, 1)
        if not least <= value <= MAX_COUNT:
            raise WorkloadError(
                f"must be from {least} to {MAX_COUNT}",
                path=f"options.{name}",
                given=value,
                allowed="integer",
            )
        if value and phase not in _PHASES_OF.get(name, PHASES):
            raise WorkloadError(
                f"a {phase} has none", path=f"options.{name}", given=value, allowed="0"
            )
    one_sided = model.family != "encoder-decoder"
    if one_sided and counts["source"]:
        raise WorkloadError(
            f"{model.name} has no encoder beside a decoder",
            path="options.source",
            given=counts["source"],
            allowed="0",
        )
    if counts["history"] and (not one_sided or not model.is_causal):
        raise WorkloadError(
            f"{model.name} reads its prompt at once: an encoder sees all of it",
            path="options.history",
            given=counts["history"],
            allowed="0",
        )
    adapters = counts["adapters"]
    if adapters and counts["batch"] % adapters:
        raise WorkloadError(
            "adapters serve equally many sequences each",
            path="options.adapters",
            given=adapters,
            allowed=f"a divisor of the batch, {counts['batch']}",
        )


def check_sampled(model: ModelConfig, sampled: int) -> None:
    """Raise WorkloadError unless a model has logits with so many candidates."""
    most = model.vocabulary if model.is_causal else 0
    if not 0 <= sampled <= most:
        raise WorkloadError(
            f"{model.name} has {most} candidates for a next token",
            path="options.sampled",
            given=sampled,
            allowed=f"0 to {most}",
        )
