"""Where the time and the energy of a token go on systems with computing memories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError
from archsim.figures.figure import FigureData, FigureRequest, Table
from archsim.pim.systems import generation
from archsim.pim.systems_file import load_system
from archsim.pim.systems_model import find_model
from archsim.pim.systems_step import PARTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

CASES: Final = (
    ("AttAcc's DGX", "dgx-a100-hbm3", "gpt3-175b", 32, 2048),
    ("DGX with AttAcc", "dgx-attacc", "gpt3-175b", 32, 2048),
    ("Duplex's GPUs", "duplex-gpu", "mixtral-8x7b", 32, 2048),
    ("Duplex", "duplex", "mixtral-8x7b", 32, 2048),
    ("NeuPIMs' NPUs", "neupims-npu", "gpt3-13b", 256, 228),
    ("NeuPIMs", "neupims", "gpt3-13b", 256, 228),
    ("PIM-GPT", "pim-gpt", "gpt2-xl", 1, 512),
    ("CENT", "cent", "llama2-7b", 1, 2304),
)
"""Name, system, model, batch (of a pipeline stage), context."""

HIDDEN: Final = "hidden"
TIMES: Final = {
    "projections": "#4477aa",
    "attention": "#ee6677",
    "cache write": "#aa3377",
    "vectors": "#bb5566",
    "ffn": "#66ccee",
    "experts": "#228833",
    "head": "#004488",
    "collectives": "#ccbb44",
    "elementwise": "#bbbbbb",
    "host": "#555555",
}
"""Parts of a step and their colours; others take no time here."""
ENERGIES: Final = {
    "xpu memory": "#4477aa",
    "xpu compute": "#66ccee",
    "pim memory": "#ee6677",
    "pim compute": "#aa3377",
    "pim registers": "#ddaa33",
    "pins": "#228833",
    "controllers": "#bbbbbb",
    "links": "#ccbb44",
    "asic": "#555555",
}
"""Components of the energy and their colours."""
COLUMNS: Final = ("case", "quantity", "part", "share_percent", "value", "unit")


class PimBreakdown:
    """Figure ``pim-breakdown``."""

    name = "pim-breakdown"
    title = "Time and dynamic energy of a decode step by part, with and without computing memory"

    def data(self, request: FigureRequest) -> FigureData:
        """Compute one decode step of each case."""
        if request.data is not None:
            raise ConfigError("the figure takes no --data", given=str(request.data))
        rows: list[tuple[str | int | float | None, ...]] = []
        for case, name, model, batch, context in CASES:
            step = generation(load_system(name)[0], find_model(model), batch, context, 1)
            times = dict(step.parts_s) | {HIDDEN: -step.hidden_s}
            total = sum(step.parts_s.values())
            for part in (*PARTS, HIDDEN):
                share = 100 * times[part] / total
                rows.append((case, "time", part, share, times[part] * 1e3, "ms"))
            joules = sum(step.energy_j.values())
            for part in ENERGIES:
                each = step.energy_j.get(part, 0.0)
                share = 100 * each / joules
                rows.append((case, "energy", part, share, each / batch * 1e3, "mJ/token"))
        runs = "; ".join(f"{case}: {m}, {b} x {c} tokens" for case, _, m, b, c in CASES[1::2])
        return FigureData(
            tables={"breakdown": Table(COLUMNS, tuple(rows))},
            notes=(
                f"{runs}; PIM-GPT: gpt2-xl, 512 tokens.",
                "Shares of the sum of all parts; what overlap hides is in the table alone.",
                "Dynamic energy of memories, multipliers and links; no idle or refresh power.",
            ),
            size_inches=(9.6, 4.8),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw stacked bars of shares: time on the left, energy on the right, sums beside them."""
        table = data.tables["breakdown"]
        panels = canvas.subplots(1, 2, sharey=True)
        for axes, quantity, colours in zip(
            panels, ("time", "energy"), (TIMES, ENERGIES), strict=True
        ):
            _stack(axes, table, quantity, colours)


def _stack(axes: Axes, table: Table, quantity: str, colours: dict[str, str]) -> None:
    """Draw a bar for each case, from top to bottom."""
    cases = list(dict.fromkeys(str(cell) for cell in table.column("case")))[::-1]
    left = [0.0] * len(cases)
    sums = [0.0] * len(cases)
    unit = ""
    for part, colour in colours.items():
        rows = [table.where(case=case, quantity=quantity, part=part).rows[0] for case in cases]
        values = [float(str(row[3])) for row in rows]
        unit = str(rows[0][5])
        if max(values) > 0.3:
            axes.barh(cases, values, 0.72, left, color=colour, label=part)
        left = [low + value for low, value in zip(left, values, strict=True)]
        sums = [low + float(str(row[4])) for low, row in zip(sums, rows, strict=True)]
    for number, value in enumerate(sums):
        axes.text(101.5, number, f"{value:.3g} {unit}", va="center", fontsize=8)
    axes.set_xlabel(f"share of {quantity}, %")
    axes.set_xlim(0, 100)
    axes.legend(fontsize=7.5, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", labelsize=8)


FIGURE = PimBreakdown()
"""The figure, as the entry point names it."""
