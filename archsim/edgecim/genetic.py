"""The published genetic search, and its regret against the enumerated optimum.

References
----------
EdgeCIM, arXiv:2604.11512v1, Section IV (read): population 20, 50 generations, random start,
simulated binary crossover with probability 1, polynomial mutation, distribution index 3. The
mutation probability is not published; one gene in nine on average is ours. K. Deb and R. B.
Agrawal, "Simulated binary crossover for continuous search space", Complex Systems 1995; K. Deb and
M. Goyal, 1996 (polynomial mutation).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archsim.edgecim.build import Floats
from archsim.edgecim.design import Designs, Ints, Space

Objective = Callable[[Designs], Floats]


@dataclass(frozen=True, slots=True)
class GeneticSettings:
    """Settings of the search; the defaults are the published ones."""

    population: int = 20
    generations: int = 50
    crossover: float = 1.0
    crossover_index: float = 3.0
    mutation: float = 1.0 / 9.0
    mutation_index: float = 3.0


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes
    ----------
    cost
        Lowest cost seen.
    design
        The design that has it.
    evaluations
        Designs evaluated.
    history
        Lowest cost after each generation.
    """

    cost: float
    design: dict[str, int]
    evaluations: int
    history: tuple[float, ...]


def genetic_search(
    space: Space, objective: Objective, seed: int, settings: GeneticSettings | None = None
) -> Found:
    """Minimise an objective over a space.

    Parameters
    ----------
    space
        Choices.
    objective
        Cost of many designs at once.
    seed
        Seed of the generator; equal seeds find the same.
    settings
        Published settings if None.

    Notes
    -----
    Genes are positions in each choice's values, treated as real numbers and rounded. Parents are
    drawn in binary tournaments; the better half of parents and children lives on.
    """
    chosen = settings or GeneticSettings()
    generator = np.random.default_rng(seed)
    highest = np.array([len(values) - 1 for values in space.values], dtype=np.float64)
    genes = generator.uniform(0.0, 1.0, (chosen.population, len(highest))) * highest
    costs = objective(space.from_positions(_rounded(genes)))
    history = [float(costs.min())]
    for _ in range(chosen.generations):
        parents = genes[_tournament(costs, chosen.population, generator)]
        children = _crossover(parents, highest, chosen, generator)
        children = _mutation(children, highest, chosen, generator)
        offspring = objective(space.from_positions(_rounded(children)))
        genes = np.concatenate([genes, children])
        costs = np.concatenate([costs, offspring])
        best = np.argsort(costs, kind="stable")[: chosen.population]
        genes, costs = genes[best], costs[best]
        history.append(float(costs[0]))
    design = space.from_positions(_rounded(genes[:1])).row(0)
    evaluations = chosen.population * (chosen.generations + 1)
    return Found(float(costs[0]), design, evaluations, tuple(history))


def _rounded(genes: Floats) -> Ints:
    return np.asarray(np.rint(genes), dtype=np.int64)


def _tournament(costs: Floats, count: int, generator: np.random.Generator) -> Ints:
    pairs = generator.integers(0, len(costs), (count, 2))
    first = costs[pairs[:, 0]] <= costs[pairs[:, 1]]
    return np.where(first, pairs[:, 0], pairs[:, 1])


def _crossover(
    parents: Floats, highest: Floats, settings: GeneticSettings, generator: np.random.Generator
) -> Floats:
    """Cross neighbouring parents by the simulated binary rule."""
    one, two = parents[0::2], parents[1::2]
    draw = generator.uniform(size=one.shape)
    power = 1.0 / (settings.crossover_index + 1.0)
    narrow = np.power(2.0 * draw, power)
    wide = np.power(1.0 / np.maximum(2.0 * (1.0 - draw), 1e-12), power)
    spread = np.where(draw <= 0.5, narrow, wide)
    mixes = generator.uniform(size=(len(one), 1)) < settings.crossover
    spread = np.where(mixes, spread, 1.0)
    middle, half = (one + two) / 2.0, (two - one) / 2.0
    children = np.concatenate([middle - spread * half, middle + spread * half])
    return np.asarray(np.clip(children, 0.0, highest), dtype=np.float64)


def _mutation(
    genes: Floats, highest: Floats, settings: GeneticSettings, generator: np.random.Generator
) -> Floats:
    """Mutate some genes by the polynomial rule."""
    draw = generator.uniform(size=genes.shape)
    power = 1.0 / (settings.mutation_index + 1.0)
    down = np.power(2.0 * draw, power) - 1.0
    up = 1.0 - np.power(np.maximum(2.0 * (1.0 - draw), 0.0), power)
    moved = genes + np.where(draw < 0.5, down, up) * highest
    chosen = generator.uniform(size=genes.shape) < settings.mutation
    return np.asarray(np.clip(np.where(chosen, moved, genes), 0.0, highest), dtype=np.float64)


def exhaustive_minimum(
    space: Space, objective: Objective, *, chunk: int = 65536
) -> tuple[float, dict[str, int]]:
    """Return the lowest cost of a whole space and the first design that has it."""
    best, found = np.inf, {}
    for _, designs in space.chunks(chunk):
        costs: npt.NDArray[np.float64] = objective(designs)
        index = int(costs.argmin())
        if costs[index] < best:
            best, found = float(costs[index]), designs.row(index)
    return best, found
