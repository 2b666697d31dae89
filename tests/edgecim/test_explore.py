"""Exploration: fronts, optima, regret, records and commands."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.cli import main
from archsim.edgecim.chip import edge_chip
from archsim.edgecim.compare import compare
from archsim.edgecim.design import EXTENDED, EXTRA, GENES, PUBLISHED, Space, one_design
from archsim.edgecim.evaluate import Job, evaluate
from archsim.edgecim.exploration import Request, explore_record
from archsim.edgecim.explore import explore
from archsim.edgecim.model_shape import model_shape
from archsim.edgecim.pareto import merge_fronts, pareto_front
from archsim.edgecim.regret import regrets
from archsim.errors import ConfigError
from workloads import load_model

CHIP = edge_chip()
JOB = Job(model_shape(load_model("qwen2.5-0.5b")), generated=2, head=False)
SMALL = Space("small", ((1, 2), (1, 3), (2, 4), (2,), (1, 2), (2, 4), (1024, 4096), (512,), (512,)))


@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(0, 299), st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_fronts_merge(seed, count, start, levels):
    costs = np.random.default_rng(seed).integers(1, levels, (count, 3)).astype(float)
    start = min(start, count)
    before = pareto_front(costs[:start])
    merged = merge_fronts(before, costs, start)
    assert {tuple(row) for row in costs[merged]} == {
        tuple(row) for row in costs[pareto_front(costs)]
    }


def test_exploring_all_finds_what_each_design_has():
    explored = explore(CHIP, SMALL, JOB)
    assert len(explored.numbers) == SMALL.size
    for position in (0, 17, SMALL.size - 1):
        alone = evaluate(CHIP, SMALL.designs(np.array([position])), JOB)
        assert explored.seconds[position] == alone.seconds[0]
        assert explored.chip_j[position] == alone.chip_j[0]
    costs = np.stack([explored.seconds, explored.chip_j, explored.area_mm2], axis=1)
    assert set(explored.front) == set(pareto_front(costs))


def test_regret_is_never_negative_and_repeats():
    explored = explore(CHIP, SMALL, JOB)
    rows = regrets(CHIP, explored, JOB, alphas=(0.0, 1.0), seeds=2)
    assert rows == regrets(CHIP, explored, JOB, alphas=(0.0, 1.0), seeds=2)
    for row in rows:
        assert all(run["regret"] >= 0 for run in row["runs"])
        assert row["near"]["designs"] >= 1


def test_equal_energies_hide_latencies_and_the_reverse():
    """Near the optimum of energy latency varies more than energy, near that of latency less."""
    job = Job(model_shape(load_model("llama3.2-3b")), 8, 8, generated=2, head=False)
    buses = ((512, 1024, 2048, 4096),) * 3
    part = Space("part", ((1, 2), (1, 2, 4), (2, 3), (2, 3), (1, 2), (2, 3), *buses))
    explored = explore(CHIP, part, job)
    thrifty, fast = regrets(CHIP, explored, job, alphas=(0.0, 1.0), seeds=1)
    assert thrifty["near"]["latency_spread"] > thrifty["near"]["energy_spread"]
    assert fast["near"]["energy_spread"] > fast["near"]["latency_spread"]


def test_samples_are_drawn_without_repetition():
    explored = explore(CHIP, PUBLISHED, JOB, sample=5000, seed=3)
    assert len(set(explored.numbers.tolist())) == 5000
    same = explore(CHIP, PUBLISHED, JOB, sample=5000, seed=3)
    assert (explored.numbers == same.numbers).all()


def test_the_extended_space_is_evaluated_all_at_once():
    assert EXTENDED.names == (*GENES, *EXTRA)
    assert EXTENDED.size == PUBLISHED.size * 5 * 4 * 4 * 2 * 3 * 4 * 2
    drawn = EXTENDED.designs(np.random.default_rng(5).integers(0, EXTENDED.size, 600))
    together = evaluate(CHIP, drawn, JOB)
    for index in range(12):
        alone = evaluate(CHIP, one_design(**drawn.row(index)), JOB)
        assert alone.seconds[0] == together.seconds[index]
        assert alone.chip_j[0] == together.chip_j[index]
        assert alone.area_mm2[0] == together.area_mm2[index]


@pytest.mark.parametrize("index", range(6))
def test_extended_choices_are_those_of_the_machine_file(index):
    """A design with further choices has the times of a machine whose file makes them."""
    drawn = EXTENDED.designs(np.random.default_rng(11).integers(0, EXTENDED.size, 6))
    row = drawn.row(index)
    paths = {
        "macro_rows": "tiles.macro.rows",
        "macro_columns": "tiles.macro.columns",
        "weight_sets": "tiles.macro.weight_sets",
        "bits_per_cycle": "tiles.macro.bits_per_cycle",
        "bits": "tiles.macro.weight_bits",
    }
    texts = [f"hardware.components.{path}={row[name]}" for name, path in paths.items()]
    written = min(row["rows_written"], row["macro_rows"])
    texts.append(f"hardware.components.tiles.macro.rows_written_per_cycle={written}")
    texts.append(f"hardware.components.dram.bandwidth={273.056 * row['channels'] / 16} GB/s")
    chip = edge_chip(overrides=tuple(texts))
    plain = {name: row[name] for name in GENES}
    job = Job(JOB.shape, row["bits"], row["bits"], generated=2, head=False)
    own = evaluate(chip, one_design(**plain), job)
    found = evaluate(CHIP, one_design(**row), job)
    assert found.seconds[0] == pytest.approx(own.seconds[0], rel=1e-9)
    assert found.area_mm2[0] == pytest.approx(own.area_mm2[0], rel=1e-12)
    assert found.chip_j[0] == pytest.approx(own.chip_j[0], rel=1e-9)


def test_channels_past_what_macros_take_bring_nothing():
    """The balance rule: more bandwidth than active macros can be written with is idle."""
    few = {"clusters_v": 1, "clusters_h": 1, "tiles_v": 2, "tiles_h": 2, "tile_sets": 2}
    rest = {"elements": 2, **{f"{span}_bus_bits": 4096 for span in ("chip", "cluster", "tile")}}
    times = [
        evaluate(CHIP, one_design(**few, **rest, channels=channels), JOB).seconds[0]
        for channels in (1, 2, 16, 32)
    ]
    assert times[0] > 1.5 * times[1]
    assert times[2] == pytest.approx(times[3], rel=1e-3)


def test_what_the_published_means_imply():
    record = compare(CHIP)
    implied = record["implied"]
    assert implied["head_off"]["bytes_per_s"] == pytest.approx(188e9, rel=0.005)
    assert implied["head_on"]["bytes_per_s"] == pytest.approx(232e9, rel=0.005)
    assert implied["head_off"]["pj_per_bit"] == pytest.approx(1.29, abs=0.01)
    assert implied["head_on"]["pj_per_bit"] == pytest.approx(1.05, abs=0.01)
    assert record["mean"]["head_off"]["tokens_per_s"] == pytest.approx(336.42, rel=0.03)
    assert record["mean"]["head_on"]["tokens_per_s"] < 0.85 * 336.42
    # With DRAM counted no efficiency comes near the published one.
    assert record["mean"]["head_off"]["tokens_per_j"] < 0.25 * 173.02
    assert record["balance"]["active_macros"] > record["balance"]["needed_macros"]
    assert "implied" not in compare(CHIP, bits=8)


def test_commands(capsys, tmp_path):
    saved = tmp_path / "found.json"
    words = ["edgecim", "explore", "--model", "qwen2.5-0.5b", "--sample", "500"]
    words += ["--generated", "2", "--seeds", "1", "--alphas", "0.5", "-o", str(saved)]
    assert main(words) == 0
    assert "500 of 3,136,000" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(saved.read_text())
    assert main(["edgecim", "compare"]) == 0
    shown = capsys.readouterr().out
    assert "336.42" in shown
    assert "4 to 7 pJ" in shown
    assert main(["edgecim", "compare", "--bits", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["devices"] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["explore", "--space", "edgecin"], "did you mean 'edgecim'"),
        (["explore", "--alphas", "2"], "numbers from 0 to 1"),
        (["explore", "--sample", "0"], "at least 1"),
        (["explore", "--model", "gpt2"], "gated"),
        (["explore", "--bits", "5"], "4, 8"),
        (["compare", "--hardware", "array128-hbm2e"], "cim-tiles"),
        (["compare", "--set", "hardware.components.tiles.tile_set=2"], "tile_sets"),
    ],
)
def test_refused(words, message, capsys):
    assert main(["edgecim", *words]) == 2
    assert message in capsys.readouterr().err


def test_requests_need_a_space():
    with pytest.raises(ConfigError, match="no such space"):
        explore_record(CHIP, Request("tiny", JOB))
