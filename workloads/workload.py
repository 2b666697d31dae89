"""A workload: one phase of a model as stages, each a cascade with a repeat count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archsim.errors import WorkloadError
from archsim.numberformat import Precision, parse_precision
from workloads.kv_cache import cache_bytes, kept_rows
from workloads.layer_kinds import kind_counts, layer_runs, stage_name
from workloads.layers.latent_attention import is_absorbed
from workloads.layers.layer_builder import Step
from workloads.model import ModelConfig, load_model
from workloads.routing_plan import Routing
from workloads.sizes import DEFAULT_CONTEXT, check_sampled, check_sizes
from workloads.sparsity import parse_sparsity
from workloads.stages import Stage, build_stages
from workloads.weights import idle_parameters, weight_sizes


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
        In order of first execution; layers of one kind are one stage (see `layout`).
    warnings
        Sentences for the report.
    history
        Of a prefill: positions cached before it (a later chunk of a long prompt).
    draft_tokens
        Of a decode: drafted tokens that each step verifies beside the new one.
    source
        Positions of the encoder's result (encoder-decoder).
    routing
        How tokens spread over experts.
    requests
        Of a mixed batch: ``(number, new positions, history)`` of every group of equal requests.
    adapters, adapter_rank
        LoRA adapters, each serving as many sequences, and their rank.
    dequantise
        Weights and caches with scales are turned into ``act`` values by einsums of their own.
    sparsity
        Annotation of the layers' weight matrices, such as ``2:4``; empty: they are dense.
    sampled
        Candidates among which the next token is drawn; 0: the pass ends with the logits.
    """

    model: ModelConfig
    phase: str
    batch: int
    context: int
    new_tokens: int
    precision: Precision
    stages: tuple[Stage, ...]
    warnings: tuple[str, ...] = ()
    history: int = 0
    draft_tokens: int = 0
    source: int = 0
    routing: Routing = "uniform"
    requests: tuple[tuple[int, int, int], ...] = ()
    adapters: int = 0
    adapter_rank: int = 16
    dequantise: bool = False
    sparsity: str = ""
    sampled: int = 0

    @property
    def name(self) -> str:
        """Id of the model."""
        return self.model.name

    @property
    def num_steps(self) -> int:
        """Decode steps: of a prefill none, of a generate those after the first token.

        Every step makes one token, and with drafts all of them, as if every draft were accepted.
        """
        tokens = {
            "mixed": 0,
            "prefill": 0,
            "decode": self.new_tokens,
            "generate": self.new_tokens - 1,
        }
        return -(-tokens[self.phase] // self._step_tokens)

    @property
    def _step_tokens(self) -> int:
        return self.draft_tokens + 1

    @property
    def layout(self) -> tuple[tuple[str, int], ...]:
        """``(stage, layers)`` in the order of the model's layers, neighbours alike together."""
        sides = [False] if self.model.family != "encoder-decoder" else [True, False]
        return tuple(
            (stage_name(self.model, kind), number)
            for encoder in sides
            for kind, number in layer_runs(self.model, encoder=encoder)
        )

    def prefill(self) -> Workload:
        """Return the prefill of a generate (or of itself); WorkloadError for a decode."""
        if self.phase == "decode":
            raise WorkloadError(f"{self.name}: a decode has no prefill", path="options.phase")
        if self.requests:
            return self
        return self._phase("prefill", self.context, history=self.history)

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
        first = self.context + self.history
        if self.phase == "generate" and self.source:
            # The caches of an encoder-decoder's decoder begin with the token that starts it.
            first = 1
        return self._phase("decode", first + index * self._step_tokens)

    def _phase(self, phase: str, context: int, *, history: int = 0) -> Workload:
        return build_workload(
            self.model,
            phase=phase,
            batch=self.batch,
            context=context,
            precision=self.precision,
            history=history,
            draft_tokens=self.draft_tokens if phase == "decode" else 0,
            source=self.source if phase == "decode" else 0,
            routing=self.routing,
            adapters=self.adapters,
            adapter_rank=self.adapter_rank,
            dequantise=self.dequantise,
            sparsity=self.sparsity,
            sampled=self.sampled,
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

        Between two bends (a window fills, latent attention changes its form) a step's count grows
        by the same amount with every position, so the sum is closed form.
        """
        total = 0 if self.phase == "decode" else self.macs()
        first = 0
        for stop in [*self._bends(), self.num_steps]:
            if stop > first:
                ends = self.step(first).macs() + self.step(stop - 1).macs()
                total += (stop - first) * ends // 2
                first = stop
        return total

    def _bends(self) -> list[int]:
        """Return the steps, in order, from which the counts grow at another rate."""
        if not self.num_steps:
            return []
        start, pace = self.step(0).context, self._step_tokens
        full = {kind.window - 1 for kind in kind_counts(self.model) if kind.window}
        if self.model.memory:
            full.add(self.model.memory)
        bends = [-(-(rows - start) // pace) for rows in full]
        mla = self.model.mla
        if mla is not None:
            low, high = 0, self.num_steps
            while low < high:
                middle = (low + high) // 2
                if is_absorbed(mla, queries=pace, keys=start + (middle + 1) * pace):
                    high = middle
                else:
                    low = middle + 1
            bends.append(low)
        return sorted(bend for bend in bends if 0 < bend < self.num_steps)

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
        return sum(count for count, _ in weight_sizes(self._all_stages()))

    def weight_bytes(self) -> int:
        """Return the bytes of all parameters."""
        return sum(num_bytes for _, num_bytes in weight_sizes(self._all_stages()))

    def _all_stages(self) -> tuple[Stage, ...]:
        """Return stages that hold every weight: a later step lacks the encoder's."""
        if self.model.family != "encoder-decoder" or self.phase != "decode":
            return self.stages
        step = Step(self.batch, 1, 0, self.precision, source=1)
        step = replace(step, adapters=self.adapters, adapter_rank=self.adapter_rank)
        return build_stages(self.model, step)

    def active_parameters(self) -> int:
        """Return the parameters that take part in one token: of the routed experts, K each."""
        moe = self.model.moe
        if moe is None:
            return self.num_parameters()
        idle = idle_parameters(self._all_stages(), moe)
        return self.num_parameters() - idle

    def kv_bytes(self) -> int:
        """Return the bytes of all caches when the workload ends.

        A layer with a window keeps the rows in its window. Of an encoder-decoder, the keys and
        values of the encoder's result are cached beside those of the decoder.
        """
        if not self.model.is_causal:
            return 0
        model, cache = self.model, self.precision.kv
        total = 0
        for number, positions in self._final_positions():
            for kind, layers in kind_counts(model).items():
                rows = kept_rows(model, kind, positions)
                total += layers * cache_bytes(model, cache, number * rows)
                if kind.crossed:
                    total += layers * cache_bytes(model, cache, number * self.source)
        return total

    def _final_positions(self) -> list[tuple[int, int]]:
        """Return sequences and their cached positions when the workload ends."""
        if self.requests:
            return [(number, new + history) for number, new, history in self.requests]
        steps = self.num_steps * self._step_tokens
        return [(self.batch, self._start_of_steps() + steps)]

    def _start_of_steps(self) -> int:
        """Return the positions in the caches before the first step, a prefill's included."""
        if self.phase == "decode":
            return self.context
        return 1 if self.source else self.history + self.context

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes that one token of one sequence adds to the caches of all layers (0: no caches)."""
        each = cache_bytes(self.model, self.precision.kv, 1)
        return self.model.layers * each if self.model.is_causal else 0

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
    history: int = 0,
    draft_tokens: int = 0,
    source: int = 0,
    routing: Routing = "uniform",
    adapters: int = 0,
    adapter_rank: int = 16,
    dequantise: bool = False,
    sparsity: str = "",
    sampled: int = 0,
) -> Workload:
    """Build the cascades of one phase; arguments as for :func:`load_workload`."""
    counts = {"batch": batch, "context": context, "new_tokens": new_tokens}
    counts |= {"history": history, "draft_tokens": draft_tokens, "source": source}
    check_sizes(model, phase, **counts, adapters=adapters, adapter_rank=adapter_rank)
    check_sampled(model, sampled)
    formats = parse_precision(precision) if isinstance(precision, str) else precision
    two_sided = model.family == "encoder-decoder"
    if two_sided:
        source = source or max(context, 1)
    if phase == "decode":
        step = Step(batch, 1 + draft_tokens, context, formats, all_logits=draft_tokens > 0)
    else:
        step = Step(batch, 1 if two_sided else context, history, formats)
    step = replace(
        step,
        source=source,
        routing=routing,
        adapters=adapters,
        adapter_rank=adapter_rank,
        dequantise=dequantise,
        sparsity=parse_sparsity(sparsity) if sparsity else None,
        sampled=sampled,
    )
    workload = Workload(
        model,
        phase,
        batch,
        context,
        new_tokens,
        formats,
        build_stages(model, step),
        (),
        history,
        draft_tokens,
        source,
        routing,
        adapters=adapters,
        adapter_rank=adapter_rank,
        dequantise=dequantise,
        sparsity=sparsity,
        sampled=sampled,
    )
    positions = (
        context
        + history
        + {"prefill": 0, "decode": 1, "generate": 1}[phase]
        * (workload.num_steps * (1 + draft_tokens))
    )
    if positions <= model.max_context or model.memory:
        return workload
    warning = (
        f"{model.name}: {positions} positions exceed the {model.max_context} that the model "
        "was made for (max_context)"
    )
    return replace(workload, warnings=(warning,))


def load_workload(
    model: str | Path | ModelConfig,
    *,
    phase: str = "prefill",
    batch: int = 1,
    context: int = DEFAULT_CONTEXT,
    new_tokens: int = 1,
    precision: Precision | str = "",
    history: int = 0,
    draft_tokens: int = 0,
    source: int = 0,
    routing: Routing = "uniform",
    adapters: int = 0,
    adapter_rank: int = 16,
    dequantise: bool = False,
    sparsity: str = "",
    sampled: int = 0,
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
    history
        Of a prefill: positions cached before it, where `context` is a later chunk of a prompt.
    draft_tokens
        Of a decode: drafted tokens that every step verifies beside the new one.
    source
        Positions of the encoder's result (encoder-decoder); default `context`.
    routing
        How tokens spread over experts: ``uniform``, ``balanced``, or the tokens of each expert.
    adapters, adapter_rank
        LoRA adapters on all projections but the experts', each serving batch / adapters
        sequences, and their rank; their weights count as parameters.
    dequantise
        Multiply weights, gathered embedding rows and cached keys and values that have scales by
        them in einsums of their own; without, the scales only count as bytes.
    sparsity
        ``2:4`` (2 of 4 values) or ``1:2@16x16`` (1 of 2 blocks) of the layers' weight matrices:
        only what is kept is stored, with its positions. Counts stay those of dense products.
    sampled
        Candidates among which each next token is drawn (1: greedy); 0 leaves sampling out.
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
        history=history,
        draft_tokens=draft_tokens,
        source=source,
        routing=routing,
        adapters=adapters,
        adapter_rank=adapter_rank,
        dequantise=dequantise,
        sparsity=sparsity,
        sampled=sampled,
    )
