"""Models and machines that a plug-in makes by a call."""

import pytest

from archsim.config.document import load_document
from archsim.errors import ConfigError
from archsim.registry import workloads
from workloads import load_model, load_workload

NAME = "made-here"


@pytest.fixture
def made():
    def register(value):
        workloads.register(NAME, value)

    yield register
    if NAME in workloads.names():
        workloads.unregister(NAME)


def test_a_call_an_object_and_a_mapping(made):
    base = load_model("llama3.2-1b")
    for value in (
        lambda: {"extends": "llama3.2-1b", "layers": 3, "published_parameters": None},
        lambda: base.model_copy(update={"name": NAME, "layers": 3}),
        base.model_copy(update={"name": NAME, "layers": 3}),
        {"extends": "llama3.2-1b", "layers": 3},
    ):
        made(value)
        model = load_model(NAME)
        assert (model.name, model.layers, model.heads) == (NAME, 3, base.heads)
        changed = load_workload(NAME, overrides=("workload.layers=2",))
        assert changed.layout == (("layer", 2),)
        assert load_document(NAME, kind="workload").data["layers"] == 3
        workloads.unregister(NAME)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda: 7, "returns something else; given 7|returns something else; given .?int"),
        (lambda: {"name": "other"}, "name: model 'made-here' is made .* under another name"),
        (lambda: {"layers": object()}, "is made of values that no file has"),
        (lambda: {"layers": 3}, "required key is missing"),
        (lambda: {"extends": "llama3.2-1b", "layer": 3}, "did you mean 'layers'"),
    ],
)
def test_bad_plugins(made, value, message):
    made(value)
    with pytest.raises(ConfigError, match=message):
        load_model(NAME)


def test_a_taken_name(made):
    made({})
    with pytest.raises(ConfigError, match="registered twice"):
        made({})
