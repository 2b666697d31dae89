import pytest

from archsim.config.schema import dump_model, validate_model
from archsim.errors import ConfigError
from archsim.registry import workloads as registered
from tests.workloads import plain_transformer as plain
from workloads import ModelConfig, build_workload, load_model, parameters

PUBLISHED = {
    "llama3-8b": 8_030_261_248,
    "llama3-70b": 70_553_706_496,
    "llama2-7b": 6_738_415_616,
    "llama3.2-1b": 1_235_814_400,
    "bert-base": 109_482_240,
    "gpt2": 124_439_808,
    "gpt2-xl": 1_557_611_200,
    "falcon-180b": 179_522_565_120,
    "gemma-2-27b": 27_227_128_320,
    "qwen3-32b": 32_762_123_264,
    "mixtral-8x7b": 46_702_792_704,
    "deepseek-v3": 671_026_419_200,
    "gpt-oss-120b": 116_829_156_672,
    "t5-small": 60_506_624,
    "grok-1": 315_684_820_992,
    "switch-base-128": 7_415_217_408,
    "deepseek-v2": 235_741_434_880,
    "qwen3-235b-a22b": 235_093_634_560,
    "gemma-3-27b": 27_009_346_304,
}

ELSEWHERE = {"gpt3-350m": 0.02, "glam-8b-64e": 0.01, "transformer-xl": 0.12}
"""Models whose printed count is not that of the printed shape (their files say why), and by how
much the two differ at most."""

NAMES = registered.yaml_names()


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_equal_the_published_count(name):
    model = load_model(name)
    assert model.name == name
    assert parameters(model) == model.published_parameters == PUBLISHED[name]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_every_model(name):
    """The exact published count; else a count that rounds to the printed one."""
    model = load_model(name)
    count = parameters(model)
    if model.published_parameters:
        assert count == model.published_parameters
        return
    low, high = model.printed_range
    if name in ELSEWHERE:
        assert not low <= count <= high, "no exception needed"
        assert abs(count / ((low + high) / 2) - 1) <= ELSEWHERE[name]
    else:
        assert low <= count <= high


def test_transformer_xl_is_the_released_file():
    """pytorch_model.bin of transfo-xl-wt103 on the hub: 1.14 GB of 32-bit floats."""
    size = 4 * parameters(load_model("transformer-xl"))
    assert 1.135e9 <= size < 1.145e9
    assert not 1.135e9 <= 4 * 257e6 < 1.145e9


@pytest.mark.parametrize("name", NAMES)
def test_descriptions_say_where_numbers_are_from_and_survive_a_round_trip(name):
    model = load_model(name)
    assert model.name == name
    assert "config.json" in model.source or "arXiv" in model.source or "repository" in model.source
    assert validate_model(ModelConfig, dump_model(model)) == model


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("mixtral-8x7b", 12.85e9, 12.95e9),
        ("mixtral-8x22b", 38.5e9, 39.5e9),
        ("deepseek-v2", 20.5e9, 21.5e9),
        # 37.55e9 with the embedding, which rounds to 38; the paper prints 37.
        ("deepseek-v3", 36.5e9, 37.6e9),
        ("qwen1.5-moe-a2.7b", 2.65e9, 2.75e9),
        ("qwen2-57b-a14b", 13.5e9, 14.5e9),
        ("qwen3-235b-a22b", 21.5e9, 22.5e9),
        ("qwen3-30b-a3b", 3.25e9, 3.36e9),
        ("olmoe-1b-7b", 1.25e9, 1.35e9),
        ("phi-3.5-moe", 6.55e9, 6.65e9),
        ("glam-64b-64e", 96.55e9, 96.65e9),
    ],
)
def test_active_parameters_round_to_the_printed_ones(name, low, high):
    assert low <= build_workload(load_model(name), context=1).active_parameters() <= high


def test_the_models_that_other_parts_name_are_there():
    assert set(CONTRACT.split()) <= set(NAMES)


CONTRACT = """
llama2-7b llama2-13b llama2-70b llama3-8b llama3-70b llama3.1-405b llama3.2-1b llama3.2-3b
tinyllama-1.1b mistral-7b mixtral-8x7b mixtral-8x22b deepseek-v2-lite deepseek-v2 deepseek-v3
qwen2.5-0.5b qwen2.5-1.5b qwen2.5-3b qwen2.5-72b qwen3-0.6b qwen3-1.7b qwen3-4b qwen3-32b
qwen3-30b-a3b qwen3-235b-a22b qwen1.5-moe-a2.7b phi-3.5-mini smollm2-1.7b smollm3-3b olmoe-1b-7b
grok-1 gpt2 gpt2-medium gpt2-large gpt2-xl gpt3-125m gpt3-350m gpt3-760m gpt3-1.3b gpt3-2.7b
gpt3-6.7b gpt3-13b gpt3-175b opt-6.7b opt-13b opt-30b opt-66b bert-base t5-small xlm
"""


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
