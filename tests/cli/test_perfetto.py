"""``archsim run … --perfetto FILE --window …``."""

from __future__ import annotations

import json

import pytest

WORDS = ["run", "array128-hbm2e", "llama3.2-1b", "--phase", "decode", "--context", "64"]


def test_a_timeline_is_written_beside_the_report(archsim, tmp_path):
    whole, part = tmp_path / "whole.json", tmp_path / "part.json"
    assert archsim(*WORDS, "--perfetto", str(whole)).code == 0
    done = archsim(*WORDS, "--perfetto", str(part), "--window", "10us:30us", "--json")
    assert done.json["feasible"]
    for path in (whole, part):
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
        assert 0 < sum(event["ph"] == "X" for event in events) <= 20_000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--window", "0ms:1ms"], "with --perfetto"),
        (["--perfetto", "/no/such/folder/t.json"], "--perfetto: there is no such folder"),
        (["--perfetto", "t.json", "--window", "2ms:1ms"], "does not begin before it ends"),
        (["--perfetto", "t.json", "--window", "0ms:1s"], "the window holds"),
        (["--perfetto", "t.json", "--fidelity", "roofline"], "a bound has no timeline"),
    ],
)
def test_what_cannot_be_drawn_is_refused(archsim, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    done = archsim(*WORDS, *words)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "t.json").exists()
