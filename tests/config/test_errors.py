"""The one-line form of errors, and the search for the nearest name."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.errors import (
    ArchsimError,
    ConfigError,
    Location,
    MappingError,
    NotRunError,
    OperationBudgetError,
    SimulationError,
    TimeOverflowError,
    WorkloadError,
    nearest,
    show,
)


def test_full_message():
    error = ConfigError(
        "must be at least 1",
        path="hardware.components.array.rows",
        location=Location("edge.yaml", 12, 11),
        given=0,
        allowed="integer ≥ 1",
        hint="rows",
    )
    assert str(error) == (
        "edge.yaml:12:11: hardware.components.array.rows: must be at least 1; given 0; "
        "allowed: integer ≥ 1; did you mean 'rows'?"
    )
    assert error.to_json() == {
        "error": "config",
        "message": str(error),
        "exit_code": 2,
        "path": "hardware.components.array.rows",
        "file": "edge.yaml",
        "line": 12,
        "column": 11,
        "given": "0",
        "allowed": "integer ≥ 1",
        "hint": "rows",
    }


def test_place_is_filled_in_once():
    inner = ConfigError("is wrong", location=Location("a.yaml", 1, 2))
    outer = inner.at(path="hardware.x", location=Location("b.yaml"))
    assert str(outer) == "a.yaml:1:2: hardware.x: is wrong"
    assert type(WorkloadError("x").at(path="workload.y")) is WorkloadError


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ConfigError("x"), "config", 2),
        (WorkloadError("x"), "workload", 2),
        (MappingError("x"), "mapping", 2),
        (SimulationError("x"), "simulation", 2),
        (TimeOverflowError("x"), "timeoverflow", 2),
        (OperationBudgetError("x"), "operationbudget", 2),
        (NotRunError("x"), "notrun", 5),
    ],
)
def test_kinds_and_exit_codes(error, kind, code):
    assert isinstance(error, ArchsimError)
    assert (error.kind, error.exit_code) == (kind, code)
    assert json.loads(json.dumps(error.to_json()))["message"] == "x"


@pytest.mark.parametrize(
    ("name", "allowed", "expected"),
    [
        ("rws", ["rows", "columns"], "rows"),
        ("MHZ", ["kHz", "MHz"], "MHz"),
        ("weight_load", ["weight-load", "load"], "weight-load"),
        ("zzz", ["rows", "columns"], None),
        ("", ["rows"], None),
        ("x" * 10**6, ["x"], None),
    ],
)
def test_nearest(name, allowed, expected):
    assert nearest(name, allowed) == expected


def test_shown_values_are_short_and_printable():
    assert show("a\nb\x1b[31m") == "'a\\nb\\x1b[31m'"
    assert len(show("x" * 10**6)) == 80
    assert show(10**5000) == "an integer of 16610 bits"
    assert show({"a": 1}) == "a map"
    assert show([1, 2]) == "a list of 2"
    assert show(True) == "true"


def test_paths_and_files_are_printable_too():
    error = ConfigError("x", path='hardware["a\tb"]', location=Location("a\nb.yaml", 1, 2))
    assert str(error) == 'a\\nb.yaml:1:2: hardware["a\\tb"]: x'


def test_long_lists_of_names_are_cut():
    text = str(ConfigError("x", allowed=[f"n{i}" for i in range(100)]))
    assert text.endswith("n23, … (76 more)")


@given(st.text(), st.one_of(st.none(), st.integers(), st.text(), st.floats(), st.booleans()))
def test_messages_are_one_line(name, value):
    message = str(ConfigError("is wrong", given=value, hint=name))
    assert "\n" not in message
    assert "\r" not in message
