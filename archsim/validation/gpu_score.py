"""Predict measured GPU operators with the constants of record, group by group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from archsim.gpu.constants import HOST, KERNEL, Chosen, Record, Request, choose
from archsim.gpu.device import GpuDevice, load_device
from archsim.gpu.families import FAMILIES
from archsim.gpu.naming import library_of
from archsim.gpu.vector import EXPONENTIALS, NO_ROWS, ROW_FROM, TENSORS
from archsim.validation.gpu_rows import Measured, copies_of, format_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from archsim.gpu.family import Estimate


@dataclass(frozen=True)
class Group:
    """Rows of one device, family, format, source and variant, as arrays.

    Attributes
    ----------
    rows
        The measurements.
    device
        Their GPU.
    shape
        Extents by column, float64 arrays.
    latency_us
        What was measured.
    held
        Which rows are kept out of fits.
    """

    rows: tuple[Measured, ...]
    device: GpuDevice
    shape: Mapping[str, NDArray[np.float64]]
    latency_us: NDArray[np.float64]
    held: NDArray[np.bool_]

    @property
    def first(self) -> Measured:
        """Any row: what all share."""
        return self.rows[0]

    def predict(self, constants: Mapping[str, float], chosen: str = "all") -> Estimate:
        """Predict all rows, or those that are ``fitted`` (not held out)."""
        shape = self.shape
        if chosen == "fitted":
            shape = {name: values[~self.held] for name, values in shape.items()}
        return FAMILIES[self.first.family].law(self.device, self.first.dtype, shape, constants)


def grouped(rows: Iterable[Measured]) -> list[Group]:
    """Collect rows into groups, in the order of their keys."""
    members: dict[tuple[str, ...], list[Measured]] = {}
    for row in rows:
        members.setdefault(row.group, []).append(row)
    return [_group(members[key]) for key in sorted(members)]


def _group(rows: list[Measured]) -> Group:
    device = load_device(rows[0].gpu)
    names = FAMILIES[rows[0].family].columns
    shape = {
        name: np.array([extent(row, name, device) for row in rows], dtype=np.float64)
        for name in names
    }
    return Group(
        rows=tuple(rows),
        device=device,
        shape=shape,
        latency_us=np.array([row.latency_us for row in rows]),
        held=np.array([row.held for row in rows]),
    )


def extent(row: Measured, name: str, device: GpuDevice) -> float:
    """Return one shape value of a row: a column, or what follows from operator and timing."""
    if name in row.shape:
        return row.shape[name]
    derived = {
        "copies": copies_of(row, device),
        "skew": skew_of(row.kernel),
        "tensors": TENSORS.get(row.op, 0.0),
        "row_from": ROW_FROM.get(row.op, NO_ROWS),
        "exponentials": EXPONENTIALS.get(row.op, 0.0),
        "reduces": float(row.op == "allreduce"),
        "gathers": float(row.op in ("allgather", "reducescatter", "alltoall")),
    }
    return derived[name]


def skew_of(kernel: str) -> float:
    """Return the exponent of the routing of a mixture-of-experts row; 0 is balanced."""
    word = kernel.rpartition("power_law_")[2]
    return float(word) if word != kernel and word.replace(".", "").isdigit() else 0.0


def request_for(group: Group, without: frozenset[str] = frozenset()) -> Request:
    """Return which constants a group wants."""
    row = group.first
    library, version = library_of(row.source)
    return Request(
        family=row.family,
        architecture=group.device.architecture,
        library=library,
        version=version,
        format=format_key(row),
        variant=row.variant,
        prefers_library=FAMILIES[row.family].prefers_library,
        prefers_format=FAMILIES[row.family].prefers_format,
        timing=timing_of(row),
        device=row.gpu,
        without=without,
    )


def timing_of(row: Measured) -> str:
    """Return whether a row's time is that of its kernels or of a host that waits for them."""
    return HOST if row.timing == "wall_sync" else KERNEL


def constants_for(
    group: Group, records: Sequence[Record], without: frozenset[str] = frozenset()
) -> Chosen:
    """Return the constants of a group, without those fitted to given devices."""
    family = FAMILIES[group.first.family]
    form = format_key(group.first)
    return choose(
        request_for(group, without),
        tuple(records),
        family.defaults(form),
        family.of_library,
        family.starts.get(form),
    )
