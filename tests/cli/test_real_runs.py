"""The command line on real machines and models, from words to exit codes."""

from __future__ import annotations

import json

import jsonschema
import pytest

from archsim.results import Result
from archsim.results.schema import result_schema

DECODE = ["llama3.2-1b", "--phase", "decode", "--context", "512"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a saved decode of a small model."""
    from archsim.cli import main

    path = tmp_path_factory.mktemp("real") / "r.json"
    assert main(["run", "array128-hbm2e", *DECODE, "-o", str(path)]) == 0
    return path


def test_a_result_is_complete_and_adds_up(saved):
    data = json.loads(saved.read_text())
    jsonschema.validate(data, result_schema())
    result = Result.from_json(saved.read_text())
    assert sum(result.breakdown.values()) == pytest.approx(1.0, abs=1e-9)
    assert result.latency_s >= result.roofline.bound_s
    assert result.energy_j == pytest.approx(sum(result.energy.component.values()))
    assert result.dram_bytes == result.bytes["dram"]


def test_the_same_words_give_the_same_bytes(archsim, saved):
    assert archsim("run", "array128-hbm2e", *DECODE, "--json").out == saved.read_text()


def test_a_result_repeats_itself_byte_for_byte(archsim, saved):
    assert archsim("run", "--from", str(saved), "--json").out == saved.read_text()


def test_the_roofline_is_never_slower(archsim, saved):
    bound = archsim("run", "array128-hbm2e", *DECODE, "--fidelity", "roofline", "--json").json
    assert bound["latency_s"] <= json.loads(saved.read_text())["latency_s"]


def test_an_override_changes_the_answer(archsim, saved):
    words = ["--set", "hardware.components.dram.bandwidth=1228 GB/s", "--json"]
    faster = archsim("run", "array128-hbm2e", *DECODE, *words).json
    assert faster["latency_s"] < 0.6 * json.loads(saved.read_text())["latency_s"]


def test_what_does_not_fit_exits_3(archsim):
    done = archsim("run", "tpu-v4i", "llama3-70b", "--phase", "decode")
    assert done.code == 3
    assert "Does not run on this machine" in done.out
    assert done.err.startswith("archsim: infeasible: hbm needs ")


def test_compare_shows_who_fits(archsim):
    words = ["array128-hbm2e", "tpu-v4i", "llama3-8b", "--phase", "decode", "--json"]
    done = archsim("compare", *words, "--fidelity", "roofline")
    assert done.code == 0
    assert [item["feasible"] for item in done.json["results"]] == [True, False]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tpu-v4j", "llama3-8b"], "did you mean 'tpu-v4i'?"),
        (["tpu-v4i", "lama3-8b"], "did you mean 'llama3-8b'?"),
        (["tpu-v4i", "llama3-8b", "--phase", "decod"], "did you mean 'decode'?"),
        (["tpu-v4i", "llama3-8b", "--fidelity", "tiles"], "did you mean 'tile'?"),
        (["tpu-v4i", "llama3-8b", "--mapper", "unfusd"], "did you mean 'unfused'?"),
        (["tpu-v4i", "llama3-8b", "--batch", "0"], "options.batch"),
        (["tpu-v4i", "llama3-8b", "--batch", "9" * 30], "options.batch"),
        (["tpu-v4i", "bert-base", "--phase", "decode"], "bert-base is an encoder"),
        (["tpu-v4i", "llama3-8b", "--precision", "weights=int3"], "int3"),
        (["tpu-v4i", "llama3-8b", "--set", "hardware.components.hbn.capacity=1 GiB"], "hbm"),
        (["tpu-v4i", "llama3-8b", "--set", "hardware.components.hbm.bandwidth=1 s"], "bandwidth"),
        (["./absent.yaml", "llama3-8b"], "no such file"),
    ],
)
def test_mistakes_are_one_line(archsim, words, message):
    done = archsim("run", *words)
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert message in done.err


def test_every_packaged_claim_comes_out_as_expected(archsim):
    done = archsim("validate", "claims")
    assert done.code == 0
    assert "every bar holds" in done.out


def test_show_and_check_a_machine(archsim, tmp_path):
    path = tmp_path / "own.yaml"
    shown = archsim("show", "tpu-v4i", "-o", str(path))
    assert "Jouppi" in shown.out
    assert "0 without a source" in archsim("check", str(path)).out
    again = archsim("show", str(path), "--json").json
    assert again["hardware"] == archsim("show", "tpu-v4i", "--json").json["hardware"]


def test_schema_of_hardware_fits_the_shipped_machines(archsim):
    schema = archsim("schema", "hardware").json
    data = archsim("show", "tpu-v4i", "--json").json["hardware"]
    jsonschema.validate(data, schema)


def test_list_mappers(archsim):
    assert "unfused" in archsim("list", "mappers").out
