"""The checker on the controller's own traces: nothing to accuse, and every seeded mutant found."""

from __future__ import annotations

import random

import pytest

from archsim.dram.checker import check
from archsim.dram.memory import load_memory
from archsim.dram.traces import Command

STANDARDS = (
    *("ddr4-3200", "ddr5-4800-ramulator", "lpddr5-6400"),
    *("gddr6-14000-ramulator", "hbm2-2000-ramulator", "hbm3-6400"),
)
WORKLOADS = (
    "stream:n=2000,write=33,seed=12",
    "random:n=2000,write=50,seed=4",
    "copy:n=2000,length=16",
    "chunk:n=2000,length=16,seed=36",
)
"""The recorded command traces of Ramulator 2.1 ; ours are equal to them."""


def trace_of(memory, pattern):
    log = memory.run(memory.requests_of_pattern(pattern), log_commands=True).commands
    names = [command.name for command in memory.standard.commands]
    return [
        Command(tick, names[command], tuple(address))
        for tick, command, address in zip(
            log.tick.tolist(), log.command.tolist(), log.address.tolist(), strict=True
        )
    ]


@pytest.fixture(scope="module", params=STANDARDS)
def memory(request):
    return load_memory(request.param)


def test_recorded_workloads_pass(memory):
    total = 0
    for pattern in WORKLOADS:
        report = check(memory.standard, trace_of(memory, pattern), refresh="all-bank")
        assert report.violations == []
        total += sum(report.comparisons.values())
    assert total > 20_000


def test_commands_one_tick_early_are_found_unless_they_had_slack(memory):
    standard = memory.standard
    trace = trace_of(memory, WORKLOADS[1])[:900]
    clean = check(standard, trace)
    rng = random.Random(2)
    caught = spared = 0
    for place in rng.sample(range(1, len(trace)), 24):
        early = trace[place]._replace(clock=trace[place].clock - 1)
        if early.clock < trace[place - 1].clock:
            continue
        report = check(standard, [*trace[:place], early])
        accused = [item for item in report.violations if item.number == place + 1]
        if clean.earliest[place] == trace[place].clock:
            assert accused, trace[place]
            caught += 1
        elif standard.ticks_per_clock == 1 and "CAS" not in trace[place - 1].name:
            assert not accused, (trace[place], accused)
            spared += 1
    assert caught >= 4


def mutants(trace, rng):
    """(what was done, the mutant, rules one of which must be broken) for one of each kind."""
    names = [item.name for item in trace]

    def pick(*wanted):
        return rng.choice([i for i, name in enumerate(names) if name in wanted and i > 20])

    place = pick("ACT", "ACT2")
    yield "no activation", trace[:place] + trace[place + 1 :], {"bank state", "activation"}
    place = pick("PREpb")
    yield "no precharge", trace[:place] + trace[place + 1 :], {"bank state"}
    place = pick("PREab")
    yield "open at refresh", trace[:place] + trace[place + 1 :], {"bank state"}
    place = pick("RD", "WR")
    item = trace[place]
    fields = (*item.fields[:-2], item.fields[-2] ^ 1, item.fields[-1])
    changed = item._replace(fields=fields)
    yield "another row", [*trace[:place], changed, *trace[place + 1 :]], {"bank state"}
    place = pick("RD", "WR")
    twice = [*trace[: place + 1], trace[place], *trace[place + 1 :]]
    yield "twice at a tick", twice, {"command bus"}


def test_mutants_of_every_kind_are_found(memory):
    trace = trace_of(memory, WORKLOADS[1])
    rng = random.Random(3)
    for what, mutant, rules in mutants(trace, rng):
        report = check(memory.standard, mutant)
        assert {item.rule for item in report.violations} & rules, what


def test_a_trace_without_refreshes_is_accused():
    memory = load_memory("ddr4-3200", ["hardware.controller.refresh=none"])
    trace = trace_of(memory, "random:n=17000")
    assert check(memory.standard, trace).violations == []
    owed = check(memory.standard, trace, refresh="all-bank").violations
    assert [item.rule for item in owed] == ["refresh"]


@pytest.mark.parametrize("name", ["lpddr5-6400", "gddr6-14000", "hbm3-6400"])
def test_per_bank_refreshes_pass(name):
    memory = load_memory(name, ["hardware.controller.refresh=per-bank"])
    trace = trace_of(memory, "random:n=4000,write=30")
    report = check(memory.standard, trace, refresh="per-bank")
    assert report.violations == []
    assert any(item.name == "REFpb" for item in trace)
