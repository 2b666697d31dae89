"""A stretch of a run as its timeline file shows it: holds by resource, and counters below."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from archsim.figures.figure import FigureData, FigureRequest, Table
from archsim.request import RunRequest
from archsim.timeline_export import TimelineExport, Window

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from archsim.figures.figure import Cell
    from archsim.run_record import TimedPass

RUN: Final = ("array128-hbm2e", "llama3.2-1b")
CONTEXT: Final = 512
BETWEEN: Final = "layer/query_projection/end"
"""Marker around which the window lies: one matrix product ends, the next begins."""

BEFORE_PS, AFTER_PS = 7_000_000, 9_000_000

LANES: Final = ("array", "buffer.read", "buffer.write", "dram")
FILLS: Final = {
    "mac": "#1f5f8b",
    "reads": "#7aa6c2",
    "carry": "#b9d3e2",
    "writes": "#c98b5e",
    "load": "#5a8f5a",
    "store": "#a2445a",
}
"""Colour by what a hold is for: the first word of the operation's name."""

SLICE_COLUMNS: Final = ("resource", "operation", "begin_ps", "span_ps")
COUNTER_COLUMNS: Final = ("counter", "time_us", "value")


class EngineTimeline:
    """Figure ``engine-timeline``; see the module."""

    name = "engine-timeline"
    title = "A window of a prefill: tiles on every resource, and how full the buffer is"

    def data(self, request: FigureRequest) -> FigureData:
        """Run a small prefill and read a window of its timeline; ``request`` changes nothing."""
        del request
        seen: list[TimedPass] = []
        run = RunRequest(*RUN, phase="prefill", context=CONTEXT)
        run.simulate(None, seen.append)
        middle_ps = seen[0].timing.start_ps(BETWEEN, 1)
        export = TimelineExport(Window(middle_ps - BEFORE_PS, middle_ps + AFTER_PS))
        export.observe(seen[0])
        events = json.loads(export.text())["traceEvents"]
        threads = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
        slices: list[tuple[Cell, ...]] = []
        counters: list[tuple[Cell, ...]] = []
        for event in events:
            if event["ph"] == "X" and "definition" in event["args"]:
                where = event["args"]
                name, begin_ps, span_ps = (where[k] for k in ("definition", "begin_ps", "span_ps"))
                slices.append((threads[event["tid"]], name, begin_ps, span_ps))
            elif event["ph"] == "C":
                ((unit, value),) = event["args"].items()
                counters.append((f"{event['name']} {unit}", event["ts"], value))
        return FigureData(
            {
                "slices": Table(SLICE_COLUMNS, tuple(slices)),
                "counters": Table(COUNTER_COLUMNS, tuple(counters)),
            },
            (f"{' '.join(RUN)}, prefill of {CONTEXT} tokens, second layer",),
            (6.4, 4.2),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw the slices, the bytes of tiles in the buffer and the traffic of the memory."""
        lanes, tiles, traffic = canvas.subplots(3, 1, sharex=True, height_ratios=(2.2, 1, 1))
        begin_us = min(float(str(cell)) for cell in data.tables["counters"].column("time_us"))
        _draw_slices(data.tables["slices"], lanes, begin_us)
        table = data.tables["counters"]
        part = table.where(counter="buffer tiles bytes")
        _draw_counter(part, tiles, begin_us, 1024.0, "#1f5f8b", "tiles")
        tiles.set_ylabel("tiles in\nbuffer (KiB)")
        for action, color in (("read", "#5a8f5a"), ("write", "#a2445a")):
            part = table.where(counter=f"dram {action} GB/s")
            _draw_counter(part, traffic, begin_us, 1.0, color, action)
        traffic.set_ylabel("DRAM\n(GB/s)")
        traffic.set_ylim(0, 900)
        traffic.legend(loc="upper right", ncols=2, fontsize=8)
        traffic.set_xlabel("time in the window (µs)")
        traffic.set_xlim(0, (BEFORE_PS + AFTER_PS) / 1e6)


def _draw_slices(table: Table, axes: Axes, begin_us: float) -> None:
    for resource, operation, begin_ps, span_ps in table.rows:
        if resource not in LANES:
            continue
        word = str(operation).rpartition("/")[2].partition("[")[0].partition("_")[0]
        lane = LANES.index(str(resource))
        bar = (float(str(begin_ps)) / 1e6 - begin_us, float(str(span_ps)) / 1e6)
        axes.broken_barh(
            [bar],
            (lane - 0.38, 0.76),
            facecolor=FILLS.get(word, "0.6"),
            edgecolor="white",
            linewidth=0.4,
        )
    for word, fill in FILLS.items():
        axes.broken_barh([], (0, 0), color=fill, label=word)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(FILLS), borderpad=0)
    axes.set_yticks(range(len(LANES)), LANES)
    axes.invert_yaxis()
    axes.grid(visible=False)


def _draw_counter(
    table: Table,
    axes: Axes,
    begin_us: float,
    scale: float,
    color: str,
    label: str,
) -> None:
    times = [float(str(cell)) - begin_us for cell in table.column("time_us")]
    values = [float(str(cell)) / scale for cell in table.column("value")]
    times.append((BEFORE_PS + AFTER_PS) / 1e6)
    values.append(values[-1])
    axes.step(times, values, where="post", color=color, lw=1, label=label)
    axes.set_ylim(bottom=0)


FIGURE = EngineTimeline()
