"""Energy is counts times table plus static power times time, and nothing else."""

from __future__ import annotations

from fractions import Fraction

import pytest

from archsim.accounting import Totals, account
from archsim.engine import run_program
from archsim.units import PS_PER_S
from tests.composition.samples import machine, map_pass, run, small, tiny


def totals_of(on, workload) -> Totals:
    mapped = map_pass(on, workload)
    return account(mapped, run_program(mapped.program), on)


def by_hand(on, totals):
    """Return dynamic and static joules in exact arithmetic."""
    dynamic = sum(
        Fraction(count) * Fraction(on.component(name).energy_pj(action, number)) / 10**12
        for (name, action, number), count in totals.counts.items()
    )
    watts = sum(Fraction(item.static_w()) for item in on.components.values())
    return dynamic, watts * totals.latency_ps / PS_PER_S


@pytest.mark.parametrize(
    ("name", "phase"), [("array128-hbm2e", "decode"), ("tpu-v4i", "prefill"), ("small", "decode")]
)
def test_energy_is_the_sum_by_hand(name, phase):
    on = small() if name == "small" else machine(name)
    load = tiny(phase, batch=2, context=30)
    result = run(on, load)
    dynamic, static = by_hand(on, totals_of(on, load if phase == "prefill" else load.step(0)))
    assert result.energy.dynamic == pytest.approx(float(dynamic), rel=1e-12)
    assert result.energy.static == pytest.approx(float(static), rel=1e-12)
    assert result.energy_j == result.energy.dynamic + result.energy.static
    assert sum(result.energy.component.values()) == pytest.approx(result.energy_j, rel=1e-12)
    assert set(result.energy.component) == set(on.components)
    assert result.power_w == pytest.approx(result.energy_j / result.latency_s, rel=1e-12)


@pytest.mark.parametrize(
    ("component", "action"),
    [
        ("array", "mac"),
        ("vector", "exp"),
        ("vector", "add"),
        ("buffer", "read"),
        ("buffer", "write"),
        ("dram", "read"),
        ("dram", "write"),
    ],
)
def test_one_energy_changes_the_total_by_count_times_delta(component, action):
    load = tiny("prefill", batch=2, context=30)
    before_pj, after_pj = 1.0, 3.5
    runs = []
    for energy_pj in (before_pj, after_pj):
        on = small(64, "2 GB/s", f"components.{component}.energy={{{action}: {energy_pj} pJ}}")
        runs.append((on, totals_of(on, load), run(on, load)))
    (_, totals, before), (_, same, after) = runs
    assert totals.counts == same.counts
    count = sum(
        number
        for (name, act, _), number in totals.counts.items()
        if (name, act) == (component, action)
    )
    assert count > 0
    delta = count * (after_pj - before_pj) * 1e-12
    assert after.energy_j - before.energy_j == pytest.approx(delta, rel=1e-6)
    assert after.energy.static == before.energy.static
    assert after.latency_s == before.latency_s
    for name, joules in before.energy.component.items():
        change = delta if name == component else 0.0
        assert after.energy.component[name] - joules == pytest.approx(change, rel=1e-6, abs=1e-18)


def test_a_format_of_its_own_wins_over_the_action():
    plain = small(64, "2 GB/s", "components.array.energy={mac: 1 pJ}")
    named = small(64, "2 GB/s", "components.array.energy={mac: 9 pJ, mac.bf16: 1 pJ}")
    load = tiny("prefill", context=16)
    assert run(plain, load).energy == run(named, load).energy


def test_static_power_is_paid_for_the_whole_run():
    load = tiny("decode", context=30)
    idle, hot = (
        run(small(64, "2 GB/s", f"components.vector.static_power={watts} W"), load)
        for watts in (0, 5)
    )
    assert hot.energy.static - idle.energy.static == pytest.approx(5 * idle.latency_s, rel=1e-9)
    assert hot.energy.dynamic == idle.energy.dynamic


def test_the_roofline_rung_counts_no_energy():
    result = run(small(), tiny(), fidelity="roofline")
    assert result.energy is None
    assert result.energy_j is None
    assert all(phase.energy_j is None for phase in result.phases.values())
