"""The design space of EdgeCIM: every design's latency, energy and area, and who dominates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from archsim.edgecim.build import Floats
from archsim.edgecim.chip import edge_chip
from archsim.edgecim.design import GENES, PUBLISHED, Designs, one_design
from archsim.edgecim.evaluate import Job, evaluate
from archsim.edgecim.genetic import genetic_search
from archsim.edgecim.model_shape import model_shape
from archsim.edgecim.pareto import pareto_front
from archsim.figures.figure import FigureData, FigureRequest, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

MODEL: Final = "llama3.2-3b"
"""The model of the published study of alpha and sequence lengths."""

SAMPLE: Final = 40_000
"""Designs drawn; the front of all 3,136,000 takes about a CPU minute and looks the same."""

COLUMNS: Final = ("kind", "alpha", *GENES, "latency_s", "chip_j", "dram_j", "area_mm2")


class EdgeCimPareto:
    """Figure ``edgecim-pareto``."""

    name = "edgecim-pareto"
    title = "EdgeCIM's design space for Llama-3.2-3B INT8: latency, chip energy, area"

    def data(self, request: FigureRequest) -> FigureData:
        """Draw a sample of the space, its front, and the genetic search's finds."""
        from workloads import load_model

        chip, shape = edge_chip(), model_shape(load_model(MODEL))
        job = Job(shape, weight_bits=8, cache_bits=8, head=False)
        numbers = np.random.default_rng(request.seed).integers(0, PUBLISHED.size, SAMPLE)
        designs = PUBLISHED.designs(np.unique(numbers))
        found = evaluate(chip, designs, job)
        costs = np.stack([found.seconds, found.chip_j, found.area_mm2], axis=1)
        front = pareto_front(costs)
        rows: list[tuple[str | int | float | None, ...]] = []

        def add(kind: str, alpha: float | None, design: dict[str, int]) -> None:
            one = evaluate(chip, one_design(**design), job)
            values = (one.seconds, one.chip_j, one.dram_j, one.area_mm2)
            rows.append((kind, alpha, *design.values(), *(float(value[0]) for value in values)))

        drawn = np.random.default_rng(request.seed).choice(len(designs), 2000, replace=False)
        for index in np.sort(drawn):
            add("sample", None, designs.row(int(index)))
        for index in front:
            add("front", None, designs.row(int(index)))
        for alpha in (0.0, 0.25, 0.5, 0.75, 1.0):

            def objective(some: Designs, alpha: float = alpha) -> Floats:
                return evaluate(chip, some, job).cost(alpha)

            search = genetic_search(PUBLISHED, objective, request.seed)
            add("search", alpha, search.design)
        return FigureData(
            tables={"designs": Table(COLUMNS, tuple(rows))},
            notes=(
                f"{SAMPLE} designs drawn with seed {request.seed}; 2,000 of them shown.",
                "Chip energy, DRAM apart in the table; energies are estimates (the chip's file).",
            ),
            size_inches=(7.0, 3.4),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw latency against chip energy, and latency against area."""
        table = data.tables["designs"]
        panels = canvas.subplots(1, 2)
        looks = {"sample": (".", "0.75", 2), "front": (".", "C0", 4), "search": ("*", "C3", 8)}
        names = {"sample": "designs", "front": "not dominated", "search": "genetic search"}
        axes_of = (("chip_j", "chip energy of 128 tokens, J"), ("area_mm2", "area, mm²"))
        for axes, (column, label) in zip(panels, axes_of, strict=True):
            for kind, (marker, color, size) in looks.items():
                part = table.where(kind=kind)
                axes.plot(
                    part.column("latency_s"),
                    part.column(column),
                    marker,
                    color=color,
                    ms=size,
                    label=names[kind],
                )
            axes.set(xscale="log", yscale="log", xlabel="latency of 128 tokens, s", ylabel=label)
            axes.set_xticks([2, 5, 10], ["2", "5", "10"])
            axes.minorticks_off()
        panels[0].legend(fontsize=7, loc="upper left", bbox_to_anchor=(0.12, 1.0))


FIGURE = EdgeCimPareto()
"""The figure, as the entry point names it."""
