"""Units in a memory: what an operation costs is what its commands say, on a machine as alone."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.components import pim_cost, pim_requests
from archsim.components.pim_cost import operation_cost, unrefreshed
from archsim.components.pim_requests import dealt
from archsim.components.pim_units import BoundPimUnits
from archsim.errors import ConfigError
from archsim.machine import load_hardware
from archsim.mapping import Infeasible, MemoryCache
from archsim.pim.batch import run_batch
from archsim.pim.device import load_device
from archsim.pim.operations import Attention, Gemv, KvWrite, run_operation

OPERATIONS = (
    Gemv(1000, 1536),
    Gemv(24 * 1024, 4096),
    Attention(300, 128, 96, 96, 4),
    Attention(1025, 64, 32, 8, 2),
    Gemv(3000, 4096, 2, 5),
    KvWrite(700, 128, 12, 3),
)

DYNAMIC = ("activate", "access", "compute", "move")

SLOW = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def units_of(name, *overrides):
    machine = load_hardware(name, overrides=overrides)
    found = [item for item in machine.components.values() if isinstance(item, BoundPimUnits)]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("name", ["attacc-bank", "duplex", "hbm-pim", "aim", "neupims"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_a_run_and_a_single_operation_agree(name, operation):
    units = units_of(name)
    alone = load_device(units.units.device, (f"hardware.stacks={units.units.stacks}",))
    outcome = run_operation(alone, operation)
    cost = units.cost(operation)
    assert not cost.is_line
    assert cost.time_ps == outcome.time_ps
    assert cost.stream_ps + cost.rows_ps + cost.vector_ps + cost.refresh_ps == cost.time_ps
    assert min(cost.stream_ps, cost.rows_ps, cost.vector_ps, cost.refresh_ps, cost.due_ps) >= 0
    assert (cost.read_bytes, cost.useful_bytes) == (outcome.read_bytes, outcome.useful_bytes)
    if not units.config.energy_j:
        counts = units.counts(cost, "bf16", 2)
        energy = sum(n * units.energy_pj(key[1], key[2]) for key, n in counts.items())
        alone_j = sum(outcome.energy_j.get(part, 0.0) for part in DYNAMIC)
        assert energy * 1e-12 == pytest.approx(alone_j, rel=1e-6)


def test_tokens_that_give_the_same_commands_are_timed_once():
    units, cache = units_of("attacc-bank"), MemoryCache()
    costs = [units.attention(n, 128, 96, 96, 1, 2, cache) for n in (1009, 1024)]
    assert costs[0].time_ps == costs[1].time_ps
    assert costs[0].useful_bytes < costs[1].useful_bytes
    alone = load_device("attacc-bank", ("hardware.stacks=5",))
    for tokens, cost in zip((1009, 1024), costs, strict=True):
        assert run_operation(alone, Attention(tokens, 128, 96, 96)).time_ps == cost.time_ps


@pytest.mark.parametrize(
    ("operation", "budget"),
    [
        (Gemv(40 * 1024, 2048), 1500),
        (Attention(1500, 128, 96, 96, 4), 3000),
        (Attention(3900, 128, 30, 30), 900),
    ],
    ids=str,
)
def test_a_line_goes_on_as_the_commands_do(operation, budget, monkeypatch):
    device = load_device("attacc-bank")
    exact = operation_cost(device, operation)
    monkeypatch.setattr(pim_cost, "BUDGET", budget)
    line = operation_cost(device, operation)
    assert not exact.is_line
    assert line.is_line
    assert line.time_ps == pytest.approx(exact.time_ps, rel=0.03)
    assert line.read_bytes == pytest.approx(exact.read_bytes, rel=0.01)
    assert line.activate_pj == pytest.approx(exact.activate_pj, rel=0.1)
    assert line.access_pj == pytest.approx(exact.access_pj, rel=0.01)


@pytest.mark.parametrize("name", ["attacc-bank", "attacc-bankgroup", "generic-pim"])
def test_short_operations_bear_their_share_of_refreshes(name):
    device = load_device(name)
    long = operation_cost(device, Gemv(200 * 1024, 1024))
    short = operation_cost(device, Gemv(1024, 1024))
    assert short.refresh_ps < short.due_ps or short.refresh_ps > 0
    share = (long.refresh_ps + long.due_ps) / (long.time_ps + long.due_ps)
    met = (short.refresh_ps + short.due_ps) / (short.time_ps + short.due_ps)
    assert met == pytest.approx(share, rel=0.15)
    assert operation_cost(unrefreshed(device), Gemv(1024, 1024)).due_ps == 0


@SLOW
@given(
    rows=st.integers(1, 6000),
    inner=st.integers(1, 2000),
    name=st.sampled_from(["attacc-bank", "generic-pim", "lpddr5-pim"]),
)
def test_units_read_the_matrix_at_least_once_and_no_faster_than_their_peak(name, rows, inner):
    units = units_of(name)
    cost = units.gemv(rows, inner, 2)
    assert cost.read_bytes >= rows * inner * 2 == cost.useful_bytes
    assert cost.time_ps >= cost.read_bytes / units.peak_read_bytes_per_s() * 1e12 * 0.5
    more = units.gemv(rows + 500, inner, 2)
    assert more.time_ps >= cost.time_ps


@pytest.mark.parametrize("name", ["attacc-bank", "generic-pim"])
def test_requests_of_different_lengths_take_what_pim_batch_takes(name):
    units = units_of(name)
    alone = load_device(units.units.device, (f"hardware.stacks={units.units.stacks}",))
    shape = {"head_size": 128, "heads": 12, "kv_heads": 12, "element_bytes": 2}
    parts = [(1500, 1), (900, 3), (200, 9)]
    lengths = [tokens for tokens, number in parts for _ in range(number)]
    found = units.batch(parts, shape, MemoryCache())
    outcome = run_batch(alone, lengths, 128, 12, 12)
    assert found.is_exact
    assert (found.cost.time_ps, found.balance) == (outcome.time_ps, outcome.balance)
    assert found.cost.useful_bytes == sum(lengths) * 2 * 128 * 12 * 2


def test_large_batches_are_dealt_by_the_time_of_heads(monkeypatch):
    units = units_of("attacc-bank")
    shape = {"head_size": 128, "heads": 12, "kv_heads": 12, "element_bytes": 2}
    parts = [(1500, 4), (900, 16), (200, 40)]
    exact = units.batch(parts, shape, None)
    monkeypatch.setattr(pim_requests, "BUDGET", 1)
    line = units.batch(parts, shape, None)
    assert exact.is_exact
    assert not line.is_exact
    assert line.cost.time_ps == pytest.approx(exact.cost.time_ps, rel=0.08)
    assert line.cost.read_bytes == exact.cost.read_bytes


@given(
    costs=st.lists(st.tuples(st.floats(1, 1e6), st.integers(1, 40)), min_size=1, max_size=6),
    places=st.integers(1, 64),
)
def test_dealing_loses_nothing_and_the_longest_first_is_never_worse_than_twice_the_mean(
    costs, places
):
    total = sum(cost * count for cost, count in costs)
    longest = max(cost for cost, _ in costs)
    for deal in ("longest-first", "round-robin"):
        loads = dealt(costs, places, deal)
        assert sum(loads) == pytest.approx(total)
    assert max(dealt(costs, places, "longest-first")) <= total / places + longest + 1e-6


def test_more_stacks_are_never_slower():
    times = [
        units_of("attacc-bank", f"hardware.components.units.stacks={n}")
        .attention(900, 128, 96, 96, 4, 2)
        .time_ps
        for n in (1, 2, 5, 10)
    ]
    assert times == sorted(times, reverse=True)
    assert times[0] > 7 * times[-1]


def test_another_clock_stretches_all_distances():
    slow = units_of("attacc-bank", "hardware.clocks.pim=650 MHz")
    fast = units_of("attacc-bank")
    shape = {"rows": 4096, "inner": 1024}
    times = [unit.service("gemv", shape, "bf16").occupancy_ps for unit in (slow, fast)]
    assert times[0] / times[1] == pytest.approx(1538 / 769, rel=1e-3)
    assert fast.peak_macs_per_s("bf16") == pytest.approx(2 * slow.peak_macs_per_s("bf16"), rel=1e-3)


def test_distances_can_be_replaced():
    units = units_of("attacc-bank", "hardware.components.units.timings={nCCDAB: 4}")
    assert units.gemv(40960, 4096, 2).time_ps < units_of("attacc-bank").gemv(40960, 4096, 2).time_ps
    with pytest.raises(ConfigError, match="nCCDS"):
        units_of("attacc-bank", "hardware.components.units.timings={nCCDXX: 4}")


def test_what_the_lanes_or_the_kernels_cannot_take_is_typed():
    units = units_of("attacc-bank")
    odd = units.element_bytes("int4")
    assert isinstance(odd, Infeasible)
    assert (odd.resource, odd.need, odd.have, odd.unit) == ("lanes", 8, 4, "bit")
    wide = units.attention(100, 16 * 1024, 1, 1, 1, 2)
    assert isinstance(wide, Infeasible)
    assert wide.resource == "vector buffer"
    assert isinstance(units_of("aim").gemv(64, 64, 1), Infeasible)


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("hardware.components.units.device=attac-bank", "attacc-bank"),
        ("hardware.components.units.memory=stack", "stacks"),
        ("hardware.components.units.link=brige", "bridge"),
        ("hardware.components.units.homes.attention=gpu", "xpu"),
        ("hardware.components.units.xpu.gemm=gpu-gem", "gpu-gemm"),
        ("hardware.components.units.xpu={}", "no processor"),
    ],
)
def test_a_broken_description_names_the_nearest(override, match):
    with pytest.raises(ConfigError, match=match):
        load_hardware("attacc-bank", overrides=[override])
