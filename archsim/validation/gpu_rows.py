"""Read measured GPU operators: one row a measurement, in the columns of the GPU data set.

Rows that no operator law covers are counted with a reason; rows that are broken are errors.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from archsim.errors import ConfigError, NotRunError
from archsim.gpu.device import GpuDevice, load_device
from archsim.gpu.families import FAMILY_OF
from archsim.gpu.formats import format_bytes, format_class, matrix_format
from archsim.gpu.naming import gpu_id, library_of, variant_of
from archsim.validation.table import Row, read_table

SHAPE: Final = (
    *("m", "n", "k", "batch", "heads", "kv_heads", "head_dim"),
    *("q_len", "kv_len", "experts", "topk", "tp", "bytes"),
)
"""Columns that hold extents; empty where an operator has none."""

COLUMNS: Final = (*("gpu", "op", "dtype", *SHAPE, "latency_us", "timing", "kernel", "source"),)
"""Columns that a table must have; ``power_w`` is read too where it is given."""

OWN_SCHEMA: Final = "end_to_end_serving.csv"
"""A file of the data set that holds no operators and has columns of its own."""

WANTED: Final = (
    "a folder of CSV files (gemm.csv, attention_decode.csv, …) with the columns "
    + ", ".join(COLUMNS)
)

NEEDS: Final = {
    "gemm": ("m", "n", "k"),
    "batched_gemm": ("batch", "m", "n", "k"),
    "attention_prefill": ("batch", "heads", "kv_heads", "head_dim", "q_len", "kv_len"),
    "attention_decode": ("batch", "heads", "kv_heads", "head_dim", "q_len", "kv_len"),
    "moe": ("m", "n", "k", "experts", "topk"),
}
"""Extents of each operator; those not listed are vector operators (m, n) or collectives."""

COLLECTIVE_NEEDS: Final = ("tp", "bytes")
VECTOR_NEEDS: Final = ("m", "n")
HELD_OUT: Final = 3
"""One shape of this many is kept out of every fit, by the hash of operator and shape."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One measurement.

    Attributes
    ----------
    gpu
        Id of the device.
    op, dtype, timing, kernel, source
        As the row names them.
    shape
        Extents by column.
    latency_us, power_w
        The measurement; power 0 where it was not recorded.
    held
        Whether its shape is kept out of fits.
    file, line
        Where it stands.
    """

    gpu: str
    op: str
    dtype: str
    timing: str
    kernel: str
    source: str
    shape: Mapping[str, float]
    latency_us: float
    power_w: float
    held: bool
    file: str
    line: int

    @property
    def family(self) -> str:
        """Operator family."""
        return FAMILY_OF[self.op]

    @property
    def variant(self) -> str:
        """What tells kernels of its family apart, for constants."""
        return variant_of(
            self.op,
            self.family,
            kernel=self.kernel,
            ranks=self.shape["tp"],
            library=library_of(self.source)[0],
            dtype=self.dtype,
            topology=load_device(self.gpu).link.topology,
        )

    @property
    def name(self) -> str:
        """The row in words."""
        sizes = " ".join(f"{key}={value:g}" for key, value in self.shape.items() if value)
        return f"{self.gpu} {self.op} {self.dtype} {sizes} ({self.source})"

    @property
    def group(self) -> tuple[str, ...]:
        """Rows with one key are predicted together: device, family, dtype, source, variant."""
        return self.gpu, self.family, self.dtype, self.source, self.variant


@dataclass
class Reading:
    """What was read: measurements, rows seen, and rows passed over by reason."""

    measured: list[Measured] = field(default_factory=list)
    rows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


def read_measurements(data: Path | None) -> Reading:
    """Read a file, or every operator table of a folder.

    Raises
    ------
    NotRunError
        Nothing to read; the message says what is wanted.
    ConfigError
        A column is missing, an extent is zero or not a number, a time is not positive, or the part
        does not compute in the row's format; with file and line.
    """
    if data is None:
        raise NotRunError(f"suite 'gpu' ships no measurements; it wants --data {WANTED}")
    if data.is_dir():
        files = sorted(data.glob("*.csv"))
        if not files:
            raise NotRunError(f"no *.csv in {data}; suite 'gpu' wants {WANTED}")
    elif data.exists():
        files = [data]
    else:
        raise ConfigError("there is no such file", given=str(data), allowed=WANTED)
    reading = Reading()
    for path in files:
        if path.name == OWN_SCHEMA:
            reading.skipped[f"{OWN_SCHEMA}: serving runs, not operators"] += 1
            continue
        for row in read_table(path, COLUMNS):
            reading.rows += 1
            _take(row, reading)
    return reading


def _take(row: Row, reading: Reading) -> None:
    op = row.text("op")
    if op not in FAMILY_OF:
        reading.skipped[f"operator '{op}' is not scored here"] += 1
        return
    gpu = gpu_id(row.text("gpu"))
    if gpu is None:
        reading.skipped[f"unknown GPU '{row.text('gpu')}'"] += 1
        return
    dtype = row.text("dtype")
    _check_format(row, load_device(gpu), dtype, op)
    needed = NEEDS.get(op, COLLECTIVE_NEEDS if FAMILY_OF[op] == "collective" else VECTOR_NEEDS)
    shape = {
        name: float(row.integer(name, minimum=1 if name in needed else 0))
        if row.text(name) or name in needed
        else 0.0
        for name in SHAPE
    }
    if op.startswith("attention"):
        if shape["kv_len"] < shape["q_len"]:
            raise row.error("kv_len", "is less than q_len", "the keys of history and new tokens")
        if shape["heads"] % shape["kv_heads"]:
            reading.skipped["heads is no multiple of kv_heads"] += 1
            return
    reading.measured.append(
        Measured(
            gpu=gpu,
            op=op,
            dtype=dtype,
            timing=row.text("timing"),
            kernel=row.text("kernel"),
            source=row.text("source"),
            shape=shape,
            latency_us=_positive(row, "latency_us"),
            power_w=row.number("power_w") if row.cells.get("power_w", "").strip() else 0.0,
            held=is_held_out(op, shape),
            file=row.file,
            line=row.line,
        )
    )


def _positive(row: Row, column: str) -> float:
    value = row.number(column)
    if value <= 0 or math.isinf(value):
        raise row.error(column, "must be positive", "a number above 0")
    return value


def _check_format(row: Row, device: GpuDevice, dtype: str, op: str) -> None:
    """Refuse a format that nobody knows or that the part's matrix products cannot use."""
    try:
        format_bytes(dtype)
        if op in NEEDS:
            device.matrix_flops_per_s(matrix_format(dtype))
    except ConfigError as error:
        raise row.error("dtype", error.message, ", ".join(device.formats())) from None


def is_held_out(op: str, shape: Mapping[str, float]) -> bool:
    """Whether a shape is kept out of fits: a third of all shapes, the same on every GPU."""
    text = "|".join([op, *(f"{name}={shape[name]:g}" for name in SHAPE)])
    return hashlib.sha256(text.encode()).digest()[0] % HELD_OUT == 0


def copies_of(row: Measured, device: GpuDevice) -> float:
    """Return the weight copies that a benchmark went round (see the data set's notes).

    0 stands for cold weights. Sources that captured several copies in a graph say so in `timing`:
    TensorRT-LLM takes enough copies to fill L2 and five at most, the others six. All other timings
    repeat one call, or the layer of a model whose weights were just read by other layers; on TPUs
    the compiler keeps weights on the chip.
    """
    if device.architecture == "tpu-v6":
        return 1.0
    if row.timing != "graph_event_coldW":
        hot = row.timing.endswith(("_warm", "_hot")) or row.timing == "graph_event"
        return 1.0 if hot else 0.0
    if library_of(row.source)[0] != "trtllm":
        return 6.0
    weights = row.shape["n"] * row.shape["k"] * format_bytes(row.dtype)
    return max(1.0, min(5.0, math.ceil(device.l2_bytes / weights)))


def format_key(row: Measured) -> str:
    """Return the format under which a row's constants are kept."""
    return format_class(row.dtype)
