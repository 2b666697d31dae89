"""Error bands: where they come from, which one counts, what a run makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim import simulate
from archsim.config.document import load_document
from archsim.errors import ConfigError
from archsim.gpu.error_bands import (
    LONG,
    OWN,
    SHORT,
    SHORT_US,
    STAND_IN,
    UNKNOWN,
    Band,
    bands_for,
    by_key,
    read_bands,
    shipped_bands,
)
from archsim.gpu.families import FAMILIES
from archsim.gpu.predict import predictor
from archsim.validation.gpu import coverage, in_band_percent
from archsim.validation.gpu_bands import weighted_quantile, write_bands
from archsim.validation.suite import Item
from workloads import build_workload, load_model

FITTED = [name for name in FAMILIES if name not in ("attention_latent", "network")]


@pytest.mark.parametrize("family", FITTED)
def test_every_fitted_family_has_bands_wider_where_others_stand_in(family):
    bands = shipped_bands()
    own, other = bands_for(family, "fitted", bands), bands_for(family, "nearest", bands)
    for time_us in (1.0, 1e4):
        low, high = own.around(time_us)
        assert 0.5 < low <= 1 <= high < 2
        assert other.around(time_us)[1] / other.around(time_us)[0] > high / low
    assert "kept out of fits" in own.said
    assert "predicted from other parts" in other.said


def test_a_family_that_nobody_measured_has_a_wide_band():
    found = bands_for("attention_latent", "default", shipped_bands())
    assert found.around(5.0) == found.around(500.0) == UNKNOWN
    assert "estimate" in found.said


def test_lengths_modes_and_parts_left_out_are_told_apart():
    made = [
        Band("gemm", OWN, SHORT, "", 0.8, 1.2, 30),
        Band("gemm", OWN, LONG, "", 0.9, 1.1, 30),
        Band("gemm", STAND_IN, SHORT, "", 0.6, 1.4, 30),
        Band("gemm", STAND_IN, LONG, "", 0.7, 1.3, 30),
        Band("gemm", STAND_IN, LONG, "a40", 0.5, 1.5, 30),
    ]
    found = bands_for("gemm", "fitted", by_key(made))
    assert found.around(SHORT_US - 1) == (0.8, 1.2)
    assert found.around(SHORT_US) == (0.9, 1.1)
    unseen = bands_for("gemm", "nearest", by_key(made), "a40")
    assert (unseen.short, unseen.long) == ((0.6, 1.4), (0.5, 1.5))


def test_bands_are_written_and_read(tmp_path):
    made = [Band("moe", OWN, LONG, "", 0.8, 1.3, 99)]
    write_bands(made, tmp_path / "bands.yaml")
    assert read_bands(tmp_path / "bands.yaml") == made
    (tmp_path / "bands.yaml").write_text("bands: none\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="must be a list"):
        read_bands(tmp_path / "bands.yaml")


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=30), st.floats(0.0, 1.0))
def test_a_quantile_of_one_group_is_one_of_its_values(values, share):
    array = np.array(values)
    found = weighted_quantile([array, np.array([])], share)
    assert found in array
    assert (array < found).mean() <= share + 1e-9


def test_small_groups_weigh_more_for_each_row():
    many, few = np.full(100, 1.0), np.full(4, 2.0)
    assert weighted_quantile([many, few], 0.83) == 1.0
    assert weighted_quantile([many, few], 0.84) == 2.0


def test_a_prediction_carries_its_band():
    model = predictor("h200-sxm", "gemm", library="vllm", version="0.22.0")
    found = model({"m": 4096, "n": 4096, "k": 4096})
    low, high = model.bands.around(found.time_s * 1e6)
    assert found.low_s == pytest.approx(low * found.time_s)
    assert found.low_s <= found.time_s <= found.high_s == pytest.approx(high * found.time_s)


def test_a_run_on_a_gpu_says_within_what_it_expects_the_truth():
    load = build_workload(load_model("llama3.2-1b"), phase="decode", context=512)
    known = simulate("h200-sxm", load)
    band = known.error_band
    assert band.low_s < known.latency_s < band.high_s
    assert "rows" in band.basis
    unknown = simulate("gh200", load)
    wide = unknown.error_band
    assert wide.high_s / wide.low_s > band.high_s / band.low_s
    assert simulate("tpu-v4i", load).error_band is None


def test_coverage_counts_tested_rows_alone():
    items = [
        Item("row", "time", "µs", 1.0, 1.0, {"band": band})
        for band in ("inside", "inside", "inside", "outside", "")
    ]
    assert in_band_percent(items) == 75.0
    assert coverage(items)[0].startswith("75 % of 4 measured times")
    assert coverage([]) == ()
    assert in_band_percent([]) is None


def test_the_bands_say_how_they_were_made():
    from archsim.gpu.error_bands import FILE

    source = load_document(FILE, kind="constants", sources=False).data["source"]
    assert "archsim calibrate gpu" in str(source)
