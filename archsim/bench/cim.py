"""Bench of the compute-in-memory models: layers and design points a second."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from archsim.bench.measure import REPEATS, best_cpu_s, calibration_per_s, metric
from archsim.cim.chip import ChipModel
from archsim.cim.chip_file import load_chip
from archsim.edgecim.chip import EdgeChip, edge_chip
from archsim.edgecim.design import EXTENDED, PUBLISHED, Designs, one_design
from archsim.edgecim.evaluate import Job, evaluate
from archsim.edgecim.model_shape import model_shape

DESIGNS: Final = 16384
"""Design points of the batch."""

SEED: Final = 0
"""Seed of the batch."""


def run(*, designs: int = DESIGNS, repeats: int = REPEATS) -> dict[str, object]:
    """Measure macros, layers and designs a CPU second.

    Parameters
    ----------
    designs : int
        Design points of a batch.
    repeats : int
        How often each piece is run; the best counts.
    """
    from archsim.registry import macros
    from workloads import load_model

    calibration = calibration_per_s(repeats)
    chip = edge_chip()
    shape = model_shape(load_model("llama3.2-3b"))
    token = Job(shape, generated=1)
    whole = Job(shape)
    drawn = np.random.default_rng(SEED).integers(0, PUBLISHED.size, designs)
    batch = PUBLISHED.designs(drawn)
    layers_s = best_cpu_s(lambda: evaluate(chip, batch, token), repeats)
    designs_s = best_cpu_s(lambda: evaluate(chip, batch, whole), repeats)
    wide = EXTENDED.designs(np.random.default_rng(SEED).integers(0, EXTENDED.size, designs))
    extended_s = best_cpu_s(lambda: evaluate(chip, wide, whole), repeats)
    model = ChipModel(load_chip(Path(macros.find_yaml("colonnade"))), anchored=True)
    points = model.chip.points
    macros_s = best_cpu_s(lambda: [model.predict(point) for point in points], repeats)
    found = [
        ("layer_evaluations", designs * shape.layers / layers_s, "layers/s"),
        ("design_points_one_token", designs / layers_s, "designs/s"),
        ("design_points_128_tokens", designs / designs_s, "designs/s"),
        ("extended_points_128_tokens", designs / extended_s, "designs/s"),
        ("macro_points", len(points) / macros_s, "points/s"),
    ]
    return {
        "bench": "cim",
        "metrics": [
            metric("calibration_loop", calibration, "steps/s"),
            *(metric(name, value, unit, calibration) for name, value, unit in found),
        ],
        "exact": _same(chip, batch, whole),
    }


def _same(chip: EdgeChip, batch: Designs, job: Job) -> bool:
    """Whether designs of a batch have, to the bit, what each has alone."""
    few = batch.at(slice(0, 16))
    together = evaluate(chip, few, job)
    alone = [evaluate(chip, one_design(**few.row(index)), job) for index in range(len(few))]
    return all(
        one.seconds[0] == together.seconds[index] and one.chip_j[0] == together.chip_j[index]
        for index, one in enumerate(alone)
    )
