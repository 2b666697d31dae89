"""Published systems: the arithmetic of the verdicts, and that each is the expected one."""

import dataclasses

import pytest

from archsim.errors import ConfigError
from archsim.validation import pim_claims_numbers as ours
from archsim.validation.pim_claims import SUITE, holds, record
from archsim.validation.pim_claims_list import CLAIMS


@pytest.fixture(scope="module")
def outcome():
    return SUITE.run(None)


def test_every_verdict_is_the_expected_one(outcome):
    assert [judged.metric for judged in outcome.judgements if not judged.passed] == []


def test_every_claim_names_source_and_every_failure_a_reason(outcome):
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS) == outcome.cases
    for found in outcome.details:
        assert found["source"]
        if found["verdict"] == "not-reproduced":
            assert len(str(found["reason"])) > 10


def test_a_claim_that_changes_its_verdict_is_seen():
    claim = next(claim for claim in CLAIMS if claim.id == "attacc-bandwidth")
    assert record(claim, 242.0)["as_expected"]
    assert not record(claim, 200.0)["as_expected"]
    failing = dataclasses.replace(claim, reason="because")
    assert not record(failing, 242.0)["as_expected"]


def test_bounds_are_judged_on_their_sides():
    bound = dataclasses.replace(CLAIMS[0], value=None, low=1.0, high=2.0)
    assert [holds(bound, value) for value in (0.9, 1.0, 2.0, 2.1)] == [False, True, True, False]


def test_no_request_length_gives_both_published_batches_of_attacc():
    base, pim = 640 * 2**30, 1280 * 2**30
    for word in (1, 2):
        weights = ours.model("gpt3-175b", word, word).stored_bytes
        assert (pim - weights) / (base - weights) < 3.1
    # Weights and reserves that would: 641 GB of 687 with pooled memory.
    ratio = 854 / 54
    needed = (ratio * base - pim) / (ratio - 1)
    assert needed == pytest.approx(641e9, rel=0.002)


def test_glam_of_duplex_has_its_published_parameters():
    assert ours.model("glam-143b").weights / 143e9 == pytest.approx(1, abs=0.005)


def test_the_suite_takes_no_data(tmp_path):
    with pytest.raises(ConfigError, match="has its claims with it"):
        SUITE.run(tmp_path)


def test_both_published_batches_of_attacc_are_the_first_that_do_not_fit_in_1280_gib():
    # Half the memory with elements of half the size is the same.
    assert ours.attacc_settings(854) == [(640, 128, 128, 1), (1280, 128, 128, 2)]
    assert ours.attacc_settings(54) == [(640, 2048, 2048, 1), (1280, 2048, 2048, 2)]
