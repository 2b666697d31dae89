"""Routing traces from the command line: generated and described."""

import pytest

from workloads.traces.routing_files import read_routing


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_trace_is_generated_and_shown(archsim, tmp_path, suffix):
    path = tmp_path / f"routing.{suffix}"
    made = archsim("routing", "generate", "mixtral", "-n", "80", "--layers", "3", "-o", str(path))
    assert (made.code, made.out) == (0, "")
    assert read_routing(path).choices.shape == (80, 3, 2)
    record = archsim("routing", "show", str(path), "--json").json
    assert (record["tokens"], record["layers"], record["active"]) == (80, 3, 2)
    assert (record["experts"], record["slots"]) == (8, 2)
    for row in record["by_layer"]:
        rates = row["hit_rates"]
        assert rates["belady"] >= max(rates["lru"], rates["lfu"], rates["mrs"])
        assert row["coverage"]["4"] < row["coverage"]["16"] <= row["coverage"]["64"] <= 1
    shown = archsim("routing", "show", str(path), "--slots", "4").out
    assert "2 of 8 experts" in shown
    assert "belady" in shown
    assert "…" not in shown


def test_choices_without_scores_have_no_score_policy(archsim, tmp_path):
    path = tmp_path / "routing.csv"
    path.write_text("token,layer,expert_0\n0,0,1\n1,0,3\n2,0,1\n", encoding="utf-8")
    record = archsim("routing", "show", str(path), "--experts", "8", "--json").json
    assert set(record["by_layer"][0]["hit_rates"]) == {"lru", "lfu", "belady"}
    assert record["by_layer"][0]["coverage"] == {}
    assert "generate" in archsim("routing").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "none.csv"), "cannot be read"),
        (("generate", "mixtrl", "-o", "FILE"), "did you mean 'mixtral'"),
        (("generate", "mixtral", "-n", "0", "-o", "FILE"), "at least one token"),
        (("generate", "mixtral", "-n", "3000000", "-o", "FILE"), "too much for one file"),
        (("generate", "mixtral", "--seed", "-1", "-o", "FILE"), "must not be negative"),
    ],
)
def test_bad_words(archsim, tmp_path, words, message):
    file = str(tmp_path / "routing.csv")
    done = archsim("routing", *(file if word == "FILE" else word for word in words))
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--slots", "1"), "slots out of range"),
        (("--slots", "9"), "slots out of range"),
        (("--experts", "4"), "the trace has more experts"),
    ],
)
def test_bad_caches(archsim, tmp_path, options, message):
    path = tmp_path / "routing.csv"
    archsim("routing", "generate", "mixtral", "-n", "10", "-o", str(path))
    done = archsim("routing", "show", str(path), *options)
    assert done.code == 2
    assert message in done.err


def test_a_trace_of_one_token_has_no_neighbours(archsim, tmp_path):
    path = tmp_path / "routing.csv"
    archsim("routing", "generate", "mixtral", "-n", "1", "-o", str(path))
    assert "has no neighbours" in archsim("routing", "show", str(path)).err
