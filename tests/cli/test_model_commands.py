"""``model show``, ``model diff``, ``list models`` and ``run --hf-config``."""

import json

import pytest

GPT2 = {"model_type": "gpt2", "n_embd": 64, "n_head": 4, "n_layer": 2, "vocab_size": 100}


def test_show_lists_layers_einsums_and_ranks(archsim):
    done = archsim("model", "show", "deepseek-v2-lite", "--phase", "decode")
    assert "15,706,484,224" in done.out
    assert "26 × moe-layer" in done.out
    assert "router_choice" in done.out
    assert "8 of 256" not in done.out
    assert "6 of 64, 1408 wide" in done.out
    assert "argtop: XI" in done.out
    data = archsim("model", "show", "gemma-2-2b", "--json", "--set", "workload.layers=4").json
    assert data["layout"] == [["local-layer", 1], ["global-layer", 1]] * 2
    assert data["stages"][1]["ranks"]["E"] == 256


def test_show_says_what_is_counted(archsim):
    words = ("model", "show", "gemma-3-4b", "--phase", "generate", "--new-tokens", "20")
    shown = archsim(*words, "--precision", "weights=int4:g128:fp16").out
    assert "multiply-accumulates, the prefill" in shown
    assert "multiply-accumulates, all passes" in shown
    assert "with what masks hide" in shown
    assert "5 × (5×local-layer global-layer) 4×local-layer" in shown
    assert "weights=int4:g128:fp16" in shown
    data = archsim(*words, "--dequantise", "--precision", "weights=int4:g128:fp16", "--json").json
    names = {einsum["name"] for stage in data["stages"] for einsum in stage["einsums"]}
    assert {"query_projection_dequantise", "wte_dequantise"} <= names
    scores = next(
        einsum
        for stage in data["stages"]
        for einsum in stage["einsums"]
        if einsum["name"] == "scores"
    )
    assert scores["points"] < scores["dense_points"]
    shown = archsim("model", "show", "t5-small", "--phase", "decode").out
    assert "6 encoder + 6 decoder" in shown
    assert "the encoder's keys included" in shown
    assert "memory of 1600 rows" in archsim("model", "show", "transformer-xl").out


def test_diff_leaves_sizes_of_indices_out(archsim):
    words = ("llama3-8b", "mistral-7b", "--phase", "decode", "--context", "8000", "--json")
    data = archsim("model", "diff", *words).json
    assert data["einsums"] == {}
    assert data["description"]["attention_window"] == {"a": 0, "b": 4096}
    shown = archsim("model", "diff", "llama3-8b", "qwen3-4b").out
    assert "query_norm_scale" in shown


def test_show_takes_a_mixed_batch(archsim):
    shown = archsim("model", "show", "llama3.2-1b", "--requests", "64, 2x1+500").out
    assert "mixed · requests 3 · positions 66" in shown
    assert "request_1_scores" in shown
    assert "is not a request" in archsim("model", "show", "gpt2", "--requests", "6+").err


def test_diff_prints_numbers_whole_and_stages_once(archsim):
    shown = archsim("model", "diff", "deepseek-v2-lite", "mixtral-8x7b").out
    assert "13,058,039,611,392" in shown
    assert "2,368,149,651,456" in shown
    assert shown.count("only in deepseek-v2-lite") == 2
    assert shown.count("only in mixtral-8x7b") == 1
    assert archsim("model", "diff", "gpt2", "gpt2").out == "gpt2 and gpt2 do not differ\n"


def test_diff_names_what_differs(archsim):
    data = archsim("model", "diff", "llama3-8b", "qwen3-4b", "--json").json
    assert data["description"]["qk_norm"] == {"a": "none", "b": "head"}
    assert data["counts"]["parameters"]["a"] == 8_030_261_248
    assert data["einsums"]["layer/query_norm_scale"]["a"] is None
    shown = archsim("model", "diff", "llama3-8b", "qwen3-4b").out
    assert "qk_norm" in shown
    same = archsim("model", "diff", "gpt2", "gpt2", "--json").json
    assert same == {"description": {}, "counts": {}, "einsums": {}}


def test_list_has_sizes_of_every_model(archsim):
    models = {item["name"]: item for item in archsim("list", "models", "--json").json["models"]}
    assert models["llama3-8b"]["kv_bytes_per_token"] == 131_072
    assert models["llama3-8b"]["macs_per_token"] == 7_504_658_432 + 2 * 32 * 4096
    assert models["bert-base"]["kv_bytes_per_token"] == 0
    assert models["mixtral-8x7b"]["active_parameters"] < 13e9
    listed = archsim("list", "models").out
    assert "MACs/token without a past" in listed
    assert all(name in listed.split() for name in models)
    assert not any("error" in item for item in models.values())


def test_run_a_hugging_face_configuration(archsim, tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(GPT2), encoding="utf-8")
    options = ("--context", "16", "--json")
    done = archsim("run", "array128-hbm3", "--hf-config", str(folder), *options).json
    assert done["config"]["workload"]["model"]["layers"] == 2
    path = str(folder / "config.json")
    one = archsim("run", "array128-hbm3", path, "--set", "workload.layers=1", *options).json
    assert one["config"]["workload"]["model"]["layers"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "array128-hbm3", "gpt2", "--hf-config", "x"), "takes the place of a model"),
        (("run", "array128-hbm3", "--hf-config", "nowhere.json"), "there is no such file"),
        (("model", "show", "gpt3"), "did you mean 'gpt2'"),
        (("model", "show", "bert-base", "--phase", "decode"), "is an encoder"),
    ],
)
def test_bad_words(archsim, words, message):
    done = archsim(*words)
    assert done.code == 2
    assert message in done.err


def test_run_takes_the_options_of_a_workload(archsim):
    words = ("run", "array128-hbm3", "gpt2", "--set", "workload.layers=1", "--context", "32")
    chunk = archsim(*words, "--set", "options.history=64", "--json").json
    assert chunk["config"]["workload"]["history"] == 64
    verify = ("--phase", "decode", "--set", "options.draft_tokens=3", "--json")
    assert archsim(*words, *verify).json["config"]["workload"]["draft_tokens"] == 3
    done = archsim(*words, "--set", "options.draft_tokens=3")
    assert done.code == 2
    assert "options.draft_tokens: a prefill has none" in done.err
    done = archsim(*words, "--set", "options.dequantise=1")
    assert "options.dequantise: must be true or false" in done.err
