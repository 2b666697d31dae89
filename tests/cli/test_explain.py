"""``archsim run … --explain`` on a real machine and model."""

from __future__ import annotations

import jsonschema

from archsim.results.schema import result_schema

WORDS = ["run", "array128-hbm2e", "llama3.2-1b", "--phase", "decode", "--context", "64"]


def test_the_report_ranks_parameters_and_says_why(archsim):
    done = archsim(*WORDS, "--explain")
    assert done.code == 0
    before, _, why = done.out.partition("Why\n")
    assert "hardware.components.vector.lanes" in before
    lines = why.splitlines()
    first = next(place for place, line in enumerate(lines) if "%  hardware." in line)
    assert "dram" in lines[first]
    assert "dram bandwidth" in lines[first + 1]


def test_json_carries_what_was_run_again(archsim):
    data = archsim(*WORDS, "--explain", "--json").json
    jsonschema.validate(data, result_schema())
    assert data["what_if"]["hardware.components.array.rows"]["factor"] == 2.0
    assert archsim(*WORDS, "--json").json["what_if"] == {}


def test_a_saved_result_is_explained_as_the_run_was(archsim, tmp_path):
    path = tmp_path / "r.json"
    assert archsim(*WORDS, "-o", str(path)).code == 0
    again = archsim("run", "--from", str(path), "--explain", "--json")
    assert again.code == 0
    assert again.out == archsim(*WORDS, "--explain", "--json").out
    assert again.json["what_if"]


def test_a_saved_result_takes_no_option_of_a_run(archsim, tmp_path):
    path = tmp_path / "r.json"
    assert archsim(*WORDS, "-o", str(path)).code == 0
    done = archsim("run", "--from", str(path), "--explain", "--batch", "2")
    assert done.code == 2
    assert "takes no machine, model or option" in done.err


def test_a_saved_result_is_drawn_as_the_run_was(archsim, tmp_path):
    path, first, second = (tmp_path / name for name in ("r.json", "a.json", "b.json"))
    assert archsim(*WORDS, "-o", str(path), "--perfetto", str(first)).code == 0
    assert archsim("run", "--from", str(path), "--perfetto", str(second)).code == 0
    assert second.read_text() == first.read_text() != ""
