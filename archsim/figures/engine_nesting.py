"""Which iterations of a nest the engine simulates, and which a jump of which loop copies."""

from __future__ import annotations

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

HOWS: Final = ("simulated", "copied by the inner loop", "copied by the outer loop")
"""How an iteration came about, in the order of the colours."""

FILLS: Final = ("#1f5f8b", "#a9c9dd", "#efe3cf")


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
    ends = {
        jump: (copies.start - log.per_period(jump, other), copies.stop - 1)
        for jump, other, copies in log.jumped()
        if other == number
    }
    crossing = {jump for jump, (first, last) in ends.items() if rows[first] != rows[last]}
    found = []
    firsts = [sum(lengths[:row]) for row in range(len(lengths))]
    for instance, row in enumerate(rows):
        jumps = {jump for jump, copy in log.place(number, instance).copies if copy}
        how = HOWS[2] if jumps & crossing else HOWS[1] if jumps else HOWS[0]
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
        from matplotlib.colors import ListedColormap
        from matplotlib.patches import Patch

        table = data.tables["iterations"]
        for axes, name in zip(
            canvas.subplots(1, 2, sharex=True), ("rectangular", "triangular"), strict=True
        ):
            part = table.where(nest=name)
            outer = [int(str(cell)) for cell in part.column("outer")]
            inner = [int(str(cell)) for cell in part.column("inner")]
            grid = [[float("nan")] * COLUMNS for _ in range(max(outer) + 1)]
            for row, column, how in zip(outer, inner, part.column("how"), strict=True):
                grid[row][column] = float(HOWS.index(str(how)))
            axes.imshow(
                grid,
                cmap=ListedColormap(FILLS),
                vmin=0,
                vmax=len(HOWS) - 1,
                aspect="auto",
                interpolation="nearest",
            )
            axes.set_title(name, fontsize=9)
            axes.set_xlabel("inner iteration")
            axes.set_ylabel("outer iteration")
            axes.grid(visible=False)
        canvas.legend(
            handles=[Patch(color=fill, label=how) for fill, how in zip(FILLS, HOWS, strict=True)],
            loc="outside upper center",
            ncols=3,
        )


FIGURE = EngineNesting()
