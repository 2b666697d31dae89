"""Shapes of the shipped models beside listings that were looked up.

Sources: ``litgpt``: litgpt/config.py of the repository Lightning-AI/litgpt (each entry names the
config.json that it is from); ``hf``: default configurations and config.json files, originals or
copies, of the transformers library and the Hugging Face hub.
"""

import pytest

from archsim.registry import workloads as registered
from workloads import load_model

# layers, hidden size, heads, key/value heads, head dimension, feed-forward size, vocabulary
LITGPT = {
    "falcon-180b": (80, 14848, 232, 8, 64, 59392, 65024),
    "llama2-7b": (32, 4096, 32, 32, 128, 11008, 32000),
    "llama2-13b": (40, 5120, 40, 40, 128, 13824, 32000),
    "llama2-70b": (80, 8192, 64, 8, 128, 28672, 32000),
    "llama-30b": (60, 6656, 52, 52, 128, 17920, 32000),
    "llama3-8b": (32, 4096, 32, 8, 128, 14336, 128256),
    "llama3-70b": (80, 8192, 64, 8, 128, 28672, 128256),
    "llama3.1-405b": (126, 16384, 128, 8, 128, 53248, 128256),
    "llama3.2-1b": (16, 2048, 32, 8, 64, 8192, 128256),
    "llama3.2-3b": (28, 3072, 24, 8, 128, 8192, 128256),
    "gemma-2-2b": (26, 2304, 8, 4, 256, 9216, 256000),
    "gemma-2-9b": (42, 3584, 16, 8, 256, 14336, 256000),
    "gemma-2-27b": (46, 4608, 32, 16, 128, 36864, 256000),
    "gemma-3-1b": (26, 1152, 4, 1, 256, 6912, 262144),
    "gemma-3-4b": (34, 2560, 8, 4, 256, 10240, 262144),
    "gemma-3-12b": (48, 3840, 16, 8, 256, 15360, 262144),
    "gemma-3-27b": (62, 5376, 32, 16, 128, 21504, 262144),
    "phi-3.5-mini": (32, 3072, 32, 32, 96, 8192, 32064),
    "mistral-7b": (32, 4096, 32, 8, 128, 14336, 32000),
    "mixtral-8x7b": (32, 4096, 32, 8, 128, 14336, 32000),
    "mixtral-8x22b": (56, 6144, 48, 8, 128, 16384, 32768),
    "tinyllama-1.1b": (22, 2048, 32, 4, 64, 5632, 32000),
    "qwen2.5-0.5b": (24, 896, 14, 2, 64, 4864, 151936),
    "qwen2.5-1.5b": (28, 1536, 12, 2, 128, 8960, 151936),
    "qwen2.5-3b": (36, 2048, 16, 2, 128, 11008, 151936),
    "qwen2.5-72b": (80, 8192, 64, 8, 128, 29568, 152064),
    "qwen3-0.6b": (28, 1024, 16, 8, 128, 3072, 151936),
    "qwen3-1.7b": (28, 2048, 16, 8, 128, 6144, 151936),
    "qwen3-4b": (36, 2560, 32, 8, 128, 9728, 151936),
    "qwen3-32b": (64, 5120, 64, 8, 128, 25600, 151936),
    "qwen3-30b-a3b": (48, 2048, 32, 4, 128, 6144, 151936),
    "qwen3-235b-a22b": (94, 4096, 64, 4, 128, 12288, 151936),
    "smollm2-1.7b": (24, 2048, 32, 32, 64, 8192, 49152),
}
# Rows of ours beyond those listed: Gemma 3 above 1B has 64 more in its checkpoints; of Mixtral
# 8x22B the instruction-tuned model is listed, the base model has 768 fewer.
OTHER_ROWS = {"gemma-3-4b": 64, "gemma-3-12b": 64, "gemma-3-27b": 64, "mixtral-8x22b": -768}
HUGGING_FACE = {
    "deepseek-v2-lite": (27, 2048, 16, 16, 192, 10944, 102400),
    "deepseek-v3": (61, 7168, 128, 128, 192, 18432, 129280),
    "gpt-oss-120b": (36, 2880, 64, 8, 64, 2880, 201088),
    "phi-3.5-moe": (32, 4096, 32, 8, 128, 6400, 32064),
    "olmoe-1b-7b": (16, 2048, 16, 16, 128, 1024, 50304),
    "qwen1.5-moe-a2.7b": (24, 2048, 16, 16, 128, 5632, 151936),
    "qwen2-57b-a14b": (28, 3584, 28, 4, 128, 18944, 151936),
    "opt-6.7b": (32, 4096, 32, 32, 128, 16384, 50272),
    "opt-13b": (40, 5120, 40, 40, 128, 20480, 50272),
    "opt-30b": (48, 7168, 56, 56, 128, 28672, 50272),
    "opt-66b": (64, 9216, 72, 72, 128, 36864, 50272),
    "nllb-moe-54b": (24, 2048, 16, 16, 128, 8192, 256206),
    "gpt2-xl": (48, 1600, 25, 25, 64, 6400, 50257),
    "gpt2-large": (36, 1280, 20, 20, 64, 5120, 50257),
    "qwen1.5-72b": (80, 8192, 64, 64, 128, 24576, 152064),
    "t5-small": (6, 512, 8, 8, 64, 2048, 32128),
    "llama-65b": (80, 8192, 64, 64, 128, 22016, 32000),
    "grok-1": (64, 6144, 48, 8, 128, 32768, 131072),
    "smollm3-3b": (36, 2048, 16, 4, 128, 11008, 128256),
    "xlm": (12, 2048, 16, 16, 128, 8192, 30145),
    "transformer-xl": (18, 1024, 16, 16, 64, 4096, 267735),
    "bert-base": (12, 768, 12, 12, 64, 3072, 30522),
    "gpt2": (12, 768, 12, 12, 64, 3072, 50257),
    "gpt2-medium": (24, 1024, 16, 16, 64, 4096, 50257),
    "deepseek-v2": (60, 5120, 128, 128, 192, 12288, 102400),
    "switch-base-128": (12, 768, 12, 12, 64, 3072, 32128),
}
# Transcripts of the papers' tables. GPT-3 1.3B prints 24 heads of 128, which do not make 2048; the
# vocabularies of GPT-3 and MT-NLG (GPT-2's, padded by the latter) are not in the tables.
TABLES = {
    "gpt3-125m": (12, 768, 12, 12, 64, 3072, 50257),
    "gpt3-350m": (24, 1024, 16, 16, 64, 4096, 50257),
    "gpt3-760m": (24, 1536, 16, 16, 96, 6144, 50257),
    "gpt3-1.3b": (24, 2048, 16, 16, 128, 8192, 50257),
    "gpt3-2.7b": (32, 2560, 32, 32, 80, 10240, 50257),
    "gpt3-6.7b": (32, 4096, 32, 32, 128, 16384, 50257),
    "gpt3-13b": (40, 5140, 40, 40, 128, 20560, 50257),
    "gpt3-175b": (96, 12288, 96, 96, 128, 49152, 50257),
    "mt-nlg-530b": (105, 20480, 128, 128, 160, 81920, 51200),
    "glam-8b-64e": (32, 4096, 32, 32, 128, 16384, 256000),
    "glam-64b-64e": (64, 8192, 128, 128, 128, 32768, 256000),
    "switch-c-2048": (15, 2080, 32, 32, 64, 6144, 32128),
}
# experts, active, expert size, shared size, first dense layers
EXPERTS = {
    "mixtral-8x7b": (8, 2, 14336, 0, 0),
    "mixtral-8x22b": (8, 2, 16384, 0, 0),
    "qwen3-30b-a3b": (128, 8, 768, 0, 0),
    "qwen3-235b-a22b": (128, 8, 1536, 0, 0),
    "deepseek-v2-lite": (64, 6, 1408, 2816, 1),
    "deepseek-v3": (256, 8, 2048, 2048, 3),
    "gpt-oss-120b": (128, 4, 2880, 0, 0),
    "phi-3.5-moe": (16, 2, 6400, 0, 0),
    "olmoe-1b-7b": (64, 8, 1024, 0, 0),
    "qwen1.5-moe-a2.7b": (60, 4, 1408, 5632, 0),
    "qwen2-57b-a14b": (64, 8, 2560, 20480, 0),
    "nllb-moe-54b": (128, 2, 8192, 0, 0),
    "grok-1": (8, 2, 32768, 0, 0),
    "deepseek-v2": (160, 6, 1536, 3072, 1),
    "switch-base-128": (128, 1, 3072, 0, 0),
    "switch-c-2048": (2048, 1, 6144, 0, 0),
    "glam-8b-64e": (64, 2, 16384, 0, 0),
    "glam-64b-64e": (64, 2, 32768, 0, 0),
}
LATENT = {
    "deepseek-v2-lite": (0, 512, 128, 64, 128),
    "deepseek-v2": (1536, 512, 128, 64, 128),
    "deepseek-v3": (1536, 512, 128, 64, 128),
}


@pytest.mark.parametrize("name", [*LITGPT, *HUGGING_FACE, *TABLES])
def test_shapes_are_those_looked_up(name):
    model = load_model(name)
    wanted = (LITGPT | HUGGING_FACE | TABLES)[name]
    found = (
        model.layers,
        model.hidden_size,
        model.heads,
        model.kv_heads,
        model.head_dim,
        model.ffn_size,
    )
    assert found == wanted[:-1]
    assert model.vocabulary == wanted[-1] + OTHER_ROWS.get(name, 0)
    moe = model.moe
    assert (moe is not None) == (name in EXPERTS)
    if moe is not None:
        shape = (moe.experts, moe.active, moe.expert_size, moe.shared_size, moe.first_dense)
        assert shape == EXPERTS[name]
    mla = model.mla
    assert (mla is not None) == (name in LATENT)
    if mla is not None:
        sizes = (mla.query_rank, mla.latent_rank, mla.plain_dim, mla.rotary_dim, mla.value_dim)
        assert sizes == LATENT[name]
    assert "looked up" in model.source
    assert "not looked up" not in model.source


def test_no_shape_is_recalled():
    """Every shipped model has a row; a count that is recalled says so."""
    assert set(registered.yaml_names()) - {"glam-143b"} == {*LITGPT, *HUGGING_FACE, *TABLES}
    recalled = {name for name in registered.yaml_names() if "recalled" in load_model(name).source}
    assert recalled <= RECALLED_COUNTS


RECALLED_COUNTS = {
    "glam-143b",
    "opt-6.7b",
    "opt-13b",
    "opt-30b",
    "opt-66b",
    "xlm",
}
