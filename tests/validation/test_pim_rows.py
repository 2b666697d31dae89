"""Rows of published tables predicted by systems; the whole table where the data set is there."""

import os
from pathlib import Path

import pytest

from archsim.errors import ConfigError
from archsim.validation.pim_claims import SUITE
from archsim.validation.pim_rows import cent_numbers, predict
from archsim.validation.pim_rows_duplex import energy_delay, predict_duplex

HEADER = "system,figure,model,case,metric,value\n"

ROWS = (
    # Single rows of CENT's processed_results.csv (Yufeng98/CENT, read) and of Duplex's figure 8.
    ("CENT", "sim table", "Llama2-7B", "8 dev; PP=8 TP=1; decoding", "tokens_per_s", 2493.22),
    ("CENT", "sim table", "Llama2-70B", "32 dev; PP=16 TP=2; end2end", "power_W", 902.94),
    ("CENT", "Fig.14b", "Llama2-70B", "CENT 32 dev PP=16", "queries_per_min", 14.685),
    (
        "Duplex",
        "Fig.8",
        "FP16 GEMM 16384x4096",
        "Bank-PIM Op/B=4",
        "EDAP_normalised_to_worst",
        0.35,
    ),
    ("NeuPIMs", "sec8", "-", "dual row buffer area", "area_pct", 3.11),
)


def table(tmp_path, rows):
    path = tmp_path / "rows.csv"
    lines = (",".join(str(cell) for cell in row) for row in rows)
    path.write_text(HEADER + "\n".join(lines) + "\n")
    return path


def test_rows_that_say_what_to_run_are_predicted(tmp_path):
    outcome = SUITE.run(table(tmp_path, ROWS))
    assert outcome.cases == len(ROWS)
    assert len(outcome.items) == 4
    assert sum(outcome.skipped.values()) == 1
    for item in outcome.items:
        assert abs(item.error_percent) < 10, item


def test_the_worst_memory_is_one():
    for ops in (1, 4, 16, 64):
        found = [
            predict_duplex("Fig.8", "", f"{kind}-PIM Op/B={ops}", "EDAP_normalised_to_worst")
            for kind in ("Bank", "BankGroup", "Logic")
        ]
        assert max(found) == 1
        assert min(found) > 0
    assert energy_delay("Bank", 32) > energy_delay("Logic", 32)


def test_controllers_of_cent_take_what_the_figure_says():
    # 0.0924 min of a query of 4096 tokens (Fig. 14c, 16 stages of two devices).
    found = cent_numbers("Llama2-70B", 32, 16, "end2end")
    assert found["acc_latency_min"] == pytest.approx(0.09244398933, rel=1e-6)


def test_what_cannot_be_predicted_has_a_reason():
    assert isinstance(
        predict("Fig.15c", "Llama2-7B", "prefill; CENT/GPU tokens per J", "ratio"), str
    )
    assert isinstance(predict("Fig.13b", "geomean", "end2end", "ratio"), str)


def test_a_table_without_its_columns_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("system,value\nCENT,1\n")
    with pytest.raises(ConfigError, match="column"):
        SUITE.run(path)


def test_the_whole_table_of_published_results_keeps_its_bars():
    root = os.environ.get("ARCHSIM_REFERENCE_DATA")
    if root is None:
        pytest.skip("not run: the published table wants ARCHSIM_REFERENCE_DATA")
    from archsim.validation.scoring import Scores

    path = Path(root) / "reference" / "pim_results.csv"
    assert Scores("pim-claims", SUITE.run(path)).passed
