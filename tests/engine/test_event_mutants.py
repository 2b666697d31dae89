"""Seeded faults in the rules of the event kernel: the random programs notice every one."""

from __future__ import annotations

import inspect
import random
from types import ModuleType
from typing import NamedTuple

import pytest

from archsim.engine import events_folding, events_kernel
from archsim.engine import events_layout as at
from archsim.engine.events_run import EventRun
from archsim.errors import ArchsimError
from tests.engine.event_programs import (
    EventCase,
    draw_case,
    draw_short,
    draw_stream,
    short_of,
    take_turns,
)
from tests.engine.test_events_forms import prepare


class Mutant(NamedTuple):
    """One text of one module, and what takes its place."""

    module: ModuleType
    find: str
    replace: str


KERNEL, FOLDING = events_kernel, events_folding
MUTANTS = {
    "first come of equals is last": Mutant(KERNEL, "NUMBER] > number:", "NUMBER] < number:"),
    "first come of ranks is any": Mutant(
        KERNEL, "best == 0 or mem[head + TIME] < mem[mem[best + HEAD] + TIME]", "best == 0"
    ),
    "ranks of equals turned": Mutant(
        KERNEL, "mem[head + TIME] < mem[mem[best", "mem[head + TIME] <= mem[mem[best"
    ),
    "rank ignored": Mutant(KERNEL, "if rule == FCFS:", "if rule != WEIGHTED:"),
    "quota one more": Mutant(KERNEL, "used >= mem[group + QUOTA]", "used > mem[group + QUOTA]"),
    "quota kept after a loss": Mutant(
        KERNEL, "if group == mem[resource + POINTER]:", "if group > 0:"
    ),
    "pointer not read": Mutant(KERNEL, "group = mem[resource + POINTER]", "group = first"),
    "turn not passed": Mutant(KERNEL, "used = 0\n        group += CLASS_WIDTH", "used = 0"),
    "always open": Mutant(KERNEL, "next_open(mem, resource, now)", "now"),
    "grant not held": Mutant(KERNEL, "release = time +", "release = now +"),
    "window one wider": Mutant(KERNEL, "mem[FIRST] < mem[WINDOW]", "mem[FIRST] <= mem[WINDOW]"),
    "turns end at once": Mutant(KERNEL, "if end > now:", "if end > now + (1 << 60):"),
    "arrivals ignored": Mutant(KERNEL, "if arrival > ready:", "if arrival < ready - (1 << 60):"),
    "last source decides": Mutant(KERNEL, "if asked > mem[target + TIME]:", "if asked >= 0:"),
    "older sources ignored": Mutant(KERNEL, "if asked > ready:", "if asked > ready + (1 << 60):"),
    "one server only": Mutant(
        KERNEL, "while mem[resource + FREE] > 0 and", "if mem[resource + FREE] > 0 and"
    ),
    "pointer not in the state": Mutant(FOLDING, "mem[row] != mem[resource + POINTER]", "False"),
    "quota not in the state": Mutant(FOLDING, "mem[row + 1] != mem[resource + USED]", "False"),
    "phase not in the state": Mutant(FOLDING, "mem[row + 2] != phase_of(mem, resource)", "False"),
    "times not in the state": Mutant(
        FOLDING, "or mem[row + 1] != relative(mem, instance)", "or False"
    ),
    "states not compared": Mutant(FOLDING, "mem[row] != mem[instance] or", "False or"),
    "age in the queue not kept": Mutant(
        FOLDING, "elif state != IS_QUEUED and time < 0:", "elif time < 0:"
    ),
    "starts forgotten at once": Mutant(
        FOLDING, "lowest = -mem[mem[instance + SITE] + HORIZON]", "lowest = 0"
    ),
    "a period too many": Mutant(FOLDING, "mem[COPIES] = copies", "mem[COPIES] = copies + 1"),
    "a turn too long": Mutant(FOLDING, "mem[PERIOD] = period", "mem[PERIOD] = period + 1"),
}


def mutated_advance(mutant: Mutant):
    """Return the kernel's entry point with one text replaced."""
    spaces: dict[ModuleType, dict[str, object]] = {}
    for module in (FOLDING, KERNEL):
        source = inspect.getsource(module)
        if module is mutant.module:
            assert source.count(mutant.find) == 1, mutant.find
            source = source.replace(mutant.find, mutant.replace)
        spaces[module] = {"__name__": "mutant"}
        exec(compile(source, module.__name__, "exec"), spaces[module])
    spaces[KERNEL]["recur"] = spaces[FOLDING]["recur"]
    return spaces[KERNEL]["advance"]


def outcome(run: EventRun, advance) -> object:
    """Return every time of a run, or how it failed."""
    run.limit = 5000
    try:
        if run._advance(advance, run.limit) != at.DONE:
            return "budget"
        timing = run.timing()
        names = [name for name, count in timing.num_instances.items() if count]
        served = [
            [timing.served(name, n) for n in range(timing.num_instances[name])] for name in names
        ]
    except (ArchsimError, KeyError, IndexError) as error:
        return type(error).__name__
    return (timing.makespan_ps, served)


def tried() -> list[EventCase]:
    cases = []
    for seed in range(150):
        rng = random.Random(f"mutants {seed}")
        cases.append((draw_stream, draw_case, draw_short)[seed % 3](rng))
    cases += [short_of(seed) for seed in range(90)]
    quotas = [(2, 2), (3, 2), (3, 3), (4, 2)]
    cases += [take_turns(pair, n, lefts) for pair in quotas for n in (1, 3) for lefts in (1, 2, 3)]
    return cases


CASES = tried()
EXPECTED = [outcome(prepare(case), events_kernel.advance) for case in CASES]


@pytest.mark.parametrize("name", MUTANTS)
def test_the_fault_is_noticed(name):
    advance = mutated_advance(MUTANTS[name])
    for case, expected in zip(CASES, EXPECTED, strict=True):
        if outcome(prepare(case), advance) != expected:
            return
    raise AssertionError(f"{len(CASES)} programs did not notice: {name}")
