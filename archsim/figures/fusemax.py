"""Figures of the FuseMax paper from our simulation: utilisation, speed, energy, ablation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archsim.figures.figure import FigureData, FigureRequest, Table
from archsim.figures.fusemax_points import (
    LENGTHS,
    MAPPERS,
    REAL_MODELS,
    ablation,
    points,
    real_models,
    text_of,
)
from archsim.validation.fusemax_model import CONFIGS, MODELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

COLOURS: Final = dict(zip(CONFIGS, ("0.55", "C1", "C2", "C0", "C3"), strict=True))
"""One colour a configuration, the same in all figures."""

SOURCE: Final = "Published: FuseMax, MICRO 2024 (artifact), or the table given with --data."
OWN_FLAT: Final = "FLAT with decisions of our own search where no published ones are given."


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of lines over the sequence length: metric, model, title."""

    metric: str
    model: str
    title: str


@dataclass(frozen=True, slots=True)
class LengthFigure:
    """A figure whose panels show a metric over the sequence length.

    Attributes
    ----------
    name, title
        As in the registry.
    panels
        Panels side by side.
    label
        Of the vertical axis.
    notes
        What a reader must know.
    skipped
        Configurations that are not drawn.
    """

    name: str
    title: str
    panels: tuple[Panel, ...]
    label: str
    notes: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def data(self, request: FigureRequest) -> FigureData:
        """Compute every point; published ones are those of ``--data``, or a few quoted ones."""
        metrics = tuple(dict.fromkeys(panel.metric for panel in self.panels))
        width = 3.2 * len(self.panels)
        return FigureData({"points": points(request, *metrics)}, self.notes, (width, 3.2))

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw lines of ours and crosses of the published values."""
        axes = canvas.subplots(1, len(self.panels), sharey=True, squeeze=False)[0]
        for number, (panel, ax) in enumerate(zip(self.panels, axes, strict=True)):
            part = data.tables["points"].where(metric=panel.metric, model=panel.model)
            for config, colour in COLOURS.items():
                if config not in self.skipped:
                    _line(ax, part.where(config=config), config, colour)
            ax.set_xscale("log", base=4)
            ax.set_xticks(LENGTHS, [text_of(tokens) for tokens in LENGTHS])
            ax.minorticks_off()
            ax.set(xlabel="sequence length, tokens", title=panel.title)
            ax.title.set_fontsize(9)
            ax.set_ylim(bottom=0)
            if number == 0:
                ax.set_ylabel(self.label)
        axes[0].plot([], [], "kx", ms=5, label="published")
        handles, labels = axes[0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=7)


def _line(ax: Axes, part: Table, config: str, colour: str) -> None:
    lengths, ours = ([float(str(v)) for v in part.column(name)] for name in ("tokens", "ours"))
    ax.plot(lengths, ours, ".-", color=colour, lw=1.2, ms=4, label=config)
    marked = [
        (tokens, float(str(value)))
        for tokens, value in zip(lengths, part.column("published"), strict=True)
        if value is not None
    ]
    xs, ys = [x for x, _ in marked], [y for _, y in marked]
    ax.plot(xs, ys, "x", color="k", ms=5, mew=0.9)


UTILIZATION = LengthFigure(
    name="fusemax-utilization",
    title="busy share of the 2D and the 1D array of five configurations over the sequence length",
    panels=(
        Panel("util_2d", "BERT", "2D array, BERT"),
        Panel("util_1d", "BERT", "1D array, BERT"),
        Panel("util_2d", "XLM", "2D array, XLM"),
    ),
    label="busy share",
    notes=(SOURCE, OWN_FLAT, "FLAT's 2D share counts MACs, the others' cycles, as in the paper."),
)

SPEEDUP = LengthFigure(
    name="fusemax-speedup",
    title="attention speed-up over the unfused baseline over the sequence length",
    panels=tuple(Panel("speedup_vs_unfused", model, model) for model in MODELS),
    label="speed-up over unfused",
    notes=(SOURCE, OWN_FLAT),
)

ENERGY = LengthFigure(
    name="fusemax-energy",
    title="attention energy relative to the unfused baseline over the sequence length",
    panels=tuple(Panel("energy_vs_unfused", model, model) for model in MODELS),
    label="energy relative to unfused",
    notes=(
        SOURCE,
        OWN_FLAT,
        "Energies of table fusemax-paper-45nm. How often units of Unfused, FLAT and +Cascade go to"
        " the buffer is not derived by the source; ours count every operand and score once.",
    ),
)


class Ablation:
    """Figure ``fusemax-ablation``: each step in closed form and on the engine, and real models."""

    name = "fusemax-ablation"
    title = "FuseMax step by step: closed form against the engine, and real models at 128K tokens"

    def data(self, request: FigureRequest) -> FigureData:
        """Run every configuration tile by tile, and every mapper on two real models."""
        del request
        return FigureData(
            {"steps": ablation(), "models": real_models()},
            (
                "Left: BERT, 64K tokens; the engine has two ways down the columns in each tile of"
                " +Architecture where the closed form charges one.",
                "Right: attention of one layer, prefill of 131,072 tokens on fusemax-cloud, closed"
                " forms; unfused and FLAT compute masked scores too.",
            ),
            (9.0, 3.4),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw bars: latency by configuration, and by mapper for real models."""
        left, right = canvas.subplots(1, 2, width_ratios=(1, 1.5))
        steps = data.tables["steps"].where(tokens=65536)
        names = [str(name) for name in steps.column("config")]
        for offset, (column, label, alpha) in enumerate(
            (("closed_form_s", "closed form", 0.45), ("tile_s", "engine, tile by tile", 1.0))
        ):
            places = [number + 0.38 * offset for number in range(len(names))]
            colours = [COLOURS[name] for name in names]
            left.bar(places, steps.column(column), 0.36, color=colours, alpha=alpha, label=label)
        left.set_xticks([n + 0.19 for n in range(len(names))], names, fontsize=7)
        left.set(ylabel="attention, s", title="BERT, 64 sequences of 64K tokens", ylim=(0, 80))
        left.title.set_fontsize(9)
        left.legend(fontsize=7)
        models = data.tables["models"]
        for number, mapper in enumerate(MAPPERS):
            times = models.where(mapper=mapper).column("layer_attention_s")
            places = [place + 0.13 * number for place in range(len(REAL_MODELS))]
            right.bar(places, times, 0.12, label=mapper)
        ticks = [place + 0.13 * (len(MAPPERS) - 1) / 2 for place in range(len(REAL_MODELS))]
        right.set_xticks(ticks, REAL_MODELS)
        right.set(ylabel="attention of a layer, s", yscale="log", title="prefill, 128K tokens")
        right.title.set_fontsize(9)
        right.set_ylim(top=400)
        right.legend(fontsize=6, ncols=2)


ABLATION = Ablation()
"""The figure, as the entry point names it."""
