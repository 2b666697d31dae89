"""``archsim pim system``: what it prints, refuses and repeats."""

import json

import pytest

CHEAP = ("pim", "system", "duplex", "mixtral-8x7b", "--context", "64", "--new-tokens", "8")


def record(archsim, *words):
    done = archsim(*words, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_parts_and_idle_times_add_up(archsim):
    found = record(archsim, *CHEAP, "--batch", "16")
    assert sum(found["breakdown"].values()) == pytest.approx(1)
    assert sum(found["parts_s"].values()) - found["hidden_s"] == pytest.approx(found["tbt_s"])
    assert found["latency_s"] == pytest.approx(8 * found["tbt_s"])
    assert found["tokens_per_s"] == pytest.approx(16 / found["tbt_s"])
    energy = found["energy"]
    assert sum(energy["component"].values()) == pytest.approx(energy["dynamic"])
    assert energy["dynamic"] + energy["static"] == pytest.approx(found["energy_j"])
    assert found["power_w"] == pytest.approx(found["energy_j"] * found["tokens_per_s"])
    for side in ("xpu", "pim"):
        both = found["busy_s"][side] + found["idle_s"][side]
        assert both == pytest.approx(max(found["tbt_s"], found["busy_s"][side]))


def test_the_same_words_give_the_same_bytes(archsim):
    words = (*CHEAP, "--baseline", "without-pim", "--json")
    assert archsim(*words).out == archsim(*words).out


def test_without_a_batch_the_largest_is_taken(archsim):
    found = record(archsim, *CHEAP)
    assert found["batch"] == found["largest_batch"]
    one_more = archsim(*CHEAP, "--batch", str(found["batch"] + 1), "--json")
    assert one_more.code == 3
    lacking = json.loads(one_more.out)["infeasible"]
    assert lacking["resource"] == "capacity"
    assert lacking["need"] > lacking["have"]


def test_a_baseline_is_compared(archsim):
    found = record(archsim, *CHEAP, "--batch", "16", "--baseline", "without-pim")
    base = found["baseline"]
    assert found["ratio"]["tokens_per_s"] == pytest.approx(
        found["tokens_per_s"] / base["tokens_per_s"]
    )
    assert set(base["where"].values()) == {"xpu"}


def test_a_limit_on_time_between_tokens(archsim):
    free = record(archsim, *CHEAP)
    limit_ms = 0.7 * free["slowest_tbt_s"] * 1e3
    held = record(archsim, *CHEAP, "--slo", f"{limit_ms} ms")
    assert held["batch"] < free["batch"]
    assert held["slowest_tbt_s"] <= limit_ms * 1e-3
    refused = archsim(*CHEAP, "--slo", "1us")
    assert refused.code == 3
    assert "time between tokens needs" in refused.err
    assert "Traceback" not in refused.err


def test_requests_of_a_file_are_dealt_to_channels(archsim, tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text("id,tokens\n" + "".join(f"{n},{t}\n" for n, t in enumerate([4000] + [64] * 15)))
    words = ("pim", "system", "neupims", "gpt3-6.7b", "--new-tokens", "4", "--requests", str(path))
    uneven = record(archsim, *words, "--deal", "longest-first")
    assert uneven["batch"] == 16
    assert uneven["imbalance"] > 4
    in_turn = record(archsim, *words, "--deal", "round-robin")
    assert in_turn["imbalance"] >= uneven["imbalance"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--batch", "0"), "--batch"),
        (("--new-tokens", "0"), "--new-tokens"),
        (("--slo", "soon"), "is no time"),
        (("--precision", "weights=int4"), "one or two bytes"),
        (("--requests", "none.csv"), "cannot be read"),
        (("--deal", "at-random"), "deal"),
        (("--baseline", "dgx-h1"), "dgx-h1"),
        (("--set", "hardware.pim.stack=3"), "stack"),
    ],
)
def test_bad_words_are_named_without_a_traceback(archsim, words, message):
    done = archsim(*CHEAP, *words)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1


def test_a_bad_row_is_named_with_its_line(archsim, tmp_path):
    path = tmp_path / "requests.csv"
    path.write_text("tokens\n12\nmany\n")
    done = archsim(*CHEAP, "--requests", str(path))
    assert done.code == 2
    assert "line 3" in done.err


def test_systems_are_listed(archsim):
    done = archsim("list", "systems", "--json")
    names = {item["name"] for item in json.loads(done.out)["systems"]}
    assert {"dgx-attacc", "dgx-a100", "duplex", "cent", "pim-gpt", "neupims"} <= names
