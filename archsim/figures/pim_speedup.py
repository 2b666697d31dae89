"""How much faster systems with computing memories decode than their processors alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError
from archsim.figures.figure import FigureData, FigureRequest, Table
from archsim.mapping import Infeasible
from archsim.pim.systems import capacity_batch, generation
from archsim.pim.systems_file import load_system, without_pim
from archsim.pim.systems_model import served_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CASES: Final = (
    ("dgx-attacc", "gpt3-175b"),
    ("duplex", "mixtral-8x7b"),
    ("neupims", "gpt3-13b"),
)
"""Systems that have processors, each with a model of its paper."""

CONTEXTS: Final = (256, 512, 1024, 2048, 4096)
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
NEW: Final = 128
COLUMNS: Final = ("system", "model", "context", "batch", "quantity", "speedup")


class PimSpeedup:
    """Figure ``pim-speedup``."""

    name = "pim-speedup"
    title = "Decode throughput over the same processors alone, by batch and context"

    def data(self, request: FigureRequest) -> FigureData:
        """Compute speed-ups at equal batch, where it fits, and at each one's own largest batch."""
        from workloads import load_model

        if request.data is not None:
            raise ConfigError("the figure takes no --data", given=str(request.data))
        rows: list[tuple[str | int | float | None, ...]] = []
        for name, model_name in CASES:
            system, _ = load_system(name)
            base, model = without_pim(system), served_model(load_model(model_name))
            for context in CONTEXTS:
                most = [capacity_batch(found, model, context + NEW) for found in (system, base)]
                if isinstance(most[0], Infeasible) or isinstance(most[1], Infeasible):
                    continue
                for batch in BATCHES:
                    if batch > min(most[0], most[1]):
                        break
                    rates = [
                        generation(found, model, batch, context, NEW).tokens_per_s
                        for found in (system, base)
                    ]
                    ratio = rates[0] / rates[1]
                    rows.append((name, model_name, context, batch, "equal batch", ratio))
                rates = [
                    generation(found, model, own, context, NEW).tokens_per_s
                    for found, own in ((system, most[0]), (base, most[1]))
                ]
                ratio = rates[0] / rates[1]
                rows.append((name, model_name, context, most[0], "own largest batch", ratio))
        return FigureData(
            tables={"speedup": Table(COLUMNS, tuple(rows))},
            notes=(
                f"{NEW} new tokens, FP16; batches that fit weights, keys and values.",
                "Stars: each system at its own largest batch (AttAcc adds memory to the DGX).",
                "Attention by commands for AttAcc, by bandwidth and lanes for the others.",
            ),
            size_inches=(9.0, 3.4),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw one panel a system, one line a context."""
        table = data.tables["speedup"]
        panels = canvas.subplots(1, len(CASES), sharey=True)
        for axes, (name, model) in zip(panels, CASES, strict=True):
            for number, context in enumerate(CONTEXTS):
                chosen = table.where(system=name, context=context, quantity="equal batch")
                batches = [int(str(cell)) for cell in chosen.column("batch")]
                ratios = [float(str(cell)) for cell in chosen.column("speedup")]
                axes.plot(batches, ratios, marker="o", markersize=3, label=f"{context} tokens")
                own = table.where(system=name, context=context, quantity="own largest batch")
                for batch, ratio in zip(own.column("batch"), own.column("speedup"), strict=True):
                    axes.plot(float(str(batch)), float(str(ratio)), "*", color=f"C{number}")
            axes.set_xscale("log", base=2)
            axes.axhline(1.0, color="0.5", linewidth=0.8)
            axes.set_title(f"{name}, {model}", fontsize=9)
            axes.set_xlabel("requests")
        panels[0].set_ylabel("throughput over xPU alone")
        panels[0].legend(fontsize=7)


FIGURE = PimSpeedup()
"""The figure, as the entry point names it."""
