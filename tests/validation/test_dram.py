"""The dram suite: recorded runs come out exactly, and a wrong number is found."""

from __future__ import annotations

import pytest

from archsim.errors import ConfigError
from archsim.validation.dram import SUITE
from archsim.validation.scoring import Scores
from archsim.validation.suite import PACKAGED

TABLE = PACKAGED / "data" / "dram_measured.csv"


def lines():
    return [line for line in TABLE.read_text().splitlines() if not line.startswith("#")]


def sample(tmp_path, step, edit=lambda row: row):
    """Write every so many-th row of each simulator and device to a file of its own."""
    header, *rows = lines()
    path = tmp_path / "dram_own.csv"
    path.write_text("\n".join([header, *map(edit, rows[::step])]) + "\n")
    return path


def test_a_sample_of_the_recorded_runs_is_exact(tmp_path):
    scores = Scores("dram", SUITE.run(sample(tmp_path, 29)))
    assert scores.passed
    exact = [item for item in scores.outcome.items if item.by["sim"] == "ramulator2.1"]
    assert {item.by["dram"] for item in exact} >= {"DDR4", "DDR5", "LPDDR5", "GDDR6", "HBM2"}
    assert all(item.predicted == item.reference for item in exact)


@pytest.mark.slow
def test_every_recorded_run_of_the_exact_peer_is_exact():
    scores = Scores("dram", SUITE.run(None))
    assert scores.passed
    assert scores.outcome.cases == 672
    assert sum(scores.outcome.skipped.values()) == 14
    exact = [item for item in scores.outcome.items if item.by["sim"] == "ramulator2.1"]
    assert len({item.case for item in exact}) == 415
    assert all(item.predicted == item.reference for item in exact)


def test_a_wrong_row_misses_the_bar(tmp_path):
    header, row = lines()[:2]
    cells = row.split(",")
    cells[header.split(",").index("cycles")] = "90000"
    path = tmp_path / "dram_own.csv"
    path.write_text(f"{header}\n{','.join(cells)}\n")
    scores = Scores("dram", SUITE.run(path))
    assert not scores.passed
    assert scores.worst()[0]["metric"] == "cycles"


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("pat", "strem", "is not one of the choices"), ("n", "0", "is out of range")],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path, column, value, words):
    header, row = lines()[:2]
    cells = row.split(",")
    cells[header.split(",").index(column)] = value
    path = tmp_path / "dram_own.csv"
    path.write_text(f"{header}\n{','.join(cells)}\n")
    with pytest.raises(ConfigError, match=words):
        SUITE.run(path)


def test_an_unknown_device_is_counted(tmp_path):
    header, row = lines()[:2]
    path = tmp_path / "dram_own.csv"
    path.write_text(f"{header}\n{row.replace('DDR4', 'DDR9')}\n")
    assert sum(SUITE.run(path).skipped.values()) == 1
