"""The table of measurements: the columns of the GPU data set and a few more, appended by blocks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archsim.errors import ConfigError
from archsim.validation.gpu_rows import SHAPE, is_held_out
from archsim.validation.table import read_table

if TYPE_CHECKING:
    from archsim.measure.plan import Job
    from archsim.measure.timing import Device, Timed

COLUMNS: Final = (
    *("gpu", "op", "dtype", *SHAPE, "latency_us", "power_w", "timing", "kernel", "source"),
    *("licence", "sm_clock_mhz", "p10_us", "p90_us", "ws_bytes", "call_j", "driver", "held"),
)
"""Columns; ``held`` marks the third of all shapes that no fit may use."""

LICENCE: Final = "Apache-2.0"


def done(path: Path) -> frozenset[str]:
    """Return the keys of the jobs that a table holds already; none if there is no table.

    Raises
    ------
    ConfigError
        The file is no table of measurements.
    """
    if not path.exists() or not path.stat().st_size:
        return frozenset()
    found = set()
    for row in read_table(path, COLUMNS):
        state = row.text("timing").rpartition("_")[2]
        sizes = sorted((name, row.text(name)) for name in SHAPE if row.text(name))
        shape = " ".join(f"{name}={value}" for name, value in sizes)
        found.add(f"{row.text('op')} {row.text('dtype')} {shape} {state}")
    return frozenset(found)


def append(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """Append rows to a table, with a header if it is new.

    Raises
    ------
    ConfigError
        The file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    try:
        if not path.exists() or not path.stat().st_size:
            writer.writeheader()
        writer.writerows(rows)
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(text.getvalue())
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", given=str(path)) from None


def row_of(job: Job, timed: Timed, device: Device) -> dict[str, str]:
    """Return one row."""
    shape = {name: float(job.extents.get(name, 0)) for name in SHAPE}
    return {
        "gpu": device.gpu,
        "op": job.op,
        "dtype": job.dtype,
        **{name: str(value) for name, value in job.shape},
        "latency_us": f"{timed.median_us:.5g}",
        "power_w": "" if timed.power_w is None else f"{timed.power_w:.5g}",
        "timing": f"{device.gpu.partition('-')[0]}_graph_event_{job.state}",
        "kernel": timed.kernel,
        "source": f"archsim:{device.library}",
        "licence": LICENCE,
        "sm_clock_mhz": "" if timed.clock_mhz is None else f"{timed.clock_mhz:.0f}",
        "p10_us": f"{timed.p10_us:.5g}",
        "p90_us": f"{timed.p90_us:.5g}",
        "ws_bytes": str(timed.ws_bytes),
        "call_j": "" if timed.call_j is None else f"{timed.call_j:.5g}",
        "driver": device.driver,
        "held": "yes" if is_held_out(job.op, shape) else "no",
    }
