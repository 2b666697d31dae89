from __future__ import annotations

import pytest

from archsim.bench import events
from archsim.bench.events import RULES, agrees, arriving, measure_events, shared


def test_metrics_and_exactness():
    metrics, exact = measure_events(3000, 1, 1e7)
    assert exact is True
    found = {entry["name"]: entry for entry in metrics}
    assert len(found) == len(metrics)
    speeds = [found[f"events_{rule}"]["value"] for rule in RULES]
    assert found["events"]["value"] == min(speeds) > 0
    assert found["events"]["unit"] == "events/s"
    assert found["events"]["ratio_to"]["calibration_loop"] == found["events"]["value"] / 1e7
    for rule in RULES:
        assert found[f"events_{rule}_simulated"]["value"] < 16 * 300


@pytest.mark.parametrize("rule", RULES)
def test_at_full_size_little_is_simulated(rule):
    case = shared(100_000, rule)
    timing = case.run(log=False)
    assert sum(case.program.instance_counts) == 1_600_000
    assert timing.simulated < 2000


def test_a_difference_is_noticed(monkeypatch):
    assert agrees(arriving(20))
    reference = events.interpret_events
    monkeypatch.setattr(
        events, "interpret_events", lambda *a, **k: reference(*a, **{**k, "window": 1})
    )
    assert not agrees(shared(20, "fcfs"))
