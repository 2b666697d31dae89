"""The scalesim suite: exact on every recorded row, and strict about the rows it is given."""

from __future__ import annotations

import pytest

from archsim.errors import ConfigError
from archsim.validation.scalesim import COLUMNS, SUITE, read_cases
from archsim.validation.scoring import Scores
from archsim.validation.suite import PACKAGED

HEADER = ",".join(COLUMNS)
ROW = "32,32,os,32,32,32,CALC,,93,0,34.4086,100.0000,1024,1024,1088"


def table(tmp_path, *lines):
    path = tmp_path / "scalesim_own.csv"
    path.write_text("# comment\n" + "\n".join(lines) + "\n")
    return path


def test_every_packaged_row_is_exact():
    scores = Scores("scalesim", SUITE.run(None))
    assert scores.passed
    assert scores.outcome.cases == 193
    assert scores.worst() == []
    assert scores.outcome.skipped.total() == 26


def test_the_anchor_has_its_recorded_compute_cycles():
    (case,) = read_cases(PACKAGED / "data" / "scalesim_anchors.csv")
    assert case.last_cycle() == 81_791
    assert case.total_cycles - case.stall_cycles == 81_791
    assert case.words()[:2] == (8_388_608, 8_388_608)


def test_a_wrong_row_misses_the_bar(tmp_path):
    path = table(tmp_path, HEADER, ROW.replace(",93,", ",94,"))
    scores = Scores("scalesim", SUITE.run(path))
    assert not scores.passed
    assert scores.worst()[0]["reference"] == 94


def test_a_folder_is_read_too(tmp_path):
    table(tmp_path, HEADER, ROW)
    assert Scores("scalesim", SUITE.run(tmp_path)).passed


def test_a_table_of_stalled_rows_alone_can_pass(tmp_path):
    path = table(tmp_path, HEADER, ROW.replace(",93,0,", ",100,7,"))
    assert Scores("scalesim", SUITE.run(path)).passed


def test_the_smallest_case(tmp_path):
    path = table(tmp_path, HEADER, "1,1,os,1,1,1,CALC,,0,0,100,100,1,1,3")
    scores = Scores("scalesim", SUITE.run(path))
    assert scores.passed


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"own\.csv: the table is empty"),
        (["a,b"], r"own\.csv:2: the column 'array_rows' is missing"),
        ([HEADER, ROW + ",9"], r"own\.csv:3: a row of 15 cells is expected; given '16 cells'"),
        ([HEADER, ROW.replace("os", "xs")], r"own\.csv:3: dataflow: is not one of the choices"),
        ([HEADER, ROW.replace("32,32,os", "x,32,os")], r"own\.csv:3: array_rows: must be a whole"),
        ([HEADER, ROW.replace("32,32,os", "0,32,os")], r"own\.csv:3: array_rows: is out of range"),
        ([HEADER, ROW.replace("32,32,os", "-3,32,os")], "out of range"),
        ([HEADER, ROW.replace("32,32,os", "9" * 19 + ",32,os")], "out of range"),
        ([HEADER, ROW.replace("32,32,os", "9" * 5000 + ",32,os")], "must be a whole number"),
        ([HEADER, ROW.replace("32,32,os", "--3,32,os")], "must be a whole number"),
        ([HEADER, ROW.replace("34.4086", "nan")], "overall_util_pct: must be a number"),
        ([HEADER, ROW.replace(",93,0,", ",93,94,")], "stall_cycles: is more than total_cycles"),
        ([HEADER, '"' + ROW], "is not CSV"),
        ([HEADER + ",M", ROW + ",3"], "a column stands twice"),
    ],
)
def test_broken_tables_name_file_and_line(tmp_path, lines, message):
    with pytest.raises(ConfigError, match=message):
        SUITE.run(table(tmp_path, *lines))


def test_a_table_that_is_not_text(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        SUITE.run(path)
