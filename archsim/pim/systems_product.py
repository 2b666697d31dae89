"""One matrix product on one side of a system: time, energy and their product, by op/B."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from archsim.errors import ConfigError
from archsim.pim.systems_sides import Sides

if TYPE_CHECKING:
    from archsim.mapping import Json
    from archsim.pim.systems_file import SystemConfig


@dataclass(frozen=True, slots=True)
class Product:
    """A matrix in memory times some vectors.

    Attributes
    ----------
    rows, inner
        Extents of the matrix.
    columns
        Vectors: operations on each byte of the matrix in FP16.
    element_bytes
        Bytes of an element.
    """

    rows: int
    inner: int
    columns: int
    element_bytes: int = 2


def product_record(system: SystemConfig, product: Product, side: str = "pim") -> dict[str, Json]:
    """Return time and dynamic energy of a product on all processors or all stacks of a system.

    ``time = max(bytes, operations / ops per byte) / bandwidth``; the matrix is read once, or once
    for each vector beyond the lanes where units do not hold it (``operands: reread``). Vectors and
    results are left out, as is the area.

    Parameters
    ----------
    system
        Where.
    product
        What.
    side
        ``pim`` or ``xpu``.

    Raises
    ------
    ConfigError
        The system has no such side.
    """
    part = system.pim if side == "pim" else system.xpu
    if side not in ("pim", "xpu") or part is None:
        raise ConfigError("the system has no such side", path="--side", given=side)
    stored = float(product.rows * product.inner * product.element_bytes)
    flops = 2.0 * product.rows * product.inner * product.columns
    sides = Sides(system, product.element_bytes)
    again = 1.0
    if side == "pim":
        seconds = sides.pim_s(stored, flops)
        assert system.pim is not None
        if system.pim.operands == "reread":
            again = max(1.0, flops / stored / system.pim.ops_per_byte)
    else:
        seconds = sides.xpu_s(stored, flops)
    memory = stored * again * 8 * part.access_pj_per_bit * 1e-12
    compute = flops * part.compute_pj_per_flop * 1e-12
    return {
        "feasible": True,
        "infeasible": None,
        "system": system.name,
        "side": side,
        "latency_s": seconds,
        "energy_j": memory + compute,
        "energy": {
            "dynamic": memory + compute,
            "static": 0.0,
            "component": {f"{side} memory": memory, f"{side} compute": compute},
        },
        "energy_delay_js": seconds * (memory + compute),
        "ops_per_byte": flops / stored,
        "dram_bytes": int(stored * again),
        "macs": int(flops) // 2,
    }
