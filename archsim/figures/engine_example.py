"""The worked example of folding, drawn from its run: iterations, their period, its copies."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from archsim.engine import run_program
from archsim.figures.figure import FigureData, FigureRequest, Table
from archsim.program import ProgramBuilder

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

    from archsim.program import Program

TRIP: Final = 1000
"""Iterations of the example."""

SHOWN: Final = 12
"""Iterations that are drawn."""

COLUMNS: Final = (
    "operation",
    "instance",
    "start_ps",
    "end_ps",
    "how",
    "decided_by",
    "decided_by_instance",
)

FILLS: Final = {"simulated": "#7aa6c2", "period": "#1f5f8b", "copied": "#dfe8ee"}
"""Colour by how an instance came about."""


def example() -> Program:
    """Return double-buffered loads (5 ps on the link, 7 ps to arrive) before computing (8 ps)."""
    b = ProgramBuilder("example")
    link, array = b.resource("link"), b.resource("array")
    load = b.op("load", holds=[(link, 5)], latency=7, cause="bandwidth")
    compute = b.op("compute", holds=[(array, 8)], latency=8, cause="compute")
    with b.loop(TRIP, "tile"):
        b.place(load)
        b.place(compute)
    b.after(compute, load)
    b.after(load, compute, back=2)
    return b.build()


class EngineExample:
    """Figure ``engine-example``; see the module."""

    name = "engine-example"
    title = "A double-buffered loop: simulated until its period is proved, then copied"

    def data(self, request: FigureRequest) -> FigureData:
        """Run the example; ``request`` changes nothing."""
        del request
        program = example()
        timing = run_program(program, backend="python")
        log = timing.log
        assert log is not None
        period = {
            (op, number)
            for jump, op, copies in log.jumped()
            for number in range(copies.start - log.per_period(jump, op), copies.start)
        }
        rows: list[tuple[str | int | None, ...]] = []
        for op, name in enumerate(program.ops):
            for number in range(SHOWN):
                start_ps = timing.start_ps(name, number)
                copied = bool(log.place(op, number).copies)
                how = "period" if (op, number) in period else "simulated"
                _, source, instance = log.binding(op, number)
                by = program.ops[source] if source >= 0 else "time zero"
                end_ps = start_ps + next(program.holds(op))[1]
                rows.append(
                    (name, number, start_ps, end_ps, "copied" if copied else how, by, instance)
                )
        notes = (
            f"{timing.simulated} of {sum(program.instance_counts)} operations were simulated, "
            f"{timing.jumps} jump; the makespan is {timing.makespan_ps} ps.",
        )
        return FigureData({"instances": Table(COLUMNS, tuple(rows))}, notes, (6.4, 3.6))

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw the instances in time, and how far each operation advances per iteration."""
        table = data.tables["instances"]
        above, below = canvas.subplots(2, 1, height_ratios=(1.5, 1.0))
        _draw_time(table, above)
        _draw_advance(table, below)


def _draw_time(table: Table, axes: Axes) -> None:
    """Draw each hold, and an arrow from the other operation where that decided a start."""
    lanes = {"load": 1.0, "compute": 0.0}
    for name, number, start, end, how, by, _ in table.rows:
        begin, width, lane = (
            float(str(start)),
            float(str(end)) - float(str(start)),
            lanes[str(name)],
        )
        ink = "white" if how == "period" else "black"
        axes.broken_barh(
            [(begin, width)], (lane - 0.3, 0.6), color=FILLS[str(how)], edgecolor="white"
        )
        axes.text(begin + width / 2, lane, str(number), ha="center", va="center", color=ink)
        if by in lanes and by != name:
            near = 0.3 if lanes[str(by)] < lane else -0.3
            ends = (begin, lane - near), (begin, lanes[str(by)] + near)
            axes.annotate("", *ends, arrowprops={"arrowstyle": "->", "color": "#b5532b"})
    axes.set_yticks(list(lanes.values()), ["link: load", "array: compute"])
    axes.set_ylim(-0.5, 1.5)
    axes.set_xlim(0, 104)
    axes.set_xlabel("time (ps)")
    axes.grid(visible=False)
    for how, fill in FILLS.items():
        axes.broken_barh([], (0, 0), color=fill, label=how)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderpad=0)


def _draw_advance(table: Table, axes: Axes) -> None:
    for name, marker in (("load", "o"), ("compute", "s")):
        starts = [int(str(cell)) for cell in table.where(operation=name).column("start_ps")]
        steps = [later - earlier for earlier, later in pairwise(starts)]
        axes.plot(range(1, len(starts)), steps, marker=marker, markersize=4, lw=1, label=name)
    axes.set_xlabel("iteration")
    axes.set_ylabel("advance (ps)")
    axes.set_ylim(0, 11)
    axes.set_xticks(range(1, SHOWN))
    axes.legend(loc="lower right", ncols=2)


FIGURE = EngineExample()
