"""Plug-ins by name: entry points, folders of YAML, registration in process."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from archsim import registry
from archsim.errors import ConfigError
from archsim.registry import Registry


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with an object, and with YAML in two folders."""
    root = tmp_path / "toy_plugin"
    (root / "machines" / "deep").mkdir(parents=True)
    (root / "__init__.py").write_text("class Thing:\n    inner = 7\n")
    (root / "broken.py").write_text("import a_module_that_is_not_there\n")
    (root / "machines" / "one.yaml").write_text("name: one\n")
    (root / "machines" / "deep" / "v2.5-two.yaml").write_text("name: two\n")
    (root / "machines" / "notes.txt").write_text("no machine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield root
    sys.modules.pop("toy_plugin", None)


def with_entries(monkeypatch, *pairs):
    found = Registry("archsim.toys")
    entries = [EntryPoint(name, value, "archsim.toys") for name, value in pairs]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: entries)
    return found


@pytest.mark.usefixtures("package")
def test_objects_load_lazily(monkeypatch):
    toys = with_entries(
        monkeypatch, ("thing", "toy_plugin:Thing"), ("in", "toy_plugin:Thing.inner")
    )
    assert toys.names() == ("in", "thing")
    assert "toy_plugin" not in sys.modules
    assert toys.get("in") == 7
    assert toys.get("thing").inner == 7


def test_folders_give_ids_by_stem(monkeypatch, package):
    toys = with_entries(
        monkeypatch, ("family", "toy_plugin:machines"), ("thing", "toy_plugin:Thing")
    )
    assert toys.yaml_names() == ("one", "v2.5-two")
    assert toys.names() == ("one", "thing", "v2.5-two")
    assert toys.find_yaml("v2.5-two") == package / "machines" / "deep" / "v2.5-two.yaml"
    assert "toy_plugin" not in sys.modules
    with pytest.raises(ConfigError) as caught:
        toys.find_yaml("v2.5-twoo")
    assert str(caught.value) == (
        "unknown toy; given 'v2.5-twoo'; allowed: one, v2.5-two; did you mean 'v2.5-two'?"
    )


@pytest.mark.usefixtures("package")
def test_broken_plugins_say_why(monkeypatch):
    toys = with_entries(
        monkeypatch, ("lost", "toy_plugin:Nothing"), ("broken", "toy_plugin.broken:Thing")
    )
    with pytest.raises(ConfigError, match="toy 'lost' cannot be loaded from 'toy_plugin:Nothing'"):
        toys.get("lost")
    with pytest.raises(ConfigError, match="No module named 'a_module_that_is_not_there'"):
        toys.get("broken")


def test_duplicates_are_errors(monkeypatch, package):
    toys = with_entries(monkeypatch, ("a", "toy_plugin:Thing"), ("a", "toy_plugin:Other"))
    with pytest.raises(ConfigError, match="toy 'a' is declared twice"):
        toys.names()
    toys = with_entries(
        monkeypatch, ("x", "toy_plugin:machines"), ("y", "toy_plugin:machines.deep")
    )
    (package / "machines.deep").mkdir()
    (package / "machines.deep" / "one.yaml").write_text("name: one\n")
    with pytest.raises(ConfigError, match="toy 'one' is defined twice"):
        toys.yaml_names()


@pytest.mark.usefixtures("package")
def test_registration_in_process(monkeypatch, tmp_path):
    toys = with_entries(monkeypatch, ("family", "toy_plugin:machines"))
    toys.register("thing", dict)
    assert toys.get("thing") is dict
    with pytest.raises(ConfigError, match="toy is registered twice; given 'thing'"):
        toys.register("thing", list)
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: mine\n")
    toys.register("my-machine", mine)
    assert toys.find_yaml("my-machine") == mine
    clash = tmp_path / "clash"
    clash.mkdir()
    (clash / "one.yaml").write_text("name: one\n")
    with pytest.raises(ConfigError, match="toy 'one' is defined twice"):
        toys.register("clash", clash)
    assert toys.names() == ("my-machine", "one", "thing", "v2.5-two")
    toys.unregister("thing")
    with pytest.raises(ConfigError, match="unknown toy; given 'thing'"):
        toys.get("thing")
    with pytest.raises(ConfigError, match="was not registered in this process"):
        toys.unregister("family")


@pytest.mark.usefixtures("package")
def test_names_are_no_paths(monkeypatch):
    toys = with_entries(monkeypatch, ("family", "toy_plugin:machines"))
    for name in ("../one", "deep/v2.5-two", "", ".", "one.yaml"):
        with pytest.raises(ConfigError, match="unknown toy"):
            toys.find_yaml(name)


def test_registered_text_is_a_value_not_a_module():
    toys = Registry("archsim.no-such-group")
    toys.register("text", "os:system")
    assert toys.get("text") == "os:system"


def test_own_groups_have_entries():
    assert {"systolic-array", "sram", "dram"} <= set(registry.components.names())
    assert {"gemm", "vector", "unfused"} <= set(registry.mappers.names())
    assert all(isinstance(registry.hardware.find_yaml(n), Path) for n in registry.hardware.names())
