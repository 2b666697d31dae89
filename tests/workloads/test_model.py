import pytest

from archsim.config.schema import dump_model, validate_model
from archsim.errors import ConfigError
from archsim.registry import workloads as registered
from tests.workloads import plain_transformer as plain
from workloads import ModelConfig, load_model, parameters

PUBLISHED = {
    "llama3-8b": 8_030_261_248,
    "llama3-70b": 70_553_706_496,
    "llama2-7b": 6_738_415_616,
    "llama3.2-1b": 1_235_814_400,
    "bert-base": 109_482_240,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_equal_the_published_count(name):
    model = load_model(name)
    assert model.name == name
    assert parameters(model) == model.published_parameters == PUBLISHED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_descriptions_say_where_numbers_are_from_and_survive_a_round_trip(name):
    model = load_model(name)
    assert "Hugging Face" in model.source
    assert "config.json" in model.source
    assert validate_model(ModelConfig, dump_model(model)) == model


def test_every_shipped_model_builds():
    assert set(PUBLISHED) <= set(registered.yaml_names())
    for name in registered.yaml_names():
        model = load_model(name)
        assert parameters(model) == (model.published_parameters or parameters(model))


def test_parameters_of_a_small_model_by_hand():
    embedding, attention, ffn = 17 * 10, 10 * 24 * 2 + 10 * 8 * 2, 3 * 10 * 14
    layer = attention + ffn + 2 * 10
    assert parameters(plain.tiny_model()) == 2 * embedding + 2 * layer + 10
    assert parameters(plain.tiny_model(tied_embeddings=True)) == embedding + 2 * layer + 10


def test_overrides():
    model = load_model("llama3-8b", overrides=("workload.layers=2", "workload.token_types=3"))
    assert (model.layers, model.token_types) == (2, 3)
    with pytest.raises(ConfigError, match=r"did you mean 'workload\.layers'"):
        load_model("llama3-8b", overrides=("workload.layer=2",))


GOOD = """\
name: small
source: made up
family: decoder
layers: 2
hidden_size: 64
heads: 8
kv_heads: 2
head_dim: 8
ffn_size: 128
vocabulary: 100
max_context: 32
norm: {kind: rms, epsilon: 1e-5}
activation: silu
gated: true
positions: rotary
rope_theta: 10000
"""


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(GOOD, encoding="utf-8")
    assert load_model(path) == load_model(str(path)) == load_model(GOOD)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kv_heads: 2", "kv_heads: 3", r"heads \(8\) must be a multiple of kv_heads \(3\)"),
        ("layers: 2", "layers: 0", r"bad.yaml:4:9: workload.layers: .*; given 0"),
        ("layers: 2", "layers: 2.5", r"bad.yaml:4:9: workload.layers: .*; given 2.5"),
        ("layers: 2\n", "", "workload.layers: required key is missing"),
        ("layers: 2", "layer: 2", r"bad.yaml:4:1: workload.layer: unknown key.*'layers'"),
        ("decoder", "decoded", r"bad.yaml:3:9: workload.family: .*did you mean 'decoder'"),
        ("family: decoder", "family: encoder", r"positions|kv"),
        ("head_dim: 8", "head_dim: 7", r"head_dim \(7\) must be even for rotary positions"),
        ("rope_theta: 10000\n", "", "rope_theta is needed for rotary positions"),
        ("silu", "swish", r"bad.yaml:13:13: workload.activation: .*'swish'; allowed: relu"),
        ("epsilon: 1e-5", "epsilon: 0", r"bad.yaml:12:\d+: workload.norm.epsilon"),
        ("gated: true", "gated: yes", r"bad.yaml:14:8: workload.gated"),
        ("gated: true", "gated: true\npooler: true", "pooler needs family encoder"),
        ("layers: 2", "layers: 2\nlayers: 3", r"bad.yaml:5:1: .*duplicate|twice"),
        ("vocabulary: 100", "vocabulary: 1" + "0" * 30, "workload.vocabulary"),
    ],
)
def test_bad_files(tmp_path, old, new, message):
    path = tmp_path / "bad.yaml"
    text = GOOD.replace(old, new, 1)
    if "family: encoder" in text:
        text += "tied_embeddings: true\n"
        message = "tied_embeddings needs family decoder"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_model(path)


def test_unknown_model_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'llama3-8b'"):
        load_model("llama3-8")
