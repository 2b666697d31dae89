"""A machine with a cost table of its own: found beside the file, kept in the result."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from archsim.composition import simulate, simulate_config
from archsim.errors import ConfigError
from archsim.machine import load_hardware
from archsim.mapping import MemoryCache

DEFAULT = Path(str(resources.files("hw_configs"))) / "technology" / "default.yaml"


def written(folder: Path, mul_pj: str) -> Path:
    """Write a machine beside a table of its own, in which one figure is `mul_pj`."""
    text = DEFAULT.read_text(encoding="utf-8").replace("name: default", "name: mine")
    before = "vector-unit/mul/fp32: 3.7 pJ"
    assert before in text
    (folder / "mine.yaml").write_text(text.replace(before, f"vector-unit/mul/fp32: {mul_pj}"))
    machine = folder / "own.yaml"
    machine.write_text("extends: array128-hbm2e\nname: own\nenergy_table: mine.yaml\n")
    return machine


def test_the_table_stands_beside_the_file(tmp_path, monkeypatch):
    path = written(tmp_path, "3.7 pJ")
    monkeypatch.chdir("/")
    own, shipped = load_hardware(path), load_hardware("array128-hbm2e")
    assert own.area_mm2() == shipped.area_mm2()
    assert own.vector.energy_pj("mul", "fp32") == shipped.vector.energy_pj("mul", "fp32")


def test_the_content_of_the_table_is_part_of_the_result(tmp_path):
    path = written(tmp_path, "3.7 pJ")
    before = simulate(path, "llama3.2-1b", phase="decode", context=16, cache=MemoryCache())
    written(tmp_path, "7.4 pJ")
    after = simulate(path, "llama3.2-1b", phase="decode", context=16, cache=MemoryCache())
    assert before.config_hash != after.config_hash
    assert before.latency_s == after.latency_s
    path.unlink()
    (tmp_path / "mine.yaml").unlink()
    assert simulate_config(before.config).to_json() == before.to_json()


def test_a_missing_table_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "extends: array128-hbm2e\nname: own\nenergy_table: nowhere.yaml\n"
    Path("own.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"^own\.yaml:3:15: hardware\.energy_table: .*nowhere"):
        load_hardware("own.yaml")
