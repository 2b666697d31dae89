"""The bench of the memory controller: its shape, and that it checks what it measures."""

from __future__ import annotations

from archsim.bench import dram


def test_every_memory_and_pattern_is_measured():
    record = dram.run(num_requests=500, repeats=1)
    names = {item["name"] for item in record["metrics"]}
    assert names == {
        f"{memory}_{label}"
        for memory in dram.MEMORIES
        for label in (*dram.PATTERNS, "stream_folded")
    }
    assert all(item["value"] > 0 for item in record["metrics"])
    assert record["exact"]
