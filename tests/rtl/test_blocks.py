"""Every reference block in the simulator: exact cycles, exact data, full coverage, no mutant left.

Icarus Verilog is installed by the project's own test command, which also sets
``ARCHSIM_REQUIRE_RTL=1`` so that nothing here can be skipped unnoticed.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter

import pytest

from rtl_ref.harness.blocks import block_names, load_block
from rtl_ref.harness.runner import missing_tool, simulate, verilator_bin

MISSING = missing_tool()
needs_simulator = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

BLOCKS = {name: load_block(name) for name in block_names()}
MUTANTS = [(block, mutant) for block in BLOCKS.values() for mutant in block.mutants.values()]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("SIM", "WAVES", "COCOTB_TEST_FILTER", "COCOTB_TESTCASE", "VERILATOR_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", os.environ["PATH"])


@pytest.mark.skipif(
    os.environ.get("ARCHSIM_REQUIRE_RTL") != "1", reason="ARCHSIM_REQUIRE_RTL is not set to 1"
)
def test_nothing_is_skipped_here():
    assert MISSING is None
    assert missing_tool("verilator") is None


@needs_simulator
@pytest.mark.parametrize("name", BLOCKS)
def test_bench(name, tmp_path, record_property):
    block = BLOCKS[name]
    coverage: Counter[str] = Counter()
    num_cases = 0
    for config in block.configs:
        seed = int(os.environ.get("ARCHSIM_RTL_SEED", random.SystemRandom().randrange(1 << 30)))
        outcome = simulate(block, config, tmp_path / config, seed=seed)
        assert not outcome.failures, (config, f"ARCHSIM_RTL_SEED={seed}", outcome.failures)
        assert len(outcome.tests) >= 4
        assert [row for row in outcome.measured if row[1] != row[2]] == []
        num_cases += len(outcome.measured)
        coverage.update(outcome.coverage)
    assert num_cases == block.num_cases
    print(f"{name}: {num_cases} cases equal to {block.law}")
    for bin_name in block.bins:
        print(f"{name}: {coverage[bin_name]:6d} x {bin_name}")
    hit = [bin_name for bin_name in block.bins if coverage[bin_name]]
    rarest = min(block.bins, key=lambda bin_name: coverage[bin_name])
    record_property(
        "functional coverage",
        f"{name:15}{100 * len(hit) // len(block.bins):4d} % of {len(block.bins):2d} bins, "
        f"{num_cases:2d} cases equal; rarest bin {coverage[rarest]} x {rarest}",
    )
    assert hit == list(block.bins)


@needs_simulator
@pytest.mark.parametrize(
    ("block", "mutant"), MUTANTS, ids=[f"{block.name}-{mutant.name}" for block, mutant in MUTANTS]
)
def test_mutant_is_caught(block, mutant, tmp_path):
    outcome = simulate(block, mutant.config, tmp_path, mutant=mutant, seed=1)
    assert outcome.failures


@pytest.mark.skipif(verilator_bin() is None, reason=str(missing_tool("verilator")))
@pytest.mark.parametrize("name", BLOCKS)
def test_lint(name, tmp_path):
    block = BLOCKS[name]
    for config in block.configs.values():
        parameters = [f"-G{key}={value}" for key, value in config.parameters.items()]
        done = subprocess.run(
            [
                str(verilator_bin() / "verilator"),
                *("--lint-only", "-Wall", "--top-module", block.top, *parameters),
                *map(str, block.sources),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), config.name
