"""The fusemax suite: published points, strictness about rows, and whole files where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archsim.errors import ConfigError, NotRunError
from archsim.validation.fusemax import SUITE
from archsim.validation.fusemax_model import predict
from archsim.validation.scoring import Scores

HEADER = "figure,config,model,seq_len,metric,value,provenance"

# Single figures of FuseMax, MICRO 2024 (artifact, outputs/pregenerated/results).
PUBLISHED = [
    "+Binding,BERT,1K,attn_latency_s,0.002013140425531915",
    "+Binding,BERT,1M,util_2d,0.9926",
    "+Binding,BERT,16K,attn_energy_pJ,4.9311e14",
    "+Architecture,BERT,4K,attn_latency_s,0.095794",
    "+Cascade,BERT,64K,dram_traffic_bytes,1.1596e11",
    "+Cascade,BERT,1K,attn_latency_s,0.015333855319148937",
    "Unfused,BERT,1K,attn_latency_s,0.02182357659574468",
    "Unfused,BERT,1K,dram_traffic_bytes,6845104128",
    "linear-layers(flat platform),BERT,1K,linear_latency_s,0.0075296680851063835",
    "+Binding PE_dim=512,BERT,256K,attn_latency_s,29.583229276595745",
]


def table(tmp_path, lines):
    path = tmp_path / "fusemax_own.csv"
    rows = "\n".join(f"-,{line},read" for line in lines)
    path.write_text(f"{HEADER}\n{rows}\n")
    return path


def test_published_figures(tmp_path):
    scores = Scores("fusemax", SUITE.run(table(tmp_path, PUBLISHED)))
    assert scores.passed
    assert len(scores.outcome.items) == len(PUBLISHED)


def test_flat_needs_its_decisions(tmp_path):
    line = "FLAT,BERT,1K,attn_latency_s,0.013386076595744681"
    assert sum(SUITE.run(table(tmp_path, [line])).skipped.values()) == 1
    chosen = {
        **{f"{name}_loc": "offchip" for name in ("Q", "K", "V", "AV")},
        **{f"{name}_loc": "onchip" for name in ("QK", "A")},
        "QK_stationarity": "output",
        "AV_stationarity": "output",
        "fusion_granularity": "head",
        "P1": "1024",
        "proportion_spilled": "0",
    }
    rows = [
        f"FLAT-corrected-codebase(cloud),BERT,1K,map_{key},{value}" for key, value in chosen.items()
    ]
    outcome = SUITE.run(table(tmp_path, [line, *rows]))
    (item,) = outcome.items
    assert item.predicted == pytest.approx(item.reference, rel=1e-3)


def test_a_wrong_row_misses_the_bar(tmp_path):
    path = table(tmp_path, ["+Binding,BERT,1K,attn_latency_s,0.00202"])
    assert not Scores("fusemax", SUITE.run(path)).passed


def test_a_wrong_length_names_its_line(tmp_path):
    with pytest.raises(ConfigError, match="is no sequence length") as caught:
        SUITE.run(table(tmp_path, ["+Binding,BERT,1X,attn_latency_s,1"]))
    assert caught.value.location.line == 2


def test_without_data_it_says_which_it_wants():
    with pytest.raises(NotRunError, match="config, model, seq_len, metric, value"):
        SUITE.run(None)


def test_models_of_one_head_dimension_differ_by_their_heads_alone():
    base, large = (predict("+Binding", model, 16384) for model in ("BERT", "TrXL"))
    assert large.latency_s / base.latency_s == pytest.approx(16 / 12)
    assert large.busy["array"] == pytest.approx(base.busy["array"])


def test_the_published_file_where_it_is():
    folder = os.environ.get("ARCHSIM_REFERENCE_DATA")
    if not folder:
        pytest.skip("not run: ARCHSIM_REFERENCE_DATA names no folder with fusemax_results.csv")
    scores = Scores("fusemax", SUITE.run(Path(folder) / "reference" / "fusemax_results.csv"))
    assert scores.passed
    assert len(scores.outcome.items) > 600
