"""What searches miss of the optimum of an explored space, and what else lies near it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from archsim.edgecim.build import Floats
from archsim.edgecim.chip import EdgeChip
from archsim.edgecim.design import Designs, Space, make_designs, one_design
from archsim.edgecim.evaluate import Job, evaluate
from archsim.edgecim.explore import Explored
from archsim.edgecim.genetic import genetic_search
from archsim.edgecim.published import OPTIMUM

if TYPE_CHECKING:
    from archsim.mapping import Json

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of latency in the objective."""

NEAR = 0.01
"""Cost above the optimum up to which designs count as near it."""


def regrets(
    chip: EdgeChip,
    explored: Explored,
    job: Job,
    *,
    alphas: Sequence[float] = ALPHAS,
    seeds: int = 5,
    with_dram: bool = False,
) -> list[dict[str, Json]]:
    """Return, for each alpha, the optimum of what was explored and what searches miss of it.

    Notes
    -----
    Regret is the cost found over the lowest cost, minus one. The spread of latency (or energy) over
    seeds is the largest over the smallest, minus one; likewise over all designs near the optimum.
    """
    rows: list[dict[str, Json]] = []
    for alpha in alphas:
        costs = explored.cost(alpha, with_dram=with_dram)
        best = int(costs.argmin())

        def objective(some: Designs, alpha: float = alpha) -> Floats:
            return evaluate(chip, some, job).cost(alpha, with_dram=with_dram)

        runs: list[Json] = []
        latencies, energies = [], []
        for seed in range(seeds):
            search = genetic_search(explored.space, objective, seed)
            one = evaluate(chip, _single(explored.space, search.design), job)
            latencies.append(float(one.seconds[0]))
            energies.append(float(one.chip_j[0] + (one.dram_j[0] if with_dram else 0.0)))
            runs.append(
                {
                    "seed": seed,
                    "regret": search.cost / float(costs[best]) - 1.0,
                    "latency_s": latencies[-1],
                    "energy_j": energies[-1],
                    "area_mm2": float(one.area_mm2[0]),
                    "evaluations": search.evaluations,
                    "design": dict(search.design),
                }
            )
        near = costs <= costs[best] * (1.0 + NEAR)
        energy = explored.chip_j + (explored.dram_j if with_dram else 0.0)
        own = _published_cost(chip, job, alpha, with_dram=with_dram)
        rows.append(
            {
                "alpha": alpha,
                "published": {
                    "regret": own / float(costs[best]) - 1.0,
                    "better": int((costs < own).sum()),
                },
                "optimum": explored.point(best),
                "near": {
                    "designs": int(near.sum()),
                    "latency_spread": _spread(explored.seconds[near]),
                    "energy_spread": _spread(energy[near]),
                },
                "runs": runs,
                "latency_spread": _spread(np.asarray(latencies)),
                "energy_spread": _spread(np.asarray(energies)),
            }
        )
    return rows


def _published_cost(chip: EdgeChip, job: Job, alpha: float, *, with_dram: bool) -> float:
    """Return what the published optimum costs; choices beyond it are the machine file's."""
    found = evaluate(chip, one_design(**OPTIMUM), job)
    return float(found.cost(alpha, with_dram=with_dram)[0])


def _spread(values: Floats) -> float:
    return float(values.max() / values.min() - 1.0)


def _single(space: Space, design: dict[str, int]) -> Designs:
    return make_designs({name: np.asarray([design[name]]) for name in space.names})
