"""The command ``dram stream``: both paths side by side, and what it refuses."""

from __future__ import annotations

import json

import pytest

from archsim.cli import main
from archsim.dram.memory import load_memory
from archsim.dram.streams_record import run_stream


@pytest.mark.parametrize(
    ("name", "pattern", "ticks"),
    [
        # Recorded with Ramulator 2.1.
        ("ddr4-3200", "stream:n=20000", 80_045),
        ("ddr4-3200", "stream:n=20000,write=100", 80_019),
        ("ddr4-3200", "stride:step=column,n=20000", 160_041),
        ("hbm3-6400", "stride:step=row,n=5000", 719_965),
    ],
)
def test_both_paths_give_the_recorded_ticks(name, pattern, ticks):
    record = run_stream(load_memory(name, ["hardware.controller.refresh=none"]), pattern)
    assert record.ticks == record.event_ticks == ticks
    assert record.refreshes == 0
    assert sum(record.causes.values()) == pytest.approx(1)
    assert "refresh" not in record.causes


def test_length_does_not_matter():
    record = run_stream(load_memory("hbm3-6400"), "stream:n=1000000000")
    assert record.event_ticks is None
    assert record.operations > 10**9
    assert record.simulated < 10**5
    assert record.causes["refresh"] == pytest.approx(0.08, abs=0.01)


def test_channels_share_a_stream(tmp_path):
    four = tmp_path / "four.yaml"
    four.write_text(
        "name: four\nextends: ddr4-3200\nsource: estimate\nchannels: 4\n", encoding="utf-8"
    )
    many = run_stream(load_memory(str(four)), "stream:n=80000")
    one = run_stream(load_memory("ddr4-3200"), "stream:n=20000")
    assert many.ticks == one.ticks == 83_813
    assert many.event_ticks == one.event_ticks


def test_it_is_printed_and_written(capsys):
    words = ["dram", "stream", "ddr4-3200", "--pattern", "stream:n=20000"]
    assert main(words) == 0
    assert "83,813 ticks, the same" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["ticks"] == 83_813
    assert record["difference"] == 0
    assert {"name", "value", "unit", "formula"} == set(record["limits"][0])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pattern", "random"], "takes one pattern in order"),
        (["--pattern", "stream:write=50"], "takes one pattern in order"),
        (["--pattern", "stream + stream"], "takes one pattern in order"),
        (["--set", "hardware.controller.refresh=per-bank"], "all banks at once"),
        (["--set", "hardware.controller.address_map=robaracoch"], "go round bank groups"),
    ],
)
def test_other_traffic_is_refused(words, message, capsys):
    assert main(["dram", "stream", "hbm3-6400", *words]) == 2
    assert message in capsys.readouterr().err
