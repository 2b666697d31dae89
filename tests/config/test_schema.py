"""Models: units in and out, exact round trips, keys and attributes kept apart."""

from __future__ import annotations

from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError, model_validator

from archsim.config.emit import to_yaml
from archsim.config.schema import ConfigModel, dump_model, key_paths, validate_model
from archsim.errors import ConfigError
from archsim.numberformat import FORMATS, parse_format
from tests.config.machine_model import MACHINE, Machine, Memory, load_machine

sizes = st.integers(1, 2**53)
memories = st.fixed_dictionaries(
    {
        "kind": st.just("memory"),
        "capacity_bytes": st.none() | sizes,
        "bandwidth_bytes_per_s": st.floats(0, 1e18, exclude_min=True),
        "latency_s": st.floats(0, 1e6),
        "width_bytes": sizes,
        "efficiency": st.floats(0, 1),
        "note": st.text(),
    }
).map(lambda values: Memory(**values))


def test_values_arrive_in_base_units():
    machine = load_machine(MACHINE)
    dram, array = machine.components["dram"], machine.components["array"]
    assert dram.capacity_bytes == 16 * 2**30
    assert dram.bandwidth_bytes_per_s == 102.4e9
    assert dram.latency_s == 120e-9
    assert machine.components["far"].capacity_bytes is None
    assert (array.rows, array.columns, array.dataflow) == (128, 256, "weight")
    assert array.accumulator is FORMATS["fp32"]
    assert machine.clocks == {"core": 940e6, "memory": 1.8e9}
    assert machine.technology.node_m == 7e-9
    assert [rank.name for rank in machine.ranks] == ["outer", "inner"]


def test_dump_is_yaml_that_reads_back():
    machine = load_machine(MACHINE)
    data = dump_model(machine)
    assert data["components"]["far"]["capacity"] == "unbounded"
    assert data["components"]["dram"]["bandwidth"] == "102.4 GB/s"
    assert load_machine(to_yaml(data)) == machine


@given(memories)
def test_every_number_survives_to_the_bit(memory):
    assert validate_model(Memory, dump_model(memory)) == memory


def test_python_takes_numbers_and_yaml_does_not():
    memory = Memory(kind="memory", capacity_bytes=1024, bandwidth_bytes_per_s=1e9)
    assert memory.width_bytes == 64
    data = {"kind": "memory", "capacity": "1 KiB", "bandwidth": 1e9}
    with pytest.raises(
        ConfigError, match="the unit is missing: a bandwidth is wanted; given 10000"
    ):
        validate_model(Memory, data)
    with pytest.raises(ValidationError):
        Memory(kind="memory", capacity_bytes=True, bandwidth_bytes_per_s=1e9)


def test_attribute_names_are_not_keys_of_files():
    data = {"kind": "memory", "capacity": "1 KiB", "bandwidth_bytes_per_s": "1 GB/s"}
    with pytest.raises(ConfigError) as caught:
        validate_model(Memory, data, None, "hardware.components.dram")
    assert str(caught.value) == (
        "hardware.components.dram.bandwidth_bytes_per_s: unknown key; allowed: kind, capacity, "
        "bandwidth, latency, row-cycle, width, efficiency, note; did you mean 'bandwidth'?"
    )


def test_models_are_frozen():
    with pytest.raises(ValidationError):
        load_machine(MACHINE).name = "other"


def test_config_errors_of_validators_get_their_place():
    class Picky(ConfigModel):
        size: int

        @model_validator(mode="after")
        def _never_fits(self) -> Self:
            raise ConfigError("does not fit the machine")

    with pytest.raises(ConfigError, match=r"^hardware\.x: does not fit the machine$"):
        validate_model(Picky, {"size": 1}, None, "hardware.x")


def test_format_objects_and_texts():
    text = MACHINE.replace("rows: 128", "rows: 128\n    accumulator: int4:g128:fp16")
    machine = load_machine(text)
    assert machine.components["array"].accumulator == parse_format("int4:g128:fp16")
    assert load_machine(to_yaml(dump_model(machine))) == machine


def test_key_paths_name_what_may_be_set():
    assert key_paths(Machine, "hardware") >= {
        "hardware.technology.node",
        "hardware.levels",
        "hardware.components",
    }
    assert "hardware.x.row-cycle" in key_paths(Memory, "hardware.x")
