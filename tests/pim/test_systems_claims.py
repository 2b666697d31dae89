"""Published systems: the arithmetic behind verdicts, and claims over several runs."""

from itertools import product

import pytest

from archsim.errors import ConfigError
from archsim.pim.systems_model import find_model
from archsim.validation.claim_file import check_claims, load_claims
from archsim.validation.claims import ClaimsSuite
from archsim.validation.pim_claims import SUITE
from archsim.validation.suite import PACKAGED

FILES = sorted((PACKAGED / "claims_pim").glob("*.yaml"))


def counted_batch(memory_gib, prompt, new, word):
    """Requests of GPT-3 175B as AttAcc's simulator counts: 12 l w^2 weights, a token less."""
    weights = 12 * 96 * 12288**2 * word
    return (memory_gib * 2**30 - weights) / (2 * 96 * 12288 * word * (prompt + new - 1))


def settings(batch):
    powers = [1 << n for n in range(5, 12)]
    return [
        found
        for found in product((640, 1280), powers, powers, (1, 2))
        if batch - 1 < counted_batch(*found) <= batch
    ]


def test_both_published_batches_of_attacc_are_the_first_that_do_not_fit_in_1280_gib():
    # Half the memory with elements of half the size is the same.
    assert settings(854) == [(640, 128, 128, 1), (1280, 128, 128, 2)]
    assert settings(54) == [(640, 2048, 2048, 1), (1280, 2048, 2048, 2)]


def test_no_request_length_gives_both_published_batches_of_attacc():
    base, pim = 640 * 2**30, 1280 * 2**30
    for precision in ("", "weights=int8,kv=int8"):
        weights = find_model("gpt3-175b", precision).stored_bytes
        assert (pim - weights) / (base - weights) < 3.1


def test_glam_of_duplex_has_its_published_parameters():
    assert find_model("glam-143b").weights / 143e9 == pytest.approx(1, abs=0.005)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_claim_names_source_and_every_failure_a_reason(path):
    _, claims = load_claims(path)
    for claim in claims.cases:
        assert claim.source
        assert claim.statement
        assert claim.expected == "reproduced" or len(claim.reason) > 15


def test_ids_are_those_of_one_claim():
    ids = [claim.id for path in FILES for claim in load_claims(path)[1].cases]
    assert len(ids) == len(set(ids)) > 80


@pytest.mark.slow
def test_every_verdict_is_the_expected_one():
    outcome = SUITE.run(None)
    assert [judged.metric for judged in outcome.judgements if not judged.passed] == []


CLAIM = """
cases:
  - id: two-lengths
    source: test
    run: {command: pim, config: duplex-plain, model: mixtral-8x7b, options: {batch: 8}}
    baseline: {command: pim, config: duplex-gpu, model: mixtral-8x7b, options: {batch: 8}}
    over:
      - [{options: {context: 64}}, {options: {context: 512}, baseline: {options: {context: 64}}}]
    reduce: %s
    metric: run.tokens_per_s / baseline.tokens_per_s
    expect: {min: 1}
"""


def judged(tmp_path, reduce):
    path = tmp_path / f"{reduce}.yaml"
    path.write_text(CLAIM % reduce)
    return ClaimsSuite().verdict(load_claims(path)[1].cases[0]).value


def test_runs_over_an_axis_are_reduced_to_one_number(tmp_path):
    low, high = (judged(tmp_path, name) for name in ("min", "max"))
    assert low < high
    assert judged(tmp_path, "mean") == pytest.approx((low + high) / 2)
    assert judged(tmp_path, "geomean") == pytest.approx((low * high) ** 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("    reduce: %s\n", ""), "need 'reduce'"),
        (("command: pim, config: duplex-plain", "command: pim"), "needs 'config'"),
        (("model: mixtral-8x7b, options: {batch: 8", "options: {batch: 8"), "needs a 'model'"),
    ],
)
def test_incomplete_claims_are_named(tmp_path, change, message):
    path = tmp_path / "claims.yaml"
    path.write_text(CLAIM.replace(*change, 1).replace("%s", "max"))
    with pytest.raises(ConfigError, match=message):
        load_claims(path)


def test_operations_of_devices_are_claims_too(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(
        "cases:\n  - id: product\n    source: test\n    run: {command: pim, config: duplex,"
        " options: {op: product, rows: 4096, inner: 4096, columns: 8}}\n"
        "    metric: run.ops_per_byte\n"
        "    expect: {value: 8, tolerance_percent: 0}\n"
    )
    document, _ = load_claims(path)
    assert ClaimsSuite().verdict(check_claims(document).cases[0]).holds
