"""Deterministic search for constants: coordinates in turn, steps halved when none helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from archsim.gpu.family import Parameter

MIN_STEP: Final = 0.01
"""Relative step below which the search ends."""

MAX_ROUNDS: Final = 40


def search(
    loss: Callable[[Mapping[str, float]], float],
    parameters: Sequence[Parameter],
    start: Mapping[str, float],
    rounds: int = MAX_ROUNDS,
) -> tuple[dict[str, float], float]:
    """Minimise a loss over named constants.

    Parameters
    ----------
    loss
        Called with all constants; policies of `start` are passed on unchanged.
    parameters
        What may move, with bounds and first relative steps.
    start
        Where to begin.
    rounds
        Sweeps over all parameters at most.

    Returns
    -------
    dict, float
        The best constants and their loss.

    Notes
    -----
    Each parameter is scaled up and down by its step, as often as that helps; a sweep without gain
    halves all steps. No random numbers: the same data give the same constants.
    """
    best = dict(start)
    least = loss(best)
    steps = {item.name: item.step for item in parameters if item.step > 0}
    for _ in range(rounds):
        gained = False
        for item in parameters:
            if item.name not in steps:
                continue
            for direction in (1.0, -1.0):
                while True:
                    factor = 1 + direction * steps[item.name]
                    moved = min(item.high, max(item.low, best[item.name] * factor))
                    if moved == best[item.name]:
                        break
                    trial = {**best, item.name: moved}
                    found = loss(trial)
                    if found >= least - 1e-7:
                        break
                    best, least, gained = trial, found, True
        if not gained:
            steps = {name: step / 2 for name, step in steps.items()}
            if max(steps.values(), default=0.0) < MIN_STEP:
                break
    return best, least
