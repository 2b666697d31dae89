"""A workload: one phase of a model as stages, each a cascade with a repeat count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archsim.errors import WorkloadError, nearest
from archsim.numberformat import Precision, parse_precision
from workloads.cascade import Cascade
from workloads.layers.layer_builder import Step
from workloads.layers.transformer import embedding_cascade, head_cascade, layer_cascade
from workloads.model import ModelConfig, load_model

PHASES = ("prefill", "decode", "generate")
"""Phases of a decoder; an encoder has prefill only."""

DEFAULT_CONTEXT = 1024
"""Context where none is given."""

MAX_COUNT = 2**31
"""Greatest batch, context and number of new tokens."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A cascade that runs `repeat` times, each time with weights and caches of its own.

    Attributes
    ----------
    name
        ``embedding``, ``layer`` or ``head``.
    cascade
        What is computed.
    repeat
        How many identical layers it stands for.
    """

    name: str
    cascade: Cascade
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Workload:
    """One phase of a model.

    Methods count one pass through `stages`; for `generate` the stages are those of the prefill,
    for `decode` those of the first step, and :meth:`step` gives the passes that follow.

    Attributes
    ----------
    model
        The model.
    phase
        One of :data:`PHASES`.
    batch
        Sequences.
    context
        Prompt length of prefill and generate; for decode the KV length before the new token.
    new_tokens
        Tokens made per sequence (generate: the first of them by the prefill).
    precision
        Number formats.
    stages
        In order of execution.
    warnings
        Sentences for the report.
    """

    model: ModelConfig
    phase: str
    batch: int
    context: int
    new_tokens: int
    precision: Precision
    stages: tuple[Stage, ...]
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Id of the model."""
        return self.model.name

    @property
    def num_steps(self) -> int:
        """Decode steps: `new_tokens` of a decode, one fewer of a generate, none of a prefill."""
        return {"prefill": 0, "decode": self.new_tokens, "generate": self.new_tokens - 1}[
            self.phase
        ]

    def prefill(self) -> Workload:
        """Return the prefill of a generate (or of itself); WorkloadError for a decode."""
        if self.phase == "decode":
            raise WorkloadError(f"{self.name}: a decode has no prefill", path="options.phase")
        return self._phase("prefill", self.context)

    def step(self, index: int) -> Workload:
        """Return the decode step `index` (from 0), with a KV length of context + index before it.

        Raises
        ------
        WorkloadError
            There is no such step.
        """
        if not 0 <= index < self.num_steps:
            raise WorkloadError(
                f"{self.name}: no such decode step",
                given=index,
                allowed=f"0 to {self.num_steps - 1}" if self.num_steps else "nothing",
            )
        return self._phase("decode", self.context + index)

    def _phase(self, phase: str, context: int) -> Workload:
        return build_workload(
            self.model, phase=phase, batch=self.batch, context=context, precision=self.precision
        )

    def macs(self) -> int:
        """Return the useful multiply-accumulates of one pass."""
        return sum(stage.repeat * stage.cascade.macs() for stage in self.stages)

    def dense_macs(self) -> int:
        """Return the multiply-accumulates of one pass, masked points included."""
        return sum(stage.repeat * stage.cascade.dense_macs() for stage in self.stages)

    def op_counts(self) -> dict[str, int]:
        """Return ``{action: count}`` of one pass, matrix products as ``mac``."""
        totals: dict[str, int] = {}
        for stage in self.stages:
            for action, count in stage.cascade.op_counts().items():
                totals[action] = totals.get(action, 0) + stage.repeat * count
        return {action: totals[action] for action in sorted(totals)}

    def total_macs(self) -> int:
        """Return the useful multiply-accumulates of the prefill and all steps together.

        A step's count grows by the same amount with every position, so the sum is closed form.
        """
        total = 0 if self.phase == "decode" else self.macs()
        if self.num_steps:
            first, last = self.step(0).macs(), self.step(self.num_steps - 1).macs()
            total += self.num_steps * (first + last) // 2
        return total

    def compulsory_bytes(self) -> dict[str, int]:
        """Return ``{role: bytes}`` that one pass must move however it is scheduled.

        Weights and caches of every layer; constants once; the first stage's inputs and the last
        stage's output. Activations between stages may stay on chip and are not counted.
        """
        totals: dict[str, int] = {}
        for position, stage in enumerate(self.stages):
            for role, num_bytes in stage.cascade.compulsory_bytes().items():
                if (role == "input" and position > 0) or (
                    role == "output" and position < len(self.stages) - 1
                ):
                    continue
                times = stage.repeat if role in ("weight", "kv") else 1
                totals[role] = totals.get(role, 0) + times * num_bytes
        return totals

    def num_parameters(self) -> int:
        """Return the parameters of the model; a tensor that two stages share counts once."""
        return sum(count for count, _ in self._weights())

    def weight_bytes(self) -> int:
        """Return the bytes of all parameters."""
        return sum(num_bytes for _, num_bytes in self._weights())

    def _weights(self) -> list[tuple[int, int]]:
        seen: set[str] = set()
        sizes = []
        for stage in self.stages:
            for tensor in stage.cascade.role_tensors("weight"):
                if stage.repeat == 1 and tensor.name in seen:
                    continue
                if stage.repeat == 1:
                    seen.add(tensor.name)
                sizes.append(
                    (
                        stage.repeat * tensor.num_elements(stage.cascade),
                        stage.repeat * tensor.num_bytes(stage.cascade),
                    )
                )
        return sizes

    def kv_bytes(self) -> int:
        """Return the bytes of all caches when the workload ends."""
        last = self.step(self.num_steps - 1) if self.num_steps > 1 else self
        if self.phase == "generate" and self.num_steps == 1:
            last = self.step(0)
        return sum(stage.repeat * stage.cascade.role_bytes("kv") for stage in last.stages)

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes that one token of one sequence adds to the caches of all layers (0: no caches)."""
        if self.model.family == "encoder":
            return 0
        per_cache = self.precision.kv.bytes(self.model.kv_heads * self.model.head_dim)
        return 2 * self.model.layers * per_cache

    def activation_bytes(self) -> int:
        """Return the greatest footprint of live activations over all stages."""
        return max(stage.cascade.footprint_bytes() for stage in self.stages)


def build_workload(
    model: ModelConfig,
    *,
    phase: str = "prefill",
    batch: int = 1,
    context: int = DEFAULT_CONTEXT,
    new_tokens: int = 1,
    precision: Precision | str = "",
) -> Workload:
    """Build the cascades of one phase; arguments as for :func:`load_workload`."""
    _check(model, phase, batch=batch, context=context, new_tokens=new_tokens)
    formats = parse_precision(precision) if isinstance(precision, str) else precision
    if phase == "decode":
        step = Step(batch, 1, context, formats)
    else:
        step = Step(batch, context, 0, formats)
    # The outer stages do not depend on the history: all steps of a decode share them.
    outer = replace(step, history=0)
    stages = [
        Stage("embedding", embedding_cascade(model, outer)),
        Stage("layer", layer_cascade(model, step), model.layers),
    ]
    head = head_cascade(model, outer)
    if head is not None:
        stages.append(Stage("head", head))
    positions = context + {"prefill": 0, "decode": new_tokens, "generate": new_tokens - 1}[phase]
    warnings: tuple[str, ...] = ()
    if positions > model.max_context:
        warnings = (
            f"{model.name}: {positions} positions exceed the {model.max_context} that the model "
            "was made for (max_context)",
        )
    return Workload(model, phase, batch, context, new_tokens, formats, tuple(stages), warnings)


def _check(model: ModelConfig, phase: str, **counts: int) -> None:
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
        least = 0 if name == "context" and phase == "decode" else 1
        if not least <= value <= MAX_COUNT:
            raise WorkloadError(
                f"must be from {least} to {MAX_COUNT}",
                path=f"options.{name}",
                given=value,
                allowed="integer",
            )


def load_workload(
    model: str | Path | ModelConfig,
    *,
    phase: str = "prefill",
    batch: int = 1,
    context: int = DEFAULT_CONTEXT,
    new_tokens: int = 1,
    precision: Precision | str = "",
    overrides: Sequence[str] = (),
) -> Workload:
    """Load a model and build one phase of it.

    Parameters
    ----------
    model
        Id of a shipped model, path of a YAML file, or a loaded model.
    phase
        ``prefill``, ``decode`` or ``generate``.
    batch
        Sequences, at least 1.
    context
        Prompt length; for decode the KV length before the new token (may be 0).
    new_tokens
        Tokens to make per sequence (decode and generate).
    precision
        ``weights=int4:g128:fp16,act=bf16,kv=fp8``; what is not named is bf16, accumulator fp32.
    overrides
        ``workload.KEY=VALUE`` settings; only with an id or a path.

    Raises
    ------
    WorkloadError
        Unknown phase, a count out of range, decode of an encoder, overrides of a loaded model.
    ConfigError
        An unknown id, a bad model file, precision or override.

    Examples
    --------
    >>> decode = load_workload("llama3-8b", phase="decode", context=4096)
    >>> [(stage.name, stage.repeat) for stage in decode.stages]
    [('embedding', 1), ('layer', 32), ('head', 1)]
    >>> decode.num_parameters()
    8030261248
    """
    if not isinstance(model, ModelConfig):
        config = load_model(model, overrides=overrides)
    elif overrides:
        raise WorkloadError("overrides need a model file or id, not a loaded model")
    else:
        config = model
    return build_workload(
        config,
        phase=phase,
        batch=batch,
        context=context,
        new_tokens=new_tokens,
        precision=precision,
    )
