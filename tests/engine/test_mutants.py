"""Every rule of folding, of summaries and of the walk is one that a test would miss."""

from __future__ import annotations

import pytest

from archsim.engine import run_program
from tests.engine.directed import triangular
from tests.engine.mutants import MUTANTS, broken, killer

SAMPLE = 3
"""Every so many rules are broken in the quick tests."""

NEEDED = [mutant for mutant in MUTANTS if not mutant.excuse]
EXCUSED = [mutant for mutant in MUTANTS if mutant.excuse]


@pytest.mark.parametrize("mutant", NEEDED[::SAMPLE], ids=lambda mutant: mutant.rule)
def test_a_broken_rule_is_noticed(mutant):
    assert killer(mutant, 600) is not None


@pytest.mark.slow
@pytest.mark.parametrize("mutant", NEEDED, ids=lambda mutant: mutant.rule)
def test_every_broken_rule_is_noticed(mutant):
    assert killer(mutant, 3000) is not None


@pytest.mark.slow
@pytest.mark.parametrize("mutant", EXCUSED, ids=lambda mutant: mutant.rule)
def test_rules_that_no_program_shows_are_those_listed(mutant):
    assert killer(mutant, 900) is None


def test_breaking_a_rule_leaves_no_trace():
    before = run_program(triangular(), backend="python")
    for mutant in MUTANTS:
        with broken(mutant):
            pass
    after = run_program(triangular(), backend="python")
    assert after.attribution == before.attribution
    assert (after.simulated, after.recalls) == (before.simulated, before.recalls)


def test_a_rule_is_broken_where_it_stands():
    assert len({mutant.rule for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        assert mutant.old != mutant.new
