"""The JSON Schema of files: valid itself, and of one mind with the loader."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from jsonschema import Draft202012Validator
from pydantic import create_model

from archsim.config.document import parse_document
from archsim.config.emit import to_yaml
from archsim.config.jsonschema import schema_for
from archsim.config.schema import ConfigModel, Quantity, dump_model
from archsim.config.tree import read_tree
from archsim.errors import ConfigError
from archsim.units import DIMENSIONS, EXAMPLE, unit_names
from tests.config.machine_model import MACHINE, Array, Machine, Memory, load_machine

SCHEMA = schema_for(
    Machine,
    title="Machine",
    components_key="components",
    components={"array": Array, "memory": Memory},
)
BROKEN = Path(__file__).parent / "broken"
# What no schema can say: rules across fields, arithmetic, provenance, and keys of the inner maps
# that a file it extends may bring.
BEYOND_A_SCHEMA = {
    "cross-field",
    "float-rows",  # 128.0 is an integer to JSON Schema
    "unknown-name-in-arithmetic",
    "division-by-zero",
    "endless-power",
    "arithmetic-cycle",
    "code-in-arithmetic",
    "estimate-outside",
    "missing-key",
    "no-kind",
    "extends-unknown",
    "extends-no-file",
    "partial-byte",
}


def raw(text):
    """The YAML as an editor sees it: nothing merged, evaluated or taken out."""

    def plain(node):
        if isinstance(node.value, dict):
            return {key: plain(item) for key, item in node.value.items()}
        if isinstance(node.value, list):
            return [plain(item) for item in node.value]
        return node.value

    return plain(read_tree(text, "file"))


def errors(data, schema=SCHEMA):
    return [error.message for error in Draft202012Validator(schema).iter_errors(data)]


def test_the_schema_is_valid():
    Draft202012Validator.check_schema(SCHEMA)


def test_good_files_pass():
    assert errors(raw(MACHINE)) == []
    assert errors(raw(to_yaml(dump_model(load_machine(MACHINE))))) == []
    assert errors(raw(parse_document(MACHINE, kind="hardware").to_yaml())) == []
    assert errors({"extends": "edge", "components": {"array": {"rows": 3}}}) == []


def test_required_keys_of_the_top_level():
    assert any("is a required property" in message for message in errors({"name": "x"}))


@pytest.mark.parametrize("name", sorted(path.stem for path in BROKEN.glob("*.yaml")))
def test_broken_files_fail(name):
    try:
        data = raw((BROKEN / f"{name}.yaml").read_text(encoding="utf-8"))
    except (ConfigError, AttributeError):
        return  # not YAML of ours at all: no schema is asked
    assert bool(errors(data)) == (name not in BEYOND_A_SCHEMA)


def test_descriptions_and_defaults_are_there():
    technology = SCHEMA["$defs"]["Technology"]["properties"]
    assert technology["node"]["description"] == "Feature size."
    assert SCHEMA["$defs"]["Array"]["properties"]["dataflow"]["default"] == "weight"
    assert SCHEMA["$defs"]["Component"]["properties"]["kind"]["enum"] == ["array", "memory"]
    assert SCHEMA["title"] == "Machine"


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_quantity_patterns_match_what_the_parser_reads(dimension):
    field = Annotated[float, Quantity(dimension, 1e18)]
    model = create_model("Model", __base__=ConfigModel, x=(field, ...))
    schema = schema_for(model)
    for unit in unit_names(dimension):
        assert errors({"x": f"1.5 {unit}"}, schema) == []
        assert errors({"x": f"1e3{unit}"}, schema) == []
    for other in DIMENSIONS:
        if other != dimension:
            assert errors({"x": EXAMPLE[other]}, schema)
    for bad in ("-1 s", "1", 1, "", "x", "1 ss", None):
        assert errors({"x": bad}, schema)


def test_plain_schema_has_no_liberties():
    schema = schema_for(Memory, documents=False)
    assert errors({"kind": "memory", "capacity": "1 MiB", "bandwidth": "1 GB/s"}, schema) == []
    assert errors({"kind": "memory", "capacity": "1 MiB"}, schema)
    assert errors({"kind": "memory", "capacity": {"value": "1 MiB"}, "bandwidth": "1 GB/s"}, schema)


def test_unknown_components_key():
    with pytest.raises(ConfigError, match="Machine has no key 'parts'"):
        schema_for(Machine, components_key="parts", components={})
