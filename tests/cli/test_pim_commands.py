"""``archsim pim``: what it prints, and how it refuses."""

from __future__ import annotations

import csv
import json

import pytest

from archsim.cli import main

SHAPE = ("--tokens", "512", "--head-size", "128", "--heads", "20")
RUN = ("pim", "run", "attacc-bank", "--op", "attention", *SHAPE)


def test_the_report_and_the_record_agree(capsys):
    assert main([*RUN, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["feasible"]
    assert record["pim"]["cycles"] * 769e-12 == pytest.approx(record["latency_s"])
    assert main([*RUN]) == 0
    shown = capsys.readouterr().out
    assert f"{record['pim']['cycles']:,}" in shown
    assert f"{record['pim']['commands']['MACAB']:,}" in shown


def test_the_same_run_gives_the_same_bytes(capsys):
    texts = []
    for _ in range(2):
        assert main([*RUN, "--json"]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


def test_commands_written_are_legal(tmp_path, capsys):
    path = tmp_path / "commands.txt"
    assert main([*RUN, "--commands", str(path)]) == 0
    assert main(["pim", "check", str(path), "--config", "attacc-bank", "--json"]) == 0
    capsys.readouterr()
    text = path.read_text().splitlines()
    moved = [line for line in text if ",MACAB," in line][3]
    channel, clock, rest = moved.split(",", 2)
    text[text.index(moved)] = f"{channel},{int(clock) - 1},{rest}"
    path.write_text("\n".join(text) + "\n")
    assert main(["pim", "check", str(path), "--config", "attacc-bank"]) == 4
    assert "violation" in capsys.readouterr().out


def test_what_does_not_fit_exits_with_three(capsys):
    shape = ("--rows", "2000000", "--inner", "16384")
    assert main(["pim", "run", "attacc-bank", "--op", "gemv", *shape, "--json"]) == 3
    record = json.loads(capsys.readouterr().out)
    assert record["infeasible"]["need"] > record["infeasible"]["have"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--op", "gem", "--rows", "4"), "gemv"),
        (("--op", "gemv", "--rows", "4"), "--inner"),
        (("--op", "gemv", "--rows", "0", "--inner", "4"), "--rows"),
        (("--op", "attention", "--rows", "4"), "rows"),
        (("--op", "attention", *SHAPE, "--kv-heads", "3"), "--kv-heads"),
    ],
)
def test_bad_words_are_one_clear_error(words, said, capsys):
    assert main(["pim", "run", "attacc-bank", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", ["aim", "hbm-pim", "neupims-hbm"])
def test_every_device_writes_its_commands(name, tmp_path, capsys):
    path = tmp_path / "c.txt"
    words = ("pim", "run", name, "--op", "gemv", "--rows", "512", "--inner", "1024")
    assert main([*words, "--commands", str(path)]) == 0
    assert main(["pim", "check", str(path), "--config", name]) == 0
    assert "no violation" in capsys.readouterr().out


def test_new_keys_and_values(capsys):
    shape = ("--tokens", "1000", "--head-size", "128", "--kv-heads", "32")
    assert main(["pim", "run", "attacc-bank", "--op", "kv-write", *shape, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["pim"]["useful_bytes"] == 2 * 128 * 2 * 32
    assert main(["pim", "run", "attacc-bank", "--op", "kv-write", *shape[:-2]]) == 2
    assert "--kv-heads" in capsys.readouterr().err


def test_a_table_has_a_row_for_each_point(tmp_path, capsys):
    path = tmp_path / "table.csv"
    grid = ("--grid", "tokens=128:512:128", "--grid", "head_size=128,4096", "--grid", "heads=16")
    assert main(["pim", "table", "attacc-bank", "--op", "attention", *grid, "-o", str(path)]) == 0
    capsys.readouterr()
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 8
    assert all(bool(row["cycles"]) != bool(row["infeasible"]) for row in rows)
    times = [float(row["time_ns"]) for row in rows if row["time_ns"]]
    assert times == sorted(times)


@pytest.mark.parametrize("grid", ["tokens", "tokens=1:2", "tokens=a", "tokens=5:9:0"])
def test_a_bad_axis_is_refused(grid, capsys):
    assert main(["pim", "table", "attacc-bank", "--op", "attention", "--grid", grid]) == 2
    assert "--grid" in capsys.readouterr().err


def test_a_batch_of_different_lengths(capsys):
    shape = ("--head-size", "128", "--heads", "12")
    words = ("pim", "batch", "attacc-bank", *shape)
    assert main([*words, "--lengths", "900,300x3", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["requests"], record["busy_channels"]) == (4, 16)
    assert 0 < record["balance"] <= 1
    assert main([*words, "--lengths", "900000x4"]) == 3
    assert main([*words, "--lengths", "9x"]) == 2
    assert "--lengths" in capsys.readouterr().err
