"""Latency of a memory under growing load: the curve that every memory simulator is judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.figures.figure import Cell, FigureData, FigureRequest, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from archsim.dram.memory import Memory

MEMORIES: Final = ("ddr4-3200", "ddr5-4800", "lpddr5-6400", "gddr6-14000", "hbm2-2000", "hbm3-6400")
WRITE_SHARES: Final = (0, 20, 50)
"""Percent of writes in the panel of mixes."""
MIXED: Final = "ddr4-3200"
LOADS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.0)
"""Offered load over the peak; 0 is as fast as the controller accepts."""
NUM_REQUESTS: Final = 8000
COLUMNS: Final = (
    *("panel", "memory", "write_percent", "gap_ticks", "offered_bytes_per_s"),
    *("achieved_bytes_per_s", "peak_bytes_per_s", "mean_latency_ns", "p99_latency_ns"),
)
MEASURED_COLUMNS: Final = ("memory", "achieved_bytes_per_s", "mean_latency_ns")
"""Columns of a file of measured points (--data)."""
PANELS: Final = {"random": "random reads", "stream": "stream reads", "mix": f"random, {MIXED}"}


class BandwidthLatency:
    """Figure ``dram-bandwidth-latency``."""

    name = "dram-bandwidth-latency"
    title = "read latency of memories against bandwidth: random, streams, and mixes with writes"

    def data(self, request: FigureRequest) -> FigureData:
        """Run every load on every memory."""
        from archsim.dram.memory import load_memory

        rows: list[tuple[Cell, ...]] = []
        for name in MEMORIES:
            memory = load_memory(name)
            for panel in ("random", "stream"):
                rows += _curve(memory, panel, panel, 0, request.seed)
        memory = load_memory(MIXED)
        for share in WRITE_SHARES:
            rows += _curve(memory, "mix", "random", share, request.seed)
        tables = {"curves": Table(COLUMNS, tuple(rows))}
        notes = [
            "One channel; requests at equal distances; latency from acceptance by the controller to"
            " the end of the data, reads only.",
            "Bank-group interleave, FR-FCFS, open pages, all-bank refresh.",
        ]
        if request.data is not None:
            tables["measured"] = _measured(request)
            notes.append(f"Crosses: measured points of {request.data.name}.")
        return FigureData(tables=tables, notes=tuple(notes), size_inches=(9.0, 3.4))

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw one panel for each kind of traffic."""
        table = data.tables["curves"]
        panels = canvas.subplots(1, 3, sharey=True)
        for axes, (panel, title) in zip(panels, PANELS.items(), strict=True):
            part = table.where(panel=panel)
            column = "write_percent" if panel == "mix" else "memory"
            for label in dict.fromkeys(part.column(column)):
                line = part.where(**{column: label})
                axes.plot(
                    _gigabytes(line, "achieved_bytes_per_s"),
                    line.column("mean_latency_ns"),
                    ".-",
                    ms=3,
                    lw=1,
                    label=f"{label} % writes" if panel == "mix" else label,
                )
            axes.set(xlabel="bandwidth, GB/s", title=title, yscale="log")
            axes.set_yticks([20, 50, 100, 200, 500], ["20", "50", "100", "200", "500"])
            axes.minorticks_off()
            axes.title.set_fontsize(9)
            axes.legend(fontsize=6, loc="upper left")
        panels[0].set_ylabel("mean read latency, ns")
        measured = data.tables.get("measured")
        if measured is not None:
            xs = _gigabytes(measured, "achieved_bytes_per_s")
            panels[0].plot(xs, measured.column("mean_latency_ns"), "kx", ms=4)


def _curve(
    memory: Memory, panel: str, kind: str, write_percent: int, seed: int
) -> list[tuple[Cell, ...]]:
    """Return the points of one curve: the loads that whole ticks between requests can offer."""
    from archsim.dram.statistics import statistics

    standard = memory.standard
    tick_s = standard.tick_ps * 1e-12
    gaps = {}
    for load in LOADS:
        gap_s = standard.burst_bytes / (load * memory.peak_bytes_per_s) if load else 0.0
        gaps[round(gap_s / tick_s)] = load
    rows: list[tuple[Cell, ...]] = []
    for gap in sorted(gaps, reverse=True):
        pattern = f"{kind}:n={NUM_REQUESTS},gap={gap},write={write_percent},seed={seed + 1}"
        found = statistics(memory, memory.run(memory.requests_of_pattern(pattern)))
        own = found["dram"]
        assert isinstance(own, dict)
        latency = own["read_latency"]
        rows.append(
            (
                *(panel, standard.name, write_percent, gap),
                standard.burst_bytes / (gap * tick_s) if gap else None,
                *(own["achieved_bytes_per_s"], own["peak_bytes_per_s"]),
                *(latency["mean_ns"], latency["p99_ns"]),
            )
        )
    return rows


def _measured(request: FigureRequest) -> Table:
    from archsim.validation.table import read_table

    assert request.data is not None
    rows = [
        (
            row.text("memory"),
            row.number("achieved_bytes_per_s"),
            row.number("mean_latency_ns"),
        )
        for row in read_table(request.data, MEASURED_COLUMNS)
    ]
    return Table(MEASURED_COLUMNS, tuple(rows))


def _gigabytes(table: Table, column: str) -> list[float]:
    return [float(cell) / 1e9 for cell in table.column(column) if isinstance(cell, int | float)]


FIGURE = BandwidthLatency()
"""The figure, as the entry point names it."""
