"""Programs of all-bank passes: equal to the event-driven controller, and folded."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.engine import run_program
from archsim.errors import ConfigError
from archsim.pim.device import load_device
from archsim.pim.operations import Gemv, run_operation
from archsim.pim.programs import RowPass, gemv_pass, pass_program, pass_ticks, plan_rows

QUIET = "hardware.controller.refresh=none"


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 3000),
    inner=st.integers(1, 1500),
    element=st.sampled_from([1, 2, 4]),
    gap=st.integers(2, 9),
)
def test_a_gemv_is_equal_to_the_controllers(rows, inner, element, gap):
    device = load_device("attacc-bank", [QUIET, f"hardware.timings.nCCDAB={gap}"])
    work = gemv_pass(device, rows, inner, element)
    expected = run_operation(device, Gemv(rows, inner, element)).ticks
    assert pass_ticks(device, work) == expected


@pytest.mark.parametrize("size", [2048, 4096, 8192])
def test_refreshes_cost_what_they_cost_the_controller(size):
    device = load_device("attacc-bank")
    work = gemv_pass(device, size, size)
    plan = plan_rows(device, work)
    expected = run_operation(device, Gemv(size, size)).ticks
    assert plan.count > 0 or size == 2048
    assert pass_ticks(device, work, plan) == pytest.approx(expected, rel=0.02)


def test_long_passes_fold():
    device = load_device("attacc-bank")
    work = RowPass(4, 32 * 10_000_000, 8)
    program = pass_program(device, work)
    run_program(program, path=False)
    start = time.process_time()
    timing = run_program(program, path=False)
    assert timing.simulated < 20_000
    assert time.process_time() - start < 5
    row = 31 * 6 + 46
    assert max(timing.last_starts_ps) // 769 == pytest.approx(10_000_000 * row, rel=1e-4)


def test_only_units_beside_banks_work_in_step():
    with pytest.raises(ConfigError, match="bankgroup"):
        gemv_pass(load_device("attacc-bankgroup"), 64, 64)
