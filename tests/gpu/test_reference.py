"""The whole measured data set, where a folder with it is named; else not run, by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archsim.gpu.constants import shipped_records
from archsim.validation.gpu import SUITE, UNSEEN
from archsim.validation.gpu_calibration import calibrate
from archsim.validation.gpu_rows import read_measurements
from archsim.validation.scoring import Scores


@pytest.fixture(scope="module")
def measurements():
    """Return the folder of GPU measurements."""
    folder = os.environ.get("ARCHSIM_REFERENCE_DATA")
    found = Path(folder or "none") / "gpu_measurements"
    if not found.is_dir():
        pytest.skip("not run: ARCHSIM_REFERENCE_DATA names no folder with gpu_measurements")
    return found


def test_every_bar_holds_on_rows_not_fitted(measurements):
    scores = Scores("gpu", SUITE.run(measurements))
    assert [bar for bar in scores.bars() if not bar["pass"]] == []
    groups = {tuple(group["by"].values()): group["stats"] for group in scores.groups()}
    assert groups[UNSEEN,]["mape_percent"] < 11
    assert groups[UNSEEN,]["median_ape_percent"] < 6.5
    baselines = scores.to_json_object()["baselines"]
    assert baselines["roofline at 80 % + 3 µs, all"]["mape_percent"] > 35


@pytest.mark.parametrize("gpu", ["a100-80g-sxm", "a6000", "rtx-4090", "rtx-pro-6000-server"])
def test_a_gpu_never_seen_is_within_the_bar(measurements, gpu):
    scores = Scores("gpu", SUITE.without(gpu).run(measurements / "gemm.csv"))
    assert scores.passed
    assert all("own" not in str(record["constants"]) for record in scores.outcome.details)


def test_calibrating_again_gives_the_shipped_constants(measurements):
    rows = [
        row
        for row in read_measurements(measurements / "gemm.csv").measured
        if row.source == "llmservingsim2"
    ]
    shipped = set(map(str, shipped_records()))
    for fit in calibrate(rows):
        # What several parts share rests on more rows than these.
        assert fit.record.is_common or str(fit.record) in shipped
