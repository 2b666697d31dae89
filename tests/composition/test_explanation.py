"""Why a run takes as long as it does: ranking, reasons, and structural changes run again."""

from __future__ import annotations

import dataclasses

import pytest

from archsim.errors import ConfigError
from archsim.explanation import explain, ranking, structural_changes
from archsim.machine import load_hardware
from archsim.report.explanation import render_explanation
from archsim.report.layout import to_text
from archsim.request import RunRequest

REQUEST = RunRequest("array128-hbm2e", "llama3.2-1b", phase="decode", context=64)


@pytest.fixture(scope="module")
def explained():
    return explain(REQUEST)


def test_the_result_is_that_of_the_plain_run(explained):
    result, _ = explained
    plain = REQUEST.simulate()
    assert dataclasses.replace(result, what_if={}) == plain


def test_structural_parameters_are_run_again(explained):
    result, explanation = explained
    assert explanation.refused == {}
    assert set(result.what_if) == {
        "hardware.components.array.rows",
        "hardware.components.array.columns",
        "hardware.components.vector.lanes",
        "hardware.components.buffer.capacity",
    }
    path = "hardware.components.vector.lanes"
    before = load_hardware(REQUEST.hardware).value(path)
    after = dataclasses.replace(REQUEST, overrides=(f"{path}={2 * round(before)}",)).simulate()
    assert result.what_if[path].factor == 2.0
    assert result.what_if[path].gain == result.latency_s / after.latency_s >= 1.0


def test_reasons_add_up_to_the_elasticities(explained):
    """Without ties what a parameter acts on is what it gains."""
    result, explanation = explained
    ranked = ranking(result, explanation.acts_s)
    assert [elasticity for _, elasticity, _ in ranked] == sorted(
        result.sensitivities.values(), reverse=True
    )
    path, elasticity, shares = ranked[0]
    assert path.startswith("hardware.components.dram.")
    assert shares[0][0] == ("dram", "bandwidth")
    assert sum(share for _, share in shares) == pytest.approx(elasticity)


def test_what_a_tie_leaves_is_said(explained):
    result, explanation = explained
    path = next(iter(result.sensitivities))
    halved = {**result.sensitivities, path: result.sensitivities[path] / 2}
    tied = dataclasses.replace(result, sensitivities=halved)
    assert "ties with another limit" in to_text(render_explanation(tied, explanation))
    assert "ties with" not in to_text(render_explanation(result, explanation))


def test_a_change_that_the_machine_refuses_is_named():
    request = dataclasses.replace(
        REQUEST, overrides=("hardware.components.vector.lanes=2000000000",)
    )
    result, explanation = explain(request)
    assert "hardware.components.vector.lanes" in explanation.refused
    assert "hardware.components.vector.lanes" not in result.what_if
    assert "lanes × 2: " in to_text(render_explanation(result, explanation), width=200)


def test_what_the_engine_notes_is_said(explained):
    result, explanation = explained
    note = "operation 'load' runs ever further ahead of 'work'"
    noted = dataclasses.replace(explanation, notes={note: None})
    assert note in to_text(render_explanation(result, noted), width=200)


def test_capacity_is_doubled_where_it_is_on_chip():
    changes = dict(structural_changes(load_hardware("tpu-v4i")))
    capacities = sorted(path for path in changes if path.endswith("capacity"))
    assert capacities == [
        "hardware.components.cmem.capacity",
        "hardware.components.vmem.capacity",
    ]


def test_what_does_not_fit_is_not_explained():
    result, explanation = explain(RunRequest("tpu-v4i", "llama3-70b", phase="decode"))
    assert not result.feasible
    assert (explanation.acts_s, result.what_if) == ({}, {})


def test_a_bound_is_not_explained():
    with pytest.raises(ConfigError, match="no critical path"):
        explain(dataclasses.replace(REQUEST, fidelity="roofline"))
