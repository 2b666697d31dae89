"""`archsim validate rtl`: equality everywhere, or a clear word on what is missing."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

from archsim.errors import ConfigError, NotRunError
from archsim.validation.rtl import SUITE, RtlSuite
from rtl_ref.harness import blocks, runner

needs_simulator = pytest.mark.skipif(
    runner.missing_tool() is not None, reason=str(runner.missing_tool())
)


def test_outside_a_checkout_it_is_not_run(tmp_path):
    with pytest.raises(NotRunError, match="source checkout"):
        RtlSuite(root=tmp_path).run(None)


def test_without_icarus_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(NotRunError, match="apt-get install iverilog"):
        SUITE.run(None)


def test_it_takes_no_data(tmp_path):
    with pytest.raises(ConfigError, match="takes no data"):
        SUITE.run(tmp_path)


@needs_simulator
def test_every_case_is_equal(monkeypatch):
    monkeypatch.setattr(blocks, "block_names", lambda: ("credit_link", "wrr_arb"))
    outcome = SUITE.run(None)
    assert {item.by["block"] for item in outcome.items} == {"credit_link", "wrr_arb"}
    assert outcome.cases == sum(blocks.load_block(n).num_cases for n in ("credit_link", "wrr_arb"))
    assert all(item.predicted == item.reference for item in outcome.items)
    assert [(row["block"], row["mismatches"]) for row in outcome.details] == [
        ("credit_link", 0),
        ("wrr_arb", 0),
    ]
    assert [judgement.passed for judgement in outcome.judgements] == [True]


def test_a_mismatch_and_a_failed_check_are_counted(monkeypatch):
    """A block that is a cycle late in one case, and one whose bench fails otherwise."""
    measured = (("a", 7, 7), ("b", 9, 10))
    found = runner.Outcome(("law",), ("law: order differs",), Counter(), measured, 0)
    monkeypatch.setattr(runner, "missing_tool", lambda: None)
    monkeypatch.setattr(runner, "simulate", lambda *_, **__: found)
    monkeypatch.setattr(blocks, "block_names", lambda: ("credit_link",))
    outcome = SUITE.run(None)
    builds = len(blocks.load_block("credit_link").configs)
    assert outcome.details[0]["mismatches"] == builds
    assert [(each.value, each.passed) for each in outcome.judgements] == [(builds, False)]
