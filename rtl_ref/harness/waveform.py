"""Draws the first cycles of a traced case as a timing diagram."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from rtl_ref.harness.trace import Port, Trace, handshakes

LEAD = 2
"""Cycles shown before edge 0."""

MAX_LANES = 4
"""Lanes of a vector that get a row of their own: the first ones and the last."""

ROW_INCH, LEFT_INCH, TOP_INCH, BOTTOM_INCH, DPI = 0.27, 1.2, 0.85, 0.35, 110
MIN_CELL_INCH, MAX_CELL_INCH = 0.36, 0.56
FONT, MIN_FONT = 7.0, 4.8
LETTER_INCH = 0.0089
"""Width of a digit per point of font size, with some air (DejaVu Sans: 0.636 em)."""

HIGH, SLOPE = 0.64, 0.1
"""Height of a wave in rows, and width of its slopes in cycles."""

GAP = 0.5
"""Rows left free between two handshakes."""

INK, GRID, QUIET = "#1f2430", "#dfe3ea", "#eceef2"
CLOCK, INPUT, OUTPUT, TRANSFER = "#6b7280", "#1f5fbf", "#b4500f", "#d5f2dc"
FILLS = {INPUT: "#e1ecfc", OUTPUT: "#fde9d7"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the diagram.

    Attributes
    ----------
    label, color
        What stands on the left, and how the wave is drawn.
    top
        Rows above it, gaps included.
    bits
        Value on each edge shown, most significant first.
    texts
        What to write into a bus; empty where the value means nothing, None for a single wire.
    live
        Whether the value means something on each edge.
    """

    label: str
    color: str
    top: float
    bits: tuple[str, ...]
    texts: tuple[str, ...] | None
    live: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Diagram:
    """What is shown: rows, transfers, and the edges from `first` to `last` of the case."""

    rows: tuple[Row, ...]
    transfers: tuple[tuple[float, float, int], ...]
    first: int
    last: int

    @property
    def height(self) -> float:
        """Rows in all."""
        return self.rows[-1].top + 1.0

    @property
    def cell_inch(self) -> float:
        """Width of a cycle: enough for values that stay for one."""
        letters = max((len(text) for row in self.rows for text in row.texts or ()), default=0)
        return min(MAX_CELL_INCH, max(MIN_CELL_INCH, letters * LETTER_INCH * FONT + 0.1))


def lay_out(trace: Trace, cycles: int) -> Diagram:
    """Return the diagram of at most `cycles` cycles, from just before the first transfer."""
    low = max(0, trace.start - LEAD)
    high = min(len(trace.samples) - 1, trace.end + 1, low + cycles - 1)
    samples = trace.samples[low : high + 1]
    first = low - trace.start
    rows: list[Row] = []
    transfers = []
    top = 1.0 + GAP
    for group in handshakes(trace.ports):
        begin = top
        for column in group.columns:
            port = trace.ports[column]
            values = [sample[column] for sample in samples]
            live = [True] * len(values)
            if group.valid is not None and port.is_input == trace.ports[group.valid].is_input:
                live = [sample[group.valid] == "1" for sample in samples]
            for row in _port_rows(trace, port, values, live, top):
                rows.append(row)
                top += 1.0
        transfers += [
            (begin, top, first + number)
            for number, sample in enumerate(samples)
            if group.transfers(sample)
        ]
        top += GAP
    return Diagram(tuple(rows), tuple(transfers), first, first + len(samples) - 1)


def _port_rows(
    trace: Trace, port: Port, values: list[str], live: list[bool], top: float
) -> list[Row]:
    color = INPUT if port.is_input else OUTPUT
    if port.lanes == 0:
        return [Row(port.name, color, top, tuple(values), None, tuple(live))]
    width = len(values[0]) // port.lanes
    shown = list(range(port.lanes))
    if port.lanes > MAX_LANES:
        shown[MAX_LANES - 1 : -1] = []
    rows = []
    for number, lane in enumerate(shown):
        label = port.name if port.lanes == 1 else f"{port.name}[{lane}]"
        end = len(values[0]) - lane * width
        bits = tuple(value[end - width : end] for value in values)
        texts = None
        if width > 1 or port.lanes == 1:
            texts = tuple(
                _text(trace, port, each) if means else ""
                for each, means in zip(bits, live, strict=True)
            )
        rows.append(Row(label, color, top + number, bits, texts, tuple(live)))
    return rows


def _text(trace: Trace, port: Port, bits: str) -> str:
    if set(bits) - {"0", "1"}:
        return "X"
    value = int(bits, 2)
    names = trace.block.names.get(port.name, [])
    if value < len(names):
        return names[value]
    if port.name in trace.block.signed and bits[0] == "1":
        value -= 1 << len(bits)
    return str(value).replace("-", "−")


def draw(trace: Trace, *, cycles: int) -> bytes:
    """Return a PNG of the first cycles of a case.

    The rising edge at position `n` is edge `n` of the case, and what stands left of it is what a
    flop takes on it. Green marks the cycles that end with a transfer; grey data mean nothing,
    because their valid is 0.

    Parameters
    ----------
    trace
        The case.
    cycles
        How many cycles to show at most.
    """
    diagram = lay_out(trace, cycles)
    cell, num_cycles = diagram.cell_inch, diagram.last - diagram.first + 1 + 2 * SLOPE
    width = max(LEFT_INCH + cell * num_cycles + 0.2, 6.4)
    height = TOP_INCH + ROW_INCH * diagram.height + BOTTOM_INCH
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(
        (
            LEFT_INCH / width,
            BOTTOM_INCH / height,
            cell * num_cycles / width,
            ROW_INCH * diagram.height / height,
        )
    )
    axes.set_xlim(diagram.first - 1, diagram.last + 2 * SLOPE)
    axes.set_ylim(diagram.height, 0.0)
    axes.axis("off")
    _draw_background(axes, diagram)
    _draw_clock(axes, diagram)
    for row in diagram.rows:
        _label(axes, diagram, row.label, row.top, row.color)
        if row.texts is None:
            _draw_wire(axes, diagram, row)
        else:
            _draw_bus(axes, diagram, row, row.texts)
    _write_around(figure, trace, width, height)
    whole, small = io.BytesIO(), io.BytesIO()
    figure.savefig(whole, format="png")
    # Few colours make a small file; the picture has hardly more.
    picture = Image.open(whole).convert("RGB").quantize(128)
    picture.save(small, format="png", optimize=True, dpi=(DPI, DPI))
    return small.getvalue()


def _draw_background(axes: Axes, diagram: Diagram) -> None:
    for begin, end, edge in diagram.transfers:
        axes.fill_between(
            (edge - 1, edge), begin - 0.1, end - 1 + HIGH + 0.1, color=TRANSFER, linewidth=0
        )
    for edge in range(diagram.first - 1, diagram.last + 1):
        axes.plot((edge, edge), (0.0, diagram.height), color=GRID, linewidth=0.6, zorder=1.2)
        if edge % 2 == 0:
            words = str(edge).replace("-", "−")
            axes.text(edge, -0.2, words, ha="center", va="bottom", size=FONT, color=CLOCK)
    _label(axes, diagram, "edge", -0.75, CLOCK)


def _label(axes: Axes, diagram: Diagram, text: str, top: float, color: str) -> None:
    x = diagram.first - 1 - 0.1 / diagram.cell_inch
    axes.text(x, top + HIGH / 2, text, ha="right", va="center", size=8, color=color)


def _draw_clock(axes: Axes, diagram: Diagram) -> None:
    xs: list[float] = []
    ys: list[float] = []
    for edge in range(diagram.first - 1, diagram.last):
        xs += [edge, edge, edge + 0.5, edge + 0.5]
        ys += [HIGH, 0.0, 0.0, HIGH]
    axes.plot([*xs, diagram.last, diagram.last], [*ys, HIGH, 0.0], color=CLOCK, linewidth=1.1)
    _label(axes, diagram, "clk_i", 0.0, CLOCK)


def _draw_wire(axes: Axes, diagram: Diagram, row: Row) -> None:
    xs: list[float] = []
    ys: list[float] = []
    for number, bit in enumerate(row.bits):
        begin = diagram.first - 1 + number
        y = row.top + {"1": 0.0, "0": HIGH}.get(bit, HIGH / 2)
        changed = number > 0 and row.bits[number - 1] != bit
        xs += [begin + SLOPE if changed else begin, begin + 1.0]
        ys += [y, y]
        if bit == "1" and row.live[number]:
            axes.fill_between(
                (begin, begin + 1), y, y + HIGH, color=FILLS[row.color], linewidth=0, alpha=0.7
            )
    axes.plot(xs, ys, color=row.color, linewidth=1.3, solid_joinstyle="round", zorder=3)


def _draw_bus(axes: Axes, diagram: Diagram, row: Row, texts: tuple[str, ...]) -> None:
    runs = [(text, len(list(run))) for text, run in groupby(texts)]
    begin, middle, bottom = diagram.first - 1, row.top + HIGH / 2, row.top + HIGH
    for number, (text, length) in enumerate(runs):
        end = begin + length
        left = begin if number == 0 else begin + SLOPE
        right = end + SLOPE
        if text:
            inset = min(SLOPE, length / 3)
            xs = (left, left + inset, right - inset, right, right - inset, left + inset, left)
            ys = (middle, row.top, row.top, middle, bottom, bottom, middle)
            axes.fill(xs, ys, facecolor=FILLS[row.color], edgecolor=row.color, lw=1.0, zorder=2)
            around = sum(0 <= i < len(runs) and not runs[i][0] for i in (number - 1, number + 1))
            room = (length + (0.6 if around == 2 else 0.0)) * diagram.cell_inch - 0.07
            size = min(FONT, room / (len(text) * LETTER_INCH))
            if size >= MIN_FONT:
                x = (left + right) / 2
                axes.text(x, middle, text, ha="center", va="center", size=size, color=INK, zorder=4)
        else:
            axes.fill_between((left, right), row.top + 0.2, bottom - 0.2, color=QUIET, linewidth=0)
        begin = end


def _write_around(figure: Figure, trace: Trace, width: float, height: float) -> None:
    config, index = trace.block.case_names()[trace.case]
    build = trace.block.configs[config]
    left, top = 0.15 / width, 1.0 - 0.2 / height
    case = ", ".join(f"{key} {value}" for key, value in build.cases[index].items())
    title = f"{trace.block.name}  {trace.case}:  {case}"
    figure.text(left, top, title, size=11, weight="bold", color=INK, va="center")
    verdict = f"{trace.measured} cycles measured, {trace.law} by the law"
    figure.text(left, top - 0.21 / height, verdict, size=8, color=CLOCK, va="center")
    y = 0.16 / height
    for x, words, color in (
        (0.15, "input", INPUT),
        (0.7, "output", OUTPUT),
        (1.35, "green: ends with a transfer", "#2f8f4e"),
        (3.15, "grey: no data", CLOCK),
    ):
        figure.text(x / width, y, words, size=FONT, color=color, va="center")
