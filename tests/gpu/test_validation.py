"""The gpu suite and its calibration: what they read, refuse, keep out of fits and report."""

from __future__ import annotations

import json

import numpy as np
import pytest

from archsim.cli import main
from archsim.errors import ConfigError, NotRunError
from archsim.gpu.constants import read_records, shipped_records
from archsim.gpu.families import FAMILIES
from archsim.validation.gpu import FITTED, SUITE, UNSEEN
from archsim.validation.gpu_calibration import calibrate, write_records
from archsim.validation.gpu_rows import is_held_out, read_measurements
from archsim.validation.gpu_score import grouped
from archsim.validation.gpu_search import search
from archsim.validation.scoring import Scores
from tests.gpu.samples import gemm, table


def made_up(tmp_path, count=60, **cells):
    """Write rows whose times follow the shipped law of their source, 10 % up."""
    sizes = [(1 + 37 * i, 1024 + 64 * (i % 7), 2048 + 128 * (i % 5)) for i in range(count)]
    path = table(tmp_path / "gemm.csv", *(gemm(m, n, k, **cells) for m, n, k in sizes))
    rows = read_measurements(path).measured
    group = grouped(rows)[0]
    record = next(
        item for item in shipped_records() if item.library == "vllm" and item.family == "gemm"
    )
    times = 1.1 * group.predict(record.values).time_us
    rows = [gemm(m, n, k, t, **cells) for (m, n, k), t in zip(sizes, times, strict=True)]
    return table(tmp_path / "gemm.csv", *rows)


ATTENTION = {
    **{"op": "attention_decode", "batch": 1, "heads": 8, "kv_heads": 4, "head_dim": 64},
    **{"q_len": 1, "kv_len": 8},
}


def test_without_data_the_suite_says_what_it_wants():
    with pytest.raises(NotRunError, match=r"wants --data a folder of CSV files"):
        SUITE.run(None)
    assert main(["validate", "gpu"]) == 5


def test_a_folder_without_tables_is_not_run(tmp_path):
    with pytest.raises(NotRunError, match=r"no \*\.csv"):
        SUITE.run(tmp_path)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"m": 0}, r"gemm\.csv:2: m: is out of range; given '0'"),
        ({"k": ""}, r"gemm\.csv:2: k: must be a whole number"),
        ({"dtype": "fp8"}, r"gemm\.csv:2: dtype: a100-80g-sxm does not compute in this format"),
        ({"dtype": "bf15"}, r"gemm\.csv:2: dtype: unknown number format; given 'bf15'"),
        ({"latency_us": "0"}, r"gemm\.csv:2: latency_us: must be positive"),
        ({"latency_us": "fast"}, r"gemm\.csv:2: latency_us: must be a number"),
        ({"power_w": "much"}, r"gemm\.csv:2: power_w: must be a number"),
        (ATTENTION | {"q_len": 9}, r"gemm\.csv:2: kv_len: is less than q_len"),
    ],
)
def test_broken_rows_name_file_line_and_column(tmp_path, cells, message):
    with pytest.raises(ConfigError, match=message):
        read_measurements(table(tmp_path / "gemm.csv", gemm(**cells)))


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "gemm.csv"
    path.write_text("gpu,op,dtype,m,n\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"the column 'k' is missing"):
        SUITE.run(path)


def test_unknown_parts_and_operators_are_counted_with_their_reason(tmp_path):
    path = table(
        tmp_path / "x.csv",
        gemm(),
        gemm(gpu="Abacus"),
        gemm(op="end_to_end_prefill", m=""),
        gemm(**ATTENTION | {"kv_heads": 3}),
    )
    outcome = SUITE.run(path)
    assert outcome.cases == 4
    assert len(outcome.items) == 1
    assert dict(outcome.skipped) == {
        "unknown GPU 'Abacus'": 1,
        "operator 'end_to_end_prefill' is not scored here": 1,
        "heads is no multiple of kv_heads": 1,
    }


def test_rows_of_fitted_shapes_are_scored_apart(tmp_path):
    outcome = SUITE.run(made_up(tmp_path))
    held = [item for item in outcome.items if item.metric == UNSEEN]
    fitted = [item for item in outcome.items if item.metric == FITTED]
    assert len(held) + len(fitted) == 60
    assert 8 <= len(held) <= 32
    scores = Scores("gpu", outcome).to_json_object()
    assert scores["groups"][0]["stats"]["bias_percent"] == pytest.approx(100 / 1.1 - 100)
    assert set(scores["baselines"]) >= {"roofline, all", "roofline at 80 % + 3 µs, gemm"}
    assert scores["details"][0]["constants"] == "its own"


def test_an_unseen_gpu_uses_no_constants_of_its_own(tmp_path):
    path = made_up(tmp_path)
    outcome = SUITE.without("A100-SXM-80GB").run(path)
    assert {item.metric for item in outcome.items} == {UNSEEN}
    said = outcome.details[0]["constants"]
    assert "measured parts together, 16bit" in said
    with pytest.raises(NotRunError, match="holds no row of a40"):
        SUITE.without("A40").run(path)
    with pytest.raises(ConfigError, match="unknown GPU; given 'abacus'"):
        SUITE.without("abacus")


def test_the_command_line_scores_and_reports(tmp_path, capsys):
    path = made_up(tmp_path)
    code = main(["validate", "gpu", "--data", str(path), "--unseen", "a100-80g-sxm", "--json"])
    record = json.loads(capsys.readouterr().out)
    assert code in (0, 4)
    assert record["scored"] == 60
    assert main(["validate", "scalesim", "--unseen", "h200-sxm"]) == 2
    assert "no fitted devices" in capsys.readouterr().err


def test_the_hash_keeps_about_a_third_of_the_shapes_out():
    shapes = [dict.fromkeys(SHAPE_NAMES, 0.0) | {"m": float(m)} for m in range(3000)]
    share = np.mean([is_held_out("gemm", shape) for shape in shapes])
    assert 0.30 < share < 0.37


SHAPE_NAMES = (
    *("m", "n", "k", "batch", "heads", "kv_heads", "head_dim"),
    *("q_len", "kv_len", "experts", "topk", "tp", "bytes"),
)


def test_a_fit_finds_the_law_again_and_does_so_twice(tmp_path):
    rows = read_measurements(made_up(tmp_path, count=90)).measured
    first, second = calibrate(rows), calibrate(rows)
    assert [fit.record for fit in first] == [fit.record for fit in second]
    assert first[0].fitted_mape_percent < 4
    assert first[0].held_mape_percent < 6
    write_records([fit.record for fit in first], tmp_path)
    assert read_records(tmp_path) == tuple(fit.record for fit in first)


def test_calibrate_prints_and_writes(tmp_path, capsys):
    data = made_up(tmp_path, count=90)
    folder = tmp_path / "constants"
    folder.mkdir()
    assert main(["calibrate", "gpu", "--data", str(data), "-o", str(folder), "--across"]) == 0
    assert "Each GPU without its own constants" in capsys.readouterr().out
    assert (folder / "gemm.yaml").is_file()
    assert (folder / "error-bands.yaml").is_file()
    assert main(["calibrate", "gpu", "--data", str(data), "-o", str(tmp_path / "no")]) == 2


def test_shipped_constants_are_within_their_bounds():
    for record in shipped_records():
        if record.family not in FAMILIES:
            continue
        family = FAMILIES[record.family]
        assert set(record.values) == set(family.defaults())
        for item in family.parameters:
            assert item.low * 0.999 <= record.values[item.name] <= item.high * 1.001


def test_search_finds_a_minimum_within_bounds():
    family = FAMILIES["gemm"]
    start = family.defaults()

    def loss(values):
        return sum(abs(np.log(values[p.name] / (2 * p.start))) for p in family.parameters)

    best, least = search(loss, family.parameters, start)
    assert least < loss(start)
    for item in family.parameters:
        assert best[item.name] == pytest.approx(min(item.high, 2 * item.start), rel=0.05)
