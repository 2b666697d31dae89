"""`archsim rtl`: blocks listed, one case drawn, and clear words where that cannot be."""

from __future__ import annotations

import os
import shutil

import pytest

from archsim.validation import rtl
from rtl_ref.harness.blocks import block_names, load_block
from rtl_ref.harness.runner import missing_tool
from rtl_ref.harness.trace import Port, Trace, handshakes, read_ports
from rtl_ref.harness.waveform import draw, lay_out

MISSING = missing_tool()
needs_simulator = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


@pytest.mark.skipif(
    os.environ.get("ARCHSIM_REQUIRE_RTL") != "1", reason="ARCHSIM_REQUIRE_RTL is not set to 1"
)
def test_nothing_is_skipped_here():
    assert MISSING is None


@needs_simulator
def test_a_case_becomes_a_waveform_and_a_picture(archsim, tmp_path, monkeypatch):
    for name in ("SIM", "WAVES", "COCOTB_TEST_FILTER", "COCOTB_TESTCASE"):
        monkeypatch.delenv(name, raising=False)
    done = archsim("rtl", "wave", "os_array", "square-1", "-o", str(tmp_path / "new"), "--json")
    assert done.code == 0, done.err
    assert done.json["law"] == done.json["measured"] == 18
    files = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    assert sorted(files) == ["os_array-square-1.fst", "os_array-square-1.png"]
    assert files["os_array-square-1.png"].startswith(b"\x89PNG\r\n")
    assert len(files["os_array-square-1.png"]) < 100_000
    assert len(files["os_array-square-1.fst"]) > 1_000


def test_every_case_is_listed(archsim):
    listed = archsim("rtl", "list", "--json").json["blocks"]
    assert {name: len(cases) for name, cases in listed.items()} == {
        name: load_block(name).num_cases for name in block_names()
    }
    assert "square-3" in archsim("rtl", "list", "os_array").out
    assert "wave" in archsim("rtl").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("wave", "os_aray", "square-1"), "did you mean 'os_array'?"),
        (("wave", "os_array", "sqare-1"), "did you mean 'square-1'?"),
        (("list", "os_aray"), "did you mean 'os_array'?"),
        (("wave", "os_array", "square-1", "-o", "no/such/folder"), "there is no such folder"),
        (("wave", "os_array", "square-1", "-o", "--json"), "needs a folder"),
        (("wave", "os_array", "square-1", "--cycles", "0"), "--cycles"),
    ],
)
def test_wrong_words_get_one_error(archsim, words, message):
    done = archsim("rtl", *words)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert message in done.err


def test_outside_a_checkout_it_is_not_run(archsim, tmp_path, monkeypatch):
    monkeypatch.setattr(rtl, "CHECKOUT", tmp_path)
    done = archsim("rtl", "wave", "os_array", "square-1")
    assert done.code == 5
    assert "source checkout" in done.err


def test_without_icarus_it_says_what_to_install(archsim, monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    done = archsim("rtl", "wave", "os_array", "square-1", "-o", str(tmp_path))
    assert done.code == 5
    assert "apt-get install iverilog" in done.err


@pytest.mark.parametrize("name", block_names())
def test_ports_of_every_block_are_read(name):
    block = load_block(name)
    source = (block.folder / f"{block.top}.sv").read_text(encoding="utf-8")
    for config in block.configs.values():
        ports = read_ports(source, block.top, config.parameters)
        assert len(ports) == source.partition(");")[0].count(" logic ") - 2
        columns = [column for group in handshakes(ports) for column in group.columns]
        assert columns == list(range(len(ports)))
        known = {port.name for port in ports}
        assert {*block.signed, *block.names} <= known


def test_a_diagram_shows_values_that_mean_something(tmp_path):
    ports = (Port("in_valid_i", 0), Port("in_ready_o", 0), Port("a_i", 2), Port("gnt_o", 3))
    samples = (
        ("0", "1", "XXXXXXXX", "000"),
        ("1", "0", "11110001", "001"),
        ("1", "1", "11110001", "010"),
        ("0", "1", "11110001", "100"),
    )
    block = load_block("os_array")
    trace = Trace(block, "square-1", ports, samples, 2, 3, 2, 2, tmp_path)
    diagram = lay_out(trace, cycles=3)
    rows = {row.label: row for row in diagram.rows}
    assert (diagram.first, diagram.last) == (-2, 0)
    assert [edge for _, _, edge in diagram.transfers] == [0]
    assert rows["a_i[0]"].texts == ("", "1", "1")
    assert rows["a_i[1]"].texts == ("", "−1", "−1")
    assert rows["gnt_o[1]"].bits == ("0", "0", "1")
    assert rows["gnt_o[1]"].texts is None
    assert draw(trace, cycles=3).startswith(b"\x89PNG")
