"""Where the time and the energy of a token go on systems with computing memories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError
from archsim.figures.figure import FigureData, FigureRequest, Table
from archsim.pim.systems import generation
from archsim.pim.systems_file import load_system, without_pim
from archsim.pim.systems_model import served_model
from archsim.pim.systems_step import PARTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CASES: Final = (
    ("dgx-attacc", "gpt3-175b", 32, 2048),
    ("duplex", "mixtral-8x7b", 32, 2048),
    ("neupims", "gpt3-13b", 256, 228),
    ("pim-gpt", "gpt2-xl", 1, 512),
    ("cent", "llama2-7b", 1, 2304),
)
"""System, model, batch (of a pipeline stage), context."""

ENERGY: Final = ("xpu memory", "xpu compute", "pim memory", "pim compute", "links")
COLUMNS: Final = ("case", "quantity", "part", "share_percent", "value", "unit")


class PimBreakdown:
    """Figure ``pim-breakdown``."""

    name = "pim-breakdown"
    title = "Time and dynamic energy of a decode step by part, with and without computing memory"

    def data(self, request: FigureRequest) -> FigureData:
        """Compute one decode step of each case."""
        from workloads import load_model

        if request.data is not None:
            raise ConfigError("the figure takes no --data", given=str(request.data))
        rows: list[tuple[str | int | float | None, ...]] = []
        for name, model_name, batch, context in CASES:
            system, _ = load_system(name)
            model = served_model(load_model(model_name))
            for found in [system] if system.xpu is None else [without_pim(system), system]:
                step = generation(found, model, batch, context, 1)
                case = f"{name} {'xPU only' if found.pim is None else 'xPU + PIM'}"
                case = name if system.xpu is None else case
                times = dict(step.parts_s) | {"hidden": -step.hidden_s}
                total = sum(step.parts_s.values())
                for part in (*PARTS, "hidden"):
                    seconds = times[part]
                    rows.append((case, "time", part, 100 * seconds / total, seconds * 1e3, "ms"))
                joules = sum(step.energy_j.values())
                for part in ENERGY + tuple(n for n in step.energy_j if n not in ENERGY):
                    each = step.energy_j[part]
                    value = each / batch * 1e3
                    rows.append((case, "energy", part, 100 * each / joules, value, "mJ/token"))
        return FigureData(
            tables={"breakdown": Table(COLUMNS, tuple(rows))},
            notes=(
                "; ".join(f"{s}: {m}, {b} requests of {c} tokens" for s, m, b, c in CASES),
                "Shares of the sum of all parts; what overlap hides is in the table alone.",
                "Dynamic energy of memories, multipliers and links; no idle or refresh power.",
            ),
            size_inches=(9.0, 4.8),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw stacked bars of shares: time on the left, energy on the right."""
        table = data.tables["breakdown"]
        cases = list(dict.fromkeys(str(cell) for cell in table.column("case")))[::-1]
        panels = canvas.subplots(1, 2, sharey=True)
        for axes, quantity, parts in zip(panels, ("time", "energy"), (PARTS, ENERGY), strict=True):
            left = [0.0] * len(cases)
            for number, part in enumerate(parts):
                values = [
                    float(str(table.where(case=case, quantity=quantity, part=part).rows[0][3]))
                    for case in cases
                ]
                if max(values) > 0.05:
                    axes.barh(cases, values, 0.7, left, color=f"C{number}", label=part)
                left = [low + value for low, value in zip(left, values, strict=True)]
            axes.set_xlabel(f"share of {quantity}, %")
            axes.set_xlim(0, 100)
            axes.legend(fontsize=7, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", labelsize=8)


FIGURE = PimBreakdown()
"""The figure, as the entry point names it."""
