"""The commands about cascades."""

from __future__ import annotations

import json

import pytest

from archsim.cli.entry import run


def test_analyze_prints_the_chain(capsys):
    assert run(["cascade", "analyze", "attention-3-pass", "--hardware", "array128-hbm2e"]) == 0
    text = capsys.readouterr().out
    assert "M: 3 passes over K" in text
    assert "pass 3: A reads SN: needs SD, complete only after pass 2" in text
    assert "2,048 of the fibers held along M fit on chip" in text


def test_analyze_as_json(capsys):
    assert run(["cascade", "analyze", "layer-norm-centred", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["passes"] == {"P": 1, "D": 3}
    assert [step["pass"] for step in record["details"][1]["chain"]] == [1, 2, 3]


def test_list_shows_every_cascade(capsys):
    assert run(["cascade", "list", "--json"]) == 0
    names = {item["name"] for item in json.loads(capsys.readouterr().out)["cascades"]}
    assert {"attention-1-pass", "gated-ffn", "moments-welford"} <= names


@pytest.mark.parametrize("binding", ["A: nothing", "Z: array"])
def test_a_wrong_binding_is_bad_input(tmp_path, capsys, binding):
    file = tmp_path / "own.yaml"
    file.write_text(
        "name: own\nranks: {I: 4}\ntensors: {X: I}\neinsums:\n  - A[i] = X[i]\n"
        f"binding:\n  {binding}\n"
    )
    assert run(["cascade", "analyze", str(file), "--hardware", "array128-hbm2e"]) == 2
    assert "own.yaml:7:" in capsys.readouterr().err
