"""Whole models and parts of layers against rows of a table: what is scored, left out, refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archsim.cli import main
from archsim.errors import ConfigError, NotRunError
from archsim.validation.gpu_run import CHANGES, COLUMNS, SUITE, model_of
from archsim.validation.gpu_throughput import estimates
from workloads import build_workload

WHOLE = {
    **{"gpu": "V100-PCIe-32GB", "op": "end_to_end_prefill", "dtype": "fp32", "batch": "8"},
    **{"q_len": "512", "kv_len": "512", "latency_us": "257420", "kernel": "bert_large"},
    "source": "neusight",
}
"""One row of NeuSight's labels (MIT licence): BERT Large on a V100, 257 ms."""

PART = {
    **{"gpu": "A100-SXM-80GB", "op": "layer_decode_part", "dtype": "fp16", "n": "12288"},
    **{"batch": "8", "heads": "96", "head_dim": "128", "q_len": "1", "kv_len": "3072", "tp": "4"},
    **{"latency_us": "185.97", "kernel": "h1_matmul1", "source": "llmcompass"},
}
"""One row of LLMCompass's measurements (BSD-3-Clause)."""


def table(tmp_path, *rows, columns=COLUMNS):
    path = tmp_path / "end_to_end.csv"
    lines = [",".join(columns)]
    lines += [",".join(row.get(name, "") for name in columns) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return tmp_path


def test_a_model_and_a_part_are_scored(tmp_path):
    outcome = SUITE.run(table(tmp_path, WHOLE, PART))
    errors = {item.metric: item.error_percent for item in outcome.items}
    assert set(errors) == {"time of whole models", "time of parts of a layer"}
    assert all(abs(error) < 15 for error in errors.values())
    assert len(outcome.bars) == 2


def test_one_projection_is_counted_three_times(tmp_path):
    """LLMCompass times one and multiplies: the row of a decode step is met so."""
    row = {**PART, "kernel": "qkv", "latency_us": "212.43"}
    (item,) = SUITE.run(table(tmp_path, row)).items
    assert abs(item.error_percent) < 10


def test_a_compiled_model_is_faster(tmp_path):
    rows = [{**WHOLE, "kernel": kernel} for kernel in ("bert_large", "bert_large-fusion")]
    plain, compiled = SUITE.run(table(tmp_path, *rows)).items
    assert compiled.predicted < plain.predicted


def test_unknown_models_and_serving_are_left_out_with_a_reason(tmp_path):
    folder = table(tmp_path, {**WHOLE, "kernel": "switchxl4"}, {**PART, "op": "serving"})
    (folder / "end_to_end_serving.csv").write_text("gpu\n")
    outcome = SUITE.run(folder)
    text = "; ".join(outcome.skipped)
    assert not outcome.items
    assert "switchxl4" in text
    assert "scheduler" in text
    assert "serving" in text


SERVED = {
    **{"gpu": "H200-SXM", "model": "Llama-3.1-8B", "weight_dtype": "fp8", "isl": "1000"},
    **{"scenario": "trtllm_max_throughput", "osl": "1000", "tp": "1"},
    **{"metric": "output_tokens_per_s", "value": "17744"},
}
"""One row of TensorRT-LLM's table of throughput (Apache-2.0)."""


def test_full_load_is_estimated_but_not_scored(tmp_path):
    folder = table(tmp_path, PART)
    others = [{**SERVED, "model": "Qwen3-235B-A22B"}, {**SERVED, "scenario": "mlperf"}]
    lines = [",".join(row[name] for name in SERVED) for row in (SERVED, *others)]
    path = folder / "end_to_end_serving.csv"
    path.write_text("\n".join([",".join(SERVED), *lines]) + "\n")
    (found,) = estimates(path)
    assert abs(found.error_percent) < 15
    outcome = SUITE.run(folder)
    assert len(outcome.items) == 1
    assert "Throughput of 1 served dense models" in outcome.notes[-1]
    assert next(count for text, count in outcome.skipped.items() if "serving" in text) == 3


def test_misses_are_listed_worst_first(tmp_path):
    rows = [{**WHOLE, "latency_us": text} for text in ("100000", "257420", "50000")]
    found = SUITE.run(table(tmp_path, *rows)).details
    assert [record["measured_us"] for record in found] == [50000, 100000]


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_the_models_of_the_source_can_be_built(name):
    load = build_workload(model_of(name), phase="prefill", batch=1, context=64)
    assert load.macs() > 0


def test_broken_tables_name_their_line(tmp_path):
    with pytest.raises(ConfigError, match="latency_us"):
        SUITE.run(table(tmp_path, {**WHOLE, "latency_us": "0"}))
    with pytest.raises(ConfigError, match="column 'kernel' is missing"):
        SUITE.run(table(tmp_path, WHOLE, columns=COLUMNS[:-2]))


def test_without_data_nothing_is_run(tmp_path, capsys):
    with pytest.raises(NotRunError, match="end_to_end"):
        SUITE.run(None)
    with pytest.raises(NotRunError, match="no end_to_end"):
        SUITE.run(tmp_path)
    assert main(["validate", "gpu-run"]) == 5
    assert "--data" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_table_keeps_its_bars(capsys):
    folder = os.environ.get("ARCHSIM_REFERENCE_DATA")
    if folder is None:
        pytest.skip("not run: ARCHSIM_REFERENCE_DATA names no folder")
    assert main(["validate", "gpu-run", "--data", str(Path(folder) / "gpu_measurements")]) == 0
    assert "every bar holds" in capsys.readouterr().out
