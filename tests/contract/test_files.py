"""Every shipped machine and model: valid, sourced, in its schema, and it runs."""

from __future__ import annotations

import json
import tomllib

import jsonschema
import pytest

from archsim import registry
from archsim.cli import main
from archsim.composition import simulate
from archsim.config.document import load_document
from archsim.machine import load_hardware
from archsim.mapping import MemoryCache
from archsim.pim.systems_file import SYSTEMS
from tests.contract.source import PACKAGES, ROOT
from workloads import load_model, parameters

MACHINES = registry.hardware.yaml_names()
MODELS = registry.workloads.yaml_names()

TINY = """\
name: tiny
source: a test
family: decoder
layers: 2
hidden_size: 32
heads: 2
kv_heads: 1
head_dim: 16
ffn_size: 64
vocabulary: 96
max_context: 512
norm: {kind: rms, epsilon: 1e-5}
activation: silu
gated: true
positions: rotary
rope_theta: 10000
tied_embeddings: true
"""


def checked(name, registered, capsys):
    """Return what ``archsim check --json`` says about a shipped file."""
    code = main(["check", str(registered.find_yaml(name)), "--json"])
    record = json.loads(capsys.readouterr().out)
    assert code == 0
    return record


@pytest.fixture(scope="module")
def schemas():
    """Return the published schemas of machines and models."""
    from archsim.cli.files import _schema

    return {kind: _schema(kind) for kind in ("hardware", "workload")}


@pytest.mark.parametrize("name", MACHINES)
def test_a_machine_is_valid_sourced_and_runs(name, schemas, capsys, tmp_path):
    record = checked(name, registry.hardware, capsys)
    assert (record["kind"], record["name"], record["unsourced"]) == ("hardware", name, [])
    assert record["numbers"] > 10
    machine = load_hardware(name)
    jsonschema.validate(machine.to_config(), schemas["hardware"])
    if not machine.config.mappers:
        return
    model = tmp_path / "tiny.yaml"
    model.write_text(TINY)
    for phase in ("prefill", "decode"):
        result = simulate(
            machine, model, phase=phase, context=8, parallel="tp=1", cache=MemoryCache()
        )
        assert result.latency_s >= result.roofline.bound_s > 0
        assert result.energy_j > 0
        assert result.area_mm2 > 0


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_valid_and_sourced(name, schemas, capsys):
    record = checked(name, registry.workloads, capsys)
    assert (record["kind"], record["name"], record["unsourced"]) == ("workload", name, [])
    model = load_model(name)
    if model.published_parameters is not None:
        assert parameters(model) == model.published_parameters
    data = dict(load_document(name, kind="workload").data)
    jsonschema.validate(data, schemas["workload"])


def test_every_yaml_of_the_packages_is_known():
    known = {registry.hardware.find_yaml(name) for name in MACHINES}
    known |= {registry.workloads.find_yaml(name) for name in MODELS}
    for group in (registry.memory, registry.macros, registry.pim, SYSTEMS):
        known |= {group.find_yaml(name) for name in group.yaml_names()}
    others = {
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.yaml")
        if path not in known
    }
    assert {path.parent.name for path in others} <= {
        *("technology", "templates", "claims", "claims_pim", "constants", "cascades"),
    }


def test_every_entry_point_can_be_loaded():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {
        "components": registry.components,
        "mappers": registry.mappers,
        "suites": registry.suites,
        "benches": registry.benches,
    }
    for group, found in groups.items():
        declared = project["entry-points"][f"archsim.{group}"]
        assert set(declared) <= set(found.names())
        for name in declared:
            assert found.get(name) is not None
