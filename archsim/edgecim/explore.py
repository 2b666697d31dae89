"""Exploration of a space: all of it or a sample, its optima, its front, and a search's regret."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsim.edgecim.build import Floats
from archsim.edgecim.chip import EdgeChip
from archsim.edgecim.design import SPACES, Designs, Ints, Space, make_designs, one_design
from archsim.edgecim.evaluate import Evaluation, Job, evaluate
from archsim.edgecim.genetic import genetic_search
from archsim.edgecim.pareto import merge_fronts
from archsim.edgecim.published import OPTIMUM
from archsim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from archsim.mapping import Json

CHUNK = 65536
"""Designs evaluated at a time."""

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of latency in the objective."""

NEAR = 0.01
"""Cost above the optimum up to which designs count as near it."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Explored:
    """What was evaluated, one entry a design.

    Attributes
    ----------
    space
        The space.
    numbers
        Numbers of the designs in it.
    seconds, chip_j, dram_j, area_mm2
        Time, energies and area of all tokens.
    front
        Positions of the designs that no other beats in time, chip energy and area at once.
    """

    space: Space
    numbers: Ints
    seconds: Floats
    chip_j: Floats
    dram_j: Floats
    area_mm2: Floats
    front: Ints

    def cost(self, alpha: float, *, with_dram: bool = False) -> Floats:
        """Return ``latency**alpha * energy**(1-alpha)`` of all designs."""
        energy = self.chip_j + self.dram_j if with_dram else self.chip_j
        return np.asarray(self.seconds**alpha * energy ** (1.0 - alpha))

    def point(self, position: int) -> dict[str, Json]:
        """Return one design with its choices and costs."""
        design = self.space.designs(self.numbers[position : position + 1]).row(0)
        return {
            "design": dict(design),
            "latency_s": float(self.seconds[position]),
            "chip_j": float(self.chip_j[position]),
            "dram_j": float(self.dram_j[position]),
            "area_mm2": float(self.area_mm2[position]),
        }


def explore(
    chip: EdgeChip,
    space: Space,
    job: Job,
    *,
    sample: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Explored:
    """Evaluate a whole space, or some of its designs.

    Parameters
    ----------
    chip, space, job
        What to evaluate.
    sample
        Designs drawn without repetition; None takes all.
    seed
        Seed of the drawing.
    progress
        Called with designs done and designs in all.
    """
    total = space.size if sample is None else min(sample, space.size)
    costs: list[Floats] = []
    numbers: list[Ints] = []
    front = np.zeros(0, dtype=np.int64)
    done = 0
    for chosen in _numbers(space, sample, seed):
        found = evaluate(chip, space.designs(chosen), job)
        costs.append(_columns(found))
        numbers.append(chosen)
        front = merge_fronts(front, np.concatenate(costs)[:, [0, 1, 3]], done)
        if len(costs) > 1:
            costs = [np.concatenate(costs)]
        done += len(chosen)
        if progress is not None:
            progress(done, total)
    seconds, chip_j, dram_j, area = costs[0].T
    return Explored(space, np.concatenate(numbers), seconds, chip_j, dram_j, area, front)


def _numbers(space: Space, sample: int | None, seed: int) -> Iterator[Ints]:
    if sample is None or sample >= space.size:
        for start in range(0, space.size, CHUNK):
            yield np.arange(start, min(start + CHUNK, space.size))
        return
    generator = np.random.default_rng(seed)
    drawn = np.unique(generator.integers(0, space.size, sample))
    while len(drawn) < sample:
        more = generator.integers(0, space.size, sample - len(drawn))
        drawn = np.unique(np.concatenate([drawn, more]))
    for start in range(0, sample, CHUNK):
        yield drawn[start : start + CHUNK]


def _columns(found: Evaluation) -> Floats:
    return np.stack([found.seconds, found.chip_j, found.dram_j, found.area_mm2], axis=1)


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


def front_summary(explored: Explored) -> dict[str, Json]:
    """Return the size of the front and its ends: fastest, thriftiest, smallest, and balanced.

    Balanced is the least product of latency, chip energy and area.
    """
    front = explored.front
    balance = explored.seconds * explored.chip_j * explored.area_mm2
    ends = {
        "fastest": explored.seconds,
        "thriftiest": explored.chip_j,
        "smallest": explored.area_mm2,
        "balanced": balance,
    }
    found: dict[str, Json] = {"size": len(front)}
    for name, values in ends.items():
        found[name] = explored.point(int(front[values[front].argmin()]))
    return found


@dataclass(frozen=True, slots=True)
class Request:
    """What ``archsim edgecim explore`` asks for.

    Attributes
    ----------
    space
        Name of a space.
    job
        Model, bits and lengths.
    sample, seed
        Designs drawn, and with which seed; all if None.
    alphas
        Weights of latency, separated by commas.
    seeds
        Searches for each.
    with_dram
        Whether DRAM energy counts.
    """

    space: str
    job: Job
    sample: int | None = None
    seed: int = 0
    alphas: str = "0,0.25,0.5,0.75,1"
    seeds: int = 5
    with_dram: bool = False

    def weights(self) -> tuple[float, ...]:
        """Return the alphas.

        Raises
        ------
        ConfigError
            One is no number from 0 to 1, or there is nothing to do.
        """
        found = []
        for text in self.alphas.split(","):
            try:
                value = float(text)
            except ValueError:
                value = -1.0
            if not 0.0 <= value <= 1.0:
                raise ConfigError(
                    "must be a weight", path="--alphas", given=text, allowed="numbers from 0 to 1"
                )
            found.append(value)
        limits = (("--sample", self.sample), ("--seeds", self.seeds))
        for path, count in (*limits, ("--generated", self.job.generated)):
            if count is not None and count < 1:
                raise ConfigError("must be at least 1", path=path, given=count)
        return tuple(found)


def explore_record(
    chip: EdgeChip, request: Request, progress: Progress | None = None
) -> dict[str, Json]:
    """Explore a space and return what reports print.

    Raises
    ------
    ConfigError
        No such space, or a value out of range.
    """
    if request.space not in SPACES:
        raise ConfigError(
            "there is no such space",
            path="--space",
            given=request.space,
            allowed=SPACES,
            hint=nearest(request.space, SPACES),
        )
    weights = request.weights()
    space, job = SPACES[request.space], request.job
    explored = explore(
        chip, space, job, sample=request.sample, seed=request.seed, progress=progress
    )
    rows = regrets(
        chip, explored, job, alphas=weights, seeds=request.seeds, with_dram=request.with_dram
    )
    return {
        "space": space.name,
        "choices": list(space.names),
        "size": space.size,
        "evaluated": len(explored.numbers),
        "seed": request.seed,
        "job": {
            "model": job.shape.name,
            "bits": job.weight_bits,
            "prompt": job.prompt,
            "generated": job.generated,
            "head": job.head,
            "with_dram": request.with_dram,
        },
        "alphas": list(rows),
        "front": front_summary(explored),
    }
