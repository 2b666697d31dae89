"""Exploration of a space: all of it or a sample, every design's costs, and their front."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsim.edgecim.build import Floats
from archsim.edgecim.chip import EdgeChip
from archsim.edgecim.design import Ints, Space
from archsim.edgecim.evaluate import Evaluation, Job, evaluate
from archsim.edgecim.pareto import merge_fronts

if TYPE_CHECKING:
    from archsim.mapping import Json

CHUNK = 65536
"""Designs evaluated at a time."""

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
