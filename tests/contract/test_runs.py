"""Same inputs, same bytes: in another process, from a saved result, from a resolved file."""

from __future__ import annotations

import json

import jsonschema
import pytest

from archsim.cli import main
from tests.contract.command import archsim
from tests.contract.source import ROOT

RUN = ("run", "array128-hbm2e", "llama3.2-1b", "--phase", "decode", "--context", "64", "--json")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The folder and text of a run in a process and with a cache of its own."""
    folder = tmp_path_factory.mktemp("first")
    done = archsim(*RUN, "-o", "result.json", folder=folder, environment=fresh(folder))
    assert done.err == ""
    return folder, done.out


def fresh(folder):
    """Return an environment whose caches are empty."""
    return {"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONHASHSEED": "1"}


def test_a_second_process_prints_the_same_bytes(first, tmp_path):
    environment = {**fresh(tmp_path), "PYTHONHASHSEED": "2"}
    assert archsim(*RUN, folder=tmp_path, environment=environment).out == first[1]


def test_a_warm_cache_prints_the_same_bytes(first):
    folder, text = first
    assert archsim(*RUN, folder=folder, environment=fresh(folder)).out == text


def test_a_saved_result_is_what_was_printed_and_runs_again_to_the_same_bytes(first, tmp_path):
    folder, text = first
    saved = folder / "result.json"
    assert saved.read_text(encoding="utf-8") == text
    again = archsim("run", "--from", str(saved), "--json", folder=tmp_path)
    assert again.out == text


def test_a_resolved_file_gives_the_same_bytes_as_the_id(first, tmp_path, capsys):
    path = tmp_path / "resolved.yaml"
    assert main(["show", RUN[1], "-o", str(path)]) == 0
    capsys.readouterr()
    assert main([RUN[0], str(path), *RUN[2:]]) == 0
    assert capsys.readouterr().out == first[1]


def test_a_resolved_model_gives_the_same_bytes_as_the_id(first, tmp_path, capsys):
    path = tmp_path / "resolved.yaml"
    assert main(["show", RUN[2], "-o", str(path)]) == 0
    capsys.readouterr()
    assert main([*RUN[:2], str(path), *RUN[3:]]) == 0
    assert capsys.readouterr().out == first[1]


def test_results_follow_the_published_schema(first, capsys):
    assert main(["schema", "result"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.validate(json.loads(first[1]), schema)


def test_a_result_holds_no_path_of_this_machine(first):
    folder, text = first
    assert str(folder) not in text
    assert str(ROOT) not in text
