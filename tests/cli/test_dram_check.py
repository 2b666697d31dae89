"""The command ``dram check``: verdicts, exit codes, and errors with their place."""

from __future__ import annotations

import json

import pytest

from archsim.cli import main

GOOD = """1,ACT,0,0,0,0,0
5,ACT,0,1,0,0,0
23,WR,0,0,0,0,0
47,RD,0,1,0,0,0
"""
"""The first commands of a recorded trace (Ramulator 2.1, DDR4, a mix of reads and writes)."""


@pytest.fixture
def trace(tmp_path):
    def write(text):
        path = tmp_path / "commands.txt"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_a_good_trace_passes(trace, capsys):
    assert main(["dram", "check", trace(GOOD), "--config", "ddr4-3200"]) == 0
    printed = capsys.readouterr().out
    assert "4 commands, " in printed
    assert "no violation" in printed
    assert "tWTR_S" in printed


def test_one_tick_early_is_found(trace, capsys):
    path = trace(GOOD.replace("47,RD", "46,RD"))
    assert main(["dram", "check", path, "--config", "ddr4-3200"]) == 4
    captured = capsys.readouterr()
    assert "command 4 (46,RD,0,1,0,0,0): tWTR_S: legal from tick 47 on" in captured.out
    assert captured.err == f"archsim: {path}: 1 violations of ddr4-3200\n"


def test_json_has_every_rule_and_violation(trace, capsys):
    path = trace(GOOD.replace("23,WR,0,0,0,0,0", "23,WR,0,0,0,1,0"))
    assert main(["dram", "check", path, "--config", "ddr4-3200", "--json"]) == 4
    record = json.loads(capsys.readouterr().out)
    assert record["pass"] is False
    assert [item["rule"] for item in record["violations"]] == ["bank state"]
    assert record["violations"][0]["number"] == 3
    assert {"rule", "level", "gap", "ticks", "applied", "tight"} == set(record["rules"][0])


def test_slower_timings_accuse_the_same_trace(trace):
    path = trace(GOOD)
    words = ["dram", "check", path, "--config", "ddr4-3200"]
    assert main([*words, "--set", "hardware.timings.nWTR_S=5"]) == 4


@pytest.mark.parametrize(("refresh", "code"), [("auto", 0), ("none", 0), ("all-bank", 4)])
def test_refreshes_may_be_demanded(trace, refresh, code):
    lines = "".join(
        f"{1 + 13000 * k},ACT,0,0,0,{k},0\n{101 + 13000 * k},PREpb,0,0,0,0,0\n" for k in range(12)
    )
    words = ["dram", "check", trace(lines), "--config", "ddr4-3200"]
    assert main([*words, "--refresh", refresh]) == code


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "ddr4-3201"], "did you mean 'ddr4-3200'"),
        (["--config", "hbm3-6400"], "commands.txt:1: line has another number of fields"),
        (["--config", "ddr4-3200", "--refresh", "some"], "unknown refresh obligation"),
    ],
)
def test_bad_input_is_refused(trace, capsys, words, message):
    assert main(["dram", "check", trace(GOOD), *words]) == 2
    assert message in capsys.readouterr().err
