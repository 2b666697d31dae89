"""The shipped files: sources for every number, clock domains apart, published peaks reproduced."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hw_configs
from archsim import registry
from archsim.components.base import BindContext, Clock, Technology
from archsim.config.document import load_document
from archsim.config.schema import validate_model
from archsim.cost.loader import load_table
from archsim.units import parse_quantity, period_ps

FOLDER = Path(hw_configs.__file__).parent
FILES = sorted(FOLDER.rglob("*.yaml"))
MACHINES = ("array128-hbm2e", "array128-hbm3", "array128-lpddr5", "tpu-v4i")
MEMORY_KINDS = {"dram"}


def document_of(name):
    return load_document(name, kind="hardware")


def bind(name):
    """Return the bound components of a machine."""
    document = document_of(name)
    data = document.data
    clocks = {
        key: Clock(hz, period_ps(hz))
        for key, value in data["clocks"].items()
        for hz in [parse_quantity(value, "frequency")]
    }
    technology = Technology.of(
        parse_quantity(data["technology"]["node"], "length"),
        parse_quantity(data["technology"]["supply"], "voltage"),
    )
    table = load_table(data["energy_table"])
    parts = {}
    for key, config in data["components"].items():
        path = f"hardware.components.{key}"
        kind = registry.components.get(config["kind"])
        component = validate_model(kind, config, document, path)
        parts[key] = component.bind(BindContext(key, clocks, technology, table, path))
    return parts


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_number_has_a_source(path):
    document = load_document(path, kind="hardware")
    assert document.unsourced() == ()
    for text in document.sources.values():
        assert re.search(
            r"[12][0-9]{3}|JESD|artifact|estimate|design choice|measured|derived|quoted|recalled"
            r"|\bread\b|pJ/bit|AttAcc|AccelForge|TPU|same ART|data sheet|cycle-accurate",
            text,
        ), text


def test_all_shipped_machines_are_registered():
    assert set(MACHINES) <= set(registry.hardware.yaml_names())
    for name in MACHINES:
        assert document_of(name).data["name"] == name


@pytest.mark.parametrize("name", MACHINES)
def test_memory_and_logic_have_clocks_of_their_own(name):
    components = document_of(name).data["components"].values()
    memory = {part["clock"] for part in components if part["kind"] in MEMORY_KINDS}
    logic = {part["clock"] for part in components if part["kind"] not in MEMORY_KINDS}
    assert memory
    assert logic
    assert not memory & logic


@pytest.mark.parametrize("name", MACHINES)
def test_components_bind_and_cost_something(name):
    parts = bind(name)
    for part in parts.values():
        assert part.area_mm2() > 0
        assert part.static_w() > 0
        for action in part.actions():
            assert part.energy_pj(action, "bf16") > 0
    levels = document_of(name).data["levels"]
    capacities = [parts[level].capacity_bytes() for level in levels]
    assert capacities == sorted(capacities, reverse=True)
    outermost, innermost = parts[levels[0]], parts[levels[-1]]
    assert innermost.bandwidth_bytes_per_s("read") > outermost.bandwidth_bytes_per_s("read")


@pytest.mark.parametrize("name", MACHINES)
def test_the_buffer_keeps_the_array_fed(name):
    parts = bind(name)
    array = next(part for part in parts.values() if part.KIND == "systolic-array")
    buffer = parts[document_of(name).data["levels"][-1]]
    operands = 2 * array.law.rows * array.law.count
    assert buffer.bytes_per_cycle("read") >= operands


def test_tpu_v4i_has_its_published_figures():
    parts = bind("tpu-v4i")
    assert 2 * parts["mxu"].peak_macs_per_s("bf16") == pytest.approx(138e12, rel=0.005)
    assert sum(part.static_w() for part in parts.values()) == pytest.approx(55.0)
    assert sum(part.area_mm2() for part in parts.values()) < 400
    on_chip = parts["cmem"].capacity_bytes() + parts["vmem"].capacity_bytes()
    assert on_chip == 144 * 2**20
    assert parts["hbm"].capacity_bytes() == 8 * 2**30


@pytest.mark.parametrize(
    ("name", "gib", "gb_per_s"),
    [("array128-hbm2e", 16, 614), ("array128-hbm3", 24, 819.2), ("array128-lpddr5", 32, 102.4)],
)
def test_array128_machines_differ_in_their_memory_only(name, gib, gb_per_s):
    parts, reference = bind(name), bind("array128-hbm2e")
    assert parts["dram"].capacity_bytes() == gib * 2**30
    assert parts["dram"].bandwidth_bytes_per_s("read") == gb_per_s * 1e9
    for key in ("array", "vector", "buffer"):
        assert parts[key].config == reference[key].config
    law = parts["array"].law
    assert (law.rows, law.columns, law.dataflow, law.weight_load) == (128, 128, "weight", "shadow")
    assert parts["array"].clock.frequency_hz == 940e6
    assert parts["buffer"].capacity_bytes() == 16 * 2**20
