"""Bench of run-time arbitration: events a second of each rule, and what recurrence saves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from archsim.bench.measure import best_cpu_s, metric
from archsim.engine import EventTiming, interpret_events, simulate_events
from archsim.program import Program, ProgramBuilder
from archsim.program.arbitration import Arbitration, fcfs, priority, weighted

STREAMS: Final = 8
"""Requesters that share the two resources of the bench."""

WINDOW: Final = 4
"""Turns in flight: what a request queue of a few dozen entries holds."""

ARRIVING_WINDOW: Final = 64
"""The same where requests arrive: so many that it hardly ever holds one back."""

SMALL: Final = 60
"""Turns of the runs that are compared with the reference, instance by instance."""

_RANKS: Final = {f"{kind}{i}": i % 4 for kind in ("ask", "answer") for i in range(STREAMS)}

RULES: Final[dict[str, Arbitration]] = {
    "fcfs": fcfs(),
    "priority": priority(_RANKS),
    "weighted": weighted((4, 2, 1, 1), _RANKS),
}


class Case(NamedTuple):
    """A program with its rules, and arrivals if it has any."""

    program: Program
    rules: dict[str, Arbitration]
    arrivals_ps: dict[str, Sequence[int]]
    window: int

    def run(self, **options: bool) -> EventTiming:
        """Run it compiled; ``fold`` and ``log`` as in `archsim.engine.simulate_events`."""
        return simulate_events(
            self.program,
            self.rules,
            window=self.window,
            arrivals_ps=self.arrivals_ps,
            backend="jit",
            **options,
        )


def shared(turns: int, rule: str) -> Case:
    """Return streams of requests and answers that share a port and a unit.

    Durations are placeholders: the bench times the kernel, not a machine.
    """
    b = ProgramBuilder(f"shared-{rule}")
    port, unit = b.resource("port"), b.resource("unit")
    with b.loop(turns, "turn"):
        for i in range(STREAMS):
            ask = b.op(f"ask{i}", holds=[(port, 90 + 7 * i)], latency=120 + i)
            answer = b.op(f"answer{i}", holds=[(unit, 80 + 11 * i)], latency=100 + i)
            b.place(ask)
            b.place(answer)
            b.after(answer, ask)
            b.after(ask, answer, back=2)
    ranks = RULES[rule].ranks
    rules = {}
    for name, kind in (("port", "ask"), ("unit", "answer")):
        own = {op: rank for op, rank in ranks.items() if op.startswith(kind)}
        rules[name] = Arbitration(RULES[rule].rule, own, RULES[rule].weights)
    return Case(b.build(), rules, {}, WINDOW)


def arriving(turns: int) -> Case:
    """Return random requests to one server at nine tenths of what it can serve."""
    b = ProgramBuilder("arriving")
    server = b.resource("server")
    rng = random.Random(1)
    arrivals: dict[str, Sequence[int]] = {}
    with b.loop(turns, "turn"):
        for i in range(STREAMS):
            b.place(b.op(f"request{i}", holds=[(server, 90)], latency=130))
            arrivals[f"request{i}"] = [
                turn * 100 * STREAMS + rng.randrange(100 * STREAMS) for turn in range(turns)
            ]
    return Case(b.build(), {"server": fcfs()}, arrivals, ARRIVING_WINDOW)


def agrees(case: Case) -> bool:
    """Whether a small case gives every time of the reference, folded and unfolded."""
    reference = interpret_events(
        case.program, case.rules, window=case.window, arrivals_ps=case.arrivals_ps
    )
    timings = [case.run(fold=fold) for fold in (True, False)]
    return all(
        timing.served(name, number) == served
        for timing in timings
        for op, name in enumerate(case.program.ops)
        for number, served in enumerate(reference.instances[op])
    )


def measure_events(
    turns: int, repeats: int, calibration: float
) -> tuple[list[dict[str, object]], bool]:
    """Return the metrics of run-time arbitration, and whether every run was exact.

    ``events`` is the slowest of the three rules. Times are those of whole calls, layout included;
    with arrivals this is more than half of them.

    Parameters
    ----------
    turns : int
        Size: the streams run a tenth of it, with 16 operations a turn.
    repeats : int
        Runs of which the best counts.
    calibration : float
        Score of the calibration loop.
    """
    turns = max(turns // 10, 1)
    cases = {rule: shared(turns, rule) for rule in RULES}
    cases["arrivals"] = arriving(max(turns // 10, 1))
    metrics: list[dict[str, object]] = []
    exact = agrees(arriving(SMALL)) and all(agrees(shared(SMALL, rule)) for rule in RULES)
    slowest = float("inf")
    for name, case in cases.items():
        unfolded = partial(case.run, fold=False, log=False)
        timing = unfolded()
        seconds = best_cpu_s(unfolded, repeats)
        folded = case.run(log=False)
        exact = exact and folded.makespan_ps == timing.makespan_ps
        speed, operations = timing.events / seconds, timing.simulated / seconds
        if name in RULES:
            slowest = min(slowest, speed)
        metrics.append(metric(f"events_{name}", speed, "events/s", calibration))
        metrics.append(metric(f"events_{name}_unfolded", operations, "operations/s", calibration))
        metrics.append(metric(f"events_{name}_simulated", folded.simulated, "operations"))
    return [metric("events", slowest, "events/s", calibration), *metrics], exact
