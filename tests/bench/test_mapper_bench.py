"""The bench of mapper auto: its shape, and that it checks what it measures."""

from __future__ import annotations

from archsim.bench import mapper


def test_every_point_is_measured_and_checked():
    record = mapper.run(models=("BERT",), lengths=(1024, 4096), repeats=1)
    values = {item["name"]: item["value"] for item in record["metrics"]}
    for length in (1024, 4096):
        assert values[f"BERT_{length}_search"] > 0
        for rung in ("analytic", "tile"):
            assert 0.85 < values[f"BERT_{length}_{rung}_over_binding"] < 1
    assert values["slowest_search"] >= values["BERT_1024_search"]
    assert record["exact"]
