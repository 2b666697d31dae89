"""``archsim run`` and ``archsim compare``: options, forms of output, exit codes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from archsim.results import Result

pytestmark = pytest.mark.usefixtures("calls")


def test_a_report_for_people(archsim):
    done = archsim("run", "fast", "toy")
    assert done.code == 0
    assert done.out.startswith("fast · llama-toy · decode\n")
    assert done.err == ""


def test_options_reach_the_simulation(archsim, calls):
    words = (
        "run fast toy --phase generate --batch 4 --context 2048 --new-tokens 16 --mapper flash"
        " --mapper gemm=own --fidelity roofline --fidelity-fallback --precision kv=fp8"
        " --set hardware.components.dram.bandwidth=1TB/s --ignore-capacity --slack 0.01"
        " --set mapper.attention.tile=64 --parallel tp=2 --seed 7 --json"
    )
    assert archsim(*words.split()).code == 0
    assert calls == [
        {
            "hardware": "fast",
            "workload": "toy",
            "phase": "generate",
            "batch": 4,
            "context": 2048,
            "new_tokens": 16,
            "precision": "kv=fp8",
            "mapper": {"attention": "flash", "gemm": "own"},
            "mapper_options": {"attention": {"tile": 64}},
            "fidelity": "roofline",
            "fidelity_fallback": True,
            "overrides": ("hardware.components.dram.bandwidth=1TB/s",),
            "ignore_capacity": True,
            "slack": 0.01,
            "seed": 7,
            "parallel": "tp=2",
        }
    ]


def test_options_and_mappers_as_overrides(archsim, calls):
    words = ["--set", "options.batch=8", "--set", "mapper.attention=flash", "--batch", "2"]
    done = archsim("run", "fast", "toy", *words, "--set", "workload.layers=2", "--json")
    assert done.code == 0
    (call,) = calls
    assert call["batch"] == 8
    assert call["mapper"] == {"attention": "flash"}
    assert call["overrides"] == ("workload.layers=2",)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "options.batsh=8"], "did you mean 'batch'?"),
        (["--set", "options.batch=eight"], "options.batch: must be a whole number"),
        (["--set", "nonsense"], "is not PATH=VALUE"),
        (["--set", "machine.x=1"], "unknown root of a path"),
        (["--mapper", "=x"], "is not a mapper choice"),
        (["--mapper", "flash", "--mapper", "flat"], "two mappers for the class 'attention'"),
        (["--json", "--csv"], "choose one of --json and --csv"),
        (["--from", "x.json"], "takes no machine, model or option"),
        (["-o", "/nowhere/at/all.json"], "there is no such folder"),
        (["-o", "/"], "is a folder"),
        (["--batch", "many"], "--batch"),
        (["--bogus"], "No such option: --bogus"),
        (["extra"], "unexpected extra argument"),
    ],
)
def test_bad_words_are_one_line_and_exit_2(archsim, calls, words, message):
    done = archsim("run", "fast", "toy", *words)
    assert done.code == 2
    assert done.out == "" or "--json" in words
    assert done.err.count("\n") == 1
    assert message in done.err
    assert calls == []


def test_json_is_the_result_alone(archsim):
    done = archsim("run", "fast", "toy", "--json")
    assert Result.from_json(done.out).to_json() == done.out


def test_csv_is_one_row(archsim):
    (row,) = csv.DictReader(archsim("run", "fast", "toy", "--csv").out.splitlines())
    assert row["hardware"] == "fast"


def test_an_infeasible_run_exits_3_and_says_why(archsim):
    done = archsim("run", "small", "toy")
    assert done.code == 3
    assert "16 GiB" in done.out
    assert "infeasible: dram needs 16 GiB" in done.err
    done = archsim("run", "small", "toy", "--json")
    assert done.code == 3
    assert done.json["infeasible"]["need"] == 2**34


def test_saved_results(archsim, tmp_path):
    path = tmp_path / "r.json"
    done = archsim("run", "fast", "toy", "--json", "-o", str(path))
    assert path.read_text() == done.out
    table = tmp_path / "r.csv"
    archsim("run", "fast", "toy", "-o", str(table))
    assert table.read_text().startswith("hardware,workload")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["r.csv", "r.json"]


def test_saving_to_a_device_leaves_it_a_device(archsim):
    assert archsim("run", "fast", "toy", "-o", "/dev/null").code == 0
    assert Path("/dev/null").is_char_device()


def test_a_run_repeats_from_its_result(archsim, calls, tmp_path):
    path = tmp_path / "r.json"
    archsim("run", "fast", "toy", "-o", str(path))
    done = archsim("run", "--from", str(path), "--json")
    assert done.code == 0
    assert calls[-1] == {"config": json.loads(path.read_text())["config"]}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 1}', "\x00", "[" * 10**5])
def test_a_broken_result_is_refused(archsim, tmp_path, text):
    path = tmp_path / "r.json"
    path.write_text(text)
    done = archsim("run", "--from", str(path), "--json")
    assert done.code == 2
    assert "not a result" in done.json["error"]["message"]


def test_an_interrupt_exits_130(archsim):
    done = archsim("run", "interrupt", "toy", "--json")
    assert done.code == 130
    assert done.json == {
        "error": {"kind": "interrupted", "message": "interrupted", "exit_code": 130}
    }


def test_compare(archsim, calls, tmp_path):
    done = archsim("compare", "fast", "small", "faster", "toy", "--batch", "2")
    assert done.code == 0
    assert [call["hardware"] for call in calls] == ["fast", "small", "faster"]
    assert all(call["batch"] == 2 for call in calls)
    assert "does not fit" in done.out
    done = archsim("compare", "fast", "small", "toy", "--json", "-o", str(tmp_path / "c.json"))
    assert [item["feasible"] for item in done.json["results"]] == [True, False]
    assert json.loads((tmp_path / "c.json").read_text()) == done.json
    assert len(archsim("compare", "fast", "small", "toy", "--csv").out.splitlines()) == 3


def test_compare_exits_3_only_if_nothing_fits(archsim):
    assert archsim("compare", "small", "small", "toy").code == 3


def test_compare_wants_two_names(archsim):
    assert "at least one machine and a model" in archsim("compare", "fast").err
