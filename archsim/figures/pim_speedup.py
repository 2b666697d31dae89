"""How much faster systems with computing memories decode than their processors alone."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError
from archsim.figures.figure import FigureData, FigureRequest, Table
from archsim.mapping import Infeasible
from archsim.pim.systems import capacity_batch, generation
from archsim.pim.systems_file import load_system
from archsim.pim.systems_model import find_model
from archsim.validation.claim_file import load_claims
from archsim.validation.claims import ClaimsSuite
from archsim.validation.suite import PACKAGED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

CASES: Final = (
    ("DGX with AttAcc, GPT-3 175B", "dgx-attacc", "dgx-a100-hbm3", "gpt3-175b"),
    ("Duplex, Mixtral 8x7B", "duplex", "duplex-gpu", "mixtral-8x7b"),
    ("NeuPIMs, GPT-3 13B", "neupims", "neupims-npu", "gpt3-13b"),
)
"""Title, system, its baseline, a model of its paper."""

CLAIMS: Final = (
    *("attacc-speedup", "attacc-speedup-int8", "attacc-speedup-llama", "attacc-speedup-mt-nlg"),
    *("attacc-speedup-same-capacity", "duplex-mean", "duplex-max", "duplex-gpu-64"),
    *("duplex-bank-gpu", "duplex-rerun", "neupims-pim-npu", "neupims-over-pim"),
    *("cent-llama2-7b-gpu", "cent-llama2-70b-gpu", "cent-llama2-7b-gpu-prefill"),
)
"""Published ratios that are drawn beside ours."""
CONTEXTS: Final = (256, 512, 1024, 2048, 4096)
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
NEW: Final = 128
COLUMNS: Final = ("system", "model", "context", "batch", "quantity", "speedup")
PUBLISHED: Final = ("claim", "ours", "published", "verdict")


@cache
def judged() -> tuple[tuple[str, float | None, float | None, str], ...]:
    """Return our number, the published one and the verdict of each claim that is drawn."""
    suite = ClaimsSuite()
    found = {}
    for path in sorted((PACKAGED / "claims_pim").glob("*.yaml")):
        for claim in load_claims(path)[1].cases:
            if claim.id in CLAIMS:
                verdict = suite.verdict(claim)
                found[claim.id] = claim.id, verdict.value, claim.expect.value, verdict.text
    return tuple(found[name] for name in CLAIMS)


class PimSpeedup:
    """Figure ``pim-speedup``."""

    name = "pim-speedup"
    title = "Decode throughput over the same processors alone; published ratios beside ours"

    def data(self, request: FigureRequest) -> FigureData:
        """Compute speed-ups at equal batch, where it fits, and at each one's own largest batch."""
        if request.data is not None:
            raise ConfigError("the figure takes no --data", given=str(request.data))
        rows: list[tuple[str | int | float | None, ...]] = []
        for _, name, base_name, model_name in CASES:
            systems = load_system(name)[0], load_system(base_name)[0]
            model = find_model(model_name)
            for context in CONTEXTS:
                most = [capacity_batch(found, model, context + NEW) for found in systems]
                if isinstance(most[0], Infeasible) or isinstance(most[1], Infeasible):
                    continue
                for batch in BATCHES:
                    if batch > min(most[0], most[1]):
                        break
                    rates = [
                        generation(found, model, batch, context, NEW).tokens_per_s
                        for found in systems
                    ]
                    ratio = rates[0] / rates[1]
                    rows.append((name, model_name, context, batch, "equal batch", ratio))
                rates = [
                    generation(found, model, own, context, NEW).tokens_per_s
                    for found, own in zip(systems, (most[0], most[1]), strict=True)
                ]
                ratio = rates[0] / rates[1]
                rows.append((name, model_name, context, most[0], "own largest batch", ratio))
        return FigureData(
            tables={
                "speedup": Table(COLUMNS, tuple(rows)),
                "published": Table(PUBLISHED, judged()),
            },
            notes=(
                f"{NEW} new tokens, FP16; batches that fit weights, keys and values.",
                "Stars: each system at its own largest batch (AttAcc adds memory to the DGX).",
                "Right: claims of archsim validate pim-claims; hollow: published.",
            ),
            size_inches=(12.0, 3.8),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw one panel a system, one line a context; published ratios on the right."""
        grid = canvas.add_gridspec(1, 4, width_ratios=(1, 1, 1, 1.25))
        first: Axes | None = None
        for number, (title, name, _, _) in enumerate(CASES):
            axes = canvas.add_subplot(grid[0, number], sharey=first)
            _lines(axes, data.tables["speedup"], name)
            axes.set_title(title, fontsize=9)
            if first is None:
                first = axes
                axes.set_ylabel("throughput over the baseline")
            else:
                axes.tick_params(labelleft=False)
            if number == 1:
                axes.legend(fontsize=7, loc="upper right")
        _claims(canvas.add_subplot(grid[0, 3]), data.tables["published"])


def _lines(axes: Axes, table: Table, name: str) -> None:
    """Draw the speed-up of a system over the batch."""
    for number, context in enumerate(CONTEXTS):
        chosen = table.where(system=name, context=context, quantity="equal batch")
        batches = [int(str(cell)) for cell in chosen.column("batch")]
        ratios = [float(str(cell)) for cell in chosen.column("speedup")]
        axes.plot(batches, ratios, marker="o", markersize=3, label=f"{context} tokens")
        own = table.where(system=name, context=context, quantity="own largest batch")
        for batch, ratio in zip(own.column("batch"), own.column("speedup"), strict=True):
            axes.plot(float(str(batch)), float(str(ratio)), "*", color=f"C{number}")
    axes.set_xscale("log", base=2)
    axes.set_xticks([1, 8, 64, 512], ["1", "8", "64", "512"])
    axes.minorticks_off()
    axes.axhline(1.0, color="0.5", linewidth=0.8)
    axes.set_xlabel("requests")


def _claims(axes: Axes, table: Table) -> None:
    """Draw our ratio and the published one of each claim."""
    names = [str(cell) for cell in table.column("claim")][::-1]
    ours = [float(str(cell)) for cell in table.column("ours")][::-1]
    published = [float(str(cell)) for cell in table.column("published")][::-1]
    held = [cell == "reproduced" for cell in table.column("verdict")][::-1]
    for number, (one, other, good) in enumerate(zip(ours, published, held, strict=True)):
        colour = "C0" if good else "C3"
        axes.plot([one, other], [number, number], color=colour, linewidth=1.0)
        axes.plot(one, number, "o", color=colour, markersize=5)
        axes.plot(other, number, "o", color=colour, markersize=6, markerfacecolor="white")
    axes.plot([], [], "o", color="C0", label="ours, within the tolerance")
    axes.plot([], [], "o", color="C3", label="ours, not reproduced")
    axes.plot([], [], "o", color="0.3", markerfacecolor="white", label="published")
    axes.set_yticks(range(len(names)), names, fontsize=6.5)
    axes.set_xscale("log")
    axes.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
    axes.minorticks_off()
    axes.axvline(1.0, color="0.5", linewidth=0.8)
    axes.set_xlabel("ratio")
    axes.set_title("published claims", fontsize=9)
    axes.legend(fontsize=6.5, loc="lower right")


FIGURE = PimSpeedup()
"""The figure, as the entry point names it."""
