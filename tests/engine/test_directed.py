from __future__ import annotations

import pytest

from archsim.engine import run_program
from tests.engine.comparison import check_program
from tests.engine.directed import coprime_cycles, directed_programs, two_rates_in_a_nest
from tests.engine.recurring import recurring_programs


def test_programs_that_recur_agree_and_are_recalled():
    for program in recurring_programs():
        _, timing = check_program(program)
        assert timing.recalls > 0 or sum(timing.instance_counts) < 500, program.name


@pytest.mark.parametrize("part", range(8))
def test_folded_unrolled_and_interpreted_agree_on_directed_programs(part):
    for program in directed_programs()[part::8]:
        check_program(program)


def test_directed_programs_do_fold():
    folds = [run_program(program).jumps > 0 for program in directed_programs()]
    assert sum(folds) > 0.95 * len(folds)


def test_the_slack_that_runs_out_ends_a_jump():
    program = two_rates_in_a_nest(20_300)
    timing = run_program(program)
    assert timing.jumps > 2
    assert timing.simulated < 0.2 * sum(timing.instance_counts)


def test_coprime_cycles_fold_at_the_product_of_their_periods():
    timing = run_program(coprime_cycles((2, 3, 5, 7), 1_000_000))
    assert timing.jumps >= 1
    assert timing.simulated < 4 * 210 * 12
