"""Systolic arrays against recorded runs of SCALE-Sim v3.

Every row is one GEMM on one array. The same array law that times machines predicts its cycles
(:func:`~archsim.components.systolic_laws.cycles_gemm` of a serial-load, serial-drain array); rows
in which SCALE-Sim stalled on its own re-fetch order are scored on the compute part alone, because
a tiling that does not re-fetch must not reproduce those stalls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archsim.components.systolic_laws import (
    ArrayLaw,
    Dataflow,
    buffer_words,
    cycles_gemm,
    cycles_os_drain,
    fold_shape,
    num_folds,
)
from archsim.validation.suite import PACKAGED, Bar, Item, Outcome, data_files
from archsim.validation.table import Row, read_table

DATAFLOWS: Final[dict[str, Dataflow]] = {"os": "output", "ws": "weight", "is": "input"}
"""SCALE-Sim's names of the dataflows and ours."""

COLUMNS: Final = (
    "array_rows",
    "array_cols",
    "dataflow",
    "M",
    "N",
    "K",
    "bw_mode",
    "bw_words_per_cycle",
    "total_cycles",
    "stall_cycles",
    "overall_util_pct",
    "mapping_eff_pct",
    "sram_ifmap_reads",
    "sram_filter_reads",
    "sram_ofmap_writes",
)
"""Columns that a table must have; others are ignored."""

STALLED: Final = "total_cycles and overall_util of a row that stalled on SCALE-Sim's re-fetch order"

NOTES: Final = (
    "SCALE-Sim's total is the index of the last cycle, one less than the count; the prediction"
    " subtracts it too.",
    "SCALE-Sim leaves the drain of an output-stationary fold out of its total; the prediction takes"
    " the drain off the array's law (it stays in every simulated machine).",
    "SCALE-Sim counts R + C output writes a fold too many for output-stationary arrays; the"
    " prediction adds them to the true M·N.",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One recorded run: a GEMM [m, k] × [k, n] on an array.

    Attributes
    ----------
    row
        The line of the table.
    law
        The array.
    m, n, k
        GEMM extents in elements.
    total_cycles, stall_cycles
        SCALE-Sim's numbers, in cycles.
    """

    row: Row
    law: ArrayLaw
    m: int
    n: int
    k: int
    total_cycles: int
    stall_cycles: int

    @property
    def folds(self) -> int:
        """Folds of the GEMM over the array."""
        s1, s2, _ = fold_shape(self.law.dataflow, self.m, self.n, self.k)
        return num_folds(self.law.rows, self.law.columns, s1, s2)

    def last_cycle(self) -> int:
        """Predict SCALE-Sim's total without stalls: the index of the last cycle."""
        cycles = cycles_gemm(self.law, self.m, self.n, self.k)
        if self.law.dataflow == "output":
            cycles -= self.folds * cycles_os_drain(self.law.rows)
        return cycles - 1

    def mapping_efficiency_percent(self) -> float:
        """Predict the share of processing elements that hold work, averaged over folds."""
        s1, s2, _ = fold_shape(self.law.dataflow, self.m, self.n, self.k)
        return 100.0 * s1 * s2 / (self.folds * self.law.rows * self.law.columns)

    def utilization_percent(self) -> float:
        """Predict useful MACs over the array's peak during SCALE-Sim's total."""
        peak = max(1, self.last_cycle()) * self.law.rows * self.law.columns
        return 100.0 * self.m * self.n * self.k / peak

    def words(self) -> tuple[int, int, int]:
        """Predict (ifmap reads, filter reads, ofmap writes) as SCALE-Sim counts them."""
        lhs, rhs, written = buffer_words(self.law, self.m, self.n, self.k)
        if self.law.dataflow == "output":
            written += (self.law.rows + self.law.columns) * self.folds
        return lhs, rhs, written


def read_cases(path: Path) -> Iterator[Case]:
    """Read the cases of a table.

    Raises
    ------
    ConfigError
        As :func:`~archsim.validation.table.read_table`, and for cells of the wrong form.
    """
    for row in read_table(path, COLUMNS):
        law = ArrayLaw(
            rows=row.integer("array_rows", minimum=1),
            columns=row.integer("array_cols", minimum=1),
            dataflow=DATAFLOWS[row.text("dataflow", tuple(DATAFLOWS))],
        )
        m, n, k = (row.integer(name, minimum=1) for name in ("M", "N", "K"))
        case = Case(
            row=row,
            law=law,
            m=m,
            n=n,
            k=k,
            total_cycles=row.integer("total_cycles"),
            stall_cycles=row.integer("stall_cycles"),
        )
        if case.stall_cycles > case.total_cycles:
            raise row.error("stall_cycles", "is more than total_cycles", "at most total_cycles")
        yield case


def items_of(case: Case) -> Iterator[Item]:
    """Score every number of a case that can be scored."""
    row, law = case.row, case.law
    width = row.text("bw_words_per_cycle")
    by = {
        "dataflow": law.dataflow,
        "array": f"{law.rows}x{law.columns}",
        "bandwidth": row.text("bw_mode") + (f" {width}" if width else ""),
    }
    name = f"{row.text('dataflow')} {case.m}x{case.n}x{case.k} on {by['array']} {by['bandwidth']}"
    lhs, rhs, written = case.words()
    scored: list[tuple[str, str, float, float]] = [
        ("compute_cycles", "cycles", case.last_cycle(), case.total_cycles - case.stall_cycles),
        ("sram_ifmap_reads", "words", lhs, row.integer("sram_ifmap_reads")),
        ("sram_filter_reads", "words", rhs, row.integer("sram_filter_reads")),
        ("sram_ofmap_writes", "words", written, row.integer("sram_ofmap_writes")),
        # The tool prints four decimals.
        (
            "mapping_eff",
            "%",
            round(case.mapping_efficiency_percent(), 4),
            row.number("mapping_eff_pct"),
        ),
    ]
    if case.stall_cycles == 0:
        scored += [
            ("total_cycles", "cycles", case.last_cycle(), case.total_cycles),
            (
                "overall_util",
                "%",
                round(case.utilization_percent(), 4),
                row.number("overall_util_pct"),
            ),
        ]
    for metric, unit, predicted, reference in scored:
        yield Item(name, metric, unit, predicted, reference, by)


class ScaleSimSuite:
    """Array cycles, buffer traffic and utilisation against SCALE-Sim v3."""

    name = "scalesim"
    title = "systolic-array laws against recorded SCALE-Sim v3 runs"

    def run(self, data: Path | None) -> Outcome:
        """Score the packaged rows, or a file (or folder of files) with the same columns."""
        files = data_files(
            data,
            suite=self.name,
            packaged=sorted((PACKAGED / "data").glob("scalesim_*.csv")),
            pattern="scalesim_*.csv",
            wanted="a CSV file with the columns " + ", ".join(COLUMNS),
        )
        cases = [case for path in files for case in read_cases(path)]
        items = [item for case in cases for item in items_of(case)]
        stalled = sum(case.stall_cycles > 0 for case in cases)
        exact = ["compute_cycles", "sram_ifmap_reads", "sram_filter_reads", "sram_ofmap_writes"]
        if stalled < len(cases):
            exact.insert(0, "total_cycles")
        return Outcome(
            cases=len(cases),
            items=items,
            skipped=Counter({STALLED: stalled} if stalled else {}),
            bars=[Bar(metric, 0.0) for metric in exact],
            groupings=(("dataflow",), ("array",), ("bandwidth",)),
            notes=NOTES,
        )


SUITE = ScaleSimSuite()
"""The suite, as the entry point names it."""
