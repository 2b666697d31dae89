"""How much of its internal bandwidth a memory that computes gives to attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError
from archsim.figures.figure import FigureData, FigureRequest, Table
from archsim.mapping import Infeasible
from archsim.pim.device import load_device
from archsim.pim.operations import Attention, peak_bytes_per_s, run_operation
from archsim.validation.suite import PACKAGED, data_files
from archsim.validation.table import read_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

DEVICES: Final = ("attacc-bank", "attacc-bankgroup", "attacc-buffer", "logic-pim", "generic-pim")
TOKENS: Final = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
LONGEST_SLOW: Final = 1024
"""Longest context of units on the buffer die, which take a command for every two banks."""
HEAD_SIZE: Final = 128
HEADS: Final = 16
COLUMNS: Final = ("device", "tokens", "utilization", "bandwidth_bytes_per_s")
RECORDED: Final = ("level", "power_limit", "tokens", "utilization")
WANTED: Final = (
    *("simulator", "kind", "level", "power_limit", "refresh", "M_or_L", "K_or_dhead", "nhead"),
    *("dtype_bytes", "cycles"),
)


class PimBandwidthUtilization:
    """Figure ``pim-bandwidth-utilization``: useful over peak bytes against context."""

    name = "pim-bandwidth-utilization"
    title = "Internal bandwidth that decode attention gets, by placement of the units"

    def data(self, request: FigureRequest) -> FigureData:
        """Run one head a channel at growing contexts; recorded runs beside it."""
        rows = []
        for name in DEVICES:
            device = load_device(name)
            for tokens in TOKENS:
                if device.unit.placement == "buffer" and tokens > LONGEST_SLOW:
                    continue
                found = run_operation(device, Attention(tokens, HEAD_SIZE, HEADS, HEADS))
                if isinstance(found, Infeasible):
                    raise ConfigError(found.detail, given=name)
                rows.append((name, tokens, found.utilization, found.bandwidth_bytes_per_s))
        return FigureData(
            tables={
                "runs": Table(COLUMNS, tuple(rows)),
                "recorded": Table(RECORDED, recorded(request)),
            },
            notes=(
                "16 heads of 128 elements, two bytes an element.",
                "Circles: recorded runs of the AttAcc simulator, with the power limit.",
            ),
            size_inches=(6.4, 4.0),
        )

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw a line for each device and a circle for each recorded run."""
        axes = canvas.subplots()
        runs, points = data.tables["runs"], data.tables["recorded"]
        for number, name in enumerate(DEVICES):
            part = runs.where(device=name)
            tokens = [float(str(value)) for value in part.column("tokens")]
            share = [100 * float(str(value)) for value in part.column("utilization")]
            axes.plot(tokens, share, "-", color=f"C{number}", label=name)
            marks = points.where(level=name.removeprefix("attacc-"))
            axes.plot(
                [float(str(value)) for value in marks.column("tokens")],
                [100 * float(str(value)) for value in marks.column("utilization")],
                "o",
                color=f"C{number}",
                markerfacecolor="none",
            )
        axes.plot([], [], "o", color="0.3", markerfacecolor="none", label="AttAcc simulator")
        axes.set(
            xlabel="tokens in the cache",
            ylabel="useful share of the units' bandwidth, %",
            ylim=(0, 100),
        )
        axes.set_xscale("log", base=2)
        axes.set_xticks(TOKENS, [str(tokens) for tokens in TOKENS])
        axes.grid(color="0.9")
        axes.legend(fontsize=8, loc="lower right")


def recorded(request: FigureRequest) -> tuple[tuple[str, int, int, float], ...]:
    """Return the refreshed recorded runs with a head for each channel and the power limit."""
    path = PACKAGED / "data" / "attacc_measured.csv"
    files = data_files(
        request.data,
        suite="pim",
        packaged=[path],
        pattern="attacc_measured.csv",
        wanted="a CSV file with the columns of the pim suite",
    )
    rows = []
    for file in files:
        for row in read_table(file, WANTED):
            kind = row.text("simulator"), row.text("kind"), row.text("power_limit")
            if kind != ("attacc", "attention", "1"):
                continue
            shape = [row.integer(key) for key in ("nhead", "K_or_dhead", "dtype_bytes", "refresh")]
            if shape != [HEADS, HEAD_SIZE, 2, 1]:
                continue
            level, tokens = row.text("level"), row.integer("M_or_L")
            device = load_device(f"attacc-{level}")
            useful = 2 * tokens * HEAD_SIZE * HEADS * row.integer("dtype_bytes")
            seconds = device.standard.time_ps(row.integer("cycles", minimum=1)) * 1e-12
            share = useful / seconds / peak_bytes_per_s(device)
            rows.append((level, 1, tokens, share))
    return tuple(rows)


FIGURE = PimBandwidthUtilization()
"""The figure, as the entry point names it."""
