"""A pass is the sum of its fragments: adding them up is what the engine finds for the whole."""

from __future__ import annotations

from functools import partial

import pytest

from archsim.accounting import PassAccounts, account
from archsim.engine import run_program
from tests.composition.samples import machine, map_pass, small, tiny
from workloads import load_workload

CASES = {
    "small-tiny-prefill": (small, partial(tiny, "prefill", batch=3, context=40)),
    "small-tiny-decode": (small, partial(tiny, "decode", batch=1, context=40)),
    "array-llama-decode": (
        partial(machine, "array128-hbm3"),
        partial(load_workload, "llama3.2-1b", phase="decode", context=200),
    ),
    "tpu-bert": (
        partial(machine, "tpu-v4i"),
        partial(load_workload, "bert-base", phase="prefill", context=96),
    ),
    "fusemax-bert": (
        partial(machine, "fusemax-cloud"),
        partial(load_workload, "bert-base", phase="prefill", context=512),
    ),
}


@pytest.fixture(params=CASES)
def both(request):
    """Totals by the whole program, by fragments, and by fragments a second time."""
    make_machine, make_workload = CASES[request.param]
    on, workload = make_machine(), make_workload()
    step = workload.step(0) if workload.phase == "decode" else workload
    mapped = map_pass(on, step)
    accounts = PassAccounts(on)
    whole = account(mapped, run_program(mapped.program), on)
    return whole, accounts.totals(mapped), accounts.totals(mapped)


def without_zeros(values):
    """Return the entries that are not zero: a border between fragments takes no time."""
    return {key: value for key, value in values.items() if value}


def test_times_and_counts_are_equal(both):
    whole, parts, _ = both
    assert parts.latency_ps == whole.latency_ps
    assert parts.counts == whole.counts
    assert parts.useful_macs == whole.useful_macs
    assert parts.busy_ps == whole.busy_ps
    assert without_zeros(parts.layer_ps) == without_zeros(whole.layer_ps)
    assert without_zeros(parts.path_ps) == without_zeros(whole.path_ps)
    assert parts.warnings == whole.warnings


def test_sensitivities_are_equal(both):
    whole, parts, _ = both
    assert parts.slopes_ps == pytest.approx(whole.slopes_ps, rel=1e-6)


def test_a_fragment_is_timed_once(both):
    _, parts, again = both
    assert parts.simulated > 0
    assert (again.simulated, again.jumps, again.recalls) == (0, 0, 0)
    assert again.latency_ps == parts.latency_ps
    assert again.slopes_ps == parts.slopes_ps
