"""What a pass does is what the workload asks for: MACs, operations, bytes."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from archsim.accounting import account
from archsim.engine import run_program
from tests.composition.samples import machine, map_pass, small, tiny
from workloads import load_workload

CASES = {
    **{
        f"small-tiny-{phase}-{batch}": (small, partial(tiny, phase, batch=batch, context=40))
        for phase in ("prefill", "decode")
        for batch in (1, 3)
    },
    "tpu-bert": (
        partial(machine, "tpu-v4i"),
        partial(load_workload, "bert-base", phase="prefill", context=96),
    ),
    "array-llama-decode": (
        partial(machine, "array128-hbm3"),
        partial(load_workload, "llama3.2-1b", phase="decode", context=200),
    ),
    "tpu-llama-prefill": (
        partial(machine, "tpu-v4i"),
        partial(load_workload, "llama3.2-1b", phase="prefill", context=48),
    ),
}


@pytest.fixture(scope="module", params=CASES)
def ran(request):
    """One pass: machine, workload, totals."""
    make_machine, make_workload = CASES[request.param]
    on, workload = make_machine(), make_workload()
    step = workload.step(0) if workload.phase == "decode" else workload
    mapped = map_pass(on, step)
    return on, step, account(mapped, run_program(mapped.program), on)


def counted(totals):
    """Return the counts by action."""
    actions = Counter()
    for (_, action, _), count in totals.counts.items():
        actions[action] += count
    return actions


def test_macs_that_ran_are_those_of_the_dense_products(ran):
    _, workload, totals = ran
    assert counted(totals)["mac"] == workload.dense_macs()


def test_useful_macs_are_those_of_the_workload(ran):
    _, workload, totals = ran
    assert sum(totals.useful_macs.values()) == workload.macs()


def test_vector_work_covers_that_of_the_workload(ran):
    _, workload, totals = ran
    actions = counted(totals)
    for action, count in workload.op_counts().items():
        if action != "mac":
            assert actions[action] >= count, action


def test_the_outermost_level_moves_at_least_the_compulsory_bytes(ran):
    on, workload, totals = ran
    compulsory = workload.compulsory_bytes()
    assert totals.moved_bytes(on.outermost) >= sum(compulsory.values())
    read = sum(
        count
        for (name, action, _), count in totals.counts.items()
        if (name, action) == (on.outermost, "read")
    )
    assert read >= compulsory["weight"]


def test_what_leaves_the_outermost_level_arrives_on_chip_and_back(ran):
    on, _, totals = ran
    moved = Counter()
    for (name, action, _), count in totals.counts.items():
        if name in on.levels:
            moved[name == on.outermost, action] += count
    assert moved[False, "write"] >= moved[True, "read"]
    assert moved[False, "read"] >= moved[True, "write"]


def test_the_critical_path_and_layers_sum_to_the_latency(ran):
    _, _, totals = ran
    assert sum(totals.path_ps.values()) == totals.latency_ps
    assert sum(totals.layer_ps.values()) == totals.latency_ps


def test_no_resource_is_busy_for_longer_than_the_run(ran):
    on, _, totals = ran
    servers = {
        name: count for item in on.components.values() for name, count in item.resources().items()
    }
    for name, busy_ps in totals.busy_ps.items():
        assert busy_ps <= totals.latency_ps * servers.get(name, 1)
