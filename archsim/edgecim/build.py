"""Many designs on one chip: what each of them has, as arrays or as one number for all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archsim.components.cim_batch import cycles_cim_steps_batch
from archsim.components.cim_macro import CimMacro
from archsim.edgecim.chip import EdgeChip
from archsim.edgecim.design import Designs, Ints

Floats = npt.NDArray[np.float64]


def ceil_div(value: Ints | int, by: Ints | int) -> Ints:
    """Return ``ceil(value / by)`` of positive integers."""
    return np.asarray(-(-np.asarray(value, dtype=np.int64) // by), dtype=np.int64)


def tree_depths(operands: Ints | int) -> Ints:
    """Return the levels of trees over some operands: ``ceil(log2 n)``."""
    return np.asarray(np.ceil(np.log2(np.asarray(operands, dtype=np.float64))), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Build:
    """Some designs and the chip that they share, with the operand bits of a job.

    Attributes
    ----------
    chip, designs
        Hardware.
    weight_bits, cache_bits
        Bits of a weight and of a cache entry; inputs have the same.
    """

    chip: EdgeChip
    designs: Designs
    weight_bits: Ints
    cache_bits: Ints

    @classmethod
    def of(cls, chip: EdgeChip, designs: Designs, weight_bits: int, cache_bits: int) -> Build:
        """Return the build of designs for a job's bits, unless designs choose bits themselves."""
        own = designs.extra.get("bits")
        weights = np.asarray(weight_bits) if own is None else own
        cache = np.asarray(cache_bits) if own is None else own
        return cls(chip, designs, weights, cache)

    def _pick(self, name: str, default: int) -> Ints:
        return np.asarray(self.designs.extra.get(name, default), dtype=np.int64)

    @property
    def rows(self) -> Ints:
        """Rows of a macro."""
        return self._pick("macro_rows", self.chip.tiles.tiles.macro.rows)

    @property
    def columns(self) -> Ints:
        """Columns of a macro."""
        return self._pick("macro_columns", self.chip.tiles.tiles.macro.columns)

    @property
    def rows_written(self) -> Ints:
        """Rows written in a cycle, at most all."""
        given = self._pick("rows_written", self.chip.tiles.tiles.macro.rows_written_per_cycle)
        return np.minimum(given, self.rows)

    @property
    def weight_sets(self) -> Ints:
        """Sets of weights in a macro."""
        return self._pick("weight_sets", self.chip.tiles.tiles.macro.weight_sets)

    @property
    def sets(self) -> Ints:
        """Sets of weights that are written and used in turn."""
        return self.designs.tile_sets * self.weight_sets

    @property
    def bits_per_cycle(self) -> Ints:
        """Input bits of a cycle."""
        return self._pick("bits_per_cycle", self.chip.tiles.tiles.macro.bits_per_cycle)

    @property
    def macro_bits(self) -> Ints:
        """Widest weight of a macro."""
        return self._pick("bits", self.chip.tiles.tiles.macro.weight_bits)

    @property
    def dram_ps_per_byte(self) -> Floats:
        """Time of a byte through the memory, ps."""
        share = self._pick("channels", self.chip.channels) / self.chip.channels
        return np.asarray(1e12 / (self.chip.dram_bytes_per_s * share))

    @property
    def latency_ps(self) -> int:
        """Time from a request to the memory to its first data, ps."""
        return self.chip.dram.latency_ps

    @property
    def cluster_rows(self) -> Ints:
        """Inputs that the active tiles of a cluster take."""
        return self.rows * self.designs.elements * self.designs.tiles_v

    @property
    def cluster_columns(self) -> Ints:
        """Outputs of the active tiles of a cluster."""
        return self.columns * self.designs.elements * self.designs.tiles_h

    @property
    def tree_rows(self) -> Ints:
        """Rows that a macro's tree takes at once; macros of other sizes take all."""
        given = self.chip.tiles.tiles.macro.tree_rows
        if given is None or "macro_rows" in self.designs.extra:
            return self.rows
        return np.asarray(given, dtype=np.int64)

    @property
    def write_ps(self) -> Ints:
        """Time of writing a set of weights into all active macros, ps."""
        return ceil_div(self.rows, self.rows_written) * self.chip.period_ps

    def steps(self, bits: Ints) -> Ints:
        """Cycles for which a vector of some bits occupies a macro."""
        return cycles_cim_steps_batch(self.rows, bits, self.bits_per_cycle, self.tree_rows)

    def each_macro(self) -> tuple[list[CimMacro], Ints]:
        """Return the different macros of the designs, and for each design which it has."""
        keys = {
            "rows": self.rows,
            "columns": self.columns,
            "bits_per_cycle": self.bits_per_cycle,
            "weight_sets": self.weight_sets,
            "weight_bits": self.macro_bits,
        }
        count = len(self.designs)
        if all(value.ndim == 0 for value in keys.values()):
            kinds = np.asarray([[int(value) for value in keys.values()]])
            which = np.zeros(count, dtype=np.int64)
        else:
            wide = np.zeros(count, dtype=np.int64)
            table = np.stack([value + wide for value in keys.values()])
            kinds, which = distinct(table)
        base = self.chip.tiles.tiles.macro
        macros = [
            base.model_copy(update=dict(zip(keys, map(int, kind), strict=True))) for kind in kinds
        ]
        return macros, which


def added(parts: Iterable[Floats]) -> Floats:
    """Return the sum of some arrays, in order: the same for one design and for many."""
    found = iter(parts)
    total = next(found)
    for part in found:
        total = total + part
    return total


def distinct(table: Ints) -> tuple[Ints, Ints]:
    """Return the different columns of a table, shape (columns, rows), and which each one is."""
    key = np.zeros(table.shape[1], dtype=np.int64)
    for row in table:
        values, positions = np.unique(row, return_inverse=True)
        key = key * len(values) + positions.reshape(-1)
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    return table[:, first].T, np.asarray(which, dtype=np.int64).reshape(-1)
