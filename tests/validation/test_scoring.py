"""Statistics, groups and bars of a suite."""

from __future__ import annotations

import json
import statistics as reference

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ConfigError, NotRunError
from archsim.validation.scoring import Scores, statistics
from archsim.validation.suite import Bar, Item, Judgement, Outcome, Suite, data_files

ERRORS = st.lists(st.floats(-99, 1e6), min_size=1, max_size=30)


def items(errors):
    return [Item(f"c{i}", "m", "s", 100.0 + error, 100.0) for i, error in enumerate(errors)]


@given(ERRORS)
def test_statistics_equal_plain_ones(errors):
    found = statistics(items(errors))
    signed = [item.error_percent for item in items(errors)]
    ape = [abs(error) for error in signed]
    assert found.mape_percent == pytest.approx(reference.fmean(ape))
    assert found.bias_percent == pytest.approx(reference.fmean(signed))
    assert found.median_ape_percent == pytest.approx(reference.median(ape))
    assert found.max_ape_percent == max(ape)
    assert found.median_ape_percent <= found.p90_ape_percent <= found.max_ape_percent


def test_p90_interpolates():
    assert statistics(items(range(11))).p90_ape_percent == pytest.approx(9.0)


def test_zero_references_use_the_absolute_error():
    found = statistics([Item("a", "m", "s", 3.0, 0.0), Item("b", "m", "s", 11.0, 10.0)])
    assert found.mape_percent == pytest.approx(10.0)
    assert found.num_zero == 1
    assert found.max_abs_error == 3.0
    assert found.to_json()["max_abs_error"] == 3.0


def test_nothing_scored_has_no_statistics():
    assert statistics([]).mape_percent is None


def outcome(**more):
    rows = [
        Item("a", "m", "s", 11.0, 10.0, {"g": "x"}),
        Item("b", "m", "s", 10.0, 10.0, {"g": "y"}),
        Item("c", "n", "s", 0.5, 0.0, {"g": "y"}),
    ]
    return Outcome(3, rows, {"late": 2, "early": 1}, groupings=(("g",),), **more)


def test_the_json_shape():
    data = Scores("toy", outcome(bars=[Bar("m", 5.0)])).to_json_object()
    assert list(data)[:9] == [
        "suite",
        "cases",
        "scored",
        "skipped",
        "stats",
        "groups",
        "baselines",
        "bars",
        "worst",
    ]
    assert json.loads(json.dumps(data)) == data
    assert data["skipped"] == {"early": 1, "late": 2}
    assert [group["by"] for group in data["groups"]] == [
        {"metric": "m"},
        {"metric": "n"},
        {"metric": "m", "g": "x"},
        {"metric": "m", "g": "y"},
        {"metric": "n", "g": "y"},
    ]
    assert [item["case"] for item in data["worst"]] == ["a", "c"]


@pytest.mark.parametrize(
    ("bar", "holds"),
    [
        (Bar("m", 10.0), True),
        (Bar("m", 9.9), False),
        (Bar("m", 0.0, by={"g": "y"}), True),
        (Bar("m", 5.0, statistic="mape_percent"), True),
        (Bar("m", 4.9, statistic="bias_percent"), False),
        (Bar("n", 0.0), False),
        (Bar("n", 0.0, zero_limit=0.5), True),
        (Bar("absent", 100.0), False),
    ],
)
def test_bars(bar, holds):
    scores = Scores("toy", outcome(bars=[bar]))
    assert scores.passed is holds
    assert scores.bars()[0]["pass"] is holds


def test_a_judgement_counts_as_a_bar():
    judged = Judgement("claim", {"min": 1.0}, 0.5, passed=False)
    assert not Scores("toy", outcome(judgements=[judged])).passed


def test_data_files(tmp_path):
    wanted = {"suite": "toy", "pattern": "*.csv", "wanted": "a CSV file"}
    packaged = tmp_path / "packaged.csv"
    with pytest.raises(NotRunError, match="suite 'toy' has no packaged cases"):
        data_files(None, packaged=[packaged], **wanted)
    with pytest.raises(NotRunError, match=r"no \*\.csv in"):
        data_files(tmp_path, packaged=[], **wanted)
    with pytest.raises(ConfigError, match="there is no such file"):
        data_files(tmp_path / "absent", packaged=[], **wanted)
    packaged.touch()
    assert data_files(None, packaged=[packaged], **wanted) == [packaged]
    assert data_files(tmp_path, packaged=[], **wanted) == [packaged]


def test_registered_suites_are_suites():
    from archsim.registry import suites

    for name in suites.names():
        suite = suites.get(name)
        assert isinstance(suite, Suite)
        assert suite.name == name
