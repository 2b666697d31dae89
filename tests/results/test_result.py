"""The result object: its JSON form is canonical, strict and complete."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import ConfigError
from archsim.mapping import Infeasible
from archsim.results import Result, csv_table
from tests.results.samples import feasible_result, infeasible_result

CONTRACT_KEYS = [
    "schema_version",
    "feasible",
    "infeasible",
    "latency_s",
    "ttft_s",
    "tbt_s",
    "tokens_per_s",
    "phases",
    "energy_j",
    "energy",
    "power_w",
    "area_mm2",
    "macs",
    "dram_bytes",
    "bytes",
    "utilization",
    "busy",
    "breakdown",
    "critical_path",
    "bottleneck",
    "sensitivities",
    "what_if",
    "roofline",
    "engine",
    "operators",
    "devices",
    "fidelity",
    "mapper",
    "warnings",
    "assumptions",
    "error_band",
    "config",
    "config_hash",
    "seed",
    "version",
]


def test_keys_are_those_of_the_contract_in_order():
    assert list(json.loads(feasible_result().to_json())) == CONTRACT_KEYS


@pytest.mark.parametrize("result", [feasible_result(), infeasible_result()])
def test_round_trips(result):
    text = result.to_json()
    again = Result.from_json(text)
    assert again == result
    assert again.to_json() == text
    assert pickle.loads(pickle.dumps(result)) == result


def test_insertion_order_of_maps_does_not_show():
    result = feasible_result()
    turned = dataclasses.replace(
        result,
        busy=dict(reversed(result.busy.items())),
        critical_path=dict(reversed(result.critical_path.items())),
    )
    assert turned.to_json() == result.to_json()


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        feasible_result().latency_s = 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"breakdown": {"attention": 0.5, "ffn": 0.4}}, "breakdown sums to 0.9, not 1"),
        ({"critical_path": {"array": {"compute": 0.3}}}, "critical_path sums to 0.3, not 1"),
        ({"energy_j": 99.0}, "energy_j is 99.0 but its parts sum to"),
        ({"latency_s": None}, "a feasible result has a latency"),
        ({"infeasible": Infeasible("dram", 2, 1, "B")}, "either feasible or says"),
    ],
)
def test_refuses_what_does_not_add_up(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(feasible_result(), **change)


@pytest.mark.parametrize("key", CONTRACT_KEYS)
def test_a_missing_key_is_named(key):
    data = feasible_result().to_json_object()
    del data[key]
    with pytest.raises(ConfigError, match="schema version" if key == "schema_version" else key):
        Result.from_json_object(data)


def test_an_unknown_key_is_named():
    with pytest.raises(ConfigError, match="'wall_clock' is unknown"):
        Result.from_json_object({**feasible_result().to_json_object(), "wall_clock": 1})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.sampled_from(CONTRACT_KEYS), JSON)
def test_any_value_in_any_place_is_read_or_refused(key, value):
    data = feasible_result().to_json_object()
    data[key] = value
    with contextlib.suppress(ConfigError):
        assert isinstance(Result.from_json_object(data), Result)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 10_000, '{"schema_version": 99}'])
def test_text_that_is_no_result(text):
    with pytest.raises(ConfigError, match="not a result"):
        Result.from_json(text)


def test_csv_has_one_row_per_result_and_all_columns():
    rows = list(csv.DictReader(csv_table([feasible_result(), infeasible_result()]).splitlines()))
    assert [row["feasible"] for row in rows] == ["True", "False"]
    assert rows[0]["bytes.dram"] == "16000000000"
    assert rows[1]["bytes.dram"] == ""
    assert rows[1]["infeasible"] == "dram 17179869184/8589934592 B"
    single = feasible_result()
    header, row = single.to_csv_row(header=True).splitlines()
    assert single.to_csv_row() == row + "\n"
    assert header.startswith("hardware,workload,")


def test_summary_is_one_line():
    assert str(feasible_result()) == (
        "tiny-array · llama-toy: 0.02 s, 50 tokens/s, 3 J, limited by dram:bandwidth"
    )
    assert str(infeasible_result()) == (
        "tiny-array · llama-toy: infeasible, dram needs 17179869184 B, has 8589934592"
    )
