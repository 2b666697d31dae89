"""The pim suite keeps its bars on the packaged runs."""

from __future__ import annotations

import csv

import pytest

from archsim.validation.pim import SUITE
from archsim.validation.suite import PACKAGED

DATA = PACKAGED / "data" / "attacc_measured.csv"


@pytest.fixture
def quick(tmp_path):
    """Rows of every kind that run in no time."""
    lines = [line for line in DATA.read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    kept = [row for row in rows if int(row["cycles"]) < 9000 and row["level"] != "buffer"]
    path = tmp_path / "attacc_measured.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(kept)
    return path


def test_recorded_cycles_come_out(quick):
    outcome = SUITE.run(quick)
    exact = [item for item in outcome.items if item.by["simulator"] == "attacc"]
    assert len(exact) > 35
    assert all(item.predicted == item.reference for item in exact)
    others = [item for item in outcome.items if item.by["simulator"] == "hbm-pim"]
    assert max(abs(item.error_percent) for item in others) < 10
    assert not outcome.skipped


def test_published_times_are_followed_over_context(tmp_path):
    path = tmp_path / "pim_results.csv"
    path.write_text(
        "system,figure,model,case,metric,value,provenance\n"
        "CENT,per-token sim,Llama2-7B,8 dev PP=8 TP=1 ch/block=32 L=1024,"
        "pim_latency_ms_per_block,0.0668405,read\n"
        "CENT,per-token sim,Llama2-7B,8 dev PP=8 TP=1 ch/block=32 L=3072,"
        "pim_latency_ms_per_block,0.0892565,read\n"
        "AttAcc,abstract,175B,x,speedup_max,2.81,read\n"
    )
    outcome = SUITE.run(path)
    assert outcome.cases == 3
    assert sum(outcome.skipped.values()) == 1
    assert all(abs(item.error_percent) < 12 for item in outcome.items)
