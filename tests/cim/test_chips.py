"""Published macros: files, anchors, and the suite that scores them."""

import os
from pathlib import Path

import pytest

from archsim.cim.chip import ChipModel, scaled_gates
from archsim.cim.chip_file import Point, load_chip
from archsim.cim.gates import GATES_28NM
from archsim.errors import ConfigError
from archsim.validation.cim import SUITE, packaged_chips
from archsim.validation.cim_table import conditions
from archsim.validation.scoring import Scores

MINE = """
name: mine
source: a test
structure: {kind: tree, rows: 64, columns: 64, weight_bits: 4}
technology: {node: 28 nm, supply: 0.9 V}
scope: all of it
anchors: {energy: [first]}
points:
  - {id: first, metric: tops_per_w, value: 30, input_bits: 4}
  - {id: second, metric: tops_per_w, value: 7.5, input_bits: 8, weight_bits: 8}
"""


def chip(name):
    return load_chip(packaged_chips()[name])


@pytest.fixture
def mine(tmp_path):
    def write(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return path

    return write


def test_every_bar_holds_on_packaged_chips():
    scores = Scores("cim", SUITE.run(None))
    assert scores.passed
    assert len(packaged_chips()) >= 6
    assert {
        group["by"]["regime"]
        for group in scores.to_json_object()["groups"]
        if "regime" in group["by"]
    }


def test_anchored_models_go_through_their_anchors():
    for name in packaged_chips():
        found = chip(name)
        model = ChipModel(found, anchored=True)
        for anchor in (*found.anchors.energy, *found.anchors.output, *found.anchors.speed):
            point = found.point(anchor)
            assert model.predict(point).value == pytest.approx(point.value, rel=1e-9), anchor


def test_a_file_of_ones_own_is_scored(mine):
    outcome = SUITE.run(mine(MINE))
    errors = {(item.case, item.by["regime"]): item.error_percent for item in outcome.items}
    # Twice the bits of both operands are about four times the work.
    assert abs(errors["mine second", "calibrated"]) < 25
    assert outcome.skipped == {"anchor of the calibration": 1}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("energy: [first]", "energy: [furst]", "a point that is not there"),
        ("energy: [first]", "speed: [first]", "a point of another kind"),
        ("kind: tree", "kind: tee", "kind"),
        ("id: second", "id: first", "the same 'id'"),
        ("rows: 64", "rows: 0", "at least 1"),
        ("28 nm", "28 GHz", "28 GHz"),
        ("value: 30", "value: -1", "value"),
    ],
)
def test_bad_files_say_where(mine, old, new, message):
    with pytest.raises(ConfigError, match=message) as error:
        SUITE.run(mine(MINE.replace(old, new)))
    assert "mine.yaml" in str(error.value)


def test_a_point_without_its_conditions_is_skipped(mine):
    outcome = SUITE.run(mine(MINE.replace(", input_bits: 8", "")))
    assert any("needs 'input_bits'" in reason for reason in outcome.skipped)


def test_words_of_a_case():
    assert conditions("in=1b;w=4b;0.7V;100MHz;128x128") == {
        "input_bits": 1,
        "weight_bits": 4,
        "supply": 0.7,
    }
    assert conditions("0.8V;avg output=15") == {"supply": 0.8, "average_output": 15}
    assert conditions("1b/1b;0.85V") == {"input_bits": 1, "weight_bits": 1, "supply": 0.85}
    assert conditions("in=w=2b;regs_per_col=4;0.8V;not bit-pipelined") == {
        "input_bits": 2,
        "weight_bits": 2,
        "register_rows": 4,
        "supply": 0.8,
        "bit_pipelined": False,
    }


def test_the_whole_table_of_measured_points():
    folder = os.environ.get("ARCHSIM_REFERENCE_DATA")
    if folder is None:
        pytest.skip(
            "not run: ARCHSIM_REFERENCE_DATA names no folder with reference/cim_results.csv"
        )
    scores = Scores("cim", SUITE.run(Path(folder) / "reference" / "cim_results.csv"))
    stats = {bar["metric"]: bar["value"] for bar in scores.bars()}
    assert stats["energy_fj_per_mac"] < 2
    assert stats["throughput_gops"] < 2
    assert stats["latency_us"] < 2


def test_nodes_scale_in_order():
    energies = [scaled_gates(node).adder_fj for node in (65, 28, 22, 16, 7, 5)]
    delays = [scaled_gates(node).delay_ns for node in (65, 28, 22, 16, 7, 5)]
    assert energies == sorted(energies, reverse=True)
    assert delays == sorted(delays, reverse=True)
    assert scaled_gates(28.0) == GATES_28NM
    assert scaled_gates(22.0).adder_fj == pytest.approx(GATES_28NM.adder_fj * 22 / 28)


def test_a_phased_macro_has_no_energy_without_an_anchor():
    point = Point(metric="tops_per_w", value=1.0, input_bits=1, output_bits=3)
    with pytest.raises(ConfigError, match="needs an anchor"):
        ChipModel(chip("neurram"), anchored=False).predict(point)
