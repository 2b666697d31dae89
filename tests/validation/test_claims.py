"""Claims: how they are read, run and judged."""

from __future__ import annotations

import pytest

from archsim.errors import ConfigError
from archsim.validation.claim_file import load_claims
from archsim.validation.claims import ClaimsSuite, lookup
from archsim.validation.scoring import Scores
from archsim.validation.suite import PACKAGED

CLAIM = """\
cases:
  - id: halved
    source: Table 1
    run: {hardware: fast, model: toy}
    baseline: {hardware: slow, model: toy}
    metric: baseline.latency_s / run.latency_s
    expect: {value: 2, tolerance_percent: 5}
"""


def fake(run):
    if run.hardware == "small":
        return {"feasible": False, "latency_s": None, "infeasible": {"need": 3, "have": 2}}
    latency_s = {"fast": 1.0, "slow": 2.0}[run.hardware]
    return {"feasible": True, "latency_s": latency_s, "bytes": {"l2.x": 5, "l2": {"x": 1}}}


def judged(tmp_path, text):
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    return Scores("claims", ClaimsSuite(execute=fake).run(path))


def test_a_reproduced_claim(tmp_path):
    scores = judged(tmp_path, CLAIM)
    assert scores.passed
    (claim,) = scores.to_json_object()["details"]
    assert claim["verdict"] == "reproduced"
    assert claim["value"] == 2.0
    assert scores.to_json_object()["stats"]["max_ape_percent"] == 0.0


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        ("{value: 2.1, tolerance_percent: 5}", "reproduced"),
        ("{value: 2.2, tolerance_percent: 5}", "not-reproduced"),
        ("{value: 2.5, tolerance_abs: 0.5}", "reproduced"),
        ("{value: 2.5, tolerance_abs: 0.4}", "not-reproduced"),
        ("{min: 2}", "reproduced"),
        ("{min: 2.01}", "not-reproduced"),
        ("{max: 2}", "reproduced"),
        ("{min: 1, max: 1.9}", "not-reproduced"),
        ("{value: 2, tolerance_percent: 0}", "reproduced"),
    ],
)
def test_verdicts(tmp_path, expect, verdict):
    scores = judged(tmp_path, CLAIM.replace("{value: 2, tolerance_percent: 5}", expect))
    assert scores.to_json_object()["details"][0]["verdict"] == verdict
    assert scores.passed is (verdict == "reproduced")


def test_a_claim_known_not_to_hold_passes_until_it_does(tmp_path):
    known = CLAIM + "    expected: not-reproduced\n    reason: the source counts otherwise\n"
    assert not judged(tmp_path, known).passed
    assert judged(tmp_path, known.replace("value: 2,", "value: 9,")).passed


def test_quoted_claims_are_printed_not_run(tmp_path):
    quoted = CLAIM.replace("hardware: fast", "hardware: unknown") + "    status: quoted\n"
    scores = judged(tmp_path, quoted)
    assert scores.passed
    assert scores.outcome.skipped == {"quoted, not simulated": 1}


def test_an_infeasible_run_does_not_reproduce(tmp_path):
    scores = judged(tmp_path, CLAIM.replace("hardware: fast", "hardware: small"))
    assert not scores.passed
    assert scores.outcome.skipped == {"the run does not fit its machine": 1}


def test_a_claim_about_a_refusal(tmp_path):
    text = CLAIM.replace("hardware: fast", "hardware: small").replace(
        "baseline.latency_s / run.latency_s", "run.infeasible.need - run.infeasible.have"
    )
    scores = judged(tmp_path, text.replace("value: 2,", "value: 1,"))
    assert scores.passed


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("source: Table 1", "sauce: x", r"yaml:3:\d+: claims.cases.0.sauce: unknown key"),
        ("    source: Table 1\n", "", "claims.cases.0.source: required key is missing"),
        ("id: halved", "id: Not An Id", "claims.cases.0.id"),
        ("baseline.latency_s / run", "import os", "is not arithmetic"),
        ("baseline.latency_s / run", "other.x / run", "paths start with 'run.'"),
        ("baseline.latency_s /", "10 ** 10 ** 10 ** 10 *", "yaml:6"),
        ("run.latency_s", "run.latncy_s", r"yaml:6:\d+: .*no such path.*did you mean 'latency_s'"),
        ("run.latency_s", "run.feasible.x", "is not a number"),
        ("run.latency_s", "run.bytes", "is not a number"),
        ("value: 2, ", "", "a tolerance needs 'value'"),
        (", tolerance_percent: 5", "", "needs 'tolerance_percent'"),
        ("tolerance_percent: 5", "min: 5", "both 'value' and a bound"),
        ("{value: 2, tolerance_percent: 5}", "{}", "needs 'value'"),
        ("{value: 2, tolerance_percent: 5}", "{min: 3, max: 2}", "'min' is more than 'max'"),
        ("tolerance_percent: 5", "tolerance_percent: x", "tolerance_percent"),
        ("hardware: fast, ", "", "needs 'hardware' and 'model'"),
        ("CLAIM", "CLAIM", None),
    ],
)
def test_broken_claims_say_where(tmp_path, old, new, message):
    text = CLAIM.replace(old, new)
    if message is None:
        text += "    expected: not-reproduced\n"
        message = "needs a 'reason'"
    with pytest.raises(ConfigError, match=message):
        judged(tmp_path, text)


def test_two_claims_of_one_name(tmp_path):
    with pytest.raises(ConfigError, match="two cases have the id 'halved'"):
        judged(tmp_path, CLAIM + CLAIM.removeprefix("cases:\n"))


def test_paths_with_dots_take_the_longest_key():
    data = {"run": {"bytes": {"l2.x": 5, "l2": {"x": 1}}}}
    assert lookup(data, "run.bytes.l2.x") == 5.0
    with pytest.raises(ConfigError, match="nothing"):
        lookup({"run": {"ttft_s": None}}, "run.ttft_s")


@pytest.mark.parametrize("path", sorted((PACKAGED / "claims").glob("*.yaml")))
def test_packaged_claims_are_well_formed(path):
    _, claims = load_claims(path)
    assert claims.cases
    assert all(len(claim.source) > 10 and claim.statement for claim in claims.cases)


def test_packaged_claims_about_models_hold():
    scores = Scores("claims", ClaimsSuite().run(PACKAGED / "claims" / "models.yaml"))
    assert scores.passed
    assert scores.outcome.cases >= 5
