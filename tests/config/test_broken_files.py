"""Broken files: each ``broken/NAME.yaml`` is answered with the one line in ``broken/NAME.txt``."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.config.document import _REGISTRIES, load_document
from archsim.errors import ConfigError
from archsim.registry import Registry
from tests.config.machine_model import machine_of

FOLDER = Path(__file__).parent / "broken"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_message(name, monkeypatch, tmp_path):
    hardware = Registry("archsim.hardware")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: [])
    (tmp_path / "no-such-machine.yaml").write_text("name: near\n")
    hardware.register("near", tmp_path)
    monkeypatch.setitem(_REGISTRIES, "hardware", hardware)
    monkeypatch.chdir(FOLDER)
    with pytest.raises(ConfigError) as caught:
        machine_of(load_document(f"{name}.yaml", kind="hardware"))
    assert f"{caught.value}\n" == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def test_there_are_enough_of_them():
    assert len(NAMES) >= 40
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(NAMES)
