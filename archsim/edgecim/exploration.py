"""What ``archsim edgecim explore`` asks for, and the record that it prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.edgecim.chip import EdgeChip
from archsim.edgecim.design import SPACES
from archsim.edgecim.evaluate import Job
from archsim.edgecim.explore import Progress, explore, front_summary
from archsim.edgecim.regret import regrets
from archsim.errors import ConfigError, nearest

if TYPE_CHECKING:
    from archsim.mapping import Json


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
