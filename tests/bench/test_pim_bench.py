"""The bench of memories that compute measures every placement and checks a recorded run."""

from __future__ import annotations

from archsim.bench import pim


def test_a_small_bench(monkeypatch):
    monkeypatch.setattr(pim, "SWEEP_TOKENS", 2)
    record = pim.run(tokens=64, repeats=1)
    assert record["exact"]
    names = {item["name"] for item in record["metrics"]}
    assert {f"{name}_attention" for name in pim.DEVICES} <= names
    assert all(item["value"] > 0 for item in record["metrics"])
