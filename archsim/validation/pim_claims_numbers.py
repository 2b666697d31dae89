"""Our numbers for what publications on systems with computing memories claim."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Final

import numpy as np

from archsim.errors import ConfigError
from archsim.mapping import Infeasible
from archsim.pim.systems import (
    capacity_batch,
    decode,
    generation,
    largest_batch,
    served_tokens_per_s,
)
from archsim.pim.systems_experts import expert_tokens
from archsim.pim.systems_file import SystemConfig, load_system, without_pim
from archsim.pim.systems_model import ServedModel, served_model
from archsim.pim.systems_step import Step, step

PROMPT: Final = 2048
NEW: Final = 128
"""AttAcc's headline case."""

POOLED: Final = ("homes.cache=pooled", "homes.ffn=both")
"""AttAcc as its simulator counts and runs it: capacities added, feed-forward layers shared."""

LENGTHS: Final = (256, 1024, 4096)
BATCHES: Final = (32, 64, 128)
"""Duplex: equal prompt and output (lengths: estimate), batches of the paper."""

DUPLEX_MODELS: Final = (("mixtral-8x7b", 4), ("glam-143b", 8), ("grok-1", 16))
"""Models with experts and their devices (arXiv:2409.01141, Table 1)."""

BANK_PIM: Final = (
    "pim.bandwidth=10726.4 GB/s",
    "pim.ops_per_byte=1",
    "pim.access_pj_per_bit=0.84",
    "pim.operands=reread",
    "homes.experts=faster",
)
"""Duplex's Bank-PIM: 16 times the bandwidth, 1 op/B, 0.187 nJ a read (and 0.11 pJ a bit opened)."""

GPT_MODELS: Final = (
    *("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"),
    *("gpt3-125m", "gpt3-350m", "gpt3-760m", "gpt3-1.3b"),
)
"""Models of PIM-GPT."""

T4_BYTES_PER_S: Final = 320e9
"""Peak bandwidth of a T4 (data sheet)."""


@lru_cache(maxsize=64)
def system(name: str, *overrides: str) -> SystemConfig:
    """Return a packaged system with overrides below ``hardware.``."""
    return load_system(name, [f"hardware.{text}" for text in overrides])[0]


@lru_cache(maxsize=64)
def model(name: str, weight_bytes: int = 2, cache_bytes: int = 2) -> ServedModel:
    """Return a model; ``glam-143b`` is the GLaM of Duplex's Table 1."""
    if name == "glam-143b":
        width, ffn = 4096, 16384
        return ServedModel(
            name, 32, 16, width, 32, 32, 128, 256000, 4 * width * width, 2 * width * ffn,
            2 * width * ffn, 64 * width, 64, 2,
        )  # fmt: skip
    from workloads import load_model

    return served_model(load_model(name), weight_bytes, cache_bytes)


def attacc(*overrides: str, large: bool = False, pim: bool = True) -> SystemConfig:
    """Return the DGX with AttAcc, the DGX alone, or the DGX with twice the memory."""
    more = ("xpu.capacity=160 GiB",) if large else ()
    found = system("dgx-attacc", *more, *overrides)
    return found if pim else without_pim(found)


def own_batch(found: SystemConfig, served: ServedModel, prompt: int, new: int) -> int:
    """Return the largest batch that fits.

    Raises
    ------
    ConfigError
        Not even one request fits.
    """
    batch = capacity_batch(found, served, prompt + new)
    if isinstance(batch, Infeasible):
        raise ConfigError(batch.detail, given=batch.need, allowed=f"at most {batch.have}")
    return batch


def at_own_batch(found: SystemConfig, served: ServedModel) -> Step:
    """Return the mean step of AttAcc's headline case at the batch that fits."""
    return generation(found, served, own_batch(found, served, PROMPT, NEW), PROMPT, NEW)


def attacc_batch(*, pim: bool) -> float:
    """Return the largest batch of GPT-3 175B at 2048 + 128 tokens in FP16."""
    return float(own_batch(attacc(pim=pim), model("gpt3-175b"), PROMPT, NEW))


def attacc_pooled_batch(prompt: int, new: int) -> float:
    """Return the largest batch of GPT-3 175B in FP16 with the memories of DGX and AttAcc added."""
    return float(own_batch(attacc(*POOLED), model("gpt3-175b"), prompt, new))


def attacc_counted_batch(memory_gib: int, prompt: int, new: int, word: int = 2) -> float:
    """Return how many requests of GPT-3 175B fill a memory, a fraction for the last.

    Weights and lengths as the published simulator counts them: 12 layers x width^2 without
    embeddings, prompt + new - 1 tokens (scale-snu/attacc_simulator, system.py, read).
    """
    layers, width = 96, 12288
    weights = 12 * layers * width**2 * word
    return (memory_gib * 2**30 - weights) / (2 * layers * width * word * (prompt + new - 1))


def attacc_settings(batch: int) -> list[tuple[int, int, int, int]]:
    """Return settings in which a published batch is the first that no longer fits.

    Returns
    -------
    list of (memory in GiB, prompt, new tokens, bytes of an element)
        Prompts and new tokens are powers of two from 32 to 2048.
    """
    powers = [1 << n for n in range(5, 12)]
    return [
        (memory, prompt, new, word)
        for memory, prompt, new, word in product((640, 1280), powers, powers, (1, 2))
        if batch - 1 < attacc_counted_batch(memory, prompt, new, word) <= batch
    ]


def attacc_pooled_speedup(name: str, word: int = 2, *, large: bool = False) -> float:
    """Return throughput over the DGX at own batches, capacities added, all optimisations on."""
    # INT8 runs at twice the FP16 rate: 624 TOPS (A100 data sheet).
    rate = ("xpu.compute=624e12",) if word == 1 else ()
    served = model(name, word, word)
    ours = at_own_batch(attacc(*POOLED, *rate), served)
    base = at_own_batch(attacc(*rate, large=large, pim=False), served)
    return ours.tokens_per_s / base.tokens_per_s


def attacc_batch_ratio() -> float:
    """Return the greatest ratio of batches that any request length can give, memory pooled."""
    base, served = attacc(pim=False), model("gpt3-175b")
    assert base.xpu is not None
    memory = base.xpu.count * base.xpu.capacity_bytes
    return (2 * memory - served.stored_bytes) / (memory - served.stored_bytes)


def attacc_speedup() -> float:
    """Return decode throughput over the DGX, keys and values in AttAcc alone."""
    served = model("gpt3-175b")
    ours = at_own_batch(attacc(), served)
    return ours.tokens_per_s / at_own_batch(attacc(pim=False), served).tokens_per_s


def attacc_speedup_at(batch: int, base_batch: int) -> float:
    """Return decode throughput over the DGX at given batches, whether or not they fit."""
    served = model("gpt3-175b")
    ours = generation(attacc(), served, batch, PROMPT, NEW)
    base = generation(attacc(pim=False), served, base_batch, PROMPT, NEW)
    return ours.tokens_per_s / base.tokens_per_s


def attacc_energy() -> float:
    """Return tokens per joule over the DGX with the same capacity, each at its largest batch."""
    served = model("gpt3-175b")
    base = at_own_batch(attacc(large=True, pim=False), served)
    return base.joules_per_token / at_own_batch(attacc(*POOLED), served).joules_per_token


def attacc_pipeline() -> float:
    """Return the gain of attention beside projections."""
    served = model("gpt3-175b")
    plain = at_own_batch(attacc("homes.overlap=none"), served)
    return at_own_batch(attacc(), served).tokens_per_s / plain.tokens_per_s


def attacc_under_slo(slo_s: float = 0.030) -> float:
    """Return throughput over the DGX under a limit, MT-NLG 530B in INT8."""
    served = model("mt-nlg-530b", 1, 1)
    rates = []
    for found in (attacc(), attacc(pim=False)):
        batch = largest_batch(found, served, PROMPT, NEW, slo_s)
        if isinstance(batch, Infeasible):
            raise ConfigError(
                batch.detail, given=batch.need, allowed=f"at most {batch.have} {batch.unit}"
            )
        rates.append(decode(found, served, batch, PROMPT + NEW).tokens_per_s)
    return rates[0] / rates[1]


def attacc_bandwidth() -> float:
    """Return the bandwidth of all units under the power limit, TB/s."""
    pim = attacc().pim
    assert pim is not None
    return pim.stacks * pim.bandwidth_bytes_per_s / 1e12


def duplex(name: str, *overrides: str) -> SystemConfig:
    """Return Duplex with as many devices as the paper has for a model."""
    devices = dict(DUPLEX_MODELS).get(name, 4)
    return system("duplex", f"xpu.count={devices}", f"pim.stacks={5 * devices}", *overrides)


def duplex_ratio(name: str, batch: int, length: int, *overrides: str) -> float:
    """Return tokens a second over the same processors alone, prompts counted."""
    ours, served = duplex(name, *overrides), model(name)
    return served_tokens_per_s(ours, served, batch, length, length) / served_tokens_per_s(
        without_pim(ours), served, batch, length, length
    )


def duplex_ratios(*overrides: str) -> list[float]:
    """Return the ratios of all models, batches and lengths."""
    return [
        duplex_ratio(name, batch, length, *overrides)
        for (name, _), batch, length in product(DUPLEX_MODELS, BATCHES, LENGTHS)
    ]


def duplex_over_bank() -> float:
    """Return the mean of Duplex over Bank-PIM on Mixtral."""
    cases = list(product(BATCHES, LENGTHS))
    found = [
        duplex_ratio("mixtral-8x7b", *case, "homes.experts=faster")
        / duplex_ratio("mixtral-8x7b", *case, *BANK_PIM)
        for case in cases
    ]
    return sum(found) / len(found)


def duplex_energy(name: str) -> float:
    """Return the greatest saving of dynamic energy per token over the processors, percent."""
    ours, served = duplex(name, "homes.experts=faster"), model(name)
    ratios = [
        generation(ours, served, batch, length, length).joules_per_token
        / generation(without_pim(ours), served, batch, length, length).joules_per_token
        for batch, length in product(BATCHES, LENGTHS)
    ]
    return 100.0 * (1.0 - min(ratios))


def duplex_gap(name: str, batch: int, length: int) -> float:
    """Return how much less time there is between tokens, percent."""
    ours, served = duplex(name), model(name)
    base = generation(without_pim(ours), served, batch, length, length)
    return 100.0 * (
        1.0 - generation(ours, served, batch, length, length).latency_s / base.latency_s
    )


def duplex_step() -> float:
    """Return Mixtral's decode step on GPUs over that on Duplex, 32 requests of 2144 tokens."""
    ours, served = duplex("mixtral-8x7b"), model("mixtral-8x7b")
    return (
        decode(without_pim(ours), served, 32, 2144).latency_s
        / decode(ours, served, 32, 2144).latency_s
    )


def expert_utilization() -> float:
    """Return the greatest use of a GPU's peak by layers of experts, batches up to 128, percent."""
    best = 0.0
    for name, _ in DUPLEX_MODELS:
        served, found = model(name), without_pim(duplex(name))
        assert found.xpu is not None
        for batch in BATCHES:
            one = generation(found, served, batch, 1024, 1024)
            tokens = expert_tokens(batch, served.experts, served.active).sum()
            flops = 2.0 * served.expert * float(tokens) * served.expert_layers
            rate = found.xpu.flops_per_s * found.xpu.count
            best = max(best, 100.0 * flops / rate / one.parts_s["experts"])
    return best


def bank_over_duplex_on_opt() -> float:
    """Return Bank-PIM over Duplex on OPT-66B (one key head a query head), batch 32, 1024 tokens."""
    return duplex_ratio("opt-66b", 32, 1024, *BANK_PIM) / duplex_ratio("opt-66b", 32, 1024)


def edp_order(ops_per_byte: int) -> tuple[str, ...]:
    """Return Duplex's memories by energy times delay of a product, best first; area is left out.

    Reads are 0.187, 0.686, 0.464 nJ for 32 B beside the bank, the group and on the logic die, an
    activation is 0.909 nJ for 1 KiB, a MAC 0.46 pJ (arXiv:2409.01141). With one operation a byte a
    bank reads again for each vector; the row stays open.
    """
    found = {}
    for name, read_nj, scale, lanes in (
        ("bank", 0.187, 16, 1),
        ("group", 0.686, 4, 8),
        ("logic", 0.464, 4, 8),
    ):
        again = max(1.0, ops_per_byte / lanes)
        reads = again if lanes == 1 else 1.0
        energy_pj_per_byte = reads * read_nj * 1e3 / 32 + 909 / 1024 + 0.23 * ops_per_byte
        found[name] = energy_pj_per_byte * again / scale
    return tuple(sorted(found, key=lambda name: found[name]))


def edp_matches(ops_per_byte: int, order: tuple[str, ...]) -> float:
    """Return 1 if the order by energy times delay is the given one, else 0."""
    return float(edp_order(ops_per_byte) == order)


def neupims_rate(kind: str, name: str, batch: int, mean: int) -> float:
    """Return tokens a second of the NPU alone, with blocked PIM, or of NeuPIMs.

    Lengths are the middles of equal shares of an exponential distribution: a stand-in for traces.
    """
    found = system("neupims")
    if kind == "npu":
        found = without_pim(found)
    elif kind == "npu+pim":
        found = system("neupims", "homes.overlap=none", "homes.deal=round-robin")
    middles = (np.arange(batch) + 0.5) / batch
    lengths = np.maximum(1, np.round(-np.log1p(-middles) * mean)).astype(np.int64)
    order = np.random.default_rng(0).permutation(batch)
    return step(found, model(name), lengths[order]).tokens_per_s


def neupims_ratio(one: str, other: str) -> float:
    """Return the mean ratio over GPT-3 6.7B and 13B, batches 64 to 512, ShareGPT's mean length."""
    cases = list(product(("gpt3-6.7b", "gpt3-13b"), (64, 128, 256, 512)))
    ratios = [
        neupims_rate(one, *case, 80 + 148) / neupims_rate(other, *case, 80 + 148) for case in cases
    ]
    return sum(ratios) / len(ratios)


def neupims_halves_batch() -> float:
    """Return the smallest batch (power of two) at which two half batches pay, GPT-3 6.7B."""
    plain = system("neupims", "homes.overlap=none")
    for power in range(1, 12):
        halves = decode(system("neupims"), model("gpt3-6.7b"), 1 << power, 228)
        if halves.latency_s < decode(plain, model("gpt3-6.7b"), 1 << power, 228).latency_s * 0.999:
            return float(1 << power)
    return float("inf")


def pim_gpt_speedups() -> list[float]:
    """Return the roofline of a T4 at its peak bandwidth over PIM-GPT, 1024 tokens, each model."""
    found = []
    for name in GPT_MODELS:
        served = model(name)
        ours = generation(system("pim-gpt"), served, 1, 1, 1024)
        read = served.stored_bytes + served.token_bytes * 513
        found.append(read / T4_BYTES_PER_S / ours.latency_s)
    return found


def cent_rate(name: str, devices: int, stages: int) -> float:
    """Return CENT's decode rate at 512 prompt and 3584 new tokens."""
    found = system("cent", f"stages={stages}", f"pim.stacks={devices}")
    return generation(found, model(name), 1, 512, 3584).tokens_per_s
