"""Which iterations of a nest the engine simulates, and which a jump of which loop copies."""

from __future__ import annotations

from itertools import groupby, islice
from typing import TYPE_CHECKING, Final, NamedTuple

from archsim.bench.programs import attention, tile_nest
from archsim.engine import run_program
from archsim.figures.figure import FigureData, FigureRequest, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from archsim.engine import Timing
    from archsim.program import Program

ROWS: Final = 24
COLUMNS: Final = 40

FILLS: Final = {
    "simulated": "#1f5f8b",
    "copied by the inner loop": "#a9c9dd",
    "copied by the outer loop": "#efe3cf",
    "recalled": "#d9a05f",
}
"""Colour by how an iteration came about; recalled: as in an earlier activation of its loop."""


class Panel(NamedTuple):
    """A program, its operation that is looked at, and the iterations of each row."""

    name: str
    program: Program
    op: str
    lengths: tuple[int, ...]


def panels() -> tuple[Panel, ...]:
    """Return a rectangular and a triangular nest."""
    return (
        Panel("rectangular", tile_nest(ROWS, COLUMNS), "work", (COLUMNS,) * ROWS),
        Panel("triangular", attention(1, COLUMNS, None), "score", tuple(range(1, COLUMNS + 1))),
    )


def origins(timing: Timing, op: str, lengths: tuple[int, ...]) -> list[tuple[int, int, str]]:
    """Return (row, column, how) of every instance of an operation of the inner loop."""
    log = timing.log
    assert log is not None
    number = timing.program.op_ids[op]
    rows = [row for row, length in enumerate(lengths) for _ in range(length)]
    copied = [(jump, copies) for jump, other, copies in log.jumped() if other == number]
    outer = {jump for jump, copies in copied if rows[copies.start - 1] != rows[copies.stop - 1]}
    found = []
    firsts = [sum(lengths[:row]) for row in range(len(lengths))]
    for instance, row in enumerate(rows):
        through = log.place(number, instance).copies
        if any(item.jump in outer and not item.summary for item in through):
            how = "copied by the outer loop"
        elif any(item.summary for item in through):
            how = "recalled"
        else:
            how = "copied by the inner loop" if through else "simulated"
        found.append((row, instance - firsts[row], how))
    return found


class EngineNesting:
    """Figure ``engine-nesting``; see the module."""

    name = "engine-nesting"
    title = "Iterations of two nests that are simulated, and those that jumps copy"

    def data(self, request: FigureRequest) -> FigureData:
        """Run both nests; ``request`` changes nothing."""
        del request
        rows: list[tuple[str | int, ...]] = []
        notes = []
        for panel in panels():
            timing = run_program(panel.program, backend="python")
            rows += [(panel.name, *item) for item in origins(timing, panel.op, panel.lengths)]
            notes.append(
                f"{panel.name}: {timing.simulated} of {sum(timing.instance_counts)} operations "
                f"simulated, {timing.jumps} jumps"
            )
        table = Table(("nest", "outer", "inner", "how"), tuple(rows))
        return FigureData({"iterations": table}, tuple(notes), (6.4, 3.0))

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw one cell for each iteration of the inner loops."""
        from matplotlib.patches import Patch

        table = data.tables["iterations"]
        for axes, panel in zip(canvas.subplots(1, 2), panels(), strict=True):
            part = table.where(nest=panel.name)
            hows = iter(part.column("how"))
            for row, length in enumerate(panel.lengths):
                begin = 0
                for how, cells in groupby(islice(hows, length)):
                    width = len(list(cells))
                    axes.broken_barh(
                        [(begin, width)], (row, 1), color=FILLS[str(how)], linewidth=0.3
                    )
                    begin += width
            axes.set_xlim(0, max(panel.lengths))
            axes.set_ylim(len(panel.lengths), 0)
            axes.set_title(panel.name, fontsize=9)
            axes.set_xlabel("inner iteration")
            axes.set_ylabel("outer iteration")
            axes.grid(visible=False)
        shown = [how for how in FILLS if how in table.column("how")]
        canvas.legend(
            handles=[Patch(color=FILLS[how], label=how) for how in shown],
            loc="outside upper center",
            ncols=len(shown),
            columnspacing=1.2,
            fontsize=8,
        )


FIGURE = EngineNesting()
