"""Mixed batches from the command line: one pass over requests of unlike lengths."""

import json

import pytest

RUN = ("run", "array128-hbm2e", "llama3.2-1b")


def test_a_list_and_a_file_are_the_same_run(archsim, tmp_path):
    path = tmp_path / "batch.csv"
    path.write_text("new,history,count\n64,0,1\n32,96,1\n1,500,2\n", encoding="utf-8")
    listed = archsim(*RUN, "--requests", "64, 32+96, 2x1+500", "--json").json
    filed = archsim(*RUN, "--phase", "mixed", "--requests", str(path), "--json").json
    assert listed == filed
    assert list(listed["phases"]) == ["mixed"]
    assert listed["phases"]["mixed"]["num_tokens"] == 98
    assert listed["tokens_per_s"] == pytest.approx(98 / listed["latency_s"])
    assert listed["ttft_s"] is None
    assert listed["config"]["workload"]["requests"] == [[1, 64, 0], [1, 32, 96], [2, 1, 500]]


def test_alike_requests_are_the_prefill_or_the_decode(archsim):
    for mixed, plain in (
        (("--requests", "64"), ("--context", "64")),
        (("--requests", "4x1+500"), ("--phase", "decode", "--batch", "4", "--context", "500")),
    ):
        one, other = (archsim(*RUN, *words, "--json").json for words in (mixed, plain))
        assert one["macs"] == other["macs"]
        assert one["latency_s"] == pytest.approx(other["latency_s"], rel=0.02)


def test_mixing_costs_less_than_two_passes(archsim):
    alone = [
        archsim(*RUN, "--requests", text, "--json").json["latency_s"] for text in ("128", "8x1+400")
    ]
    together = archsim(*RUN, "--requests", "128, 8x1+400", "--json").json["latency_s"]
    assert max(alone) < together < sum(alone)


def test_on_a_gpu_several_devices_and_again(archsim, tmp_path):
    saved = tmp_path / "result.json"
    words = ("run", "h100-sxm", "llama3-8b", "--requests", "512, 8x1+2000", "--parallel", "tp=2")
    first = archsim(*words, "--json", "-o", str(saved))
    assert first.code == 0
    assert archsim("run", "--from", str(saved), "--json").json == first.json
    assert json.loads(saved.read_text()) == first.json
    shown = archsim(*words).out
    assert "requests 9" in shown
    assert "positions/s" in shown


def test_the_formats_of_the_machine_are_the_default(archsim):
    for words in (("--requests", "8"), ("--set", "options.history=8", "--context", "8")):
        result = archsim("run", "t4", "llama3.2-1b", *words, "--json").json
        assert result["config"]["workload"]["precision"].startswith("weights=fp16")


def test_what_does_not_fit_is_infeasible(archsim):
    done = archsim("run", "array128-lpddr5", "llama3-70b", "--requests", "8x1+100000", "--json")
    assert done.code == 3
    assert done.json["infeasible"]["resource"] == "dram"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--phase", "mixed"), "a mixed batch needs its requests"),
        (("--phase", "prefill", "--requests", "8"), "requests are those of a mixed batch"),
        (("--batch", "2", "--requests", "8"), "each request has its own lengths"),
        (("--requests", "8", "--set", "options.adapters=2"), "each request has its own lengths"),
        (("--requests", "8;9"), "neither a list of requests nor a file"),
        (("--requests", "8+"), "is not a request"),
    ],
)
def test_bad_words(archsim, words, message):
    done = archsim(*RUN, *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def test_drafts_make_several_tokens_a_step(archsim):
    words = ("run", "array128-hbm2e", "llama3.2-1b", "--context", "64", "--new-tokens", "5")
    plain = archsim(*words, "--phase", "generate", "--json").json
    drafted = archsim(
        *words, "--phase", "generate", "--set", "options.draft_tokens=3", "--json"
    ).json
    for result, steps in ((plain, 4), (drafted, 1)):
        decode = result["phases"]["decode"]
        assert (decode["num_steps"], decode["num_tokens"]) == (steps, 4)
        assert result["tbt_s"] == pytest.approx(decode["latency_s"] / 4)
        assert result["tokens_per_s"] == pytest.approx(4 / decode["latency_s"])
    assert drafted["latency_s"] < plain["latency_s"]
    assert any("accepted" in line for line in drafted["assumptions"])
    extras = ("--set", "options.history=8", "--set", "options.sparsity=2:4")
    shown = archsim(*words, "--fidelity", "roofline", *extras).out
    assert "history 8" in shown
    assert "sparsity 2:4" in shown
