"""Array laws: SCALE-Sim's recorded rows, the measured register-transfer laws, properties."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import archsim
from archsim.components import systolic_batch as batch
from archsim.components import systolic_laws as laws
from archsim.components.systolic_laws import ArrayLaw

SCALESIM = Path(archsim.__file__).parent / "validation" / "data" / "scalesim_measured.csv"
DATAFLOWS = {"os": "output", "ws": "weight", "is": "input"}

extents = st.integers(1, 3000)
sides = st.integers(1, 300)
array_laws = st.builds(
    ArrayLaw,
    rows=sides,
    columns=sides,
    count=st.integers(1, 8),
    dataflow=st.sampled_from(["output", "weight", "input"]),
    weight_load=st.sampled_from(["serial", "shadow"]),
    drain=st.sampled_from(["serial", "overlapped"]),
    output_register=st.integers(0, 1),
)


def scalesim_rows():
    with SCALESIM.open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def test_header_names_simulator_and_version():
    assert "scalesim==3.0.0" in SCALESIM.read_text(encoding="utf-8").splitlines()[0]


def test_every_row_without_stalls_is_matched_exactly():
    rows = [row for row in scalesim_rows() if row["stall_cycles"] == "0"]
    assert len(rows) == 167
    for row in rows:
        r, c, m, n, k = (int(row[key]) for key in ("array_rows", "array_cols", "M", "N", "K"))
        cycles = laws.cycles_scalesim(DATAFLOWS[row["dataflow"]], r, c, m, n, k)
        assert cycles - 1 == int(row["total_cycles"])


def test_buffer_reads_match_every_row():
    for row in scalesim_rows():
        r, c, m, n, k = (int(row[key]) for key in ("array_rows", "array_cols", "M", "N", "K"))
        law = ArrayLaw(r, c, dataflow=DATAFLOWS[row["dataflow"]])
        lhs, rhs, writes = laws.buffer_words(law, m, n, k)
        assert (lhs, rhs) == (int(row["sram_ifmap_reads"]), int(row["sram_filter_reads"]))
        if row["dataflow"] == "os":
            folds = laws.num_folds(r, c, m, n)
            assert writes == int(row["sram_ofmap_writes"]) - (r + c) * folds
        else:
            assert writes == int(row["sram_ofmap_writes"])


def test_serial_weight_array_is_scalesim_for_one_array():
    for row in scalesim_rows():
        if row["dataflow"] == "os" or row["stall_cycles"] != "0":
            continue
        r, c, m, n, k = (int(row[key]) for key in ("array_rows", "array_cols", "M", "N", "K"))
        law = ArrayLaw(r, c, dataflow=DATAFLOWS[row["dataflow"]])
        assert laws.cycles_gemm(law, m, n, k) - 1 == int(row["total_cycles"])


# Cases measured on the register-transfer block `os_array`: span = 2R + C + K - 2.
@pytest.mark.parametrize(
    ("rows", "columns", "k", "span"), [(4, 4, 8, 18), (3, 5, 1, 10), (8, 2, 33, 49), (1, 1, 5, 6)]
)
def test_output_stationary_block(rows, columns, k, span):
    assert laws.cycles_os_compute(rows, columns, k) + laws.cycles_os_drain(rows) == span
    law = ArrayLaw(rows, columns, dataflow="output")
    assert laws.cycles_gemm(law, rows, columns, k) == span
    assert laws.cycles_gemm(law, 3 * rows, columns, k) == 3 * span


# Cases measured on `ws_array` (shadow weights, one output register), tiles of M rows back to back.
@pytest.mark.parametrize(
    ("rows", "columns", "m", "tiles", "interval"),
    [(4, 4, 16, 4, 16), (4, 3, 4, 5, 10), (2, 6, 7, 5, 9)],
)
def test_weight_stationary_block(rows, columns, m, tiles, interval):
    law = ArrayLaw(rows, columns, weight_load="shadow", output_register=1)
    assert laws.cycles_ws_interval(rows, columns, m, shadow=True) == interval
    assert laws.cycles_gemm(law, m, columns, rows) == 2 * rows + columns + m - 1
    span = rows + (tiles - 1) * interval + m + rows + columns - 1
    assert laws.cycles_gemm(law, m, tiles * columns, rows) == span
    assert laws.cycles_gemm_steady(law, m, tiles * columns, rows) == tiles * interval
    # The block's fold is SCALE-Sim's plus the registered output.
    assert laws.cycles_gemm(law, m, columns, rows) == 1 + laws.cycles_scalesim(
        "weight", rows, columns, m, columns, rows
    )


def test_overlapped_drain_hides_flush_and_drain():
    law = ArrayLaw(8, 8, dataflow="output", drain="overlapped")
    assert laws.cycles_gemm_steady(law, 80, 8, 64) == 10 * 64
    assert laws.cycles_gemm_steady(law, 80, 8, 3) == 10 * 8


def test_the_bar_of_the_mapper_is_reachable():
    law = ArrayLaw(128, 128, weight_load="shadow", output_register=1)
    ideal = 4096**3 // 128**2
    assert laws.bound_gemm(law, 4096, 4096, 4096) == ideal
    assert laws.cycles_gemm_steady(law, 4096, 4096, 4096) == ideal
    assert laws.cycles_gemm(law, 4096, 4096, 4096) == ideal + 383


@given(array_laws, extents, extents, extents, st.integers(1, 9), st.integers(1, 4))
def test_bound_steady_and_latency_are_ordered(law, m, n, k, groups, rate):
    keys = {"batch": groups, "macs_per_cycle": rate}
    bound = laws.bound_gemm(law, m, n, k, **keys)
    steady = laws.cycles_gemm_steady(law, m, n, k, **keys)
    latency = laws.cycles_gemm(law, m, n, k, **keys)
    assert 1 <= bound <= steady
    assert bound <= latency
    # The array is never free later than it would be after the same work with nothing hidden.
    rounds, t = laws.gemm_rounds(law, m, n, k, **keys)
    assert latency <= rounds * (laws.gemm_fold_span(law, t)) + law.output_register


@given(array_laws, extents, extents, extents, st.integers(1, 4), st.data())
def test_more_of_anything_never_raises_the_bound(law, m, n, k, rate, data):
    bound = laws.bound_gemm(law, m, n, k, macs_per_cycle=rate)
    for field in ("rows", "columns", "count"):
        extra = data.draw(st.integers(0, 200))
        values = {name: getattr(law, name) for name in law.__slots__}
        larger = ArrayLaw(**{**values, field: values[field] + extra})
        assert laws.bound_gemm(larger, m, n, k, macs_per_cycle=rate) <= bound
    assert laws.bound_gemm(law, m, n, k, macs_per_cycle=rate + 1) <= bound
    assert laws.bound_gemm(law, n, m, k, macs_per_cycle=rate) == bound


@given(array_laws, extents, extents, extents, st.integers(1, 9), st.integers(1, 4))
def test_folds_cover_the_work(law, m, n, k, groups, rate):
    rounds, t = laws.gemm_rounds(law, m, n, k, batch=groups, macs_per_cycle=rate)
    slots = rounds * law.count * law.rows * law.columns * t * rate
    assert slots >= groups * m * n * k
    s1, s2, _ = laws.fold_shape(law.dataflow, m, n, laws.ceil_div(k, rate))
    folds = laws.num_folds(law.rows, law.columns, s1, s2)
    assert (rounds - 1) * law.count < groups * folds <= rounds * law.count


@given(array_laws, extents, extents, extents)
def test_hiding_never_costs(law, m, n, k):
    values = {name: getattr(law, name) for name in law.__slots__}
    plain = ArrayLaw(**{**values, "weight_load": "serial", "drain": "serial"})
    hidden = ArrayLaw(**{**values, "weight_load": "shadow", "drain": "overlapped"})
    assert laws.cycles_gemm(hidden, m, n, k) <= laws.cycles_gemm(plain, m, n, k)
    assert laws.cycles_gemm_steady(hidden, m, n, k) <= laws.cycles_gemm_steady(plain, m, n, k)


@given(array_laws, st.lists(st.tuples(extents, extents, extents, st.integers(1, 9)), min_size=1))
def test_batched_twins_equal_the_scalar_laws(law, shapes):
    m, n, k, groups = (np.array(column, dtype=np.int64) for column in zip(*shapes, strict=True))
    for name in ("cycles_gemm", "cycles_gemm_steady", "bound_gemm"):
        scalar = [getattr(laws, name)(law, *x[:3], batch=x[3], macs_per_cycle=2) for x in shapes]
        many = getattr(batch, f"{name}_batch")(law, m, n, k, batch=groups, macs_per_cycle=2)
        assert many.dtype == np.int64
        assert many.tolist() == scalar
    words = [laws.buffer_words(law, *x[:3], macs_per_cycle=2) for x in shapes]
    many_words = batch.buffer_words_batch(law, m, n, k, macs_per_cycle=2)
    assert [tuple(row) for row in zip(*(w.tolist() for w in many_words), strict=True)] == words


@given(sides, sides, extents, st.booleans())
def test_batched_parts_equal_the_scalar_parts(rows, columns, extent, flag):
    r, c, x = np.array([rows]), np.array([columns]), np.array([extent])
    pairs = [
        (laws.cycles_os_compute(rows, columns, extent), batch.cycles_os_compute_batch(r, c, x)),
        (laws.cycles_os_drain(rows), batch.cycles_os_drain_batch(r)),
        (
            laws.cycles_os_interval(rows, columns, extent, overlapped=flag),
            batch.cycles_os_interval_batch(r, c, x, overlapped=flag),
        ),
        (laws.cycles_ws_load(rows), batch.cycles_ws_load_batch(r)),
        (laws.cycles_ws_compute(rows, columns, extent), batch.cycles_ws_compute_batch(r, c, x)),
        (
            laws.cycles_ws_interval(rows, columns, extent, shadow=flag),
            batch.cycles_ws_interval_batch(r, c, x, shadow=flag),
        ),
        (laws.cycles_is_compute(rows, columns, extent), batch.cycles_is_compute_batch(r, c, x)),
        (
            laws.cycles_is_interval(rows, columns, extent, shadow=flag),
            batch.cycles_is_interval_batch(r, c, x, shadow=flag),
        ),
    ]
    for scalar, many in pairs:
        assert many.tolist() == [scalar]
