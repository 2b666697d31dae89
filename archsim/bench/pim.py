"""Bench of memories that compute: one attention operation, commands a second, a decode sweep."""

from __future__ import annotations

from functools import partial
from typing import Final

from archsim.bench.measure import REPEATS, best_cpu_s, calibration_per_s, metric
from archsim.mapping import Infeasible
from archsim.pim.device import PimDevice, load_device
from archsim.pim.operations import Attention, Outcome, run_operation

DEVICES: Final = ("attacc-bank", "attacc-bankgroup", "attacc-buffer")
TOKENS: Final = 2048
HEADS: Final = 16
HEAD_SIZE: Final = 128
SWEEP_TOKENS: Final = 128
SWEEP_BATCH: Final = 64
GPT3_HEADS: Final = 96
"""Heads of GPT-3 175B (Brown et al. 2020, table 2.1)."""
STACKS: Final = 40
"""Eight AttAcc devices of five stacks (AttAcc, ASPLOS 2024)."""

PEER_CPU_S: Final = 5.426 + 0.175
"""CPU seconds of the AttAcc simulator and its trace generator for 96 heads of 2048 tokens on one
stack (measured for this project, row P037 of attacc_measured.csv); a step of the sweep has more
heads a stack, and takes longer in proportion."""

PROBE: Final = (Attention(1024, HEAD_SIZE, HEADS, HEADS), 1890)
"""An operation and its cycles in the AttAcc simulator, refreshes checked as there (recorded)."""


def run(tokens: int = TOKENS, repeats: int = REPEATS) -> dict[str, object]:
    """Measure one attention operation, commands per CPU second, and 128 tokens of GPT-3 175B.

    Parameters
    ----------
    tokens : int
        Keys of each head of the operation, and at the start of the sweep.
    repeats : int
        Runs of which the best counts.
    """
    calibration = calibration_per_s(repeats)
    metrics: list[dict[str, object]] = []
    for name in DEVICES:
        device = load_device(name)
        operation = Attention(tokens, HEAD_SIZE, HEADS, HEADS)
        outcome = _run(device, operation)
        seconds = best_cpu_s(partial(_run, device, operation), repeats)
        metrics.append(metric(f"{name}_attention", seconds * 1e3, "ms"))
        commands = sum(outcome.commands.values()) / device.channels / seconds
        metrics.append(metric(f"{name}_commands", commands, "commands/s", calibration))
        cycles = outcome.ticks / seconds
        metrics.append(metric(f"{name}_cycles", cycles, "cycles/s", calibration))
    device = load_device("attacc-bank", [f"hardware.stacks={STACKS}"])
    seconds = best_cpu_s(partial(_sweep, device, tokens), 1)
    metrics.append(metric("gpt3_175b_batch_64_128_tokens", seconds, "s"))
    peer = PEER_CPU_S * _heads_a_stack() / GPT3_HEADS * SWEEP_TOKENS
    metrics.append(metric("gpt3_175b_batch_64_128_tokens_peer", peer, "s"))
    return {"bench": "pim", "metrics": metrics, "exact": _is_exact()}


def _run(device: PimDevice, operation: Attention) -> Outcome:
    found = run_operation(device, operation)
    if isinstance(found, Infeasible):
        raise ValueError(found.detail)
    return found


def _heads_a_stack() -> int:
    """Return the heads of a layer that a stack has in the sweep."""
    return -(-GPT3_HEADS * SWEEP_BATCH // STACKS)


def _sweep(device: PimDevice, tokens: int) -> None:
    """Run the attention of one layer for every new token; layers are alike."""
    for new in range(SWEEP_TOKENS):
        _run(
            device,
            Attention(tokens + new, HEAD_SIZE, GPT3_HEADS, GPT3_HEADS, requests=SWEEP_BATCH),
        )


def _is_exact() -> bool:
    """Whether a recorded run comes out."""
    operation, cycles = PROBE
    device = load_device("attacc-bank", ["hardware.controller.refresh_checks=channel"])
    return _run(device, operation).ticks == cycles
