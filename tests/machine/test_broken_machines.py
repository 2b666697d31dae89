"""Broken machines: ``archsim check broken/NAME.yaml`` says what ``broken/NAME.txt`` says, no more.

One line with file, line, column, path, what was given, what is allowed and the nearest name.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hw_configs
from archsim.cli import main

FOLDER = Path(__file__).parent / "broken"
SHIPPED = str(Path(hw_configs.__file__).parent)
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
PLACE = re.compile(r"archsim: (\{hw_configs\}/spatial/)?[a-z0-9-]+\.yaml:\d+:\d+: \S.*\n")


@pytest.mark.parametrize("name", NAMES)
def test_message(name, monkeypatch, capsys):
    monkeypatch.chdir(FOLDER)
    code = main(["check", f"{name}.yaml"])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.replace(SHIPPED, "{hw_configs}") == (FOLDER / f"{name}.txt").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_message_has_a_place(name):
    assert PLACE.fullmatch((FOLDER / f"{name}.txt").read_text("utf-8"))


def test_there_are_enough_of_them():
    assert len(NAMES) >= 40
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(NAMES)


def test_run_refuses_a_broken_machine_alike(monkeypatch, capsys):
    monkeypatch.chdir(FOLDER)
    assert main(["run", "zero-rows.yaml", "llama3.2-1b"]) == 2
    assert capsys.readouterr().err == (FOLDER / "zero-rows.txt").read_text("utf-8")
