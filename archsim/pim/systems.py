"""How many requests a system holds, and how fast it decodes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.mapping import Infeasible
from archsim.pim.systems_step import Step, step
from archsim.units import PS_PER_S

if TYPE_CHECKING:
    from archsim.pim.systems_file import SystemConfig
    from archsim.pim.systems_model import ServedModel

MAX_BATCH: Final = 1 << 20
"""Largest batch that is looked for."""
SCANNED: Final = 2048
"""Up to this capacity every batch is tried under a limit: time is not monotonic in the batch where
blocks go to cores in waves. Beyond it the limit is found by halving."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where weights and caches lie.

    Attributes
    ----------
    weights_bytes
        Room for weights, which the caches share unless they lie in the stacks alone.
    cache_bytes
        Room for keys and values once the weights are in; negative if they do not fit.
    """

    weights_bytes: int
    cache_bytes: int


def room(system: SystemConfig, model: ServedModel) -> Room:
    """Return the room of a system for weights and caches."""
    xpu = 0 if system.xpu is None else system.xpu.count * system.xpu.capacity_bytes
    pim = 0 if system.pim is None else system.pim.stacks * system.pim.capacity_bytes
    if system.homes.cache == "pim":
        fits = model.stored_bytes <= xpu
        return Room(xpu, pim if fits else xpu - model.stored_bytes)
    have = xpu + pim if system.homes.cache == "pooled" else max(xpu, pim)
    return Room(have, have - model.stored_bytes)


def request_bytes(model: ServedModel, tokens: int) -> int:
    """Return the bytes of the keys and values of a request of so many tokens."""
    return model.token_bytes * tokens


def capacity_batch(system: SystemConfig, model: ServedModel, tokens: int) -> int | Infeasible:
    """Return the largest batch whose weights, keys and values fit.

    Parameters
    ----------
    system
        Memories.
    model
        What is served.
    tokens
        Keys and values of each request at its end; all are reserved at once.
    """
    have = room(system, model)
    if have.cache_bytes < 0:
        return Infeasible(
            "weights", model.stored_bytes, have.weights_bytes, "B", f"weights of {model.name}"
        )
    need = request_bytes(model, tokens)
    if need > have.cache_bytes:
        detail = f"keys and values of one request of {tokens} tokens"
        return Infeasible("capacity", need, have.cache_bytes, "B", detail)
    return min(MAX_BATCH, have.cache_bytes // need)


def decode(system: SystemConfig, model: ServedModel, batch: int, context: int) -> Step:
    """Return a step of a batch of equally long requests, whether or not it fits.

    Parameters
    ----------
    system, model
        What serves what.
    batch
        Requests; of each pipeline stage where there are stages.
    context
        Keys and values of each, the new token's included.
    """
    return step(system, model, np.full(batch, context, np.int64))


def largest_batch(
    system: SystemConfig,
    model: ServedModel,
    context: int,
    new_tokens: int,
    slo_s: float | None = None,
) -> int | Infeasible:
    """Return the largest batch under capacity and a limit on the time between tokens.

    Parameters
    ----------
    system, model
        What serves what.
    context, new_tokens
        Prompt and tokens made; room is kept for both, and the limit holds to the last token.
    slo_s
        Longest time between two tokens; None: no limit.
    """
    tokens = context + new_tokens
    most = capacity_batch(system, model, tokens)
    if isinstance(most, Infeasible):
        return most
    if most < system.stages:
        need = system.stages * request_bytes(model, tokens)
        have = room(system, model).cache_bytes
        detail = f"keys and values of a request in each of {system.stages} stages"
        return Infeasible("capacity", need, have, "B", detail)
    most //= system.stages
    if slo_s is None or decode(system, model, most, tokens).latency_s <= slo_s:
        return most
    alone = decode(system, model, 1, tokens).latency_s
    if alone > slo_s:
        need, have = round(alone * PS_PER_S), round(slo_s * PS_PER_S)
        return Infeasible("time between tokens", need, have, "ps", "a single request is slower")
    if most <= SCANNED:
        return next(
            batch
            for batch in range(most, 0, -1)
            if decode(system, model, batch, tokens).latency_s <= slo_s
        )
    low, high = 1, most
    while high - low > 1:
        middle = (low + high) // 2
        if decode(system, model, middle, tokens).latency_s <= slo_s:
            low = middle
        else:
            high = middle
    return low


def generation(
    system: SystemConfig, model: ServedModel, batch: int, context: int, new_tokens: int
) -> Step:
    """Return the step in the middle of a generation: its mean, as far as time is linear in length.

    Parameters
    ----------
    system, model, batch
        What serves how many.
    context, new_tokens
        Prompt and tokens made.
    """
    return decode(system, model, batch, context + (new_tokens + 1) // 2)


def prefill_s(system: SystemConfig, model: ServedModel, tokens: int) -> float:
    """Return the time of one prompt on the processors: their compute at its efficiency.

    Parameters
    ----------
    system
        A system with processors.
    model
        What is served.
    tokens
        Prompt.
    """
    xpu = system.xpu
    if xpu is None:
        return 0.0
    dense_layers = model.layers - model.expert_layers
    used = model.layers * model.projection + dense_layers * model.dense
    used += model.expert_layers * (model.active * model.expert + model.always)
    causal = 2.0 * model.layers * model.heads * model.head_size * tokens**2
    rate = xpu.flops_per_s * xpu.compute_efficiency * xpu.count
    return (2.0 * used * tokens + causal) / rate


def served_tokens_per_s(
    system: SystemConfig, model: ServedModel, batch: int, context: int, new_tokens: int
) -> float:
    """Return the rate of new tokens with the time of the prompts counted, one after another.

    Parameters
    ----------
    system, model, batch
        What serves how many.
    context, new_tokens
        Prompt and tokens made.
    """
    decoding = generation(system, model, batch, context, new_tokens).latency_s * new_tokens
    return batch * new_tokens / (decoding + batch * prefill_s(system, model, context))
