"""The harness keeps its own promises: cases, mutants and tools are checked before anything runs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from rtl_ref.harness import blocks, runner
from rtl_ref.harness.blocks import Mutant, load_block
from rtl_ref.harness.runner import mutated_sources
from rtl_ref.harness.synthesis import count, load_bands

GOOD = """
block: x
top: x
law: a.b
sources: [x.sv]
parameters: {W: 8}
configs:
  one: {parameters: {N: 2}, cases: [{n: 1}]}
bins: [a, b]
mutants:
  m: {file: x.sv, find: one, replace: two, config: one}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "ROOT", tmp_path)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "x.sv").write_text("one thing\n", encoding="ascii")
    return tmp_path / "x"


def test_a_block_is_read_with_shared_parameters(folder):
    (folder / "cases.yaml").write_text(GOOD, encoding="utf-8")
    block = load_block("x")
    assert block.configs["one"].parameters == {"W": 8, "N": 2}
    assert (block.num_cases, block.bins) == (1, ("a", "b"))
    assert blocks.block_names() == ("x",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("config: one", "config: two", "names no build"),
        ("bins: [a, b]", "bins: [a, a]", "listed twice"),
        ("bins: [a, b]", "bins: []", "has cases"),
        ("cases: [{n: 1}]", "cases: []", "has cases"),
    ],
)
def test_a_block_that_tests_nothing_is_refused(folder, old, new, message):
    (folder / "cases.yaml").write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_block("x")


def test_a_mutant_must_hit_exactly_one_place(folder, tmp_path):
    (folder / "cases.yaml").write_text(GOOD, encoding="utf-8")
    block = load_block("x")
    [written] = mutated_sources(block, block.mutants["m"], tmp_path / "out")
    assert written.read_text() == "two thing\n"
    lost = Mutant("m", "x.sv", "three", "two", "one")
    with pytest.raises(ValueError, match="stands 0 times"):
        mutated_sources(block, lost, tmp_path / "out")


def test_a_compiler_message_fails_the_build(tmp_path):
    log = tmp_path / "build.log"
    log.write_text("x.sv:1: sorry: constant selects in always_* processes\n", encoding="utf-8")
    runner._check_messages(log)
    log.write_text("x.sv:3: warning: something\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="something"):
        runner._check_messages(log)


def test_missing_tools_are_named(monkeypatch):
    monkeypatch.setattr(runner.importlib.util, "find_spec", lambda _: None)
    assert "cocotb" in runner.missing_tool()
    monkeypatch.setattr(runner.importlib.util, "find_spec", lambda _: SimpleNamespace())
    monkeypatch.setattr(runner.shutil, "which", lambda _: None)
    assert "apt-get install iverilog" in runner.missing_tool()
    monkeypatch.setattr(runner, "verilator_bin", lambda: None)
    assert "Verilator" in runner.missing_tool("verilator")


def test_a_run_without_results_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="no results"):
        runner._outcome(tmp_path / "results.xml", tmp_path / "report.json", 0, [], failed=False)


def test_cells_are_counted_in_both_styles_of_report():
    old = "     $_AND_                         12\n     $_DFF_PN0_                      3\n"
    new = "       12 $_AND_\n        3 $_DFF_PN0_\n        1 $_DLATCH_P_\n"
    assert count(old) == replace(count(new), cells=15, latches=0)
    assert count(new).latches == 1


def test_every_block_has_a_band_of_cells():
    assert set(load_bands()) == set(blocks.block_names())
