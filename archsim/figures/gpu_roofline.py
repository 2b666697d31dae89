"""Rooflines of GPUs, and where operators lie under them: GEMMs of growing height, decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from archsim.figures.figure import Cell, FigureData, FigureRequest, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

GPUS: Final = ("a100-80g-sxm", "h200-sxm", "b200-sxm", "l40s")
DTYPE: Final = "bf16"

HEIGHTS: Final = tuple(2**power for power in range(15))
"""Rows m of the GEMMs."""

SIDES: Final = (1024, 4096, 8192)
"""n = k of the GEMMs."""

BATCHES: Final = tuple(2**power for power in range(9))
ATTENTION: Final = {"heads": 32, "kv_heads": 8, "head_dim": 128, "kv_len": 4096}
"""The decode attention of an 8-billion-parameter decoder with 4096 keys."""

COLUMNS: Final = (
    *("gpu", "kind", "operator", "size", "limiter", "intensity_flop_per_byte"),
    *("predicted_flop_per_s", "roof_flop_per_s"),
)
NEAR: Final = 0.005
"""Relative difference of a measured n or k from a side that counts as equal."""


class GpuRoofline:
    """Figure ``gpu-roofline``."""

    name = "gpu-roofline"
    title = "rooflines of GPUs with predicted GEMMs and decode attention under them"

    def data(self, request: FigureRequest) -> FigureData:
        """Predict operators on every GPU; measured GEMMs of ``--data`` are crosses."""
        rows: list[tuple[Cell, ...]] = []
        for gpu in GPUS:
            rows += _gemms(gpu)
            rows += _decoding(gpu)
        notes = [
            f"{DTYPE}; GEMMs of n = k = {', '.join(map(str, SIDES))} and m of 1 to {HEIGHTS[-1]};"
            " decode attention of 32 heads over 8 with 4096 keys, 1 to 256 sequences.",
            "Intensity is of compulsory bytes; the roof is the peak at the boost clock and the peak"
            " of device memory. What is served by L2 can stand above the slope.",
        ]
        tables = {"operators": Table(COLUMNS, tuple(rows))}
        if request.data is not None:
            tables["measured"] = _measured(request)
            notes.append("Crosses: measured GEMMs of the same sides.")
        return FigureData(tables=tables, notes=tuple(notes), size_inches=(9.6, 6.4))

    def draw(self, data: FigureData, canvas: Canvas) -> None:
        """Draw one panel for each GPU."""
        table = data.tables["operators"]
        panels = canvas.subplots(2, 2, sharex=True, sharey=True)
        for axes, gpu in zip(panels.flat, GPUS, strict=True):
            part = table.where(gpu=gpu)
            _roof(axes, gpu)
            for number, operator in enumerate(dict.fromkeys(part.column("operator"))):
                line = part.where(operator=operator)
                axes.plot(
                    line.column("intensity_flop_per_byte"),
                    line.column("predicted_flop_per_s"),
                    ".-",
                    ms=3,
                    lw=0.9,
                    color=f"C{number}",
                    label=operator,
                )
            measured = data.tables.get("measured")
            if measured is not None:
                own = measured.where(gpu=gpu)
                axes.plot(
                    own.column("intensity_flop_per_byte"),
                    own.column("measured_flop_per_s"),
                    "kx",
                    ms=2.5,
                    mew=0.5,
                    label="measured GEMM",
                )
            axes.set(xscale="log", yscale="log", title=gpu)
            axes.title.set_fontsize(9)
            axes.tick_params(labelsize=7)
            axes.legend(fontsize=6, loc="lower right")
        for axes in panels[1]:
            axes.set_xlabel("intensity, FLOP/B")
        for axes in panels[:, 0]:
            axes.set_ylabel("FLOP/s")


def _gemms(gpu: str) -> list[tuple[Cell, ...]]:
    from archsim.gpu.predict import predictor

    model = predictor(gpu, "gemm", dtype=DTYPE)
    rows = []
    for side in SIDES:
        for height in HEIGHTS:
            found = model({"m": height, "n": side, "k": side})
            flops = 2.0 * height * side * side
            num_bytes = 2.0 * (2 * height * side + side * side)
            operator = f"GEMM n = k = {side}"
            rows.append(
                _row(gpu, "gemm", operator, height, found.limiter, flops, num_bytes, found.time_s)
            )
    return rows


def _decoding(gpu: str) -> list[tuple[Cell, ...]]:
    from archsim.gpu.predict import predictor

    model = predictor(gpu, "attention_decode", dtype=DTYPE)
    rows = []
    heads, width, keys = ATTENTION["heads"], ATTENTION["head_dim"], ATTENTION["kv_len"]
    for batch in BATCHES:
        found = model({"batch": batch, **ATTENTION})
        flops = 4.0 * batch * heads * width * keys
        num_bytes = 4.0 * batch * width * (ATTENTION["kv_heads"] * keys + heads)
        rows.append(
            _row(
                gpu,
                "decode",
                "decode attention",
                batch,
                found.limiter,
                flops,
                num_bytes,
                found.time_s,
            )
        )
    return rows


def _row(
    gpu: str,
    kind: str,
    operator: str,
    size: int,
    limiter: str,
    flops: float,
    num_bytes: float,
    time_s: float,
) -> tuple[Cell, ...]:
    from archsim.gpu.device import load_device

    device = load_device(gpu)
    intensity = flops / num_bytes
    roof = min(device.matrix_flops_per_s(DTYPE), intensity * device.dram_bytes_per_s)
    return gpu, kind, operator, size, limiter, intensity, flops / time_s, roof


def _roof(axes: Axes, gpu: str) -> None:
    from archsim.gpu.device import load_device

    device = load_device(gpu)
    peak = device.matrix_flops_per_s(DTYPE)
    ridge = peak / device.dram_bytes_per_s
    axes.plot(
        [0.5, ridge, 8192],
        [0.5 * device.dram_bytes_per_s, peak, peak],
        color="0.3",
        lw=1.2,
        label=f"{peak / 1e12:.0f} TFLOP/s, {device.dram_bytes_per_s / 1e12:.2f} TB/s",
    )


def _measured(request: FigureRequest) -> Table:
    """Return the measured GEMMs that have the sides of ours."""
    from archsim.validation.gpu_rows import read_measurements

    columns = ("gpu", "source", "m", "n", "k", "intensity_flop_per_byte", "measured_flop_per_s")
    rows: list[tuple[Cell, ...]] = []
    for row in read_measurements(request.data).measured:
        m, n, k = (row.shape[name] for name in ("m", "n", "k"))
        alike = n == k and any(abs(n / side - 1) < NEAR for side in SIDES)
        if row.op == "gemm" and row.gpu in GPUS and row.dtype == DTYPE and alike:
            flops, num_bytes = 2 * m * n * k, 2 * (m * k + n * k + m * n)
            speed = flops / (row.latency_us * 1e-6)
            rows.append((row.gpu, row.source, m, n, k, flops / num_bytes, speed))
    return Table(columns, tuple(rows))


FIGURE = GpuRoofline()
"""The figure, as the entry point names it."""
