"""Macros of compute-in-memory: predicted against measured energy and speed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.figures.figure import FigureData, FigureRequest, Table
from archsim.validation.cim import SUITE

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

COLUMNS: Final = ("chip", "case", "metric", "unit", "regime", "predicted", "measured")

PANELS: Final = (
    ("energy", ("energy_fj_per_mac",), "energy per MAC, fJ"),
    ("efficiency", ("tops_per_w",), "TOPS/W"),
    ("speed", ("throughput_gops",), "throughput, GOPS"),
)
"""Panels: name, metrics, axis."""


class CimMacroValidation:
    """Figure ``cim-macro-validation``: the suite ``cim`` as a scatter."""

    name = "cim-macro-validation"
    title = "Predicted against measured macros: anchored and from structure alone"

    def data(self, request: FigureRequest) -> FigureData:
        """Score the packaged chips, or ``--data``."""
        outcome = SUITE.run(request.data)
        rows = tuple(
            (
                *(item.by["chip"], item.case, item.metric, item.unit, item.by["regime"]),
                *(item.predicted, item.reference),
            )
            for item in outcome.items
        )
        return FigureData(
            tables={"macros": Table(COLUMNS, rows)},
            notes=(
                "Anchors of a chip are not drawn.",
                "Dashes: within 15 % of the measurement.",
            ),
            size_inches=(9.0, 3.2),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw one panel a metric, logarithmic, colour a chip, shape a regime."""
        table = data.tables["macros"]
        chips = sorted({str(name) for name in table.column("chip")})
        panels = canvas.subplots(1, len(PANELS))
        for axes, (_, metrics, label) in zip(panels, PANELS, strict=True):
            ends: list[float] = []
            for number, chip in enumerate(chips):
                for regime, marker in (("calibrated", "o"), ("uncalibrated", "^")):
                    part = table.where(chip=chip, regime=regime)
                    rows = [row for row in part.rows if row[2] in metrics]
                    ours, measured = [[float(str(row[i])) for row in rows] for i in (5, 6)]
                    filled = "none" if regime == "uncalibrated" else f"C{number}"
                    axes.plot(
                        measured, ours, marker, color=f"C{number}", markerfacecolor=filled, ms=4
                    )
                    ends += [*ours, *measured]
            low, high = (min(ends) / 1.5, max(ends) * 1.5) if ends else (1.0, 10.0)
            axes.plot([low, high], [low, high], color="0.4", lw=0.8)
            for factor in (0.85, 1.15):
                axes.plot([low, high], [low * factor, high * factor], "--", color="0.7", lw=0.6)
            axes.set(xscale="log", yscale="log", xlabel=f"measured {label}", ylabel="predicted")
        handles = [
            panels[0].plot([], [], "o", color=f"C{number}", label=chip)[0]
            for number, chip in enumerate(chips)
        ]
        handles += [
            panels[0].plot([], [], "o", color="0.3", label="anchored")[0],
            panels[0].plot(
                [], [], "^", color="0.3", markerfacecolor="none", label="structure alone"
            )[0],
        ]
        canvas.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=7)


FIGURE = CimMacroValidation()
"""The figure, as the entry point names it."""
