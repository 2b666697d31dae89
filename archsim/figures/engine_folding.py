"""What folding costs: operations simulated one by one against operations that a program stands for.

Work is counted, not timed, so that the figure is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from archsim.bench.programs import attention, flat_body, layer_pipeline, pim_stream, tile_nest
from archsim.engine import run_program
from archsim.figures.figure import FigureData, FigureRequest, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from archsim.program import Program


class Sweep(NamedTuple):
    """A program that grows with one trip count."""

    label: str
    build: Callable[[int], Program]
    trips: tuple[int, ...]


DECADES: Final = tuple(10**n for n in range(1, 10))

SWEEPS: Final = (
    Sweep("flat loop of 20 operations", flat_body, DECADES),
    Sweep("two loops, tiles in rows", lambda n: tile_nest(n, 100), DECADES),
    Sweep("attention: heads, rows, key tiles", lambda n: attention(16, n, 4096), DECADES[:-2]),
    Sweep("memory commands with refresh", lambda n: pim_stream(n, 54, 30, 32), DECADES[:-2]),
    Sweep("layers of 12 operators", lambda n: layer_pipeline(n, 12, 4096), DECADES[:-2]),
    Sweep(
        "causal attention: triangular",
        lambda n: attention(1, n, None),
        tuple(4**n for n in range(2, 8)),
    ),
)
"""Trips of the outermost loop that are foldable go up to 10⁹ or about 10¹³ operations."""

COLUMNS: Final = ("program", "trip", "operations", "simulated_operations", "jumps", "recalls")


class EngineFolding:
    """Figure ``engine-folding``; see the module."""

    name = "engine-folding"
    title = "Operations that the engine simulates against operations of the program"

    def data(self, request: FigureRequest) -> FigureData:
        """Run every program at every trip count; ``request`` changes nothing."""
        del request
        rows: list[tuple[str | int, ...]] = []
        for sweep in SWEEPS:
            for trip in sweep.trips:
                program = sweep.build(trip)
                timing = run_program(program, path=False)
                operations = sum(program.instance_counts)
                work = (timing.simulated, timing.jumps, timing.recalls)
                rows.append((sweep.label, trip, operations, *work))
        return FigureData(
            tables={"folding": Table(COLUMNS, tuple(rows))},
            notes=(
                "Exact: a folded run has every start of the unrolled one; "
                "`archsim bench engine` checks it.",
                "A loop whose index sets a trip inside (causal) cannot be folded itself; each of "
                "its rows is recalled and costs a few operations.",
            ),
            size_inches=(6.4, 3.8),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw simulated against represented operations, both logarithmic."""
        axes = canvas.add_subplot()
        table = data.tables["folding"]
        markers = "os^Dv*"
        for sweep, marker in zip(SWEEPS, markers, strict=True):
            part = table.where(program=sweep.label)
            operations = [float(str(cell)) for cell in part.column("operations")]
            simulated = [float(str(cell)) for cell in part.column("simulated_operations")]
            axes.plot(
                operations, simulated, marker=marker, markersize=3.5, lw=1.2, label=sweep.label
            )
        ends = (100.0, 1e7)
        axes.plot(ends, ends, color="0.45", lw=1, ls="--")
        axes.annotate(
            "without folding", (8e5, 1e6), color="0.35", ha="right", va="bottom", fontsize=8
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(20, 1e7)
        axes.set_xlabel("operations in the program")
        axes.set_ylabel("operations simulated")
        axes.legend(loc="upper right", fontsize=8)


FIGURE = EngineFolding()
