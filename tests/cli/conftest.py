"""A command line in this process, with a stand-in for the simulation where a test wants one."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from types import ModuleType

import pytest

from archsim.cli import main
from archsim.results import Result
from tests.results.samples import CONFIG, feasible_result, infeasible_result


@dataclass(frozen=True)
class Outcome:
    """What one command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def archsim(capsys, monkeypatch):
    """Run a command line and return its exit code and output."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str) -> Outcome:
        code = main(list(words))
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def calls(monkeypatch):
    """Replace the composer by one that records its calls; ``small`` machines are too small."""
    made: list[dict] = []

    def simulate(hardware, workload, *, progress, observe, **options) -> Result:
        assert observe is None
        if progress is not None:
            progress(1, 1)
        made.append({"hardware": hardware, "workload": workload, **options})
        result = infeasible_result() if hardware == "small" else feasible_result()
        if hardware == "interrupt":
            raise KeyboardInterrupt
        return replace(result, config={**CONFIG, "hardware": {"name": hardware}})

    def simulate_config(config, *, progress=None, observe=None) -> Result:
        del progress, observe
        made.append({"config": config})
        return replace(feasible_result(), config=config)

    module = ModuleType("archsim.composition")
    module.simulate = simulate
    module.simulate_config = simulate_config
    monkeypatch.setitem(sys.modules, "archsim.composition", module)
    return made
