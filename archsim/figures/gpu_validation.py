"""GPU operators: predicted against measured time, one panel for each operator family."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from archsim.figures.figure import Cell, FigureData, FigureRequest, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

COLUMNS: Final = ("family", "gpu", "op", "dtype", "source", "predicted_us", "measured_us")

PANELS: Final = {
    "gemm": "GEMM",
    "attention_decode": "decode attention",
    "attention_prefill": "prefill attention",
    "moe": "experts",
    "vector": "norms, activations, …",
    "collective": "collectives",
}
"""Title of the panel of each operator family."""

BANDS: Final = (0.1, 0.25)
"""Relative errors of the shaded bands."""


class GpuValidation:
    """Figure ``gpu-validation``: the suite ``gpu`` as a scatter of rows that were never fitted."""

    name = "gpu-validation"
    title = "predicted against measured time of GPU operators, rows not fitted"

    def data(self, request: FigureRequest) -> FigureData:
        """Score the measurements of ``--data``."""
        from archsim.validation.gpu import SUITE, UNSEEN

        outcome = SUITE.run(request.data)
        rows: list[tuple[Cell, ...]] = []
        for item in outcome.items:
            if item.metric == UNSEEN:
                words = [item.by[name] for name in COLUMNS[:5]]
                rows.append((*words, item.predicted, item.reference))
        return FigureData(
            tables={"rows": Table(COLUMNS, tuple(rows))},
            notes=(
                "Rows of shapes that a hash keeps out of every fit, and of sources never fitted.",
                "Shaded: within 10 and 25 % of the measurement.",
            ),
            size_inches=(9.6, 6.2),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw one logarithmic panel for each family, colour a GPU."""
        table = data.tables["rows"]
        gpus = sorted({str(name) for name in table.column("gpu")})
        colours = {gpu: f"C{number % 10}" for number, gpu in enumerate(gpus)}
        markers = {gpu: ".x+1"[number // 10 % 4] for number, gpu in enumerate(gpus)}
        panels = canvas.subplots(2, 3)
        for axes, (family, title) in zip(panels.flat, PANELS.items(), strict=True):
            part = table.where(family=family)
            for gpu in gpus:
                own = part.where(gpu=gpu)
                axes.plot(
                    own.column("measured_us"),
                    own.column("predicted_us"),
                    markers[gpu],
                    color=colours[gpu],
                    ms=2,
                    alpha=0.5,
                    rasterized=True,
                )
            _frame(axes, part, title)
        for axes in panels[:, 0]:
            axes.set_ylabel("predicted, µs")
        for axes in panels[1]:
            axes.set_xlabel("measured, µs")
        handles = [
            panels[0][0].plot([], [], markers[gpu], color=colours[gpu], label=gpu)[0]
            for gpu in gpus
        ]
        canvas.legend(handles=handles, loc="outside lower center", ncols=7, fontsize=7)


def _frame(axes: Axes, part: Table, title: str) -> None:
    """Draw the diagonal with its bands, and say the median error."""
    ours, measured = _numbers(part.column("predicted_us")), _numbers(part.column("measured_us"))
    ends = [*ours, *measured]
    low, high = (min(ends) / 1.3, max(ends) * 1.3) if ends else (1.0, 10.0)
    line = [low, high]
    for band in BANDS:
        axes.fill_between(
            line,
            [end * (1 - band) for end in line],
            [end * (1 + band) for end in line],
            color="0.5",
            alpha=0.15,
            lw=0,
        )
    axes.plot(line, line, color="0.3", lw=0.6)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    errors = sorted(abs(a / b - 1) for a, b in zip(ours, measured, strict=True))
    said = f"{title}: nothing measured"
    if errors:
        mean = math.fsum(errors) / len(errors)
        median = errors[len(errors) // 2]
        said = f"{title}: n = {len(errors)}, median {median:.1%}, mean {mean:.1%}"
    axes.set_title(said, fontsize=7)
    axes.tick_params(labelsize=7)


def _numbers(cells: Sequence[Cell]) -> list[float]:
    return [float(cell) for cell in cells if isinstance(cell, int | float)]


FIGURE = GpuValidation()
"""The figure, as the entry point names it."""
