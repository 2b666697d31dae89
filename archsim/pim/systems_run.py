"""A generation on a system: batch, steps as lengths grow, prompts, energy; or why it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.mapping import Infeasible
from archsim.pim.systems import largest_batch, prefill_s, request_bytes, room
from archsim.pim.systems_power import static_power_w
from archsim.pim.systems_step import PARTS, Step, step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsim.pim.systems_file import SystemConfig
    from archsim.pim.systems_model import ServedModel

    Ints = NDArray[np.int64]

MOST_STEPS: Final = 64
"""Steps computed; of a longer generation the middles of as many equal parts."""
PROMPT_STEPS: Final = 8
"""Tokens computed of a prompt that goes through memory alone: middles of equal parts."""

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be served.

    Attributes
    ----------
    context, new_tokens
        Prompt of each request and tokens made.
    batch
        Requests of a pipeline stage; None: as many as fit and keep the limit, or one where there
        are no processors and requests share no reads.
    slo_s
        Longest time between two tokens; None: no limit.
    lengths
        Prompts of a batch of unequal requests, in the order in which they arrive; they stand for
        `context` and `batch`.
    continuous
        Whether requests join and leave one by one, so that prompts are processed in stages with
        decoding requests at all points of their generation; else all start and end together.
    spread
        ``equal`` prompts, or ``exponential`` ones with the same mean: the middles of equal shares
        of that distribution, in an order drawn with a fixed seed. A stand-in for traces.
    """

    context: int
    new_tokens: int
    batch: int | None = None
    slo_s: float | None = None
    lengths: tuple[int, ...] | None = None
    continuous: bool = False
    spread: str = "equal"


@dataclass(frozen=True, slots=True)
class Served:
    """What a job takes.

    Attributes
    ----------
    batch, stages
        Requests of a stage, and stages that work at once.
    largest_batch
        Most requests of a stage under capacity and limit; None for unequal requests.
    context, new_tokens
        Mean prompt, and tokens made of each request.
    latency_s
        Time of all new tokens.
    slowest_step_s, median_step_s
        Time of the longest step, and of the one in the middle of all by time.
    first_token_s
        From the start of a prompt to its first token: of the last one where all start together.
    parts_s, busy_s
        Means over steps: of each part, and of each side (``xpu pim link``).
    hidden_s
        Mean time that overlap saves.
    dynamic_j
        Dynamic energy of a token by component.
    static_w
        Power of everything that is on.
    where
        Side of each part, at the middle of the generation.
    imbalance
        Slowest channel over the mean, there.
    prefill_s
        Time of all prompts of a stage's batch, one after another; 0 if steps have them in them.
    stored_bytes, room_bytes
        Weights, keys and values at the end; and the room for them.
    steps
        Steps computed.
    """

    batch: int
    stages: int
    largest_batch: int | None
    context: int
    new_tokens: int
    latency_s: float
    slowest_step_s: float
    median_step_s: float
    first_token_s: float
    parts_s: Mapping[str, float]
    busy_s: Mapping[str, float]
    hidden_s: float
    dynamic_j: Mapping[str, float]
    static_w: float
    where: Mapping[str, str]
    imbalance: float
    prefill_s: float
    stored_bytes: int
    room_bytes: int
    steps: int

    @property
    def step_s(self) -> float:
        """Mean time between two tokens of a request."""
        return self.latency_s / self.new_tokens

    @property
    def tokens_per_s(self) -> float:
        """New tokens a second with all stages busy."""
        return self.batch * self.stages / self.step_s

    @property
    def served_tokens_per_s(self) -> float:
        """The same with the time of prompts counted."""
        made = self.batch * self.stages * self.new_tokens
        return made / (self.latency_s + self.prefill_s)

    @property
    def static_j(self) -> float:
        """Static energy of a token."""
        return self.static_w / self.tokens_per_s


def serve(
    system: SystemConfig, model: ServedModel, job: Job, report: Report | None = None
) -> Served | Infeasible:
    """Run a job on a system.

    Parameters
    ----------
    system, model, job
        What serves what.
    report
        Called with steps computed and steps in all.

    Returns
    -------
    Served or Infeasible
        The latter names resource, need and have: weights, keys and values, or the time between
        tokens.
    """
    found = _batch(system, model, job)
    if isinstance(found, Infeasible):
        return found
    starts, most = found
    if job.continuous:
        steps, weights = mixed_steps(system, model, job, len(starts))
    else:
        steps, weights = growing_steps(system, model, job, starts, report)
    last = max(steps, key=lambda one: one.latency_s)
    if not job.continuous:
        last = step(system, model, starts + job.new_tokens)
    if job.slo_s is not None and last.latency_s > job.slo_s:
        need, have_ps = round(last.latency_s * 1e12), round(job.slo_s * 1e12)
        return Infeasible("time between tokens", need, have_ps, "ps", "the last token is slower")
    share = weights / weights.sum()
    latency = float(np.dot(weights, [one.latency_s for one in steps]))
    middle = steps[0] if job.continuous else steps[len(steps) // 2]
    order = sorted(range(len(steps)), key=lambda number: steps[number].latency_s)
    half = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
    total = job.new_tokens * len(starts) + int(starts.sum())
    each_prompt = prefill_s if system.xpu is not None else token_by_token_s
    prompts = [each_prompt(system, model, int(n)) for n in np.unique(starts)]
    counts = np.unique(starts, return_counts=True)[1]
    prompts_s = 0.0 if job.continuous else float(np.dot(counts, prompts))
    have = room(system, model)
    return Served(
        batch=len(starts),
        stages=system.stages,
        largest_batch=most,
        context=round(float(starts.mean())),
        new_tokens=job.new_tokens,
        latency_s=latency,
        slowest_step_s=last.latency_s,
        median_step_s=steps[order[int(half)]].latency_s,
        first_token_s=last.latency_s if job.continuous else prompts_s + steps[0].latency_s,
        parts_s={
            name: float(np.dot(share, [one.parts_s[name] for one in steps])) for name in PARTS
        },
        busy_s={
            side: float(np.dot(share, [one.busy_s[side] for one in steps]))
            for side in middle.busy_s
        },
        hidden_s=float(np.dot(share, [one.hidden_s for one in steps])),
        dynamic_j={
            name: float(np.dot(share, [one.energy_j[name] for one in steps])) / len(starts)
            for name in middle.energy_j
        },
        static_w=static_power_w(system),
        where=middle.where,
        imbalance=middle.imbalance,
        prefill_s=prompts_s,
        stored_bytes=model.stored_bytes + request_bytes(model, total) * system.stages,
        room_bytes=have.cache_bytes + model.stored_bytes,
        steps=len(steps),
    )


def token_by_token_s(system: SystemConfig, model: ServedModel, tokens: int) -> float:
    """Return the time of a prompt on a system without processors: its tokens one after another.

    Parameters
    ----------
    system, model
        What serves what.
    tokens
        Prompt.
    """
    if not tokens:
        return 0.0
    parts = min(tokens, PROMPT_STEPS)
    ends = np.round((np.arange(parts) + 0.5) / parts * tokens + 0.5).astype(np.int64)
    return tokens * float(np.mean([step(system, model, np.array([at])).latency_s for at in ends]))


def growing_steps(
    system: SystemConfig, model: ServedModel, job: Job, starts: Ints, report: Report | None
) -> tuple[list[Step], Ints]:
    """Return the steps of requests that start and end together, and how many each stands for."""
    ends, weights = middles(job.new_tokens)
    steps = []
    for number, at in enumerate(ends):
        steps.append(step(system, model, starts + at))
        if report is not None:
            report(number + 1, len(ends))
    return steps, weights


def mixed_steps(
    system: SystemConfig, model: ServedModel, job: Job, batch: int
) -> tuple[list[Step], Ints]:
    """Return the kinds of steps of requests that join one by one, and how many of each there are.

    In as many steps as a request makes tokens, every request of the batch ends once and another
    one joins with its prompt. So ``min(batch, new tokens)`` steps have prompts in them, one or as
    many as it takes, spread evenly; decoding requests are at all points of their generation.

    Parameters
    ----------
    system, model, job
        What serves what.
    batch
        Requests that decode at once.
    """
    points = (np.arange(batch) + 0.5) / batch
    lengths = job.context + np.maximum(1, np.round(points * job.new_tokens)).astype(np.int64)
    if job.context == 0:
        return [step(system, model, lengths)], np.array([job.new_tokens])
    each, more = divmod(batch, job.new_tokens)
    kinds = {each: job.new_tokens - more, each + 1: more}
    kinds = {count: steps for count, steps in kinds.items() if steps}
    steps = [step(system, model, lengths, (job.context,) * count) for count in kinds]
    return steps, np.array(list(kinds.values()))


def middles(new_tokens: int) -> tuple[Ints, Ints]:
    """Return the steps that are computed (1: the first), and how many each stands for.

    Parameters
    ----------
    new_tokens
        Steps in all.

    Returns
    -------
    int64[steps], int64[steps]
        Middles of at most :data:`MOST_STEPS` equal parts, and the sizes of the parts.
    """
    count = min(new_tokens, MOST_STEPS)
    edges = np.round(np.linspace(0, new_tokens, count + 1)).astype(np.int64)
    sizes = np.diff(edges)
    return edges[:-1] + (sizes + 1) // 2, sizes


def _batch(
    system: SystemConfig, model: ServedModel, job: Job
) -> tuple[Ints, int | None] | Infeasible:
    """Return the prompts of a stage's requests and the largest batch, once it all fits."""
    if job.lengths is not None:
        starts = np.array(job.lengths, np.int64)
        fits = _fits(system, model, int(starts.sum()) + len(starts) * job.new_tokens, len(starts))
        return (starts, None) if fits is None else fits
    most = largest_batch(system, model, job.context, job.new_tokens, job.slo_s)
    if isinstance(most, Infeasible):
        return most
    batch = job.batch or (1 if system.xpu is None else most)
    starts = spread_prompts(job.context, batch, job.spread)
    fits = _fits(system, model, int(starts.sum()) + batch * job.new_tokens, batch)
    return (starts, most) if fits is None else fits


def spread_prompts(mean: int, batch: int, spread: str) -> Ints:
    """Return the prompts of a batch: all equal, or exponential with the given mean.

    Parameters
    ----------
    mean, batch
        Tokens and requests.
    spread
        ``equal`` or ``exponential``.

    Returns
    -------
    int64[batch]
    """
    if spread == "equal":
        return np.full(batch, mean, np.int64)
    middles = (np.arange(batch) + 0.5) / batch
    lengths = np.maximum(1, np.round(-np.log1p(-middles) * mean)).astype(np.int64)
    return lengths[np.random.default_rng(0).permutation(batch)]


def _fits(system: SystemConfig, model: ServedModel, tokens: int, batch: int) -> Infeasible | None:
    """Return why keys and values of so many tokens a stage do not fit, if so."""
    have = room(system, model)
    if have.cache_bytes < 0:
        return Infeasible(
            "weights", model.stored_bytes, have.weights_bytes, "B", f"weights of {model.name}"
        )
    need = request_bytes(model, tokens) * system.stages
    if need <= have.cache_bytes:
        return None
    each = f"{batch} requests" + (f" in each of {system.stages} stages" * (system.stages > 1))
    return Infeasible("capacity", need, have.cache_bytes, "B", f"keys and values of {each}")
