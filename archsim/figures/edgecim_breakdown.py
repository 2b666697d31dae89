"""Where a token's time and energy go on EdgeCIM, for the published models and both widths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.edgecim.chip import edge_chip
from archsim.edgecim.energy import COMPONENTS as CHIP_PARTS
from archsim.edgecim.evaluate import PARTS, Job, evaluate
from archsim.edgecim.model_shape import model_shape
from archsim.edgecim.published import MODELS
from archsim.figures.figure import FigureData, FigureRequest, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

COMPONENTS: Final = (*CHIP_PARTS, "dram")
"""Parts of the energy: the chip's, and the DRAM's apart from them."""

COLUMNS: Final = ("model", "bits", "quantity", "part", "value", "unit")


class EdgeCimBreakdown:
    """Figure ``edgecim-breakdown``."""

    name = "edgecim-breakdown"
    title = "Time and energy of a token on EdgeCIM by part, twelve models, INT4 and INT8"

    def data(self, request: FigureRequest) -> FigureData:
        """Evaluate 128 + 128 tokens with the LM head for each model."""
        del request
        from workloads import load_model

        chip = edge_chip()
        design = chip.design
        rows: list[tuple[str | int | float | None, ...]] = []
        for model in MODELS:
            shape = model_shape(load_model(model))
            for bits in (4, 8):
                job = Job(shape, weight_bits=bits, cache_bits=bits)
                found = evaluate(chip, design, job)
                for part in PARTS:
                    value = float(found.parts_s[part][0]) / job.generated * 1e3
                    rows.append((model, bits, "time", part, value, "ms/token"))
                energies = found.components_j | {"dram": found.dram_j}
                for part in COMPONENTS:
                    value = float(energies[part][0]) / job.generated * 1e3
                    rows.append((model, bits, "energy", part, value, "mJ/token"))
        return FigureData(
            tables={"breakdown": Table(COLUMNS, tuple(rows))},
            notes=(
                "128 prompt and 128 generated tokens, LM head read for every token.",
                "Energies are estimates (see the chip's file); chip and DRAM apart.",
            ),
            size_inches=(9.0, 4.2),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw stacked bars: time above, energy below, INT4 beside INT8."""
        table = data.tables["breakdown"]
        panels = canvas.subplots(2, 1, sharex=True)
        for axes, quantity, parts in zip(
            panels, ("time", "energy"), (PARTS, COMPONENTS), strict=True
        ):
            for side, bits in ((-0.21, 4), (0.21, 8)):
                bottom = [0.0] * len(MODELS)
                for number, part in enumerate(parts):
                    chosen = table.where(bits=bits, quantity=quantity, part=part)
                    values = [float(str(value)) for value in chosen.column("value")]
                    places = [index + side for index in range(len(MODELS))]
                    label = part.replace("_", " ") if bits == 4 else None
                    axes.bar(places, values, 0.38, bottom, color=f"C{number}", label=label)
                    bottom = [low + value for low, value in zip(bottom, values, strict=True)]
            axes.set_ylabel("ms a token" if quantity == "time" else "mJ a token")
            axes.legend(
                title="left INT4, right INT8",
                title_fontsize=7,
                fontsize=7,
                loc="center left",
                bbox_to_anchor=(1.0, 0.5),
            )
            axes.grid(axis="x", visible=False)
        panels[1].set_xticks(range(len(MODELS)), MODELS, rotation=25, ha="right", fontsize=7)


FIGURE = EdgeCimBreakdown()
"""The figure, as the entry point names it."""
